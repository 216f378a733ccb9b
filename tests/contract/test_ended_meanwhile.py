"""Whom a request found, and who have ended by something else while it waited: over either index."""

from processor.clock.place import shard_of
from processor.identity.view import Effects
from processor.index.port import Ask, Commit, Index, RowAdvance, RowClaim, Trim
from processor.pipeline.journal import Entry, pack_entries
from processor.privacy.case import case_number
from tests.contract.people import SPACE
from tests.contract.test_erasure import ADA, DAY_MS, DEVICE, START_MS
from tests.contract.test_waiting_cases import MINUTE_MS, SLOW, WAITING, Life, receipts, states

OTHER = {"user_identities": {"email": "other@example.com"}}
FLAT = """
[privacy]
waiting_days = 7
[workspaces.retail]
strategy = "flat_matching"
default_blocked_values = false
[workspaces.retail.identifiers]
user_id = { priority = 1, limit = 1 }
email = { priority = 2, limit = 5 }
"""
AGEING = """
[workspaces.retail.retention]
anonymous_days = 5
known_days = 5
"""


def graves_for(days: int) -> str:
    return f"{WAITING}[limits]\ngrave_days = {days}\n"


def delete(life: Life, time_ms: int, mpid: int | None) -> None:
    life.ask(
        time_ms,
        subject_request_id="ends",
        subject_request_type="delete",
        extensions={"idstream": {"mpids": [str(mpid)]}},
    )


def test_those_who_were_merged_into_whom_it_found_are_kept_away_too(index: Index, tmp_path):
    life = Life(index, tmp_path, FLAT)
    known = life.batch(START_MS, user_identities={"user_id": "A"}).outcome.mpid
    once = life.batch(START_MS + 1, user_identities={"email": "ada@example.com"}).outcome.mpid
    both = {"user_id": "A", "email": "ada@example.com"}
    assert life.batch(START_MS + 2, user_identities=both).outcome.mpid == known
    life.erasure(START_MS + 3, user_id="A")
    delete(life, START_MS + DAY_MS, known)

    (told,) = receipts(life.sweep(START_MS + 8 * DAY_MS, dies=True))

    assert set(told["mpids"]) == {str(known), str(once)}
    again = life.batch(START_MS + 1, mpid=once, **OTHER).outcome
    assert (again.name, again.reason) == ("dropped", "erased")


def test_they_are_kept_away_also_when_their_graves_have_gone_meanwhile(index: Index, tmp_path):
    life = Life(index, tmp_path, graves_for(1))
    ada = life.batch(START_MS, **ADA).outcome.mpid or 0
    life.erasure(START_MS + 1, customerid="A")
    delete(life, START_MS + DAY_MS, ada)
    for days in (3, 5):  # at first a journal still has an entry of it
        life.sweep(START_MS + days * DAY_MS)
    assert index.visit(SPACE, {}, [Ask(mpids=(ada,))]).found.lying(ada) is None
    at = START_MS + 8 * DAY_MS

    (told,) = receipts(life.sweep(at, dies=True))[:1]

    assert told["mpids"] == [str(ada)]
    again = life.batch(START_MS, mpid=ada, **OTHER).outcome
    assert (again.name, again.reason) == ("dropped", "erased")
    life.sweep(at + 20 * MINUTE_MS)
    life.sweep(at + 32 * DAY_MS)
    assert life.batch(START_MS, mpid=ada, **OTHER).outcome.mpid == ada


def test_a_grave_that_is_due_in_the_sweep_of_the_case_stays_for_it(index: Index, tmp_path):
    life = Life(index, tmp_path, graves_for(6))
    ada = life.batch(START_MS, **ADA).outcome.mpid or 0
    request = next(
        name
        for name in map(str, range(1000))
        if shard_of(case_number(name, "retail", b"key")) == shard_of(ada)
    )
    life.ask(
        START_MS + 1,
        subject_request_id=request,
        subject_request_type="erasure",
        subject_identities={"customerid": "A"},
    )
    delete(life, START_MS + 2, ada)
    life.pipeline.idle()  # no journal needs the grave any more

    life.sweep(START_MS + 8 * DAY_MS)

    again = life.batch(START_MS, mpid=ada, **OTHER).outcome
    assert (again.name, again.reason) == ("dropped", "erased")


def test_the_source_of_whoever_aged_out_meanwhile_goes_when_the_request_is_due(
    index: Index, tmp_path
):
    life = Life(index, tmp_path, WAITING.replace("conversion", "link") + AGEING)
    anonymous = life.batch(START_MS, device_info=DEVICE).outcome.mpid
    known = life.send(
        "requests",
        START_MS + 1,
        request_id="in",
        request_type="login",
        environment="production",
        known_identities={"customerid": "A", "ios_idfv": "D"},
        previous_mpid=str(anonymous),
    ).outcome.mpid
    life.erasure(START_MS + 2, customerid="A")
    assert life.batch(START_MS + 4 * DAY_MS, device_info=DEVICE).outcome.mpid == anonymous
    life.sweep(START_MS + 6 * DAY_MS)
    assert index.visit(SPACE, {}, [Ask(mpids=(known or 0,))]).found.graves.keys() == {known}

    (told,) = receipts(life.sweep(START_MS + 8 * DAY_MS, dies=True))

    assert (told["found"], set(told["mpids"])) == (0, {str(known), str(anonymous)})
    assert told["followed"]["source"] == [str(anonymous)]
    again = life.batch(START_MS, device_info=DEVICE).outcome
    assert (again.name, again.reason) == ("dropped", "erased")


def journalled(index: Index) -> int:
    """Let a row of another process have a decision in its journal; return its epoch."""
    (row,) = index.claim(SPACE, "resolve", "", [RowClaim(SLOW, "batches")], "").rows
    entry = Entry(4, "forwarded", None, None, None, (), (), None, 0, 0)
    advance = RowAdvance(SLOW, row.epoch, None, 5, pack_entries((entry,)))
    assert isinstance(index.commit(SPACE, Effects({}, {}, {}, {}), [advance]), Commit)
    return row.epoch


def test_it_is_not_over_while_a_journal_has_an_entry_of_when_they_lived(index: Index, tmp_path):
    life = Life(index, tmp_path)
    epoch = journalled(index)
    ada = life.batch(START_MS, **ADA).outcome.mpid
    life.erasure(START_MS + 1, customerid="A")
    delete(life, START_MS + DAY_MS, ada)
    at = START_MS + 8 * DAY_MS
    swept = [one for n in range(5) for one in life.sweep(at + n * 2 * MINUTE_MS)]
    assert states(swept) == ["in_progress"]

    index.visit(SPACE, {SLOW: epoch}, [], [Trim(SLOW, 1, {})])

    assert states(life.sweep(at + 20 * MINUTE_MS)) == ["completed"]


def test_a_second_request_is_not_over_before_what_the_first_erased_is_gone(index: Index, tmp_path):
    life = Life(index, tmp_path)
    epoch = index.claim(SPACE, "resolve", "", [RowClaim(SLOW, "batches")], "").rows[0].epoch
    ada = life.batch(START_MS, **ADA).outcome.mpid or 0
    life.erasure(START_MS + 1, mpid=str(ada))
    life.ask(
        START_MS + 2,
        subject_request_id="two",
        subject_request_type="erasure",
        subject_identities={"customerid": "A"},
    )
    at = START_MS + 8 * DAY_MS
    told = receipts(life.sweep(at))
    assert {one["state"] for one in told} == {"in_progress"}
    assert sorted(one["found"] for one in told) == [0, 1]
    index.visit(SPACE, {SLOW: epoch}, [], [Trim(SLOW, 0, {ada: 1})])
    swept = [one for n in range(1, 5) for one in life.sweep(at + n * 2 * MINUTE_MS)]
    assert states(swept) == []

    index.visit(SPACE, {SLOW: epoch}, [], [Trim(SLOW, 0, {ada: 2})])

    assert states(life.sweep(at + 20 * MINUTE_MS)) == ["completed", "completed"]


def test_under_flat_matching_whoever_came_back_after_an_erasure_ages_out(index: Index, tmp_path):
    """The identities have markers, which a sweep must not take for changes of somebody else."""
    life = Life(index, tmp_path, FLAT.replace("waiting_days = 7", "waiting_days = 0") + AGEING)
    life.batch(START_MS, user_identities={"user_id": "A"})
    life.erasure(START_MS + 1, user_id="A")
    back = life.batch(START_MS + DAY_MS, user_identities={"user_id": "A"}).outcome.mpid or 0

    life.sweep(START_MS + 9 * DAY_MS)

    grave = index.visit(SPACE, {}, [Ask(mpids=(back,))]).found.graves[back]
    assert grave.why == "aged_out"
    assert life.batch(START_MS, user_identities={"user_id": "A"}).outcome.reason == "erased"
