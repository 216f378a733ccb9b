"""Who keeps an identifier that more profiles hold than can."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.identity.choosing.attach import ALWAYS_BOUND
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Identity, Profile
from processor.index import conflicts
from tests.unit.identity.world import World, policy

EMAIL = Identifier("email", "ada@example.com")
DEVICE = Identifier("ios_idfv", "1234")
POLICY = IdentityPolicy(
    strategy="profile_isolation",
    priority=("customerid", "email", "ios_idfv"),
    login_ids=frozenset({"customerid"}),
    unique_ids=frozenset({"customerid", "email"}),
    max_holders=2,
)


def person(
    mpid: int, *identifiers: Identifier, asserted: int = 0, seen: int = 0, created: int = 0
) -> Profile:
    identities = tuple(Identity(i.identity_type, i.value, 0, asserted, "i") for i in identifiers)
    return Profile("retail", "production", mpid, 1, created, seen, identities=identities)


def lost(identifier: Identifier, *holders: Profile) -> list[int]:
    return [p.mpid for p in conflicts.losers(identifier, holders, POLICY)]


def test_a_unique_identifier_stays_with_whoever_asserted_it_last():
    early = person(1, EMAIL, asserted=5, seen=100)
    late = person(2, EMAIL, asserted=9, seen=50)
    assert lost(EMAIL, early, late) == [1]
    assert lost(EMAIL, late, early) == [1]
    assert lost(EMAIL, late) == []


def test_equally_late_assertions_are_told_apart_by_activity_age_and_number():
    assert lost(EMAIL, person(1, EMAIL, seen=2), person(2, EMAIL, seen=1)) == [2]
    assert lost(EMAIL, person(1, EMAIL, created=2), person(2, EMAIL, created=1)) == [2]
    assert lost(EMAIL, person(1, EMAIL), person(2, EMAIL)) == [2]


def test_anonymous_profiles_lose_a_shared_identifier_first_the_least_active_of_them_before_others():
    known = person(1, DEVICE, Identifier("customerid", "c"), seen=0)
    anonymous = [person(n, DEVICE, seen=n) for n in (2, 3, 4)]
    assert lost(DEVICE, known, *anonymous[:1]) == []
    assert sorted(lost(DEVICE, known, *anonymous)) == [2, 3]


def test_known_profiles_lose_a_shared_identifier_beyond_the_hard_bound_only():
    def crowd(count: int) -> list[Profile]:
        ids = [Identifier("customerid", str(n)) for n in range(count)]
        return [person(n, DEVICE, ids[n], seen=n) for n in range(count)]

    bound = ALWAYS_BOUND * POLICY.max_holders
    assert lost(DEVICE, *crowd(bound)) == []
    assert lost(DEVICE, *crowd(bound + 3)) == [0, 1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=4),
)
def test_those_lose_a_shared_identifier_whom_the_processor_would_take_it_from(times):
    world = World(policy("profile_conversion", max_holders=len(times)))
    for mpid, (seen, created) in enumerate(times, 1):
        world.given(mpid, contested=True, ios_idfv=DEVICE.value)
        one = world.profiles[mpid]
        world.profiles[mpid] = replace(one, last_seen_ms=seen, created_ms=created)
    holders = list(world.profiles.values())
    room = replace(world.policy, max_holders=len(times) - 1)
    gone = [p.mpid for p in conflicts.losers(DEVICE, holders, room)]
    world.logout(ios_idfv=DEVICE.value)
    assert [p.mpid for p in holders if not world.values(p.mpid)] == gone


@given(st.permutations([person(n, EMAIL, asserted=n % 3, seen=n % 2) for n in range(6)]))
def test_the_order_in_which_holders_are_met_decides_nothing(holders):
    assert lost(EMAIL, *holders) == lost(EMAIL, *sorted(holders, key=lambda p: p.mpid))
    assert len(lost(EMAIL, *holders)) == len(holders) - 1


def test_only_those_who_can_tie_are_contested_and_only_where_there_are_two():
    known = person(1, EMAIL, Identifier("customerid", "c"))
    one, two = person(2, EMAIL), person(3, EMAIL)
    assert conflicts.contested([known, one], POLICY) == []
    assert [p.mpid for p in conflicts.contested([known, one, two], POLICY)] == [2, 3]
