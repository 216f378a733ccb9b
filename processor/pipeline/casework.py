"""Cases in sweeps: what time makes of requests under privacy law, with what is told of it. Pure."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS
from processor.clock.place import NOWHERE, Place, counts, gone_on, placed
from processor.clock.wheel import Entry
from processor.computed.message import AudienceChange
from processor.identity.change import Change, endings
from processor.identity.ending import have_read
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile
from processor.identity.view import Burial, Edit, View
from processor.index.port import Reading
from processor.pipeline.computing import Computing, partings
from processor.privacy.case import OPEN, Case, filed, unpack_case
from processor.privacy.deciding import MINUTE_MS
from processor.privacy.erasing import Ground
from processor.privacy.passing import passed
from processor.privacy.receipt import Residues, no_residues
from processor.rules import Rules


class Passed(Struct, frozen=True):
    """What a sweep has made of one case."""

    is_counted: bool
    """False where the entry counts no more."""
    entered: tuple[Entry, ...] = ()
    documents: tuple[Profile | Grave | Filed, ...] = ()
    changes: tuple[Change, ...] = ()
    messages: tuple[AudienceChange, ...] = ()
    receipts: tuple[bytes, ...] = ()
    bounded: int = 0


STALE = Passed(is_counted=False)


class Casework(Struct, frozen=True):
    """What the cases of one sweep are decided by."""

    grounds: Mapping[str, Ground]
    """By workspace; of those that carry requests out."""
    computing: Computing | None
    as_of_ms: int
    """What is due by it is done."""
    now_ms: int
    """When it is done: of the sweep's record, as a request is decided at the time of its own."""
    residues: Residues = no_residues

    def meet(self, entry: Entry, document: Filed, view: View, reading: Reading) -> Passed:
        """Do what is due of the case that *entry* names; raises Unread where more must be read."""
        case = unpack_case(document.data)
        if case.due_ms is None or not counts(case.place, entry.bucket):
            return STALE
        if case.due_ms > self.as_of_ms:
            after, bucket = gone_on(case.place, self.as_of_ms)
            return _moved(case, after, bucket, view)
        ground = self.grounds.get(case.workspace)
        if ground is None:  # [privacy] may come back: until then nothing is done to anybody
            later = placed(NOWHERE, self.as_of_ms + DAY_MS, self.as_of_ms)
            return _moved(case, later, later.bucket, view)
        if case.state == "in_progress" and not case.seq:
            # Journals of before are all at or below this seq: from now on it is known.
            later = placed(NOWHERE, self.now_ms + MINUTE_MS, self.now_ms)
            return _moved(replace(case, seq=max(1, reading.seq)), later, later.bucket, view)
        return self._passed(case, view, replace(ground, now_ms=self.now_ms), reading)

    def _passed(self, case: Case, view: View, ground: Ground, reading: Reading) -> Passed:
        is_quiet = case.state in OPEN and _is_quiet(case, view, reading)
        after, step = passed(case, view, ground, self.residues(self.now_ms), is_quiet=is_quiet)
        burials = view.record.buried
        edits = view.end_record()
        place = NOWHERE if after is None else after.place
        messages, bounded = self._farewells(burials, edits, case.workspace)
        return Passed(
            is_counted=True,
            entered=() if place.bucket is None else (Entry(place.bucket, case.number),),
            documents=(
                *[edit.after for edit in edits],
                *[burial.grave for burial in burials],
                view.files.filing.documents[case.number],
            ),
            changes=tuple(endings(burials, self.now_ms)),
            messages=messages,
            receipts=step.receipts,
            bounded=bounded,
        )

    def _farewells(
        self, burials: Sequence[Burial], edits: Sequence[Edit], workspace: str
    ) -> tuple[tuple[AudienceChange, ...], int]:
        """Return what is told of those who end, and of those who are kept without one workspace."""
        if self.computing is None:
            return (), 0
        messages, bounded = self.computing.farewells(burials, self.now_ms)
        left, without = partings(self.computing, edits, workspace, self.now_ms)
        return (*messages, *left), bounded + without


def grounds_of(
    scope: str,
    policy: IdentityPolicy,
    rules: Rules,
    key: bytes,
    token: Callable[[Identifier], bytes],
) -> dict[str, Ground]:
    """Return what cases of the workspaces of *scope* are decided by; none without [privacy]."""
    workspaces = {one.workspace.name: one.workspace for one in rules.inputs.values()}
    return {
        name: Ground(name, policy, one.privacy, key, token, 0)
        for name, one in workspaces.items()
        if one.scope == scope and one.privacy is not None
    }


def _is_quiet(case: Case, view: View, reading: Reading) -> bool:
    """Whether no journal has an entry of before, and nobody owes the log one of its profiles.

    What waits has no before yet: then all that is in journals counts.
    """
    family = (*case.found.mpids, *case.found.kept, *case.roots)
    have_read(view, mpids=family)
    before = case.seq or reading.seq
    is_trimmed = reading.oldest is None or reading.oldest > before
    return is_trimmed and reading.needed.isdisjoint(family)


def _moved(case: Case, place: Place, bucket: str | None, view: View) -> Passed:
    """Write *case* at another place of the wheel, if that is another one."""
    entered = () if bucket is None else (Entry(bucket, case.number),)
    if place == case.place:
        return Passed(is_counted=True, entered=entered)
    after = replace(case, version=case.version + 1, due_ms=place.due_ms, bucket=place.bucket)
    document = filed(after)
    view.files.file(document)
    return Passed(is_counted=True, entered=entered, documents=(document,))
