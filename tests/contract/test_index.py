"""Every promise of ``processor.index.port.Index``, held by each implementation."""

import pytest
from msgspec.structs import replace

from processor.identity.model import Identifier, Space
from processor.identity.view import Effects
from processor.index.errors import Fenced, LostWrites
from processor.index.port import (
    Ask,
    ClaimReply,
    Commit,
    Conflict,
    Index,
    Mark,
    RowClaim,
    RowState,
    Trim,
    Use,
)
from processor.records import RowKey
from tests.contract.conftest import SMALL, OpenIndex
from tests.contract.people import (
    DEVICE,
    EMAIL,
    OTHER_ROW,
    OWNER,
    ROW,
    SPACE,
    advance,
    claim,
    pair,
    profile,
    seq_of,
    store,
    use_by,
    view_of,
)

# ---- reads and commits ------------------------------------------------------------------------


def test_reads_absence_as_empty(index: Index):
    reading = index.visit(SPACE, {}, [Ask((EMAIL,), (5,))])

    assert reading.covered == 1
    assert reading.seq == 0
    assert reading.found.holders == {EMAIL: ()}
    assert reading.found.profiles == {5: None}
    assert reading.duplicates == (False,)


def test_reads_back_what_was_committed(index: Index):
    assert seq_of(store(index, profile(7, EMAIL, DEVICE))) == 1

    read = index.visit(SPACE, {}, [Ask((EMAIL, DEVICE))]).found

    assert read.holders == {EMAIL: (7,), DEVICE: (7,)}
    assert read.profiles == {7: profile(7, EMAIL, DEVICE, version=1)}


def test_a_holder_comes_with_every_ask_that_names_its_identifier(index: Index):
    store(index, profile(7, EMAIL), profile(8, EMAIL), profile(9, DEVICE))

    read = index.visit(SPACE, {}, [Ask((EMAIL,)), Ask((DEVICE, EMAIL), (7,))]).found

    assert set(read.holders[EMAIL]) == {7, 8}
    assert set(read.profiles) == {7, 8, 9}


def test_merge_pointers_lead_to_their_survivors(index: Index):
    store(
        index,
        profile(1, merged_into=2),
        profile(2, merged_into=-3),
        profile(-3, EMAIL),
    )

    read = index.visit(SPACE, {}, [Ask(mpids=(1,))]).found

    assert set(read.profiles) == {1, 2, -3}
    assert read.profiles[-3] == profile(-3, EMAIL, version=1)


def test_merge_pointers_that_run_in_a_circle_end(index: Index):
    store(index, profile(1, merged_into=2), profile(2, merged_into=1), profile(3, merged_into=4))

    assert set(index.visit(SPACE, {}, [Ask(mpids=(1, 3))]).found.profiles) == {1, 2, 3, 4}


def test_an_identifier_that_is_given_up_has_no_holder(index: Index):
    store(index, profile(7, EMAIL), profile(8, EMAIL))
    store(index, profile(7))

    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.holders == {EMAIL: (8,)}

    store(index, profile(8))

    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.holders == {EMAIL: ()}


@pytest.mark.parametrize("mpid", [-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1])
def test_every_mpid_of_64_bits_comes_back_as_it_was(index: Index, mpid: int):
    store(index, profile(mpid, EMAIL), profile(5, merged_into=mpid))

    read = index.visit(SPACE, {}, [Ask((EMAIL,), (5,))]).found

    assert read.holders[EMAIL] == (mpid,)
    assert read.profiles[mpid] == profile(mpid, EMAIL, version=1)


@pytest.mark.parametrize("value", ["ß\u0000\n:{}", "💡" * 100, "x" * 10_000, "1", "-0"])
def test_values_of_any_text_are_told_apart(index: Index, value: str):
    mine = Identifier("email", value)
    store(index, profile(7, mine), profile(8, Identifier("email", value + " ")))

    assert index.visit(SPACE, {}, [Ask((mine,))]).found.holders[mine] == (7,)


def test_versions_beyond_what_a_float_can_tell_apart_are_told_apart(index: Index):
    store(index, profile(7, EMAIL))
    raised = Effects({}, {7: 1}, {}, {7: profile(7, EMAIL, version=2**53)})
    assert isinstance(index.commit(SPACE, raised, ()), Commit)

    stale = Effects({}, {7: 2**53 + 1}, {}, {7: profile(7, EMAIL, version=2**53 + 2)})

    assert isinstance(index.commit(SPACE, stale, ()), Conflict)


def test_spaces_do_not_meet(index: Index):
    others = [
        Space("retail", "development"),
        Space("retail2", "production"),
        Space("a}b{", "production"),
    ]
    store(index, profile(7, EMAIL))
    for other in others:
        assert index.visit(other, {}, [Ask((EMAIL,), (7,))]).found.holders == {EMAIL: ()}
        store(index, profile(8, EMAIL, space=other), space=other)

    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.holders == {EMAIL: (7,)}
    assert index.visit(SPACE, {}, []).seq == 1


def test_the_order_of_holders_is_no_difference(index: Index):
    store(index, profile(7, EMAIL), profile(-8, EMAIL), profile(9, EMAIL))
    for order in [(7, -8, 9), (9, 7, -8)]:
        again = Effects({EMAIL: order}, {}, {EMAIL: order[::-1]}, {})
        assert isinstance(index.commit(SPACE, again, ()), Commit)


def test_seq_rises_by_one_with_each_commit_and_claim(index: Index):
    epochs = claim(index)
    assert index.visit(SPACE, epochs, []).seq == 1
    assert seq_of(store(index, profile(7))) == 2
    assert index.claim(SPACE, OWNER, "c", [], "").seq == 3


def test_hundreds_of_changes_fit_into_one_commit(index: Index):
    people = [
        profile(m, Identifier("email", f"{m}@x"), DEVICE if m < 50 else EMAIL) for m in range(2600)
    ]
    assert seq_of(store(index, *people)) == 1
    asks = [Ask((Identifier("email", f"{m}@x"),)) for m in range(2600)]

    reading = index.visit(SPACE, {}, asks)

    assert reading.covered == 2600
    assert reading.found.holders == {Identifier("email", f"{m}@x"): (m,) for m in range(2600)}
    assert len(index.visit(SPACE, {}, [Ask((EMAIL,))]).found.profiles) == 2550


# ---- conflicts --------------------------------------------------------------------------------


def stale_effects(open_index: OpenIndex) -> Effects:
    """The effects of a decision that did not see the first holder of EMAIL."""
    effects = view_of(open_index(), [profile(9, EMAIL, DEVICE)]).effects()
    assert effects is not None
    return effects


def test_a_new_holder_of_an_identifier_that_was_read_is_a_conflict(open_index: OpenIndex):
    index, other = open_index(), open_index()
    effects = stale_effects(open_index)
    store(other, profile(7, EMAIL))

    result = index.commit(SPACE, effects, ())

    assert isinstance(result, Conflict)
    assert result.seq == 1
    assert result.found.holders == {EMAIL: (7,), DEVICE: ()}
    assert result.found.profiles == {9: None, 7: profile(7, EMAIL, version=1)}


def test_a_conflict_writes_nothing(open_index: OpenIndex):
    index = open_index()
    epochs = claim(index)
    effects = stale_effects(open_index)
    store(open_index(), profile(7, EMAIL))

    index.commit(SPACE, effects, [advance(epochs[ROW], None, 5)])

    assert index.visit(SPACE, {}, [Ask((DEVICE,), (9,))]).found.profiles == {9: None}
    assert index.visit(SPACE, epochs, []).seq == 2
    assert index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows[0].cursor is None


def test_another_version_of_a_document_that_was_read_is_a_conflict(open_index: OpenIndex):
    index, other = open_index(), open_index()
    store(index, profile(7, EMAIL))
    view = view_of(index, [profile(7, EMAIL, last_seen_ms=9)])
    store(other, profile(7, EMAIL, last_seen_ms=5))

    result = index.commit(SPACE, view.effects(), ())

    assert isinstance(result, Conflict)
    assert result.found.profiles == {7: profile(7, EMAIL, version=2, last_seen_ms=5)}


def test_a_profile_where_none_was_expected_is_a_conflict(index: Index):
    store(index, profile(7))

    result = index.commit(SPACE, Effects({}, {7: 0}, {}, {7: profile(7, version=1)}), ())

    assert isinstance(result, Conflict)


def test_no_profile_where_one_was_expected_is_a_conflict(index: Index):
    result = index.commit(SPACE, Effects({}, {7: 3}, {}, {7: profile(7, version=4)}), ())

    assert isinstance(result, Conflict)
    assert result.found.profiles == {7: None}


def test_a_conflict_shows_the_survivors_of_new_holders(open_index: OpenIndex):
    index = open_index()
    effects = view_of(index, [profile(9, EMAIL)]).effects()
    store(open_index(), profile(5, merged_into=6), profile(6))
    moved = Effects({EMAIL: ()}, {5: 1}, {EMAIL: (5,)}, {})
    assert isinstance(open_index().commit(SPACE, moved, ()), Commit)

    result = index.commit(SPACE, effects, ())

    assert isinstance(result, Conflict)
    assert set(result.found.profiles) == {5, 6, 9}


def test_folding_again_after_a_conflict_succeeds(open_index: OpenIndex):
    index = open_index()
    effects = stale_effects(open_index)
    store(open_index(), profile(7, EMAIL))
    assert isinstance(index.commit(SPACE, effects, ()), Conflict)

    assert isinstance(store(index, profile(9, EMAIL, DEVICE)), Commit)
    assert set(index.visit(SPACE, {}, [Ask((EMAIL,))]).found.holders[EMAIL]) == {7, 9}


# ---- rows -------------------------------------------------------------------------------------


def test_a_new_row_has_no_cursor_no_journal_and_no_config(index: Index):
    claimed = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "")

    assert claimed.seq == 1
    [row] = claimed.rows
    assert (row.row, row.epoch, row.cursor, row.config, row.chunks) == (ROW, 1, None, "", ())


def test_rows_come_back_with_cursor_and_journal_in_order(index: Index):
    epochs = claim(index, ROW, OTHER_ROW)
    first = [
        advance(epochs[ROW], None, 2**60, chunk=b"\x00one:\xff"),
        advance(epochs[OTHER_ROW], None, 4, OTHER_ROW),
    ]
    store(index, profile(7), advances=first)
    store(index, profile(8), advances=[advance(epochs[ROW], 2**60, 2**60 + 1, chunk=b"")])

    again = index.claim(SPACE, OWNER, "c", [RowClaim(OTHER_ROW, "id-1"), RowClaim(ROW, "id-1")], "")

    assert again.seq == 4
    assert [r.row for r in again.rows] == [OTHER_ROW, ROW]
    assert again.rows[0].chunks == ((2, b"\xc1\x00entry"),)
    assert again.rows[1].cursor == 2**60 + 1
    assert again.rows[1].chunks == ((2, b"\x00one:\xff"), (3, b""))
    assert [r.epoch for r in again.rows] == [2, 2]


def test_only_claimed_rows_change(index: Index):
    epochs = claim(index, ROW, OTHER_ROW)
    claim(index, ROW)

    assert index.visit(SPACE, {OTHER_ROW: epochs[OTHER_ROW]}, []).seq == 2
    with pytest.raises(Fenced):
        index.visit(SPACE, epochs, [])


def test_an_owner_that_was_replaced_can_neither_read_claim_trim_nor_commit(open_index: OpenIndex):
    zombie, owner = open_index(), open_index()
    epochs = claim(zombie)
    store(zombie, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5)])
    current = claim(owner)

    with pytest.raises(Fenced):
        zombie.visit(SPACE, epochs, [Ask(use=use_by("t/0/1"))], [Trim(ROW, 1, {7: 1})])
    with pytest.raises(Fenced):
        store(zombie, profile(7, DEVICE), advances=[advance(epochs[ROW], 5, 6)])

    reading = owner.visit(SPACE, current, [Ask((EMAIL, DEVICE), use=use_by("t/0/2"))])
    assert reading.found.holders == {EMAIL: (7,), DEVICE: ()}
    assert reading.duplicates == (False,)
    [row] = owner.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows
    assert (row.cursor, len(row.chunks)) == (5, 1)


def test_an_owner_that_was_replaced_is_fenced_before_it_can_conflict(open_index: OpenIndex):
    zombie, owner = open_index(), open_index()
    epochs = claim(zombie)
    effects = view_of(zombie, [profile(9, EMAIL)]).effects()
    current = claim(owner)
    store(owner, profile(7, EMAIL), advances=[advance(current[ROW], None, 1)])

    with pytest.raises(Fenced):
        zombie.commit(SPACE, effects, [advance(epochs[ROW], None, 1)])


def test_an_epoch_above_the_stored_one_means_lost_writes(index: Index):
    epochs = claim(index)

    with pytest.raises(LostWrites, match="idstream restore"):
        index.visit(SPACE, {ROW: epochs[ROW] + 1}, [])
    with pytest.raises(LostWrites):
        index.visit(SPACE, {OTHER_ROW: 1}, [])
    with pytest.raises(LostWrites):
        store(index, profile(7), advances=[advance(epochs[ROW] + 1, None, 1)])


@pytest.mark.parametrize("seen", [7, 2**60])
def test_a_claim_of_what_lost_writes_changes_nothing_however_often_it_is_made(
    open_index: OpenIndex, seen: int
):
    for _ in range(3):
        claim(open_index())
    for _ in range(8):
        with pytest.raises(LostWrites, match="idstream restore"):
            open_index().claim(
                SPACE, OWNER, "c", [RowClaim(ROW, "id-1"), RowClaim(ROW, "x", seen)], ""
            )
    assert open_index().visit(SPACE, {ROW: 3}, []).seq == 3
    claimed = open_index().claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1", seen=3)], "")
    assert (claimed.seq, claimed.rows[0].epoch) == (4, 4)


@pytest.mark.parametrize("expected", [9, 2**60])
def test_a_cursor_behind_the_expected_one_means_lost_writes(index: Index, expected: int):
    epochs = claim(index)
    with pytest.raises(LostWrites):
        store(index, profile(7), advances=[advance(epochs[ROW], expected, 2**61)])

    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])
    with pytest.raises(LostWrites):
        store(index, profile(8), advances=[advance(epochs[ROW], expected, 2**61)])
    assert index.visit(SPACE, {}, [Ask(mpids=(8,))]).found.profiles == {8: None}


@pytest.mark.parametrize("expected", [None, 4, 99])
def test_a_cursor_that_went_ahead_under_our_own_epoch_stops_us(index: Index, expected: int | None):
    epochs = claim(index)
    store(index, profile(7), advances=[advance(epochs[ROW], None, 100)])

    with pytest.raises(Fenced):
        store(index, profile(8), advances=[advance(epochs[ROW], expected, 101)])


def test_one_bad_row_keeps_the_others_from_moving(index: Index):
    epochs = claim(index, ROW, OTHER_ROW)
    with pytest.raises(LostWrites):
        store(
            index,
            profile(7),
            advances=[advance(epochs[ROW], None, 5), advance(epochs[OTHER_ROW], 3, 5, OTHER_ROW)],
        )

    [row] = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows
    assert row.cursor is None
    assert row.chunks == ()


def test_a_commit_that_arrives_twice_is_applied_once(index: Index):
    epochs = claim(index)
    effects = view_of(index, [profile(7, EMAIL)]).effects()
    moves = [advance(epochs[ROW], None, 5)]
    assert seq_of(index.commit(SPACE, effects, moves)) == 2

    with pytest.raises(Fenced):
        index.commit(SPACE, effects, moves)

    [row] = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows
    assert row.chunks == ((2, b"\xc1\x00entry"),)


def test_a_recreated_topic_starts_anew_under_a_higher_epoch(index: Index):
    epochs = claim(index)
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])

    [row] = index.claim(SPACE, OWNER, "c2", [RowClaim(ROW, "id-2")], "").rows

    assert (row.cursor, row.chunks, row.config) == (None, (), "")
    assert row.epoch == epochs[ROW] + 1
    assert index.claim(SPACE, OWNER, "c2", [RowClaim(ROW, "id-2")], "").rows[0].config == "c2"


def test_a_claim_anew_forgets_the_cursor_and_keeps_journal_and_debts(index: Index):
    epochs = claim(index)
    store(index, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5, chunk=b"c")])
    store(index, profile(7, DEVICE))
    index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 0})])
    anew = RowClaim(ROW, "id-1", anew=True)

    first, then = (index.claim(SPACE, OWNER, "c", [anew], "").rows[0] for _ in range(2))

    assert (first.cursor, then.cursor) == (5, None)
    assert then.chunks == first.chunks != ()
    assert then.owed == first.owed == (7,)
    later = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows[0]
    assert later.cursor is None
    store(index, profile(9, EMAIL, DEVICE), advances=[advance(later.epoch, None, 2)])


def test_a_space_belongs_to_the_group_that_claimed_it_first(open_index: OpenIndex):
    claim(open_index())

    with pytest.raises(Fenced, match="another consumer group"):
        open_index().claim(SPACE, "someone else", "c", [RowClaim(ROW, "id-1")], "")
    assert open_index().visit(SPACE, {ROW: 1}, []).seq == 1
    assert isinstance(
        open_index().claim(Space("x", "production"), "someone else", "c", [], ""), ClaimReply
    )


def test_rows_are_told_apart_by_topic_and_partition(index: Index):
    names = ["a", "a.1", "a-1", "a_1", "A", "a.1.1", "1"]
    rows = [RowKey(name, partition) for name in names for partition in (0, 1, 11)]
    epochs = claim(index, *rows)
    store(index, profile(1), advances=[advance(epochs[r], None, n, r) for n, r in enumerate(rows)])

    claimed = index.claim(SPACE, OWNER, "c", [RowClaim(row, "id-1") for row in rows], "").rows

    assert [r.cursor for r in claimed] == list(range(len(rows)))


# ---- the fingerprint of the configuration -----------------------------------------------------


def config_of(index: Index, config: str) -> str:
    return index.claim(SPACE, OWNER, config, [RowClaim(ROW, "id-1")], "").rows[0].config


def test_the_fingerprint_changes_at_once_where_no_journal_is_open(index: Index):
    assert config_of(index, "old") == ""
    assert config_of(index, "new") == "old"
    assert config_of(index, "new") == "new"


def test_the_fingerprint_stays_while_a_journal_of_it_is_open(index: Index):
    epochs = claim(index, config="old")
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])

    assert config_of(index, "new") == "old"
    assert config_of(index, "new") == "old"


def test_the_fingerprint_changes_when_the_row_moves_on(index: Index):
    epochs = claim(index, config="old")
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])
    epochs = claim(index, config="new")
    store(index, profile(8), advances=[advance(epochs[ROW], 5, 6)])

    assert config_of(index, "newest") == "new"


def test_the_fingerprint_changes_when_the_journal_is_trimmed(index: Index):
    epochs = claim(index, config="old")
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])
    epochs = claim(index, config="new")
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 1})]).owed == ((),)

    assert config_of(index, "newest") == "new"


# ---- trims ------------------------------------------------------------------------------------


def row_of(index: Index) -> RowState:
    return index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows[0]


def journal(index: Index) -> list[int]:
    return [seq for seq, _ in row_of(index).chunks]


def test_published_chunks_are_trimmed_oldest_first(index: Index):
    epochs = claim(index)
    for number in range(4):
        moves = [advance(epochs[ROW], number or None, number + 1)]
        store(index, profile(number), advances=moves)

    reading = index.visit(SPACE, epochs, [], [Trim(ROW, 2, {0: 1, 1: 1})])

    assert reading.owed == ((),)
    assert reading.newer == {}
    assert journal(index) == [4, 5]


def test_an_overtaken_profile_comes_along_and_is_owed_until_it_is_published(open_index: OpenIndex):
    index, other = open_index(), open_index()
    epochs = claim(index)
    store(index, profile(7), profile(8), advances=[advance(epochs[ROW], None, 5)])
    store(other, profile(7, EMAIL))

    reading = index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 1, 8: 1})])

    assert reading.owed == ((7,),)
    assert reading.newer == {7: profile(7, EMAIL, version=2)}
    state = row_of(index)
    assert (state.chunks, state.owed) == ((), (7,))
    epochs = {ROW: state.epoch}
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 1})]).owed == ((7,),)
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 2})]).owed == ((),)
    assert row_of(index).owed == ()


def test_what_was_never_published_is_owed(index: Index):
    epochs = claim(index)
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])

    assert index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 0, 99: 0})]).owed == ((7,),)


def test_each_row_is_trimmed_and_owes_for_itself(index: Index):
    epochs = claim(index, ROW, OTHER_ROW)
    moves = [advance(epochs[ROW], None, 5), advance(epochs[OTHER_ROW], None, 5, OTHER_ROW)]
    store(index, profile(7), profile(8), advances=moves)

    trims = [Trim(ROW, 1, {7: 0}), Trim(OTHER_ROW, 1, {8: 1})]

    assert index.visit(SPACE, epochs, [Ask((EMAIL,))], trims).owed == ((7,), ())
    assert row_of(index).owed == (7,)


def test_a_recreated_topic_owes_nothing(index: Index):
    epochs = claim(index)
    store(index, profile(7), advances=[advance(epochs[ROW], None, 5)])
    index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 0})])

    assert index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-2")], "").rows[0].owed == ()


def test_versions_are_compared_as_numbers(index: Index):
    epochs = claim(index)
    big = Effects({}, {7: 0}, {}, {7: profile(7, version=256)})
    index.commit(SPACE, big, [advance(epochs[ROW], None, 5)])

    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 255})]).owed == ((7,),)
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 2**40})]).owed == ((),)


def test_a_row_that_is_not_ours_is_not_trimmed(index: Index):
    claim(index)
    with pytest.raises(ValueError, match="owner"):
        index.visit(SPACE, {}, [], [Trim(ROW, 1, {})])


# ---- source_request_ids -----------------------------------------------------------------------

HOUR = 3_600_000


def use(
    index: Index, time_ms: int, where: str, window_ms: int = 600_000, token: bytes = b"\x00t" * 8
) -> bool:
    ask = Ask(use=Use(token, time_ms, window_ms, f"event-batches/0/{where}"))
    return index.visit(SPACE, {}, [ask]).duplicates[0]


@pytest.mark.parametrize("start", [0, HOUR - 1, HOUR, 1_782_900_000_000, -5])
@pytest.mark.parametrize("window", [1, 600_000, HOUR, 25 * HOUR])
@pytest.mark.parametrize("direction", [-1, 1])
def test_another_use_within_the_window_is_a_duplicate(
    index: Index, start: int, window: int, direction: int
):
    assert not use(index, start, "1", window)
    assert use(index, start + direction * (window - 1), "2", window)
    assert not use(index, start + direction * window, "3", window)


def test_a_replayed_record_is_no_duplicate_of_itself(index: Index):
    assert not use(index, 1000, "1")
    assert use(index, 1001, "2")
    assert not use(index, 1000, "1")
    assert use(index, 1001, "2")


def test_a_duplicate_is_not_remembered(index: Index):
    assert not use(index, 0, "1")
    assert use(index, 500_000, "2")
    assert not use(index, 700_000, "3")


def test_a_request_id_can_be_used_again_and_again_outside_the_window(index: Index):
    times = [0, 600_000, 1_200_000, 1_800_000, 5_000_000]
    assert not any(use(index, time, str(time)) for time in times)
    assert not any(use(index, time, str(time)) for time in times)
    assert all(use(index, time + 1, "x") for time in times)


def test_tokens_are_told_apart(index: Index):
    assert not use(index, 0, "1", token=b"a" * 16)
    assert not use(index, 0, "2", token=b"b" * 16)


def test_within_one_read_the_first_use_counts(index: Index):
    asks = [Ask(use=use_by(f"t/0/{n}", time_ms=1000 + n)) for n in range(3)]
    asks.insert(1, Ask((EMAIL,)))

    assert index.visit(SPACE, {}, asks).duplicates == (False, False, True, True)
    assert index.visit(SPACE, {}, asks).duplicates == (False, False, True, True)


def test_a_window_of_nothing_remembers_nothing(index: Index):
    assert not use(index, 0, "1", 0)
    assert not use(index, 0, "2", 0)
    assert not use(index, 0, "3", 600_000)


def test_hostile_times_do_no_harm(index: Index):
    for number, time in enumerate([2**63 - 1, -(2**63), 0]):
        use(index, time, str(number))
        assert not use(index, time, str(number))


def test_thousands_of_uses_fit_into_one_visit(index: Index):
    asks = [Ask(use=use_by(f"t/0/{n}", b"%016d" % n, n * 10_000)) for n in range(3000)]

    assert not any(index.visit(SPACE, {}, asks).duplicates)
    moved = [Ask(use=replace(a.use, coordinates="x")) for a in asks if a.use]
    assert all(index.visit(SPACE, {}, moved).duplicates)


# ---- bounds -----------------------------------------------------------------------------------


def people_of(count: int) -> list[Ask]:
    return [
        Ask((Identifier("email", f"{n}@x"), Identifier("customerid", f"{n}"))) for n in range(count)
    ]


def test_a_bound_of_keys_cuts_what_is_covered(small_index: Index):
    for number, ask in enumerate(people_of(9)):
        store(small_index, profile(number, *ask.identifiers))

    reading = small_index.visit(SPACE, {}, people_of(9))

    assert reading.covered == 4  # three keys each, until twelve are reached
    assert len(reading.found.holders) == 8
    assert set(reading.found.profiles) == {0, 1, 2, 3}
    assert len(reading.duplicates) == 4


def test_one_ask_is_always_covered(small_index: Index):
    huge = Ask(tuple(Identifier("email", f"{n}@x") for n in range(3000)))

    reading = small_index.visit(SPACE, {}, [huge, Ask((DEVICE,))])

    assert reading.covered == 1
    assert len(reading.found.holders) == 3000


def test_what_is_not_covered_uses_nothing(small_index: Index):
    asks = [
        Ask(ask.identifiers, use=use_by(f"t/0/{n}", b"%016d" % n))
        for n, ask in enumerate(people_of(20))
    ]
    covered = small_index.visit(SPACE, {}, asks).covered
    assert 0 < covered < 20

    others = [Ask(use=replace(ask.use, coordinates="t/1/0")) for ask in asks if ask.use]

    assert small_index.visit(SPACE, {}, others).duplicates == (True,) * covered + (False,) * (
        20 - covered
    )


def test_the_rest_can_be_read_in_turn(small_index: Index):
    asks = people_of(20)
    seen: dict[Identifier, tuple[int, ...]] = {}
    while asks:
        reading = small_index.visit(SPACE, {}, asks)
        seen |= reading.found.holders
        asks = asks[reading.covered :]

    assert len(seen) == 40


def test_identifiers_that_many_asks_share_are_counted_once(small_index: Index):
    assert small_index.visit(SPACE, {}, [Ask((EMAIL, DEVICE), (1,))] * 50).covered == 50


def test_a_bound_of_bytes_cuts_what_is_covered(open_redis, redis_prefix):
    from processor.redis.index import RedisIndex

    index = RedisIndex(open_redis()._connection, redis_prefix, bounds=SMALL)
    for number in range(4):
        store(index, profile(number, workspaces=pair(60_000)))
    assert index.visit(SPACE, {}, [Ask(mpids=(n,)) for n in range(4)]).covered == 2


# ---- tokens -----------------------------------------------------------------------------------


def test_tokens_are_keyed_and_keep_type_and_value_apart(index: Index):
    from processor.index.memory import MemoryIndex

    token = index.token(EMAIL)

    assert len(token) == 16
    assert token == index.token(EMAIL)
    assert token == MemoryIndex(b"key").token(EMAIL)
    assert token != MemoryIndex(b"other").token(EMAIL)
    assert token != MemoryIndex().token(EMAIL)
    assert index.token(Identifier("email", "1:a")) != index.token(Identifier("email1:", "a"))
    assert len(MemoryIndex(b"long" * 100).token(EMAIL)) == 16


def test_marks_are_kept_with_their_row_and_go_with_its_topic(index):
    epoch = claim(index)[ROW]
    mark = Mark(ROW, taken=7, alone=5, tries=2)
    index.visit(SPACE, {ROW: epoch}, (), (), (mark,))
    (state,) = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows
    assert state.mark == mark
    (state,) = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-2")], "").rows
    assert state.mark is None


def test_only_the_owner_of_a_row_may_mark_it(index):
    epoch = claim(index)[ROW]
    with pytest.raises(ValueError, match="owner"):
        index.visit(SPACE, {}, (), (), (Mark(ROW, taken=7),))
    claim(index)
    with pytest.raises(Fenced):
        index.visit(SPACE, {ROW: epoch}, (), (), (Mark(ROW, taken=7),))


def test_the_first_shape_of_a_space_stays(index):
    rows = [RowClaim(ROW, "id-1")]
    assert index.claim(SPACE, OWNER, "c", rows, "").shape == ""
    assert index.claim(SPACE, OWNER, "c", rows, "first").shape == "first"
    assert index.claim(SPACE, OWNER, "c", rows, "second").shape == "first"
