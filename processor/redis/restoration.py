"""Restoration: a new generation is filled from the records of the ``profiles`` topic, in any order.

Before them come the cases of requests under privacy law, if there are any: of whom one has erased,
no document counts any more. It does in Redis what :func:`processor.index.derivation.derive` does in
memory. Its own memory holds no more than a batch of records, the shared identifiers to look at
again, and their holders; and of those who were erased the graves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS, bucket_of
from processor.clock.place import NOWHERE, is_entered_anew
from processor.clock.wheel import Entry
from processor.identity.grave import Grave, Why
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile, lookups, without
from processor.identity.view import Edit, canonical
from processor.index import conflicts
from processor.index.derivation import Tombstone, rank
from processor.profiles.document import pack, pack_grave, unpack
from processor.redis import keys
from processor.redis.erasures import HIGHEST, Erasures
from processor.redis.generations import NewGeneration

_ERASED = b"\x00"
"""First byte of the value under an erased profile's name, until all records are read."""
_AT_ONCE = 200
"""Shared identifiers looked at together."""


class LostIdentifier(Struct, frozen=True):
    """An identifier that not all of its holders could keep."""

    identity_type: str
    token: str
    kept_by: tuple[int, ...]
    lost_by: tuple[int, ...]


class Restoration:
    """One space under restoration.

    *is_new_policy* says that the entries are derived by other settings than the documents were
    written under: then every shared identifier is looked at again, not the unique ones only.
    """

    def __init__(
        self,
        generation: NewGeneration,
        policy: IdentityPolicy,
        *,
        is_new_policy: bool,
        grave_days: int = 7,
    ) -> None:
        self._generation = generation
        self._policy = policy
        self._is_lookup = frozenset(policy.priority).__contains__
        self._is_new_policy = is_new_policy
        self._grave_days = grave_days
        self._shared: set[Identifier] = set()
        self._erased: set[int] = set()
        self._behind: set[int] = set()
        self._twofold: dict[int, int] = {}
        self.erasures = Erasures(generation)
        """What people have asked for: to be set up before any record is added."""
        self.profiles = 0

    def add(self, records: Iterable[Profile | Tombstone]) -> None:
        """Add records of the space: of each profile the highest version counts, not the last."""
        came = [record for record in records if not self.erasures.has_erased(record)]
        mpids = list(dict.fromkeys(record.mpid for record in came))
        names = [self._generation.document_name(mpid) for mpid in mpids]
        stored = dict(zip(mpids, map(_read, self._generation.values(names)), strict=True))
        latest = dict(stored)
        for record in came:
            latest[record.mpid] = self._counting(latest[record.mpid], record)
        edits = [
            (before, after)
            for mpid, before in stored.items()
            if (after := latest[mpid]) is not None and after is not before
        ]
        values = {self._generation.document_name(r.mpid): _written(r) for _, r in edits}
        self._generation.write({**values, **self._entries(edits)}, _entered(edits))
        for before, record in edits:
            self.profiles += isinstance(record, Profile) - isinstance(before, Profile)
            if isinstance(record, Tombstone):
                self._erased.add(record.mpid)

    def _counting(
        self, before: Profile | Tombstone | None, record: Profile | Tombstone
    ) -> Profile | Tombstone:
        """Return the one that counts: the higher version; of one version the last, as in Kafka."""
        if before is not None and rank(record) < rank(before):
            self._behind.add(record.mpid)
            return before
        self._behind.discard(record.mpid)
        if before is None or rank(record) > rank(before):
            self._twofold.pop(record.mpid, None)
        elif record == before:
            return before
        else:
            self._twofold[record.mpid] = record.version
        return record

    @property
    def twofold(self) -> list[tuple[int, int]]:
        """MPIDs and versions of profiles of which two records of one version differ."""
        return sorted(self._twofold.items())

    def overtaken(self) -> Iterator[list[Profile | Tombstone]]:
        """Yield, some at a time, the newest record of profiles whose last one is an older version.

        Compaction would keep the older one, so these are published again. To be called before
        :meth:`finish`, which removes the erased ones.
        """
        behind = sorted(self._behind)
        for at in range(0, len(behind), _AT_ONCE):
            names = [self._generation.document_name(mpid) for mpid in behind[at : at + _AT_ONCE]]
            yield [record for record in map(_read, self._generation.values(names)) if record]
        if self.erasures.left:
            yield [*self.erasures.left]

    @property
    def erased(self) -> int:
        """How many profiles were erased at some time."""
        return len(self._erased) + self.erasures.count

    def finish(self) -> None:
        """Put graves in place of erased profiles: a history that is read again makes none anew.

        Where there is no case of somebody erased any more, theirs goes as all others do.
        """
        self.erasures.bury()
        erased = sorted(self._erased)
        for at in range(0, len(erased), _AT_ONCE):
            names = [self._generation.document_name(mpid) for mpid in erased[at : at + _AT_ONCE]]
            found = map(_read, self._generation.values(names))
            gone = [one for one in found if isinstance(one, Tombstone)]
            graves = [Grave(t.mpid, min(t.version, HIGHEST), t.time_ms, _why(t)) for t in gone]
            entries = [
                Entry(bucket_of(g.time_ms + self._grave_days * DAY_MS, g.time_ms).name, g.mpid)
                for g in graves
            ]
            values = {self._generation.document_name(g.mpid): pack_grave(g) for g in graves}
            self._generation.write(values, entries)

    def reconcile(self) -> tuple[list[Edit], list[LostIdentifier]]:
        """Settle conflicts between profiles; return the edits of profiles, and who lost what.

        The edits are written with :meth:`write`, once the topic ``profiles`` has them.
        """
        before: dict[int, Profile] = {}
        after: dict[int, Profile] = {}
        lost: list[LostIdentifier] = []
        shared = sorted(self._shared)
        for at in range(0, len(shared), _AT_ONCE):
            together = shared[at : at + _AT_ONCE]
            holders = {i: keys.unpack_holders(v) for i, v in self._stored(together).items()}
            mpids = {m for held in holders.values() for m in held} - before.keys()
            before.update(self._documents(sorted(mpids)))
            for identifier in together:
                held = [after.get(m, before[m]) for m in holders[identifier]]
                lost += self._judge(identifier, held, after)
            for mpid in mpids - after.keys():
                del before[mpid]
        edits = [
            Edit(before[mpid], replace(profile, version=before[mpid].version + 1))
            for mpid, profile in after.items()
        ]
        return edits, lost

    def write(self, edits: Sequence[Edit]) -> None:
        """Write the edits of :meth:`reconcile`."""
        for at in range(0, len(edits), _AT_ONCE):
            some = [(e.before, e.after) for e in edits[at : at + _AT_ONCE]]
            values = {self._generation.document_name(a.mpid): pack(a) for _, a in some}
            self._generation.write({**values, **self._entries(some)})

    def _judge(
        self, identifier: Identifier, held: Sequence[Profile], after: dict[int, Profile]
    ) -> list[LostIdentifier]:
        lost = conflicts.losers(identifier, held, self._policy)
        for profile in lost:
            after[profile.mpid] = without(profile, identifier)
        gone = {p.mpid for p in lost}
        kept = [p for p in held if p.mpid not in gone]
        if self._is_new_policy:
            for profile in conflicts.contested(kept, self._policy):
                after[profile.mpid] = replace(profile, contested=True)
        if not lost:
            return []
        return [
            LostIdentifier(
                identity_type=identifier.identity_type,
                token=self._generation.entry_name(identifier)[2:].hex(),
                kept_by=tuple(sorted(p.mpid for p in kept)),
                lost_by=tuple(sorted(gone)),
            )
        ]

    def _entries(
        self, edits: Iterable[tuple[Profile | Tombstone | None, Profile | Tombstone]]
    ) -> dict[bytes, bytes]:
        """Return the entries as *edits* leave them; remember those that are shared."""
        gained: dict[Identifier, list[int]] = {}
        lost: dict[Identifier, set[int]] = {}
        for before, after in edits:
            had, has = self._lookups(before), self._lookups(after)
            for identifier in has:
                gained.setdefault(identifier, []).append(after.mpid)
            for identifier in had:
                if identifier not in has:
                    lost.setdefault(identifier, set()).add(after.mpid)
        touched = list(dict.fromkeys((*gained, *lost)))
        values: dict[bytes, bytes] = {}
        for identifier, value in self._stored(touched).items():
            held, marks = keys.unpack_holders(value), keys.unpack_markers(value)
            gone = lost.get(identifier, ())
            now = canonical(m for m in (*held, *gained.get(identifier, ())) if m not in gone)
            name = self._generation.entry_name(identifier)
            values[name] = keys.pack_entry(now, marks).encode()
            is_unique = identifier.identity_type in self._policy.unique_ids
            if len(now) > 1 and (is_unique or self._is_new_policy):
                self._shared.add(identifier)
        return values

    def _lookups(self, record: Profile | Tombstone | None) -> tuple[Identifier, ...]:
        return lookups(record, self._is_lookup) if isinstance(record, Profile) else ()

    def _stored(self, identifiers: Sequence[Identifier]) -> dict[Identifier, bytes]:
        """Return what stands under *identifiers*, nothing where they have no entry."""
        names = [self._generation.entry_name(identifier) for identifier in identifiers]
        stored = self._generation.values(names)
        return {i: value or b"" for i, value in zip(identifiers, stored, strict=True)}

    def _documents(self, mpids: Sequence[int]) -> Mapping[int, Profile]:
        names = [self._generation.document_name(mpid) for mpid in mpids]
        found = map(_read, self._generation.values(names))
        return {p.mpid: p for p in found if isinstance(p, Profile)}


def _why(one: Tombstone) -> Why:
    """Return why a profile has ended of whom no case is kept (any more)."""
    return "deleted" if one.why == "erased" else one.why


def _entered(
    edits: Iterable[tuple[Profile | Tombstone | None, Profile | Tombstone]],
) -> list[Entry]:
    """Return the places in the wheel that documents name, and did not name before."""
    found = []
    for before, record in edits:
        bucket = record.place.bucket if isinstance(record, Profile) else None
        if bucket is not None and isinstance(record, Profile):
            was = before.place if isinstance(before, Profile) else NOWHERE
            if is_entered_anew(was, record.place):
                found.append(Entry(bucket, record.mpid))
    return found


def _written(record: Profile | Tombstone) -> bytes:
    if isinstance(record, Profile):
        return pack(record)
    place = f"{record.scope}/{record.environment}/{record.mpid}/{record.time_ms}/{record.why}"
    return _ERASED + record.version.to_bytes(8, "big") + place.encode()


def _read(value: bytes | None) -> Profile | Tombstone | None:
    if value is None:
        return None
    if value[:1] != _ERASED:
        return unpack(value)
    scope, environment, mpid, time_ms, why = value[9:].decode().rsplit("/", 4)
    version = int.from_bytes(value[1:9], "big")
    return Tombstone(scope, environment, int(mpid), version, int(time_ms), cast("Why", why))
