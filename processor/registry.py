"""The schema registry: gives other writers' schemas by id, and ours their ids.

Answers are remembered. The client is confluent-kafka's and needs the extra ``registry``.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from processor.apart import apart, until_answered
from processor.codecs.avro.foreign import Unusable
from processor.codecs.avro.reading import MOST_SCHEMAS, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES, latest
from processor.codecs.formats import Codecs

TIMEOUT_S: Final = 3.0
"""The longest wait for a part of an answer."""
DEADLINE_S: Final = 5.0
"""The longest wait for a whole answer, which a server may send byte by byte."""
MOST_UNKNOWN: Final = 10_000
UNKNOWN_FOR_S: Final = 60.0
"""How long an id that the registry did not know is not asked for again."""

_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_TRANSIENT: Final = frozenset({408, 429})
_REFUSES_US: Final = frozenset({401, 403, 407})
"""Answers about our access, which say nothing of a schema."""

_Answer = TypeVar("_Answer")


class RegistryRefused(Exception):
    """The schema registry refuses a schema of ours, or our access: an operator must act."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None where no registry answered."""


class Registry:
    """One schema registry. An id that it does not know is asked for once a minute."""

    def __init__(self, url: str) -> None:
        try:
            from confluent_kafka.schema_registry import (  # noqa: PLC0415 - an extra
                Schema,
                SchemaRegistryClient,
                SchemaRegistryError,
            )
        except ImportError:
            message = "schema_registry.url: pip install 'idstream[registry]' to use one"
            raise RegistryRefused(message) from None
        self._schema = Schema
        self._error = SchemaRegistryError
        # The loop asks again after a wait, so the client itself never retries.
        self._client = SchemaRegistryClient({"url": url, "max.retries": 0, "timeout": TIMEOUT_S})
        self._texts: dict[int, str] = {}
        self._unknown: OrderedDict[int, float] = OrderedDict()

    def writer(self, schema_id: int) -> str | None:
        """Return the Avro schema with this id, None where there is none.

        Raises Unusable where the schema is refused; RegistryUnavailable where the registry does
        not answer or refuses our access, so that the id may be known later.
        """
        text = self._texts.get(schema_id)
        if text is not None:
            return text
        asked_at = self._unknown.get(schema_id)
        if asked_at is not None and monotonic() - asked_at < UNKNOWN_FOR_S:
            return None
        try:
            schema = self._ask(partial(self._client.get_schema, schema_id))
        except RegistryRefused as refusal:
            if refusal.status in _REFUSES_US:
                raise RegistryUnavailable(f"HTTP {refusal.status}") from None
            self._note_unknown(schema_id)
            return None
        text = schema.schema_str
        if schema.schema_type not in (None, "AVRO") or not isinstance(text, str):
            raise Unusable("the writer schema is not Avro")
        if schema.references:
            raise Unusable("the writer schema refers to other subjects, which is not read")
        if len(self._texts) >= MOST_SCHEMAS:
            self._texts.clear()
        self._texts[schema_id] = text
        return text

    def register(self, role: str, topic: str) -> int:
        """Register the schema of *role* for the values of *topic*, and return its id."""
        schema = self._schema(latest(MESSAGES[role]).text(), "AVRO")
        try:
            return int(self._ask(partial(self._client.register_schema, f"{topic}-value", schema)))
        except RegistryRefused as refusal:
            message = f"the schema registry refuses our schema for {topic} ({refusal})"
            raise RegistryRefused(message, refusal.status) from None

    def accepts(self, role: str, topic: str) -> bool:
        """Return whether the registry would take the schema of *role* for *topic*."""
        schema = self._schema(latest(MESSAGES[role]).text(), "AVRO")
        test = partial(self._client.test_compatibility_all_versions, f"{topic}-value", schema)
        try:
            return bool(self._ask(test))
        except RegistryRefused as refusal:
            if refusal.status == _NOT_FOUND:
                return True
            raise

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Return the answer to *call*; raises RegistryUnavailable or RegistryRefused."""
        try:
            return apart(call, DEADLINE_S, "ask-registry")
        except self._error as error:
            status = error.http_status_code
            if status >= _SERVER_ERROR or status in _TRANSIENT:
                raise RegistryUnavailable(f"HTTP {status}") from None
            raise RegistryRefused(f"HTTP {status}, code {error.error_code}", status) from None
        except (AttributeError, KeyError, TypeError, ValueError):  # the answer has another shape
            raise RegistryRefused("it does not answer as a schema registry does") from None
        except Exception as error:  # noqa: BLE001 - its HTTP client fails in many ways
            raise RegistryUnavailable(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _note_unknown(self, schema_id: int) -> None:
        self._unknown[schema_id] = monotonic()
        self._unknown.move_to_end(schema_id)
        if len(self._unknown) > MOST_UNKNOWN:
            self._unknown.popitem(last=False)


def open_registry(url: str) -> Registry | None:
    """Return the registry at *url*, None where that is '': the configuration names none."""
    return Registry(url) if url else None


def open_codecs(
    registry: Registry | None,
    topics: Mapping[str, str],
    waits: Callable[[RegistryUnavailable], bool],
    memory_bytes: int = 0,
) -> Codecs | None:
    """Return codecs that write *topics*, by role, in Avro; their schemas are registered first.

    What users' batches repeat is remembered in so many bytes. An unavailable registry is asked
    again for as long as *waits* returns true; then None.
    """
    if registry is None:
        return Codecs.build(topics, memory_bytes=memory_bytes)

    def register() -> dict[str, int]:
        return {role: registry.register(role, topic) for role, topic in topics.items()}

    ids = until_answered(register, RegistryUnavailable, waits)
    if ids is None:
        return None
    return Codecs.build(topics, registry, ids.__getitem__, memory_bytes)
