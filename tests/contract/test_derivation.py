"""The documents that were published, in any order, give the state that was live."""

import hypothesis.strategies as st
from hypothesis import given

from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.view import View
from processor.index.derivation import Tombstone, derive
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Commit
from tests.contract.people import DEVICE, EMAIL, SPACE, is_lookup, profile

IDENTIFIERS = [EMAIL, DEVICE, Identifier("customerid", "1"), Identifier("other", "data")]
MPIDS = [-7, 1, 2, 3, 2**63 - 1]
LOOKUPS = {SPACE.scope: is_lookup}
EVERYTHING = Ask(tuple(IDENTIFIERS), tuple(MPIDS))

changes = st.lists(
    st.tuples(
        st.sampled_from(MPIDS),
        st.lists(st.sampled_from(IDENTIFIERS), unique=True, max_size=3),
        st.none() | st.sampled_from(MPIDS),
    ),
    max_size=12,
)


def live(
    index: MemoryIndex, wanted: list[tuple[int, list[Identifier], int | None]]
) -> list[Profile]:
    """Make changes one after the other; return every document that was written."""
    published: list[Profile] = []
    for mpid, held, survivor in wanted:
        view = View(index.visit(SPACE, {}, [EVERYTHING]).found, is_lookup, SPACE)
        view.put(profile(mpid, *([] if survivor else held), merged_into=survivor))
        published += [edit.after for edit in view.end_record()]
        if effects := view.effects():
            assert isinstance(index.commit(SPACE, effects, ()), Commit)
    return published


@given(changes, st.data())
def test_what_was_published_in_any_order_gives_the_live_state(wanted, data):
    index, again = MemoryIndex(), MemoryIndex()
    published = live(index, wanted)

    again.load(data.draw(st.permutations(published + published[:3])), LOOKUPS)

    assert again.visit(SPACE, {}, [EVERYTHING]).found == index.visit(SPACE, {}, [EVERYTHING]).found
    assert list(again.profiles()) == list(index.profiles())


def test_the_highest_version_counts_not_the_last():
    documents = [profile(7, EMAIL, version=5), profile(7, DEVICE, version=4)]

    state = derive(documents, LOOKUPS)[SPACE]

    assert state.profiles[7].version == 5
    assert state.holders == {EMAIL: (7,)}


def test_a_tombstone_erases_what_is_older_wherever_it_stands():
    erased = Tombstone(SPACE.scope, SPACE.environment, 7, 6)
    for documents in (
        [erased, profile(7, EMAIL, version=5)],
        [profile(7, EMAIL, version=5), erased],
    ):
        state = derive(documents, LOOKUPS)[SPACE]
        assert state.profiles == {}
        assert state.holders == {}

    born_again = derive([erased, profile(7, EMAIL, version=7)], LOOKUPS)[SPACE]
    assert born_again.holders == {EMAIL: (7,)}


def test_merged_profiles_and_types_that_are_no_lookups_hold_nothing():
    other = Identifier("other", "data")
    state = derive([profile(7, EMAIL, merged_into=8), profile(8, other)], LOOKUPS)[SPACE]

    assert state.holders == {}
    assert set(state.profiles) == {7, 8}


def test_a_loaded_mpid_is_not_free():
    index = MemoryIndex()
    index.load([profile(7, merged_into=8, version=1)], LOOKUPS)

    view = View(index.visit(SPACE, {}, [Ask(mpids=(7,))]).found, is_lookup, SPACE)

    assert not view.is_free(7)
