"""Markers stand behind holders and outlive them; documents that are no profiles are kept beside."""

import pytest
from msgspec.structs import replace

from processor.identity.filed import Filed, Filing
from processor.identity.marker import EVER_MS, Marker
from processor.identity.unnamed import of_token
from processor.identity.view import Effects
from processor.index.port import Ask, Commit, Conflict, Index
from processor.privacy.case import Case, filed
from tests.contract.people import DEVICE, EMAIL, SPACE, profile, store

FIRST = Marker(1_767_225_600_000)
LATER = Marker(1_767_225_600_001, b"\x00\x00\x00\x07")
NEVER_ENDS = Marker(EVER_MS)
CASE = Case(
    "retail", "production", -5, 1, "one", "erasure", "retail", "pending", b"", "about", 0, 0
)


def file(index: Index, filing: Filing, **effects: object) -> Commit | Conflict:
    return index.commit(SPACE, Effects({}, {}, {}, {}, filing=filing, **effects), ())


def mark(index: Index, *marks: Marker, off: tuple[Marker, ...] = ()) -> None:
    token = index.token(EMAIL)
    filing = Filing({}, [(token, m) for m in marks], [(token, m) for m in off])
    assert isinstance(file(index, filing), Commit)


def test_markers_come_with_holders_and_cost_others_nothing(index: Index):
    store(index, profile(7, EMAIL, DEVICE))
    mark(index, LATER, FIRST, NEVER_ENDS)

    read = index.visit(SPACE, {}, [Ask((EMAIL, DEVICE))]).found

    assert read.holders == {EMAIL: (7,), DEVICE: (7,)}
    assert read.markers == {EMAIL: (FIRST, LATER, NEVER_ENDS)}
    assert read.profiles.keys() == {7}


def test_a_marker_stays_where_nobody_holds_the_identifier_and_goes_when_it_is_taken_off(
    index: Index,
):
    mark(index, FIRST, LATER)
    mark(index, FIRST)
    read = index.visit(SPACE, {}, [Ask((EMAIL,))]).found
    assert (read.holders, read.markers) == ({EMAIL: ()}, {EMAIL: (FIRST, LATER)})

    mark(index, off=(FIRST,))
    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.markers == {EMAIL: (LATER,)}

    mark(index, off=(LATER,))
    assert index.visit(SPACE, {}, [Ask((EMAIL,))]).found.markers == {}


def test_holders_are_found_by_a_token_alone(index: Index):
    store(index, profile(7, EMAIL))
    mark(index, FIRST)
    named = of_token(index.token(EMAIL))

    read = index.visit(SPACE, {}, [Ask((named,))]).found

    assert (read.holders, read.markers) == ({named: (7,)}, {named: (FIRST,)})
    assert read.profiles.keys() == {7}
    changed = Effects({EMAIL: (7,)}, {7: 1}, {EMAIL: ()}, {7: profile(7, version=2)})
    assert isinstance(index.commit(SPACE, replace(changed, markers={EMAIL: (FIRST,)}), ()), Commit)
    assert index.visit(SPACE, {}, [Ask((named, EMAIL))]).found.holders == {named: (), EMAIL: ()}
    late = Effects({named: (7,)}, {}, {}, {}, markers={named: (FIRST,)}, filing=Filing({}))
    assert isinstance(index.commit(SPACE, late, ()), Conflict)


def test_who_decided_before_a_marker_came_meets_a_conflict_and_sees_it(index: Index):
    store(index, profile(7, EMAIL))
    mark(index, FIRST)
    blind = Effects({EMAIL: (7,)}, {7: 1}, {EMAIL: ()}, {7: profile(7, version=2)})

    result = index.commit(SPACE, blind, ())

    assert isinstance(result, Conflict)
    assert result.found.markers == {EMAIL: (FIRST,)}
    seen = Effects({EMAIL: (7,)}, {7: 1}, {EMAIL: ()}, {7: profile(7, version=2)})
    seen.markers = result.found.markers
    assert isinstance(index.commit(SPACE, seen, ()), Commit)
    read = index.visit(SPACE, {}, [Ask((EMAIL,))]).found
    assert (read.holders, read.markers) == ({EMAIL: ()}, {EMAIL: (FIRST,)})


def test_a_case_is_read_by_its_number_or_by_whom_it_is_about_and_is_no_profile(index: Index):
    document = filed(CASE)
    held = {CASE.opened_for: (CASE.number,)}
    assert isinstance(
        index.commit(SPACE, Effects({}, {}, held, {}, filing=Filing({-5: document})), ()), Commit
    )

    read = index.visit(SPACE, {}, [Ask((CASE.opened_for,))]).found

    assert read.profiles == {-5: None}
    assert read.filed == {-5: document}
    assert read.version(-5) == 1


@pytest.mark.parametrize("expected", [0, 2])
def test_a_case_has_versions_that_a_commit_compares(index: Index, expected):
    file(index, Filing({-5: filed(CASE)}))
    stale = Effects({}, {-5: expected}, {}, {}, filing=Filing({-5: Filed(-5, 2, b"")}))
    assert isinstance(index.commit(SPACE, stale, ()), Conflict)
    stale.expected_versions = {-5: 1}
    assert isinstance(index.commit(SPACE, stale, ()), Commit)
    assert index.visit(SPACE, {}, [Ask(mpids=(-5,))]).found.filed == {}
