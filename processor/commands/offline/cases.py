"""Cases of requests under privacy law, in and out of ``idstream resolve``; and what time does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from processor.commands.offline.computed import raw_values
from processor.commands.terminal.failure import Failure
from processor.identity.change import endings
from processor.identity.grave import Grave
from processor.identity.profile import Profile
from processor.identity.view import Burial, Edit, Effects, Unread, View
from processor.index.memory import MemoryIndex
from processor.index.port import Ask
from processor.pipeline.computing import computing_of, partings
from processor.pipeline.publish import Cause, audience_record, change_events
from processor.pipeline.subjects import receipt_output
from processor.privacy.case import Case, case_from_json, case_to_json, unpack_case
from processor.privacy.erasing import Ground
from processor.privacy.passing import passed
from processor.privacy.restoring import effects_of, graves_after
from processor.records import Output, Record
from processor.settings import Settings


class Happened(Struct):
    """What a line of the clock tells of cases."""

    receipts: list[Output]
    audience_changes: list[Output]
    changes: list[Output]
    written: list[dict[str, Any]]


class Cases:
    """The cases of an index in memory."""

    def __init__(self, settings: Settings, index: MemoryIndex) -> None:
        self._settings = settings
        self._index = index

    def load(self, cases: Iterable[Case]) -> None:
        """Put *cases* into the index, with their markers and graves."""
        came = list(cases)
        for case in came:
            graves = {grave.mpid: grave for grave in graves_after(case)}
            self._index.commit(case.space, Effects({}, {}, {}, {}, graves=graves), [])
        for case in came:
            self._index.commit(case.space, effects_of(case), [])

    def dump(self, path: Path) -> None:
        """Write every case to the file at *path*."""
        try:
            path.write_bytes(b"".join(case_to_json(case) + b"\n" for case in self._cases()))
        except OSError as error:
            raise Failure(f"{path}: cannot be written: {error.strerror}") from None

    def due(self, time_ms: int) -> list[Case]:
        """Return the cases that are due by an instant, in the order in which they are."""
        found = [c for c in self._cases() if c.due_ms is not None and c.due_ms <= time_ms]
        return sorted(found, key=lambda c: (c.due_ms or 0, c.received_ms, c.number))

    def step(self, case: Case, record: Record) -> Happened:
        """Do what is due of *case*."""
        workspace = self._settings.workspaces.get(case.workspace)
        if workspace is None or workspace.privacy is None:
            return Happened([], [], [], [])
        key = self._settings.key()
        ground = Ground(
            case.workspace,
            workspace.policy,
            workspace.privacy,
            key,
            self._index.token,
            record.timestamp_ms,
        )
        view, (_, step) = self._over(
            case, lambda view: passed(case, view, ground, (), is_quiet=True)
        )
        burials = view.record.buried
        edits = view.end_record()
        effects = view.effects()
        assert effects is not None
        self._index.commit(case.space, effects, [])
        place = (record.topic, record.partition, record.offset)
        cause = Cause(case.workspace, case.environment, record.timestamp_ms, place)
        changes = change_events(endings(burials), record, case.space, cause)
        documents: list[Profile | Grave] = [e.after for e in edits]
        documents += [b.grave for b in burials]
        return Happened(
            [receipt_output(one, case.request_id, record) for one in step.receipts],
            self._farewells(burials, edits, record, case),
            changes,
            [{"mpid": str(one.mpid), "version": one.version} for one in documents],
        )

    def _farewells(
        self, burials: Sequence[Burial], edits: Sequence[Edit], record: Record, case: Case
    ) -> list[Output]:
        """Return what is told of audiences that the erased have left."""
        rules = self._settings.rules()
        computing = computing_of(case.scope, self._settings.computed, rules)
        if computing is None:
            return []
        versions = {one.grave.mpid: one.grave.version for one in burials}
        versions |= {edit.after.mpid: edit.after.version for edit in edits}
        messages, _ = computing.farewells(burials, record.timestamp_ms)
        parted, _ = partings(computing, edits, case.workspace, record.timestamp_ms)
        return [
            audience_record(one, versions[one.mpid], record, case.space)
            for one in (*messages, *parted)
        ]

    def _over(
        self, case: Case, decide: Callable[[View], tuple[Case | None, Any]]
    ) -> tuple[View, tuple[Case | None, Any]]:
        policy = self._settings.workspaces[case.workspace].policy
        ask = Ask(mpids=(case.number,))
        while True:
            found = self._index.visit(case.space, {}, [ask]).found
            view = View(
                found,
                policy.priority.__contains__,
                case.space,
                one_owner=policy.traits.has_one_owner,
            )
            try:
                return view, decide(view)
            except Unread as more:
                ask = Ask((*ask.identifiers, *more.identifiers), (*ask.mpids, *more.mpids))

    def _cases(self) -> Iterator[Case]:
        return (unpack_case(document.data) for document in self._index.documents_filed())


def read_cases(path: Path) -> list[Case]:
    """Return the cases of the file at *path*."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(case_from_json(line))
            except ValueError as error:
                raise Failure(f"{path}: line {number}: {error}") from None
    return found


def told(happened: list[Happened]) -> dict[str, Any]:
    """Return the members that a line of the clock has of cases."""
    return {
        "receipts": raw_values([one for each in happened for one in each.receipts]),
        "audience_changes": raw_values([one for each in happened for one in each.audience_changes]),
        "changes": raw_values([one for each in happened for one in each.changes]),
        "written": [one for each in happened for one in each.written],
    }
