"""What holds after any sequence of requests, under every strategy and switch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.identity.choosing import attach
from processor.identity.choosing.attach import ALWAYS_BOUND
from processor.identity.choosing.contest import always_ties, can_tie, contested_among
from processor.identity.decision import Created, Matched, NotFound, Refused
from processor.identity.lookup import is_known
from processor.identity.model import Identifier, IdentityChange, IdentityRequest
from processor.identity.mpid import derive_mpid
from processor.identity.profile import lookups
from processor.identity.strategies import STRATEGIES
from tests.unit.identity.world import START_MS, World, policy

MINUTE, HOUR = 60_000, 3_600_000
TYPES = ("customerid", "email", "mobile_number", "ios_idfv", "roku_aid", "twitter")
SPLIT = ("profile_link", "profile_isolation")
CHOOSING = tuple(name for name, one in STRATEGIES.items() if not one.traits.has_one_owner)


@st.composite
def policies(draw):
    strategy = draw(st.sampled_from(CHOOSING))
    switches = {
        "tie_break": draw(st.sampled_from(("last_activity", "newest", "oldest"))),
        "unique_conflict": draw(st.sampled_from(("skip", "move"))),
        "higher_conflict": draw(st.sampled_from(("attach", "new_profile"))),
        "immutable_protects": draw(st.sampled_from(("every_request", "search"))),
        "search_any_identity": draw(st.booleans()),
        "best_match_login": draw(st.sampled_from(("refuse", "as_identify"))),
        "max_holders": draw(st.sampled_from((1, 2, 20))),
        "max_identities": draw(st.sampled_from((2, 4, 200))),
        "priority": tuple(draw(st.permutations(TYPES[:5]))),
    }
    if strategy not in ("default", "best_match"):
        login = draw(st.sets(st.sampled_from(TYPES[:3]), min_size=1))
        unique = draw(st.sets(st.sampled_from(TYPES[:4])))
        immutable = (
            draw(st.sets(st.sampled_from(sorted(login & unique)), max_size=1))
            if login & unique
            else ()
        )
        switches |= {
            "login_ids": frozenset(login),
            "unique_ids": frozenset(unique),
            "immutable_ids": frozenset(immutable),
        }
    return policy(strategy, **switches)


known = st.lists(
    st.builds(Identifier, st.sampled_from(TYPES), st.sampled_from("abc")), max_size=4, unique=True
).map(tuple)
changes = st.lists(
    st.builds(
        IdentityChange,
        st.sampled_from(TYPES),
        st.sampled_from(("a", "b", None)),
        st.sampled_from(("a", "b", "c", None)),
    ),
    max_size=3,
).map(tuple)


@st.composite
def requests(draw, most=12):
    """Return requests that may name the MPIDs which the requests before them would have made."""
    made, found, time_ms = [], [], START_MS
    for number in range(draw(st.integers(1, most))):
        seed = (number,)
        mpids = st.none() | st.sampled_from([*found, 77]) if found else st.none()
        action = draw(
            st.sampled_from(("identify", "login", "logout", "batch", "batch", "modify", "search"))
        )
        time_ms += draw(st.sampled_from((0, MINUTE, 2 * HOUR, -MINUTE)))
        made.append(
            IdentityRequest(
                action=action,
                identifiers=() if action == "modify" else draw(known),
                changes=draw(changes) if action == "modify" else (),
                previous_mpid=draw(mpids) if action in ("identify", "login", "logout") else None,
                mpid=draw(mpids) if action in ("batch", "modify") else None,
                time_ms=time_ms,
                seed=seed,
                may_create=action != "batch" or draw(st.booleans()),
                read_only=action in ("identify", "modify") and draw(st.booleans()),
            )
        )
        found.append(derive_mpid(seed, 0))
    return [r for r in made if r.action != "batch" or r.identifiers or r.mpid is not None]


@given(policies(), requests())
def test_the_graph_stays_valid(rules, asked):
    world = World(rules)
    for request in asked:
        before = dict(world.profiles)
        step = world.ask(request)
        assert before.keys() <= world.profiles.keys()
        check_owners(world)
        check_flags(world)
        check_edits(world, request, step)
        check_room(world, step)
        check_decision(world, request, step, before)


@given(policies(), requests())
def test_a_new_profile_is_as_if_its_identifiers_were_looked_at_one_by_one(rules, asked):
    quick, thorough = World(rules), World(rules)
    for request in asked:
        step = quick.ask(request)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attach, "_undisputed", lambda *_: None)
            assert thorough.ask(request) == step
    assert thorough.profiles == quick.profiles


def check_owners(world):
    rules = world.policy
    owners = {}
    for profile in world.profiles.values():
        assert profile.merged_into is None
        assert len(profile.identities) <= rules.max_identities
        pairs = [(i.identity_type, i.value) for i in profile.identities]
        assert len(set(pairs)) == len(pairs)
        for pair in pairs:
            if pair[0] in rules.unique_ids:
                assert owners.setdefault(pair, profile.mpid) == profile.mpid
        types = [t for t, _ in pairs if t in rules.unique_ids]
        assert len(set(types)) == len(types)


def check_flags(world):
    """``contested`` is on everybody who can tie, and on no known profile that cannot."""
    rules = world.policy
    flagged = {m for m, p in world.profiles.items() if p.contested}
    assert contested_among(world.profiles.values(), rules) <= flagged
    assert all(can_tie(world.profiles[m], rules) for m in flagged)


def check_edits(world, request, step):
    rules = world.policy
    may_write = isinstance(step.decision, Matched | Created) and request.action != "search"
    assert not step.edits or (may_write and not request.read_only)
    for edit in step.edits:
        before, after = edit.before, edit.after
        assert after.version == (before.version if before else 0) + 1
        if before is None:
            assert isinstance(step.decision, Created)
            assert after.mpid == step.decision.mpid
            continue
        assert after.created_ms == before.created_ms
        assert after.source_mpid == before.source_mpid
        assert after.last_seen_ms >= before.last_seen_ms
        for kind in rules.immutable_ids:
            had = values(before, kind)
            assert not had or values(after, kind) == had
        became_known = is_known(after, rules) and not is_known(before, rules)
        if became_known and rules.strategy in SPLIT:
            assert request.action == "modify"


def found_by(profile, rules):
    """Return the identifiers by which *profile* is found."""
    return set(lookups(profile, rules.priority.__contains__))


def check_room(world, step):
    """An identifier passes its holders limit only by known users, and never without end."""
    rules = world.policy
    fell = {e.after.mpid for e in step.edits if e.before and is_known(e.before, rules)}
    for edit in step.edits:
        had = found_by(edit.before, rules) if edit.before else set()
        for identifier in found_by(edit.after, rules) - had:
            holders = world.holders(identifier)
            assert len(holders) <= ALWAYS_BOUND * rules.max_holders
            if len(holders) > rules.max_holders:
                others = {m for m in holders if not is_known(world.profiles[m], rules)}
                assert others <= {edit.after.mpid} | fell


def check_decision(world, request, step, before):
    rules, decision = world.policy, step.decision
    if isinstance(decision, Created):
        assert decision.mpid not in before
        assert request.may_create
        assert (decision.source_mpid is None) or rules.strategy == "profile_link"
        assert request.action == "batch" or found_by(world.profiles[decision.mpid], rules)
    if isinstance(decision, Matched):
        check_match(world, request, decision, before[decision.mpid])
    if isinstance(decision, Matched | Created) and not request.read_only:
        check_nothing_is_silent(world, request, decision)
        assert decision.is_known == is_known(world.profiles[decision.mpid], rules)


def check_match(world, request, decision, profile):
    rules = world.policy
    asked = set(request.identifiers)
    assert set(decision.matched) == asked & found_by(profile, rules) or request.action == "modify"
    is_explicit = request.mpid is not None
    if is_known(profile, rules) and not is_explicit:
        assert any(i.identity_type in rules.login_ids for i in decision.matched)
    guarded = rules.immutable_protects == "every_request" or request.action == "search"
    if guarded and not is_explicit and any(values(profile, t) for t in rules.immutable_ids):
        assert any(i.identity_type in rules.immutable_ids for i in decision.matched)
    if decision.matched_on is None:
        assert is_explicit or decision.mpid == request.previous_mpid
    else:
        assert decision.candidates >= 1
        assert decision.matched_on in {i.identity_type for i in decision.matched}


def check_nothing_is_silent(world, request, decision):
    """Every identifier of a request is on the profile afterwards or is named as skipped."""
    if request.action in ("search", "modify"):
        return
    skipped = {skip.identity_type for skip in decision.skipped}
    for kind, value in request.identifiers:
        assert value in values(world.profiles[decision.mpid], kind) or kind in skipped


def values(profile, kind):
    return {i.value for i in profile.identities if i.identity_type == kind}


@given(policies(), requests())
def test_where_a_poll_batch_is_cut_changes_nothing(rules, asked):
    one, many = World(rules), World(rules)
    folded = one.fold(asked)
    single = [many.ask(request) for request in asked]
    assert [s.decision for s in folded] == [s.decision for s in single]
    assert [s.edits for s in folded] == [s.edits for s in single]
    assert one.profiles == many.profiles


@given(policies(), requests(), known.filter(bool), st.sampled_from((0, MINUTE)))
def test_a_second_identical_identify_changes_nothing(rules, asked, again, later):
    world = World(rules)
    world.fold([r for r in asked if r.time_ms >= START_MS])
    start = max([START_MS, *(p.last_seen_ms for p in world.profiles.values())])
    first = world.ask(world.request("identify", again, at_ms=start))
    repeat = world.ask(world.request("identify", again, at_ms=start + later))
    if isinstance(first.decision, Refused):
        assert repeat.decision == first.decision
        return
    reasons = {s.reason for s in first.decision.skipped} - {"not_in_priority"}
    if reasons or isinstance(repeat.decision, NotFound | Refused):
        return
    assert repeat.decision.mpid == first.decision.mpid
    if later == 0 or not world.profiles[first.decision.mpid].contested:
        assert repeat.edits == ()


@given(policies(), requests())
def test_asking_without_writing_leaves_no_trace_and_tells_what_writing_would(rules, asked):
    *past, last = asked or [None]
    if last is None or last.action in ("batch", "search") or last.read_only:
        return
    world, dry = World(rules), World(rules)
    world.fold(past)
    dry.fold(past)
    before = dict(dry.profiles)
    told = dry.ask(
        IdentityRequest(
            **{f: getattr(last, f) for f in last.__struct_fields__} | {"read_only": True}
        )
    )
    done = world.ask(last)
    assert dry.profiles == before
    if isinstance(done.decision, Matched) or last.action == "modify":
        assert told.decision == done.decision
    elif isinstance(done.decision, Created):
        assert isinstance(told.decision, NotFound)


@given(policies())
def test_a_tie_is_possible_only_where_login_ids_do_not_separate_users(rules):
    separates = bool(rules.login_ids) and rules.login_ids <= rules.unique_ids
    assert always_ties(rules) == (not separates)
