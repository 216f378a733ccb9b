"""Reads the records of the ``profiles`` topic, in JSON and Avro, as profiles and tombstones.

A record that cannot be read is no failure yet: a later one of its key makes up for it. So this
keeps the place and the fault of those that are still unreadable when the topic ends.
"""

import re
from collections.abc import Iterable
from typing import Final, get_args

from processor.codecs.avro.reading import AvroReader, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.fault import Fault
from processor.codecs.formats import CONTENT_TYPES
from processor.commands.terminal.failure import Failure
from processor.identity.grave import Why
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import Tombstone
from processor.profiles.document import from_json
from processor.records import Record
from processor.registry import open_registry

_KEY: Final = re.compile(rb"([A-Za-z0-9._-]+)/(production|development)/(-?[0-9]{1,19})")
_VERSION: Final = re.compile(rb"[0-9]{1,19}")
ERASES_ALL: Final = 2**63 - 1
"""The version of a tombstone that names none, as one written by hand may: above all others."""

REGISTRY_AWAY: Final = "the schema registry is away: nothing was switched, begin again later"
_AVRO: Final = CONTENT_TYPES["avro"]
_MOST_UNREADABLE: Final = 10_000


class TooManyUnreadable(Exception):
    """More records cannot be read than single faults explain: a wrong setting, or another topic."""


class ChangelogReader:
    """Reads records of either format; counts what belongs nowhere and what cannot be read."""

    def __init__(self, registry_url: str, registry_away: str = REGISTRY_AWAY) -> None:
        """Read with the schemas of a registry; *registry_away* is said where that is not there."""
        self._registry_url = registry_url
        self._registry_away = registry_away
        self._avro: AvroReader | None = None
        self.unknown: dict[Space, int] = {}
        """Records of spaces that the configuration does not have."""
        self.unreadable: dict[bytes | None, str] = {}
        """Place and fault of the last record of each key, where that cannot be read."""

    def read(self, records: Iterable[Record]) -> dict[Space, list[Profile | Tombstone]]:
        """Return what the readable *records* hold, by space, in their order.

        A record that cannot be read is forgotten once a later one of its key can: compaction would
        have removed it too.
        """
        found: dict[Space, list[Profile | Tombstone]] = {}
        for record in records:
            try:
                one = self._one(record)
            except ValueError as error:
                self._note_unreadable(record, error)
                continue
            self.unreadable.pop(record.key, None)
            if one is None:
                continue
            found.setdefault(Space(one.scope, one.environment), []).append(one)
        return found

    def note_unknown(self, space: Space, count: int) -> None:
        """Count records of a space that no workspace has."""
        self.unknown[space] = self.unknown.get(space, 0) + count

    def complaint(self) -> str:
        """Return how many records cannot be read, where the first one is, and what to do."""
        count, place = len(self.unreadable), next(iter(self.unreadable.values()))
        return (
            f"{count:,} records of the profiles topic cannot be read, the first one is {place}."
            " Nothing was switched. Publish a readable document or a tombstone under the same key,"
            " or restore with --accept-loss: then they are left out"
        )

    def _note_unreadable(self, record: Record, error: ValueError) -> None:
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        self.unreadable[record.key] = f"{place}: {error}"
        if len(self.unreadable) > _MOST_UNREADABLE:
            raise TooManyUnreadable

    def _one(self, record: Record) -> Profile | Tombstone | None:
        if record.value is None:
            return _erased(record)
        if ("content-type", _AVRO) in record.headers:
            return from_json(self._json(record.value))
        return from_json(record.value)

    def _json(self, value: bytes) -> bytes:
        if self._avro is None:
            registry = open_registry(self._registry_url)
            self._avro = AvroReader(MESSAGES["profiles"], registry)
        try:
            return self._avro.to_json(value)
        except Fault as fault:
            raise ValueError(str(fault)) from None
        except RegistryUnavailable:
            raise Failure(self._registry_away) from None


def _erased(record: Record) -> Tombstone | None:
    match = _KEY.fullmatch(record.key or b"")
    if match is None:
        return None  # a key that names no profile: there is nothing to erase
    scope, environment, mpid = (part.decode() for part in match.groups())
    headers = dict(record.headers)
    version, reason = headers.get("version", b""), headers.get("reason", b"")
    counts = int(version) if _VERSION.fullmatch(version) else ERASES_ALL
    why: Why = next((one for one in get_args(Why) if one.encode() == reason), "deleted")
    return Tombstone(scope, environment, int(mpid), counts, record.timestamp_ms, why)
