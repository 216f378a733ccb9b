"""Requests that wait are carried out by sweeps, completed, and taken away: over either index."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from processor.identity.view import Effects
from processor.index.port import Ask, Assignment, Commit, Index, RowAdvance, RowClaim, Trim
from processor.pipeline.journal import Entry, pack_entries
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.privacy.case import case_number
from processor.records import Output, Record, RowKey
from tests.contract.people import SPACE
from tests.contract.test_erasure import ADA, CONFIGURATION, DAY_MS, START_MS, Stream, settings_in

MINUTE_MS = 60_000
TOPICS = {"batches": "batches", "requests": "requests", "privacy": "privacy", "clock": "clock"}
WAITING = CONFIGURATION.replace("waiting_days = 0", "waiting_days = 7\nrecord_days = 30")
SHARED = (
    WAITING.replace("strategy", 'identity_scope = "retail"\nstrategy')
    + WAITING[WAITING.index("[workspaces.retail]") :].replace(
        "[workspaces.retail]", '[workspaces.travel]\nidentity_scope = "retail"'
    )
    + '[inputs.default]\nworkspace = "retail"\n[inputs.other]\nworkspace = "travel"\n'
)
"""Two workspaces of one scope: whom both have data of is kept, without that of one."""
SLOW = RowKey("batches", 1)


class Life(Stream):
    """A stream whose pipeline sweeps what is due by the wall."""

    def __init__(self, index: Index, folder: Any, configuration: str = WAITING) -> None:
        settings = settings_in(folder, configuration)
        self._parts = Parts(
            rules=replace(settings.rules(), roles=TOPICS),
            spaces=settings.space_rules(),
            index=index,
            owner="resolve",
            key=b"key",
            computed=settings.computed,
        )
        self._start()
        super().__init__(self.pipeline)

    def _start(self, offset: int | None = None) -> None:
        before = None if offset is None else self.pipeline
        self.pipeline = self._pipeline = Pipeline(self._parts)
        told = {topic: "" if before is None else before.metadata(topic, 0) for topic in TOPICS}
        starts = [Assignment(topic, 0, topic, offset, its) for topic, its in told.items()]
        self.pipeline.assign(starts, [])

    def erasure(self, time_ms: int, **named: Any) -> dict[str, Any]:
        return self.ask(
            time_ms,
            subject_request_id="one",
            subject_request_type="erasure",
            subject_identities=named,
        )

    def sent(self, time_ms: int, **named: Any) -> Settled:
        return self.send(
            "privacy",
            time_ms,
            regulation="gdpr",
            submitted_time="2026-01-01T00:00:00Z",
            subject_request_id="one",
            subject_request_type="erasure",
            subject_identities=named,
        )

    def of_travel(self, time_ms: int, **value: Any) -> None:
        events = [{"event_type": "session_start", "data": {}}]
        body = json.dumps({"events": events, **value}).encode()
        headers = [("input", b"other")]
        record = Record("batches", 0, self.next_offset(), time_ms, None, body, headers)
        self.pipeline.settle([record])
        self.pipeline.committed()

    def sweep(self, wall_ms: int, *, dies: bool = False) -> list[Settled]:
        """Carry out all that is due by an instant.

        With *dies*, each time the process ends between index and Kafka, and another one takes over.
        """
        found = []
        while self.pipeline.sweeps.look(dict.fromkeys(range(16), 0), wall_ms).is_open:
            for order in self.pipeline.sweeps.issue(wall_ms):
                record = Record("clock", 0, self.next_offset(), wall_ms, None, order.value)
                told = self.pipeline.settle([record])
                if dies:
                    self._start(record.offset)
                    assert published(self.pipeline.settle([record])) == published(told)
                found += told
                self.pipeline.committed()
                self.pipeline.idle()
        return found


def published(settled: list[Settled]) -> list[Output]:
    outputs: list[Output] = []
    for one in settled:
        one.add_outputs(outputs)
    return outputs


def receipts(swept: list[Settled]) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"") for each in swept for one in each.receipts]


def states(swept: list[Settled]) -> list[str]:
    return [one["state"] for one in receipts(swept)]


def outputs(swept: list[Settled], role: str) -> list[bytes | None]:
    return [one.value for each in swept for one in each.profiles if one.role == role]


def test_what_waits_is_carried_out_when_it_is_due_and_not_before(index: Index, tmp_path):
    life = Life(index, tmp_path)
    ada = life.batch(START_MS, **ADA)
    assert life.erasure(START_MS + 1, customerid="A")["state"] == "pending"
    assert receipts(life.sweep(START_MS + 7 * DAY_MS)) == []
    assert life.batch(START_MS + 2, **ADA).outcome.mpid == ada.outcome.mpid

    swept = life.sweep(START_MS + 7 * DAY_MS + MINUTE_MS)

    (told,) = receipts(swept)
    assert (told["state"], told["mpids"]) == ("in_progress", [str(ada.outcome.mpid)])
    assert outputs(swept, "profiles") == [None]
    assert [b"ada@" in (one or b"") for one in outputs(swept, "cases")] == [False]
    changes = [json.loads(one.value or b"") for each in swept for one in each.changes]
    assert [(one["change"], one["reason"]) for one in changes] == [("profile_erased", "erased")]
    again = life.batch(START_MS, **ADA)
    assert (again.outcome.name, again.outcome.reason) == ("dropped", "erased")
    late = START_MS + 7 * DAY_MS + 20 * MINUTE_MS
    assert states(life.sweep(late) + life.sweep(late + 5 * MINUTE_MS)) == ["completed"]


@pytest.mark.parametrize("configuration", [WAITING, SHARED], ids=["alone", "kept"])
def test_it_is_not_over_while_any_journal_has_an_entry_of_before(
    index: Index, tmp_path, configuration
):
    life = Life(index, tmp_path, configuration)
    (row,) = index.claim(SPACE, "resolve", "", [RowClaim(SLOW, "batches")], "").rows
    entry = Entry(4, "forwarded", None, None, None, (), (), None, 0, 0)
    advance = RowAdvance(SLOW, row.epoch, None, 5, pack_entries((entry,)))
    assert isinstance(index.commit(SPACE, Effects({}, {}, {}, {}), [advance]), Commit)
    life.batch(START_MS, **ADA)
    if configuration == SHARED:
        life.of_travel(START_MS, **ADA, user_attributes={"seat": "1A"})
    life.erasure(START_MS + 1, customerid="A")
    at = START_MS + 8 * DAY_MS
    swept = [one for n in range(5) for one in life.sweep(at + n * 2 * MINUTE_MS)]
    (told,) = receipts(swept)
    assert (told["state"], len(told["kept"])) == ("in_progress", configuration == SHARED)

    index.visit(SPACE, {SLOW: row.epoch}, [], [Trim(SLOW, 1, {})])

    assert states(life.sweep(at + 20 * MINUTE_MS)) == ["completed"]


FEW = (
    SHARED
    + '[workspaces.retail.events.any]\ntype = "session_start"\n'
    + '[workspaces.retail.audiences]\nfew = { all = [{ event = "any" }] }\n'
)


@pytest.mark.parametrize("waits", [True, False])
def test_whoever_is_kept_without_the_data_of_one_workspace_leaves_its_audiences(
    index: Index, tmp_path, *, waits
):
    at_once = FEW.replace("waiting_days = 7", "waiting_days = 0")
    life = Life(index, tmp_path, FEW if waits else at_once)
    ada = life.batch(START_MS, **ADA).outcome.mpid
    life.of_travel(START_MS, **ADA, user_attributes={"seat": "1A"})
    settled = life.sent(START_MS + 1, customerid="A")
    told_at_once = json.loads((settled.output and settled.output.value) or b"")

    swept = life.sweep(START_MS + 8 * DAY_MS) if waits else [settled]

    told_later = [one["kept"] for one in receipts(swept)]
    assert (told_later if waits else [told_at_once["kept"]]) == [[str(ada)]]
    told = [json.loads(one.value or b"") for each in swept for one in each.audience_changes]
    assert [(one["change"], one["reason"], one["audience"]) for one in told] == [
        ("left", "erased", "few")
    ]


def test_it_is_not_over_while_a_row_owes_the_topic_one_of_the_family(index: Index, tmp_path):
    life = Life(index, tmp_path)
    ada = life.batch(START_MS, **ADA).outcome.mpid
    assert ada is not None
    (row,) = index.claim(SPACE, "resolve", "", [RowClaim(SLOW, "batches")], "").rows
    life.erasure(START_MS + 1, customerid="A")
    at = START_MS + 8 * DAY_MS
    life.sweep(at)
    assert index.visit(SPACE, {SLOW: row.epoch}, [], [Trim(SLOW, 0, {ada: 1})]).owed == ((ada,),)
    swept = [one for n in range(1, 5) for one in life.sweep(at + n * 2 * MINUTE_MS)]
    assert states(swept) == []

    index.visit(SPACE, {SLOW: row.epoch}, [], [Trim(SLOW, 0, {ada: 2})])

    assert states(life.sweep(at + 20 * MINUTE_MS)) == ["completed"]


def test_the_erased_stay_away_until_their_case_ends_and_then_nothing_is_left(
    index: Index, tmp_path
):
    life = Life(index, tmp_path, CONFIGURATION.replace("= 0", "= 0\nrecord_days = 30"))
    ada = life.batch(START_MS, **ADA).outcome.mpid
    life.erasure(START_MS + 1, customerid="A")
    swept = [one for n in range(1, 5) for one in life.sweep(START_MS + n * 2 * MINUTE_MS)]
    assert states(swept) == ["completed"]
    assert outputs(life.sweep(START_MS + 29 * DAY_MS), "cases")[-1:] != [None]
    named = life.batch(START_MS + 29 * DAY_MS, mpid=ada)
    assert (named.outcome.name, named.outcome.reason) == ("dropped", "erased")
    assert life.batch(START_MS, **ADA).outcome.reason == "erased"

    ended = life.sweep(START_MS + 31 * DAY_MS)

    assert receipts(ended) == []
    assert outputs(ended, "cases")[-1] is None
    found = index.visit(SPACE, {}, [Ask(mpids=(ada or 0,))]).found
    assert found.lying(ada or 0) is None
    assert life.batch(START_MS, **ADA).outcome.name == "forwarded"


def test_whoever_dies_after_the_commit_has_all_of_it_told_again(index: Index, tmp_path):
    life = Life(index, tmp_path)
    life.batch(START_MS, **ADA)
    life.erasure(START_MS + 1, customerid="A")
    at = START_MS + 8 * DAY_MS
    swept = [one for n in range(4) for one in life.sweep(at + n * 2 * MINUTE_MS, dies=True)]
    assert states(swept) == ["in_progress", "completed"]
    assert outputs(life.sweep(at + 31 * DAY_MS, dies=True), "cases")[-1] is None


def test_what_waited_for_a_person_who_never_came_keeps_their_history_out_until_the_case_ends(
    index: Index, tmp_path
):
    life = Life(index, tmp_path)
    life.erasure(START_MS + 1, customerid="A", email="ada@example.com")
    at = START_MS + 8 * DAY_MS

    (told,) = receipts(life.sweep(at, dies=True))

    assert (told["state"], told["found"], told["marked"]) == ("completed", 0, 2)
    assert life.batch(START_MS, **ADA).outcome.reason == "erased"
    assert outputs(life.sweep(at + 31 * DAY_MS, dies=True), "cases")[-1] is None
    assert life.batch(START_MS, **ADA).outcome.name == "forwarded"


@pytest.mark.parametrize("named", ["mpid", "customerid"])
def test_whoever_ends_while_the_request_waits_does_not_come_back_under_the_mpid_either(
    index: Index, tmp_path, named
):
    life = Life(index, tmp_path)
    ada = life.batch(START_MS, **ADA).outcome.mpid
    life.erasure(START_MS + 1, **{named: str(ada) if named == "mpid" else "A"})
    ends = {"idstream": {"mpids": [str(ada)]}}
    life.ask(
        START_MS + DAY_MS,
        subject_request_id="two",
        subject_request_type="delete",
        extensions=ends,
    )
    at = START_MS + 8 * DAY_MS

    (told,) = receipts(life.sweep(at, dies=True))

    assert (told["state"], told["found"], told["mpids"]) == ("in_progress", 0, [str(ada)])
    swept = [one for n in range(1, 5) for one in life.sweep(at + n * 2 * MINUTE_MS)]
    assert states(swept) == ["completed"]
    by_mpid = {"mpid": ada, "user_identities": {"email": "other@example.com"}}
    again = life.batch(START_MS, **by_mpid).outcome
    assert (again.name, again.reason) == ("dropped", "erased")
    assert outputs(life.sweep(at + 31 * DAY_MS, dies=True), "cases")[-1] is None
    assert life.batch(START_MS, **by_mpid).outcome.mpid == ada


def test_a_batch_that_names_the_number_of_a_case_makes_no_profile_in_its_place(
    index: Index, tmp_path
):
    life = Life(index, tmp_path)
    ada = life.batch(START_MS, **ADA).outcome.mpid
    life.erasure(START_MS + 1, customerid="A")
    number = case_number("one", "retail", b"key")

    named = life.batch(START_MS + 2, mpid=number, user_identities={"email": "bob@example.com"})

    assert (named.outcome.name, named.outcome.reason) == ("dropped", "unknown_mpid")
    (told,) = receipts(life.sweep(START_MS + 8 * DAY_MS))
    assert (told["state"], told["mpids"]) == ("in_progress", [str(ada)])
