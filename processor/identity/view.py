"""The view: a read set of a space with the decisions of a poll batch laid over it.

Later records see the effects of earlier ones; everything the decisions asked for is remembered, so
that the commit can check it, absence included (docs/architecture.md, "The path of a record").
The index entries follow from the profiles: they are the difference of the identities that a
profile had and has, so one cannot contradict the other.
"""

from collections.abc import Callable, Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.wheel import STILL, Moves
from processor.identity.alike import is_alike
from processor.identity.difference import difference
from processor.identity.filed import Filing
from processor.identity.files import Files
from processor.identity.grave import Grave, Why
from processor.identity.marker import Markers
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile, lookups
from processor.identity.reading import Holders as Holders  # noqa: PLC0414 - others have it from here
from processor.identity.reading import ReadSet as ReadSet  # noqa: PLC0414 - likewise
from processor.identity.reading import Recall
from processor.identity.reading import Unread as Unread  # noqa: PLC0414 - likewise


def canonical(holders: Iterable[int]) -> Holders:
    """Return *holders* in the one order in which they are stored, so that equal sets are equal."""
    return tuple(sorted(set(holders)))


class Asked(Struct, frozen=True, gc=False):
    """What a record read: identifiers, MPIDs, and what stood there."""

    identifiers: tuple[Identifier, ...]
    mpids: tuple[int, ...]
    read: ReadSet


class Outdated(Exception):
    """A remembered decision may differ from what would be decided now: decide it anew."""

    def __init__(self, mpids: Collection[int]) -> None:
        super().__init__()
        self.mpids = frozenset(mpids)
        """The profiles that it read."""


NO_FILING = Filing()


class Effects(Struct):
    """The writes of a batch, and what they presuppose: a commit does all of them or none."""

    expected_holders: dict[Identifier, Holders]
    expected_versions: dict[int, int]
    """0 where the profile must not exist."""
    holders: dict[Identifier, Holders]
    profiles: dict[int, Profile]
    moves: Moves = STILL
    """What becomes of places in the wheel, in the same instant."""
    graves: dict[int, Grave] = {}
    """They take the place of documents."""
    dropped: tuple[int, ...] = ()
    """Graves that go: nobody can need them any more."""
    markers: dict[Identifier, Markers] = {}
    """What identifiers of *expected_holders* have behind their holders, where they have any: it is
    expected, and stays.
    """
    filing: Filing = NO_FILING


class Edit(Struct, frozen=True, gc=False):
    """One profile before and after one record; ``before`` is None for a new profile."""

    before: Profile | None
    after: Profile


def absorbed_by(mpid: int, edits: Iterable[Edit]) -> list[Profile]:
    """Return the profiles that a record merged into *mpid*, as they were, oldest first."""
    found = [
        edit.before
        for edit in edits
        if edit.before is not None
        and edit.before.merged_into is None
        and edit.after.merged_into == mpid
    ]
    return sorted(found, key=lambda one: (one.created_ms, one.mpid))


class Burial(Struct, frozen=True, gc=False):
    """One profile before one record, and the grave that it left."""

    before: Profile
    grave: Grave


class RecordEdits(Struct, gc=False):
    """What one record has done to profiles so far."""

    profiles: dict[int, Profile]
    """Those of the view that any record has put, as they are now."""
    before: dict[int, Profile | None] = {}
    """Those that this record has put, as they were."""
    buried: list[Burial] = []
    """Those that it has ended."""
    past: dict[int, int] = {}

    def written(self) -> list[Profile]:
        """Return the profiles that the record has put, changed or not."""
        return [self.profiles[mpid] for mpid in self.before]

    def edits(self) -> list[Edit]:
        """Return what the record has changed so far; its end counts the versions."""
        found = [Edit(before, self.profiles[mpid]) for mpid, before in self.before.items()]
        return [one for one in found if one.before is None or not is_alike(one.before, one.after)]

    def begins_after(self, mpid: int, version: int) -> None:
        """Let the versions of a profile that the record makes begin above *version*.

        Those up to it may be of an earlier life, which the log still tells of.
        """
        self.past[mpid] = max(version, self.past.get(mpid, 0))

    def ended(self) -> tuple[Edit, ...]:
        """Give every profile that was really changed its next version, return the edits."""
        edits = []
        for mpid, before in self.before.items():
            after = self.profiles[mpid]
            if before is not None and is_alike(after, before):
                self.profiles[mpid] = before
                continue
            version = before.version if before else self.past.get(mpid, 0)
            after = replace(after, version=version + 1)
            self.profiles[mpid] = after
            edits.append(Edit(before, after))
        return tuple(edits)


class View:
    """A read set with the decisions of this batch laid over it. Lives for one fold."""

    def __init__(
        self,
        read: ReadSet,
        is_lookup: Callable[[str], bool],
        space: Space,
        *,
        one_owner: bool = False,
    ) -> None:
        self.space = space
        self._read = read
        self.is_lookup = is_lookup
        """Whether identities of a type have index entries."""
        self.has_one_owner = one_owner
        """Whether the holder of an identity is known without asking for it."""
        self._holders: dict[Identifier, Holders] = {}
        self._profiles: dict[int, Profile] = {}
        self._graves: dict[int, Grave] = {}
        self.files = Files(read, self._holders, self._graves, self.exact)
        """What is read and written beside profiles."""
        self._asked_holders: dict[Identifier, Holders] = {}
        self._asked_mpids: set[int] = set()
        self.record = RecordEdits(self._profiles)
        self._recalls: list[Recall] = []
        self._ended_holders: dict[Identifier, Holders] = {}
        self._ended_mpids: set[int] = set()
        self.is_overlaid = False
        """Whether this record read what an earlier one has changed."""

    def holders(self, identifier: Identifier) -> Holders:
        """Return the profiles that hold *identifier* as a lookup, in no particular order."""
        found = self._holders.get(identifier)
        if found is not None:
            self.is_overlaid = True
            return found
        found = self._read.holders.get(identifier)
        if found is None:
            raise Unread(identifiers=(identifier,))
        self._asked_holders[identifier] = found
        return found

    def exact(self, mpid: int) -> Profile | None:
        """Return the profile of *mpid* itself, even if it was merged into another."""
        found = self._profiles.get(mpid)
        if found is not None:
            self.is_overlaid = True
            return found
        if self._graves and mpid in self._graves:
            self.is_overlaid = True
            return None
        try:
            found = self._read.profiles[mpid]
        except KeyError:
            raise Unread(mpids=(mpid,)) from None
        self._asked_mpids.add(mpid)
        return found

    def profile(self, mpid: int) -> Profile | None:
        """Return the profile that *mpid* leads to today, merge pointers followed."""
        found = self.exact(mpid)
        while found is not None and found.merged_into is not None:
            found = self.exact(found.merged_into)
        return found

    def left_behind(self, mpid: int) -> Profile | None:
        """Return the profile that the record that has just ended leaves of *mpid*.

        It was about that profile, so this is not a reading of the record that comes next.
        """
        found = self._profiles.get(mpid)
        if found is None and mpid not in self._graves:
            found = self._read.profiles.get(mpid)
        return found

    def grave(self, mpid: int) -> Grave | None:
        """Return the grave that lies under *mpid*, if any, as far as that was read."""
        if mpid in self._profiles:
            return None
        return self._graves.get(mpid) or self._read.graves.get(mpid)

    def is_free(self, mpid: int) -> bool:
        """Whether *mpid* may be given out; if it was not read, the commit finds out.

        That of a grave may not: an old tombstone may name it.
        """
        if mpid in self._profiles or mpid in self._graves or mpid in self.files.filing.documents:
            return False
        self._asked_mpids.add(mpid)
        return self._read.version(mpid) == 0

    def put(self, profile: Profile) -> None:
        """Replace the profile of ``profile.mpid``; index entries follow from its identities."""
        mpid = profile.mpid
        before = self.left_behind(mpid)
        self.record.before.setdefault(mpid, before)
        self._asked_mpids.add(mpid)
        if before is None:
            if (grave := self.grave(mpid)) is not None:
                self.record.begins_after(mpid, grave.version)
        elif before.identities is profile.identities and before.merged_into == profile.merged_into:
            self._profiles[mpid] = profile  # only data differ, as they mostly do
            return
        removed, added = difference(before, profile)
        for identifier in removed:
            if self.is_lookup(identifier.identity_type):
                self._give_up(identifier, mpid)
        for identifier in added:
            if self.is_lookup(identifier.identity_type):
                self._holders[identifier] = (*self.holders(identifier), mpid)
        self._profiles[mpid] = profile
        self._graves.pop(mpid, None)

    def bury(self, profile: Profile, why: Why, time_ms: int) -> None:
        """Put a grave in place of *profile*, which has been read; its index entries go.

        Pointers to it stay: see ``ending``.
        """
        mpid = profile.mpid
        before = self.record.before.pop(mpid, profile)
        assert before is not None, "a profile does not begin and end in one record"
        self._asked_mpids.add(mpid)
        for identifier in lookups(profile, self.is_lookup):
            self._give_up(identifier, mpid)
        grave = Grave(mpid, before.version + 1, time_ms, why)
        self._profiles.pop(mpid, None)
        self._graves[mpid] = grave
        self.record.buried.append(Burial(before, grave))

    def recall(self, recall: Recall) -> None:
        """Take a remembered decision over: the commit checks what it read like all that is read.

        Raises Outdated where an earlier record has changed some of it.
        """
        if (self._profiles or self._graves) and not (
            self._profiles.keys().isdisjoint(recall.mpids)
            and self._graves.keys().isdisjoint(recall.mpids)
            and self._holders.keys().isdisjoint(recall.identifiers)
        ):
            raise Outdated(recall.mpids)
        self._recalls.append(recall)

    def asked(self) -> Asked | None:
        """Return what this record has read: as yet it hangs on nothing else.

        None where it has written, or where an earlier one had changed some of it.
        """
        if self.is_overlaid or self.record.before:
            return None
        return Asked(tuple(self._asked_holders), tuple(self._asked_mpids), self._read)

    def end_record(self) -> tuple[Edit, ...]:
        """End a record: give every profile it really changed its next version, return the edits."""
        self._ended_holders.update(self._asked_holders)
        self._ended_mpids |= self._asked_mpids
        self._asked_holders, self._asked_mpids = {}, set()
        self.is_overlaid = False
        record = self.record
        if record.before or record.buried or record.past:
            self.record = RecordEdits(self._profiles)
        return record.ended() if record.before else ()

    def effects(self) -> Effects | None:
        """Return the effects to commit, or None where nothing was written."""
        read = self._read
        profiles = {m: p for m, p in self._profiles.items() if p is not read.profiles.get(m)}
        if not profiles and not self._graves and not self.files.filing.documents:
            return None
        expected = {**self._ended_holders, **self._asked_holders}
        versions = {m: read.version(m) for m in self._ended_mpids | self._asked_mpids}
        for recall in self._recalls:
            expected.update(zip(recall.identifiers, recall.holders(), strict=True))
            versions.update(zip(recall.mpids, recall.versions(), strict=True))
        return Effects(
            expected_holders=expected,
            expected_versions=versions,
            holders={i: h for i, h in self._holders.items() if h != read.holders[i]},
            profiles=profiles,
            graves=dict(self._graves),
            markers={i: m for i, m in read.markers.items() if i in expected}
            if read.markers
            else {},
            filing=self.files.filing,
            moves=Moves(entered=self.files.filing.entered) if self.files.filing.entered else STILL,
        )

    def _give_up(self, identifier: Identifier, mpid: int) -> None:
        held = self._holders_of(identifier, mpid)
        self._holders[identifier] = tuple([m for m in held if m != mpid])

    def _holders_of(self, identifier: Identifier, mpid: int) -> Holders:
        """Return the holders of an identity of *mpid*.

        Where identifiers have one owner, the profile that has the identity is it: merges need not
        read the entries of absorbed profiles. The commit checks it like all that was read.
        """
        if self.has_one_owner and identifier not in self._holders:
            self._read.holders.setdefault(identifier, (mpid,))
        return self.holders(identifier)
