"""Laws of flat matching, after any sequence of events (docs/strategies.md, "flat_matching")."""

from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.identity.change import identity_changes
from processor.identity.decision import Created, Matched, Merged, NotFound
from processor.identity.model import Identifier, IdentifierLimit, IdentityChange
from tests.unit.identity.flat_reference import Reference
from tests.unit.identity.world import START_MS, World, policy

TYPES = ("user_id", "email", "anonymous_id", "ios.id")
HOUR = 3_600_000
WINDOWS = (None, 24 * HOUR, 7 * 24 * HOUR)

limits = st.builds(IdentifierLimit, st.integers(1, 3), st.sampled_from(WINDOWS))
identifiers = st.builds(Identifier, st.sampled_from(TYPES), st.sampled_from("abcd"))
events = st.lists(
    st.tuples(
        st.lists(identifiers, min_size=1, max_size=5, unique=True).map(tuple),
        st.sampled_from((0, 60_000, 2 * HOUR, 30 * HOUR, -3 * HOUR)),
    ),
    min_size=10,
    max_size=30,
)


@st.composite
def policies(draw):
    return policy(
        "flat_matching",
        priority=tuple(draw(st.permutations(TYPES))),
        unique_ids=frozenset(TYPES),
        limits={kind: draw(limits) for kind in TYPES},
        demotion=draw(st.sampled_from(("lowest_relevant", "lowest"))),
        max_merges=draw(st.sampled_from((1, 3, 100))),
        max_mappings=draw(st.sampled_from((2, 5, 1000))),
    )


def play(world, told):
    """Yield each event's request and what came of it."""
    time_ms = START_MS
    for known, later in told:
        time_ms += later
        request = world.request("batch", known, at_ms=time_ms)
        before = dict(world.profiles)
        yield request, before, world.ask(request)


def held(profile):
    return {Identifier(i.identity_type, i.value): i.added_ms for i in profile.identities}


def live(world):
    return {m: p for m, p in world.profiles.items() if p.merged_into is None}


def counts(profile, rules, time_ms):
    """Return how many values of each type count at a time."""
    found = dict.fromkeys(TYPES, 0)
    for identity in profile.identities:
        window = rules.limits[identity.identity_type].window_ms
        if window is None or time_ms - identity.added_ms < window:
            found[identity.identity_type] += 1
    return found


@given(policies(), events)
def test_it_decides_as_the_specification_words_it(rules, told):
    world, reference = World(rules), Reference(rules)
    for request, _, step in play(world, told):
        decision = step.decision
        mpid = getattr(decision, "mpid", None)
        outcome = reference.resolve(request.identifiers, request.time_ms, mpid or 0)
        kinds = {Created: "created", Matched: "matched", Merged: "merged", NotFound: "none"}
        assert (kinds[type(decision)], mpid) == (outcome.kind, outcome.label)
        demoted = [
            (s.identity_type, s.violation) for s in decision.skipped if s.reason == "demoted"
        ]
        assert demoted == [(i.identity_type, reason) for i, reason in outcome.demoted]
        if isinstance(decision, Merged):
            assert outcome.absorbed <= set(decision.absorbed)
        assert {p.label: p.added for p in reference.people} == {
            mpid: held(profile) for mpid, profile in live(world).items()
        }


@given(policies(), events)
def test_no_write_breaks_a_limit_and_every_identifier_has_one_owner(rules, told):
    world = World(rules)
    for request, before, step in play(world, told):
        owners = {}
        for mpid, profile in live(world).items():
            for identifier in held(profile):
                assert owners.setdefault(identifier, mpid) == mpid
            assert profile.merges == len(profile.absorbed) <= rules.max_merges
        for edit in step.edits:
            if edit.after.merged_into is None:
                now = counts(edit.after, rules, request.time_ms)
                parts = [edit.before] if edit.before else []
                parts += [before[m] for m in edit.after.absorbed if m in before]
                for kind, count in now.items():
                    most = max((counts(p, rules, request.time_ms)[kind] for p in parts), default=0)
                    assert count <= max(rules.limits[kind].count, most)


@given(policies(), events)
def test_demotion_never_runs_dry(rules, told):
    for _, _, step in play(World(rules), told):
        assert not isinstance(step.decision, NotFound)


@given(policies(), events)
def test_a_repeated_event_changes_nothing(rules, told):
    world = World(rules)
    for request, _, first in play(world, told):
        again = world.ask(replace(request, seed=(b"again",)))
        assert not again.edits
        assert again.decision.mpid == first.decision.mpid


@given(policies(), events)
def test_both_modes_of_demotion_choose_the_same_profile(rules, told):
    world = World(rules)
    other = {"lowest": "lowest_relevant", "lowest_relevant": "lowest"}[rules.demotion]
    for request, before, step in play(world, told):
        twin = World(replace(rules, demotion=other))
        twin.profiles = deepcopy(before)
        assert twin.ask(request).decision.mpid == step.decision.mpid


@given(policies(), events)
def test_an_absorbed_mpid_answers_for_ever_and_the_ancestry_is_complete(rules, told):
    world = World(rules)
    for _ in play(world, told):
        pass
    for mpid, profile in world.profiles.items():
        if profile.merged_into is None:
            continue
        assert not profile.identities
        assert not profile.workspaces
        decision = world.batch(mpid=mpid)
        survivor = world.profiles[decision.mpid]
        assert survivor.merged_into is None
        assert mpid in survivor.absorbed
        assert world.profiles[mpid].merged_into == survivor.mpid  # shortened on the way


def token(identifier):
    return f"{identifier.identity_type}:{identifier.value}".encode()


@given(policies(), events)
def test_replaying_the_changes_by_version_arrives_at_the_live_graph(rules, told):
    world, stream = World(rules), []
    for _, _, step in play(world, told):
        stream += identity_changes(step.edits, rules, token)
    graph = {}
    by_profile = {}
    for change in stream:
        by_profile.setdefault(change.mpid, []).append(change)
    for mpid, mine in by_profile.items():
        assert [c.version for c in mine] == sorted(c.version for c in mine)
        assert [c.change for c in mine].count("profile_created") == 1
        for change in mine:
            gains = change.change == "identity_added" or (
                change.change == "identity_moved" and change.moved_to == mpid
            )
            if gains:
                graph.setdefault(mpid, set()).add(change.token)
            elif change.token is not None:
                graph[mpid].remove(change.token)
    assert {m: tokens for m, tokens in graph.items() if tokens} == {
        mpid: {token(i).hex() for i in held(profile)} for mpid, profile in live(world).items()
    }
    merged = {m for c in stream if c.change == "profile_merged" for m in c.absorbed}
    assert merged == {m for m, p in world.profiles.items() if p.merged_into is not None}


@given(policies(), events, st.data())
def test_where_a_batch_is_cut_does_not_change_what_is_decided(rules, told, data):
    whole, parts = World(rules), World(rules)
    time_ms, asked = START_MS, []
    for known, later in told:
        time_ms += later
        asked.append(whole.request("batch", known, at_ms=time_ms))
    cut = data.draw(st.integers(0, len(asked)))
    at_once = [step.decision for step in whole.fold(asked)]
    in_two = [step.decision for half in (asked[:cut], asked[cut:]) for step in parts.fold(half)]
    assert at_once == in_two
    assert whole.profiles == parts.profiles
    assert not whole.rereads + parts.rereads, "a merge must not cost another read"


changes = st.lists(
    st.builds(
        IdentityChange,
        st.sampled_from(TYPES),
        st.sampled_from(("a", "b", None)),
        st.sampled_from(("a", "b", "c", "d")),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@given(policies(), events, changes)
def test_a_modify_keeps_owners_and_limits(rules, told, asked):
    world = World(rules)
    for _, _, step in play(world, told):
        mpid = step.decision.mpid
    before, time_ms = dict(world.profiles), START_MS + 400 * 24 * HOUR
    request = world.request("modify", mpid=mpid, changes=asked, at_ms=time_ms)
    decision = world.ask(request).decision
    owners = {}
    for one, profile in live(world).items():
        for identifier in held(profile):
            assert owners.setdefault(identifier, one) == one
    had, has = (counts(w[decision.mpid], rules, time_ms) for w in (before, world.profiles))
    assert all(has[kind] <= max(had[kind], rules.limits[kind].count) for kind in TYPES)
    changed = {result.modified_mpid for result in decision.change_results}
    assert changed == {
        m for m in before if held(before[m]).keys() != held(world.profiles[m]).keys()
    }


@settings(max_examples=20)
@given(policies(), events)
def test_a_limit_of_nothing_leaves_nobody(rules, told):
    world = World(replace(rules, limits=dict.fromkeys(TYPES, IdentifierLimit(0))))
    for _, _, step in play(world, told):
        assert isinstance(step.decision, NotFound)
        assert step.decision.reason == "no_identity"
    assert not world.profiles
