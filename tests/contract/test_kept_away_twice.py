"""Several requests keep one MPID away, of which only one has erased it: over either index."""

from typing import Any

import pytest

from processor.identity.unnamed import of_mpid
from processor.index.port import Ask, Index
from tests.contract.people import SPACE
from tests.contract.test_erasure import ADA, DAY_MS, DEVICE, START_MS
from tests.contract.test_waiting_cases import MINUTE_MS, Life, receipts

SHARED_FLAT = "[privacy]\nwaiting_days = 0\nrecord_days = 30\n" + "".join(
    f"""
[workspaces.{workspace}]
identity_scope = "retail"
strategy = "flat_matching"
default_blocked_values = false
[workspaces.{workspace}.identifiers]
user_id = {{ priority = 1, limit = 1 }}
email = {{ priority = 2, limit = 5 }}
[inputs.{name}]
workspace = "{workspace}"
"""
    for workspace, name in (("retail", "default"), ("travel", "other"))
)
OF_TRAVEL = [("input", b"other")]
OTHER = {"user_identities": {"email": "other@example.com"}}
DUE_MS = START_MS + 8 * DAY_MS


class Twice(Life):
    """Ada is asked for by MPID, and waits; by her login ID she is erased at once."""

    def begin(self, *, suppress: bool = True, suppresses_too: bool = False) -> int:
        ada = self.batch(START_MS, **ADA).outcome.mpid
        assert ada is not None
        self.about("late", START_MS + 1, subject_identities={"mpid": str(ada)}, suppress=suppress)
        self.about(
            "first",
            START_MS + 2,
            subject_identities={"customerid": "A"},
            suppress=suppresses_too,
            skip_waiting_period=True,
        )
        return ada

    def about(self, name: str, time_ms: int, kind: str = "erasure", **more: Any) -> dict[str, Any]:
        named = {key: more.pop(key) for key in ("subject_identities",) if key in more}
        return self.ask(
            time_ms,
            subject_request_id=name,
            subject_request_type=kind,
            extensions={"idstream": more},
            **named,
        )

    def lift(self, name: str, time_ms: int) -> None:
        assert self.about(name, time_ms, "lift")["status"] == 200

    def carry_out(self) -> dict[str, Any]:
        """Let both be carried out and completed; return the first receipt of the late one."""
        told = [receipts(self.sweep(DUE_MS + n * 5 * MINUTE_MS, dies=not n)) for n in range(6)]
        return next(r for lot in told for r in lot if r["subject_request_id"] == "late")

    def why_dropped(self, mpid: int, time_ms: int) -> str | None:
        """Send a batch of somebody else that names *mpid*; return why it was dropped."""
        outcome = self.batch(time_ms, mpid=mpid, **OTHER).outcome
        return outcome.reason if outcome.name == "dropped" else None


def left_under(index: Index, mpid: int) -> tuple:
    """Return the grave and the markers that are there under an MPID."""
    found = index.visit(SPACE, {}, [Ask((of_mpid(mpid),), (mpid,))]).found
    return found.lying(mpid), found.markers


def test_a_suppression_of_whom_another_request_erased_first_outlives_that_request(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path)
    ada = life.begin()
    told = life.carry_out()
    assert (told["found"], told["mpids"], told["suppressed"]) == (0, [], True)
    assert life.why_dropped(ada, DUE_MS + DAY_MS) == "suppressed"
    life.sweep(DUE_MS + 32 * DAY_MS)
    assert life.about("first", DUE_MS + 32 * DAY_MS, "lift")["status"] == 404, "it is over"
    assert life.why_dropped(ada, DUE_MS + 33 * DAY_MS) == "suppressed"

    life.lift("late", DUE_MS + 34 * DAY_MS)

    assert life.why_dropped(ada, DUE_MS + 33 * DAY_MS) == "erased"
    assert life.why_dropped(ada, DUE_MS + 35 * DAY_MS) is None
    alone = life.batch(DUE_MS + 35 * DAY_MS, mpid=ada).outcome
    assert (alone.name, alone.reason) == ("dropped", "erased"), "it never lives again"
    life.sweep(DUE_MS + 70 * DAY_MS)
    assert left_under(index, ada) == (None, {})


def test_lifted_while_the_other_request_is_on_record_the_later_of_both_ends_counts(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path)
    ada = life.begin()
    life.carry_out()
    life.lift("late", START_MS)
    assert life.why_dropped(ada, DUE_MS) == "erased", "it was carried out then"
    assert life.why_dropped(ada, DUE_MS + DAY_MS) is None


@pytest.mark.parametrize("order", [("late", "first"), ("first", "late")])
def test_of_two_suppressions_of_one_mpid_each_is_lifted_by_itself(index: Index, tmp_path, order):
    life = Twice(index, tmp_path)
    ada = life.begin(suppresses_too=True)
    life.carry_out()
    for days, name in enumerate(order, 1):
        assert life.why_dropped(ada, DUE_MS + 9 * DAY_MS) == "suppressed"
        life.lift(name, DUE_MS + days * DAY_MS)
    assert life.why_dropped(ada, DUE_MS + DAY_MS) == "erased"
    assert life.why_dropped(ada, DUE_MS + 9 * DAY_MS) is None
    life.sweep(DUE_MS + 70 * DAY_MS)
    assert left_under(index, ada) == (None, {})


@pytest.mark.parametrize("order", [("late", "first"), ("first", "late")])
def test_two_suppressions_of_one_mpid_that_are_lifted_in_one_instant_end_each_at_its_own(
    index: Index, tmp_path, order
):
    life = Twice(index, tmp_path)
    ada = life.begin(suppresses_too=True)
    life.carry_out()
    for name in order:
        life.lift(name, DUE_MS + DAY_MS)
    grave, markers = left_under(index, ada)
    (marker,) = markers[of_mpid(ada)]
    assert {grave.time_ms, marker.until_ms} == {DUE_MS + DAY_MS, DUE_MS + DAY_MS + 1}


def test_of_two_suppressions_lifted_in_one_instant_neither_takes_the_markers_of_the_other(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path)
    for name, customer, days in ("first", "A", 0), ("late", "B", 9):
        life.batch(START_MS, user_identities={"customer_id": customer})
        named = {"customerid": customer, "email": "other@example.com"}
        when = START_MS + days * DAY_MS
        wishes = {"suppress": True, "skip_waiting_period": True}
        told = life.about(name, when, subject_identities=named, **wishes)
        assert (told["state"], told["marked"]) == ("in_progress", 2)
        if name == "first":
            told = [receipts(life.sweep(when + n * 5 * MINUTE_MS)) for n in range(1, 4)]
            assert [one["state"] for lot in told for one in lot] == ["completed"]
    life.lift("first", START_MS + 9 * DAY_MS)
    life.lift("late", START_MS + 9 * DAY_MS)
    life.sweep(START_MS + 20 * DAY_MS)
    life.sweep(START_MS + 41 * DAY_MS)
    assert life.about("first", START_MS + 41 * DAY_MS, "lift")["status"] == 404, "it is over"
    assert life.about("late", START_MS + 41 * DAY_MS, "lift")["status"] == 409, "it is on record"

    again = life.batch(START_MS, **OTHER).outcome

    assert (again.name, again.reason) == ("dropped", "erased")


def test_records_up_to_the_later_of_two_erasures_are_kept_away_as_long_as_that_one_is_on_record(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path)
    ada = life.begin(suppress=False)
    assert life.carry_out()["suppressed"] is False
    assert life.why_dropped(ada, START_MS + 3 * DAY_MS) == "erased"
    life.sweep(DUE_MS + 31 * DAY_MS)
    assert left_under(index, ada) == (None, {})


def test_of_two_requests_carried_out_in_one_instant_neither_takes_the_markers_of_the_other(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path)
    life.batch(START_MS, **ADA, device_info=DEVICE)
    named = {"customerid": "A", "ios_vendor_id": "D"}
    life.about("first", START_MS + 1, subject_identities=named)
    both = {**named, "email": "ada@example.com"}
    life.about("late", START_MS + 1, subject_identities=both, suppress=True)
    life.carry_out()
    life.sweep(DUE_MS + 32 * DAY_MS)
    assert life.about("first", DUE_MS + 32 * DAY_MS, "lift")["status"] == 404, "it is over"

    again = life.batch(START_MS, device_info=DEVICE).outcome

    assert (again.name, again.reason) == ("dropped", "erased")


@pytest.mark.parametrize("waits", [True, False])
def test_an_mpid_that_was_erased_before_can_be_suppressed_by_another_request(
    index: Index, tmp_path, *, waits
):
    life = Twice(index, tmp_path)
    ada = life.batch(START_MS, **ADA).outcome.mpid or 0
    by_mpid = {"subject_identities": {"mpid": str(ada)}, "skip_waiting_period": True}
    life.about("first", START_MS + 1, **by_mpid)
    late = {**by_mpid, "skip_waiting_period": not waits, "suppress": True}
    told = life.about("late", START_MS + 2, **late)
    if waits:
        told = life.carry_out()
    assert (told["found"], told["mpids"], told["suppressed"]) == (0, [], True)
    assert life.why_dropped(ada, DUE_MS + DAY_MS) == "suppressed"
    life.lift("late", DUE_MS + 2 * DAY_MS)
    assert life.why_dropped(ada, DUE_MS + 3 * DAY_MS) is None


def test_who_was_merged_into_whom_another_workspace_kept_is_suppressed_no_longer_than_that_one(
    index: Index, tmp_path
):
    life = Twice(index, tmp_path, SHARED_FLAT)
    ada = life.batch(START_MS, user_identities={"user_id": "A"}).outcome.mpid or 0
    once = life.batch(START_MS, user_identities={"email": "ada@example.com"}).outcome.mpid or 0
    both = {"user_id": "A", "email": "ada@example.com"}
    life.batch(START_MS, user_identities=both, user_attributes={"city": "Turin"})
    life.of_travel(START_MS, user_identities=both, user_attributes={"seat": "9"})
    named = {"subject_identities": {"user_id": "A"}}
    told = life.about("first", START_MS + 1, suppress=True, **named)
    assert (told["kept"], told["followed"]["merges"]) == ([str(ada)], [str(once)])
    life.headers = OF_TRAVEL
    told = life.about("late", START_MS + 2, **named)
    assert set(told["mpids"]) == {str(ada), str(once)}
    for n in range(4):
        life.sweep(START_MS + n * 5 * MINUTE_MS)
    life.sweep(START_MS + 32 * DAY_MS)
    assert life.about("late", START_MS + 33 * DAY_MS, "lift")["status"] == 404, "it is over"
    life.headers = []

    life.lift("first", START_MS + 34 * DAY_MS)
    life.sweep(START_MS + 66 * DAY_MS)

    for mpid in (ada, once):
        found = index.visit(SPACE, {}, [Ask((of_mpid(mpid),), (mpid,))]).found
        assert (found.lying(mpid), found.markers) == (None, {})
