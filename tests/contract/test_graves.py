"""Graves: a profile that has ended is nobody at a version, and stays gone."""

import pytest
from msgspec.structs import replace

from processor.clock.wheel import Entry, Moves, Take
from processor.identity.ending import end_profile
from processor.identity.grave import Grave
from processor.identity.model import Identifier
from processor.identity.view import Effects, Unread, View
from processor.index.port import Ask, Commit, Conflict, Index, Reading, Trim
from processor.profiles.document import is_grave, pack, pack_grave, unpack_grave
from processor.records import RowKey
from tests.contract.conftest import OpenIndex
from tests.contract.people import (
    DEVICE,
    EMAIL,
    OTHER_ROW,
    ROW,
    SPACE,
    advance,
    claim,
    is_lookup,
    profile,
    seq_of,
    store,
    view_of,
)

AT_MS = 1_767_225_600_000


def ended(index: Index, mpid: int, *identifiers: Identifier, mpids: tuple[int, ...] = ()) -> View:
    """Return a view in which the profile of *mpid* has ended."""
    ask = Ask(identifiers, (mpid, *mpids))
    view = View(index.visit(SPACE, {}, [ask]).found, is_lookup, SPACE)
    found = view.exact(mpid)
    assert found is not None
    end_profile(view, found, "aged_out", AT_MS)
    view.end_record()
    return view


def end(index: Index, mpid: int, *identifiers: Identifier, mpids: tuple[int, ...] = ()) -> int:
    effects = ended(index, mpid, *identifiers, mpids=mpids).effects()
    assert effects is not None
    return seq_of(index.commit(SPACE, effects, ()))


def test_whoever_has_ended_is_nobody_and_holds_nothing(index: Index):
    store(index, profile(7, EMAIL, DEVICE), profile(8, EMAIL))
    seq = end(index, 7, EMAIL, DEVICE)

    read = index.visit(SPACE, {}, [Ask((EMAIL, DEVICE), (7,))]).found

    assert read.profiles == {7: None, 8: profile(8, EMAIL, version=1)}
    assert read.graves == {7: Grave(7, 2, AT_MS, "aged_out", seq)}
    assert read.holders == {EMAIL: (8,), DEVICE: ()}


@pytest.mark.redis
def test_a_grave_knows_a_seq_beyond_what_a_float_can_tell_apart(open_redis):
    index = open_redis()
    store(index, profile(7))
    control = f"{index._prefix}:1:{{{SPACE.name}}}"
    index._connection._client.hset(control, "seq", str(2**53 + 2))
    assert end(index, 7) == 2**53 + 3
    assert index.visit(SPACE, {}, [Ask(mpids=(7,))]).found.graves[7].seq == 2**53 + 3


def test_pointers_to_a_profile_go_into_the_grave_with_it(index: Index):
    survivor = profile(-3, EMAIL, absorbed=(1, 2), merges=2)
    store(index, profile(1, merged_into=2), profile(2, merged_into=-3), survivor)
    end(index, -3, EMAIL, mpids=(1, 2))

    read = index.visit(SPACE, {}, [Ask(mpids=(1,)), Ask(mpids=(2, -3))]).found

    assert read.profiles == {1: None, 2: None, -3: None}
    assert {mpid: grave.version for mpid, grave in read.graves.items()} == {1: 2, 2: 2, -3: 2}


def test_whoever_lives_again_under_an_absorbed_mpid_is_not_taken_along(index: Index):
    store(index, profile(-3, EMAIL, absorbed=(1,)), profile(1, DEVICE))
    end(index, -3, EMAIL, mpids=(1,))

    assert index.visit(SPACE, {}, [Ask((DEVICE,))]).found.profiles[1] is not None


def test_what_an_end_needs_is_asked_for_at_once(index: Index):
    store(index, profile(-3, EMAIL, DEVICE, absorbed=(1, 2)))
    with pytest.raises(Unread) as missing:
        ended(index, -3)
    assert set(missing.value.identifiers) == {EMAIL, DEVICE}
    assert set(missing.value.mpids) == {1, 2}


def test_a_decision_that_saw_the_profile_meets_its_grave(open_index: OpenIndex):
    index = open_index()
    store(index, profile(7, EMAIL))
    late = view_of(open_index(), [profile(7, EMAIL, last_seen_ms=9)]).effects()
    end(open_index(), 7, EMAIL)

    result = index.commit(SPACE, late, ())

    assert isinstance(result, Conflict)
    assert result.found.profiles == {7: None}
    assert result.found.graves[7].version == 2


def test_an_end_that_did_not_see_the_last_version_is_a_conflict(open_index: OpenIndex):
    index = open_index()
    store(index, profile(7, EMAIL))
    effects = ended(index, 7, EMAIL).effects()
    store(open_index(), profile(7, EMAIL, last_seen_ms=9))

    assert isinstance(index.commit(SPACE, effects, ()), Conflict)


def test_the_mpid_of_a_grave_is_not_given_out(index: Index):
    store(index, profile(7, EMAIL))
    end(index, 7, EMAIL)
    view = View(index.visit(SPACE, {}, [Ask(mpids=(7, 8))]).found, is_lookup, SPACE)

    assert not view.is_free(7)
    assert view.is_free(8)


def test_an_mpid_that_turns_out_to_be_a_grave_is_a_conflict_that_says_so(open_index: OpenIndex):
    index = open_index()
    store(index, profile(7, EMAIL))
    end(index, 7, EMAIL)
    view = View(open_index().visit(SPACE, {}, [Ask((EMAIL,))]).found, is_lookup, SPACE)
    assert view.is_free(7), "it was not read"
    view.put(profile(7, EMAIL))
    view.end_record()

    result = index.commit(SPACE, view.effects(), ())

    assert isinstance(result, Conflict)
    assert result.found.graves[7].version == 2


def test_versions_go_on_where_somebody_lives_again(index: Index):
    store(index, profile(7, EMAIL))
    end(index, 7, EMAIL)
    assert isinstance(store(index, profile(7, DEVICE)), Commit)

    read = index.visit(SPACE, {}, [Ask((DEVICE,), (7,))]).found

    assert read.profiles == {7: profile(7, DEVICE, version=3)}
    assert read.graves == {}
    assert read.holders == {DEVICE: (7,)}


def test_an_end_and_a_new_life_fit_into_one_batch(index: Index):
    store(index, profile(7, EMAIL))
    view = ended(index, 7, EMAIL)
    assert view.exact(7) is None
    view.record.begins_after(7, 40)
    view.put(profile(7, EMAIL))
    (edit,) = view.end_record()
    assert edit.before is None

    assert isinstance(index.commit(SPACE, view.effects(), ()), Commit)

    read = index.visit(SPACE, {}, [Ask((EMAIL,))]).found
    assert read.profiles == {7: profile(7, EMAIL, version=41)}


def test_a_row_owes_the_changelog_the_grave_that_overtook_it(index: Index):
    epochs = claim(index)
    store(index, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5)])
    seq = end(index, 7, EMAIL)

    reading = index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 1})])

    assert reading.owed == ((7,),)
    assert reading.newer == {7: Grave(7, 2, AT_MS, "aged_out", seq)}
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 2})]).owed == ((),)


def test_what_others_remember_of_somebody_is_dropped_when_that_profile_ends(open_index: OpenIndex):
    index = open_index()
    store(index, profile(7, EMAIL))
    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.profiles[7] is not None
    end(open_index(), 7, EMAIL)

    assert index.visit(SPACE, {}, [Ask((EMAIL,), (7,))]).found.graves[7].version == 2


@pytest.mark.parametrize("why", ["aged_out", "deleted", "erased"])
def test_a_grave_is_stored_as_it_is_and_holds_nothing_of_the_person(why):
    grave = Grave(-5, 2**63 - 1, AT_MS, why, 2**53 + 1)
    stored = pack_grave(grave)

    assert unpack_grave(-5, stored) == grave
    assert is_grave(stored)
    assert len(stored) == 35
    assert not is_grave(pack(profile(7, EMAIL)))
    assert not is_grave(pack(profile(7, merged_into=8)))
    for odd in (b"\x02" + stored[1:], stored[:-1], stored[:-1] + b"\x09"):
        with pytest.raises(ValueError, match="this grave has a"):
            unpack_grave(-5, odd)


# ---- until nobody needs them ------------------------------------------------------------------


def buried(index: Index, epochs: dict[RowKey, int], cursor: int | None = None) -> Entry:
    """Store a profile, and end it, by a record of a row; return where its grave is entered."""
    store(index, profile(7, EMAIL))
    effects = ended(index, 7, EMAIL).effects()
    entry = Entry("d20456", 7)
    moved = replace(effects, moves=Moves(entered=[entry]))
    assert isinstance(index.commit(SPACE, moved, [advance(epochs[ROW], cursor, 5)]), Commit)
    return entry


def take(index: Index) -> Reading:
    return index.visit(SPACE, {}, [Ask(take=Take(7, 1_900_000_000_000))])


def test_a_grave_is_needed_while_any_row_has_a_journal_entry_of_its_time_or_before(index: Index):
    epochs = claim(index, ROW, OTHER_ROW)
    store(index, profile(9), advances=[advance(epochs[OTHER_ROW], None, 5, OTHER_ROW)])
    entry = buried(index, epochs)
    assert take(index).entries == (entry,)
    assert take(index).needed == {7}
    index.visit(SPACE, epochs, [], [Trim(OTHER_ROW, 1, {9: 1})])
    assert take(index).needed == {7}, "its own row has the entry of its burial"
    index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 2})])
    assert take(index).needed == frozenset()

    store(index, profile(8), advances=[advance(epochs[OTHER_ROW], 5, 6, OTHER_ROW)])
    assert take(index).needed == frozenset(), "what is journalled later cannot need it"


def test_a_grave_is_needed_while_a_row_owes_the_topic_that_profile(index: Index):
    epochs = claim(index)
    buried(index, epochs)
    index.visit(SPACE, epochs, [], [Trim(ROW, 1, {7: 1})])
    assert take(index).needed == {7}
    index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 2})])
    assert take(index).needed == frozenset()


def test_a_grave_that_is_dropped_leaves_nothing(open_index: OpenIndex):
    index, other = open_index(), open_index()
    entry = buried(index, claim(index))
    drop = Effects({}, {7: 2}, {}, {}, Moves(taken=[entry]), dropped=(7,))
    stale = replace(drop, expected_versions={7: 1})
    assert isinstance(other.commit(SPACE, stale, ()), Conflict)

    assert isinstance(other.commit(SPACE, drop, ()), Commit)

    found = index.visit(SPACE, {}, [Ask((EMAIL,), (7,))]).found
    assert (found.profiles, found.graves) == ({7: None}, {})
    assert take(index).entries == ()
