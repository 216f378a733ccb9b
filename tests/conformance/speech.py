"""The formats in which a run through Kafka speaks: JSON throughout, or Avro mixed with it."""

import json
from typing import Any

from msgspec import Struct

from processor.codecs.avro.reading import CONTENT_TYPE, AvroReader, AvroWriter
from processor.codecs.avro.schemas import MESSAGES, latest
from tests.servers.registry import Registry

Headers = dict[str, str]


class Json(Struct):
    """Everything is JSON."""

    def settings(self) -> list[str]:
        """Return lines of the configuration."""
        return []

    def said(self, topic: str, value: dict[str, Any]) -> tuple[bytes, Headers]:
        """Return what is sent to an input topic, and the headers that go with it."""
        return json.dumps(value).encode(), {}

    def heard(self, role: str, value: bytes, headers: dict[str, bytes]) -> bytes:
        """Return the JSON form of an output."""
        return value


class Avro:
    """Batches come in Avro with the registry's ids, requests as single objects on a JSON topic.

    Everything goes out in Avro.
    """

    OUTPUTS = ("enriched", "responses", "changes", "profiles", "outcomes")

    def __init__(self, registry: Registry) -> None:
        self._url = registry.url
        schema_id = registry.register("conformance-value", latest("event-batch").schema)
        self._batches = AvroWriter("event-batch", schema_id)
        self._requests = AvroWriter("identity-request")
        self._readers = {role: AvroReader(MESSAGES[role], registry) for role in self.OUTPUTS}

    def settings(self) -> list[str]:
        """Return lines of the configuration."""
        return [
            "[kafka.formats]",
            *(f'{role} = "avro"' for role in ("batches", *self.OUTPUTS)),
            "[schema_registry]",
            f'url = "{self._url}"',
        ]

    def said(self, topic: str, value: dict[str, Any]) -> tuple[bytes, Headers]:
        """Return what is sent to an input topic, and the headers that go with it."""
        text = json.dumps(value).encode()
        if topic == "batches":
            return self._batches.write(text), {}
        return self._requests.write(text), {"content-type": CONTENT_TYPE}

    def heard(self, role: str, value: bytes, headers: dict[str, bytes]) -> bytes:
        """Return the JSON form of an output; an Avro one says that it is."""
        told = headers.get("content-type", b"").decode()
        if role not in self._readers:
            assert not told
            return value
        if value[:1] == b"{":
            assert told == "application/json"
            return value
        # A batch as received is in the topic's format, and names none.
        assert told == CONTENT_TYPE or role == "enriched"
        return self._readers[role].to_json(value)
