"""From records of the ``profiles`` topic to profiles, and from what restore changed to records."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from processor.codecs.avro.reading import AvroReader, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.fault import Fault
from processor.codecs.formats import CONTENT_TYPES
from processor.codecs.headers import mpid_header, place_headers
from processor.commands.terminal.failure import Failure
from processor.identity.change import Change, identity_changes
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Edit
from processor.index.derivation import Tombstone
from processor.index.port import Assignment
from processor.pipeline.publish import Cause, identity_change
from processor.profiles.document import from_json, profile_key, to_json
from processor.records import Output, Record
from processor.registry import open_registry
from processor.settings import Settings

_KEY: Final = re.compile(rb"([A-Za-z0-9._-]+)/(production|development)/(-?[0-9]{1,19})")
_VERSION: Final = re.compile(rb"[0-9]{1,19}")
_ERASES_ALL: Final = 2**63 - 1
"""The version of a tombstone that names none, as whoever erases by hand may write it."""


REGISTRY_AWAY: Final = "the schema registry is away: nothing was switched, begin again later"
_AVRO: Final = CONTENT_TYPES["avro"]


_MOST_UNREADABLE: Final = 10_000


class TooManyUnreadable(Exception):
    """So many records cannot be read that it must be the configuration, or another topic."""


class ChangelogReader:
    """Turns records into profiles, whatever format they are in."""

    def __init__(self, registry_url: str) -> None:
        self._registry_url = registry_url
        self._avro: AvroReader | None = None
        self.unknown: dict[Space, int] = {}
        """Records of spaces that the configuration does not have."""
        self.unreadable: dict[bytes | None, str] = {}
        """Place and fault of the last record of each key, where that cannot be read."""

    def parsed(self, records: Iterable[Record]) -> dict[Space, list[Profile | Tombstone]]:
        """Return the readable *records* of the changelog by space.

        One that is not is made up for by a later one of its key, as it will be by compaction.
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
        """Count records of a space that nobody asked for."""
        self.unknown[space] = self.unknown.get(space, 0) + count

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
            raise Failure(REGISTRY_AWAY) from None


def outputs_of(
    settings: Settings,
    edits: Sequence[Edit],
    token: Callable[[Identifier], bytes],
    standing: Sequence[Assignment],
) -> list[Output]:
    """Return what tells of *edits*: changes of the graph, and documents.

    No record caused them. As every output names one, they name a partition's last committed one.
    """
    place = _last_committed(settings, standing)
    scope, environment = edits[0].after.scope, edits[0].after.environment
    policy = settings.policy(scope)
    workspace = next(w.name for w in settings.workspaces.values() if w.scope == scope)
    activity = {e.after.mpid: e.after.last_seen_ms for e in edits}
    changes = [
        _change(change, (workspace, scope, environment), activity[change.mpid or 0], place)
        for change in identity_changes(edits, policy, token)
    ]
    return [*changes, *(_document(e.after, place) for e in edits)]


def again(
    settings: Settings, records: Sequence[Profile | Tombstone], standing: Sequence[Assignment]
) -> list[Output]:
    """Return what appends *records* to the changelog once more, as they are."""
    place = _last_committed(settings, standing)
    return [
        _document(one, place) if isinstance(one, Profile) else _tombstone(one, place)
        for one in records
    ]


def _last_committed(settings: Settings, standing: Sequence[Assignment]) -> tuple[str, int, int]:
    committed = ((p.topic, p.partition, p.committed - 1) for p in standing if p.committed)
    return next(committed, (settings.kafka.topics.inputs[0], 0, 0))


def _change(
    change: Change, where: tuple[str, str, str], time_ms: int, place: tuple[str, int, int]
) -> Output:
    workspace, scope, environment = where
    cause = Cause(workspace, environment, time_ms, place)
    mpid = change.mpid or 0
    key = profile_key(scope, environment, mpid)
    return Output("changes", key, identity_change(change, cause), _headers(mpid, place))


def _document(profile: Profile, place: tuple[str, int, int]) -> Output:
    key = profile_key(profile.scope, profile.environment, profile.mpid)
    return Output("profiles", key, to_json(profile), _headers(profile.mpid, place))


def _tombstone(one: Tombstone, place: tuple[str, int, int]) -> Output:
    headers = _headers(one.mpid, place)
    if one.version != _ERASES_ALL:
        headers += (("version", b"%d" % one.version),)
    return Output("profiles", profile_key(one.scope, one.environment, one.mpid), None, headers)


def _headers(mpid: int, place: tuple[str, int, int]) -> tuple[tuple[str, bytes], ...]:
    return (*place_headers(*place), mpid_header(mpid))


def _erased(record: Record) -> Tombstone | None:
    match = _KEY.fullmatch(record.key or b"")
    if match is None:
        return None  # what it erases is no profile
    scope, environment, mpid = (part.decode() for part in match.groups())
    version = dict(record.headers).get("version", b"")
    if not _VERSION.fullmatch(version):
        return Tombstone(scope, environment, int(mpid), _ERASES_ALL)
    return Tombstone(scope, environment, int(mpid), int(version))
