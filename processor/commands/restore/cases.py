"""Cases of requests under privacy law: read from their topic before the profiles are.

Of each the highest version counts; one that was taken away has left a tombstone with its version.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from processor.codecs.avro.reading import AvroReader, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.fault import Fault
from processor.codecs.formats import CONTENT_TYPES
from processor.commands.restore.reader import ERASES_ALL, REGISTRY_AWAY
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.identity.model import Space
from processor.kafka.changelog import Changelog
from processor.privacy.case import Case, case_from_json, case_number
from processor.records import Record
from processor.registry import open_registry
from processor.settings import Settings

_KEY: Final = re.compile(rb"([A-Za-z0-9._-]+)/(production|development)/([0-9a-f]{16})")
_VERSION: Final = re.compile(rb"[0-9]{1,19}")
_AVRO: Final = ("content-type", CONTENT_TYPES["avro"])
_ACCEPT: Final = (
    "or restore with --accept-loss: then they are left out, and what those people had asked for is"
    " forgotten"
)


class _Gone(Struct, frozen=True):
    """A case that was taken away."""

    version: int


class CaseReader:
    """Reads the records of the topic; of each case the highest version is left."""

    def __init__(self, registry_url: str = "") -> None:
        self._registry_url = registry_url
        self._avro: AvroReader | None = None
        self._latest: dict[bytes, Case | _Gone] = {}
        self.unreadable: dict[bytes, str] = {}
        """Place and fault of the last record of each key, where that cannot be read."""

    @property
    def cases(self) -> list[Case]:
        """The cases that there are."""
        return [one for one in self._latest.values() if isinstance(one, Case)]

    def read(self, records: Iterable[Record]) -> None:
        """Read *records*, in their order."""
        for record in records:
            key = record.key or b""
            if _KEY.fullmatch(key) is None:
                continue  # a key that names no case
            try:
                one = self._one(record)
            except ValueError as error:
                place = f"{record.topic}/{record.partition} offset {record.offset}"
                self.unreadable[key] = f"{place}: {error}"
                continue
            self.unreadable.pop(key, None)
            before = self._latest.get(key)
            if before is None or one.version >= before.version:
                self._latest[key] = one

    def _one(self, record: Record) -> Case | _Gone:
        if record.value is None:
            version = dict(record.headers).get("version", b"")
            return _Gone(int(version) if _VERSION.fullmatch(version) else ERASES_ALL)
        return case_from_json(self._json(record.value) if _AVRO in record.headers else record.value)

    def _json(self, value: bytes) -> bytes:
        if self._avro is None:
            self._avro = AvroReader(MESSAGES["cases"], open_registry(self._registry_url))
        try:
            return self._avro.to_json(value)
        except Fault as fault:
            raise ValueError(str(fault)) from None
        except RegistryUnavailable:
            raise Failure(REGISTRY_AWAY) from None


def read_cases(settings: Settings, *, accept_loss: bool) -> dict[Space, list[Case]]:
    """Return the cases that the topic has, by space; none where there is no such topic."""
    topic = settings.kafka.topics.cases
    if not topic:
        return {}
    reader, changelog = CaseReader(settings.registry_url()), Changelog(settings.kafka, topic)
    try:
        with progress(f"reading {topic}") as shown:
            for part in changelog.read():
                reader.read(part.records)
                shown.at(part.done, part.total)
    finally:
        changelog.close()
    if reader.unreadable and not accept_loss:
        count, first = len(reader.unreadable), next(iter(reader.unreadable.values()))
        raise Failure(
            f"{count:,} records of {topic} cannot be read, the first one is {first}."
            f" Nothing was switched. Run the release that wrote them, {_ACCEPT}"
        )
    return of_key(reader.cases, settings.key(), topic, accept_loss=accept_loss)


def of_key(
    cases: Iterable[Case], key: bytes, topic: str, *, accept_loss: bool
) -> dict[Space, list[Case]]:
    """Return *cases* by space; Failure where they were made with another key.

    Their markers would keep nobody away: tokens of the same identities are others now.
    """
    found: dict[Space, list[Case]] = {}
    others = 0
    for case in cases:
        if case_number(case.request_id, case.workspace, key) == case.number:
            found.setdefault(case.space, []).append(case)
        else:
            others += 1
    if others and not accept_loss:
        raise Failure(
            f"{topic} has {others:,} cases that were made with another redis.key_file: what they"
            " keep away would come back. Nothing was switched. Restore with the key that they were"
            f" made with, {_ACCEPT}"
        )
    return found
