"""Search finds and never writes (docs/strategies.md, "Search")."""

from processor.identity.decision import Matched, NotFound
from tests.unit.identity.world import World, policy

IMMUTABLE = frozenset({"customerid"})


def published(**switches):
    world = World(policy("profile_link", immutable_ids=IMMUTABLE, **switches))
    world.given(1, customerid="h.jekyll.85", email="ed", ios_idfv="1234")
    world.given(2, email="hj")
    return world


def test_with_an_immutable_type_only_that_is_looked_at():
    world = published()
    before = dict(world.profiles)
    answer = world.search(customerid="h.jekyll.85", roku_aid="NEW", twitter="t")
    assert (answer.mpid, answer.matched_on, answer.is_logged_in) == (1, "customerid", True)
    assert [i.identity_type for i in answer.matched] == ["customerid"]
    assert [(s.identity_type, s.reason) for s in answer.skipped] == [("twitter", "not_in_priority")]
    assert isinstance(world.search(email="hj"), NotFound)
    assert isinstance(world.search(customerid="9101", email="hj"), NotFound)
    assert world.profiles == before


def test_a_switch_lets_search_look_at_any_identity_under_protection():
    world = published(search_any_identity=True)
    assert world.search(email="hj").mpid == 2
    assert isinstance(world.search(email="ed"), NotFound)  # its customer ID is not shown
    assert isinstance(world.search(ios_idfv="1234"), NotFound)


def test_without_an_immutable_type_any_identity_finds_under_login_protection():
    world = World(policy("profile_conversion"))
    world.given(1, email="e", ios_idfv="D")
    assert isinstance(world.search(ios_idfv="D"), NotFound)
    world.given(2, ios_idfv="D")
    answer = world.search(ios_idfv="D")
    assert isinstance(answer, Matched)
    assert (answer.mpid, answer.is_known) == (2, False)
    assert world.search(email="e", ios_idfv="NEW").mpid == 1
