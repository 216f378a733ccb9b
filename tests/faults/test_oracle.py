"""The checks of the fault suite on a recorded run, and on the same run with one thing wrong.

What a check does not notice here it would not notice under fire either. No server is needed.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from processor.identity.profile import Profile
from processor.settings import Settings
from tests.faults.oracle import (
    Published,
    Resolved,
    Seen,
    decisions_are_those_of_one_processor,
    losses,
    nothing_is_told,
    repetitions,
)
from tests.faults.recorded import NOON_MS, recorded
from tests.faults.swept import swept
from tests.faults.values import told_by_topics
from tests.faults.verdict import Left, resolve_again, verdict


class Run(NamedTuple):
    """A recorded run, and what the reference makes of its input."""

    settings: Settings
    published: Published
    left: Left
    resolved: Resolved


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings, published, left = recorded(tmp_path_factory.mktemp("recorded"))
    return Run(settings, published, left, resolve_again(settings, published))


class Wrong(NamedTuple):
    """One thing that is wrong with what was published to a topic."""

    what: str
    role: str
    told_by: str
    make: Callable[[Sequence[Seen]], Sequence[Seen]]
    in_the_end: bool = False
    """Only the reader that reads everything in the end sees it."""


def each(change: Callable[[Seen], Seen | None]) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    """Return what changes every record, or drops it."""
    return lambda seens: [new for one in seens if (new := change(one)) is not None]


def doubled(is_meant: Callable[[Seen], bool]) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    return lambda seens: [again for one in seens for again in (one,) * (2 if is_meant(one) else 1)]


def body(**fields: Any) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    """Return what sets *fields* of every JSON value; None takes them out."""
    gone = {name for name, value in fields.items() if value is None}

    def change(one: Seen) -> Seen:
        new = {**one.body, **fields}
        return one._replace(value=_json({k: v for k, v in new.items() if k not in gone}))

    return each(change)


def headers(**values: bytes) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    """Return what sets headers where they are."""
    return each(
        lambda one: one._replace(
            headers={name: values.get(name, old) for name, old in one.headers.items()}
        )
    )


def without(*names: str) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    return each(
        lambda one: one._replace(headers={n: v for n, v in one.headers.items() if n not in names})
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _only(*names: str) -> Callable[[Seen], Seen]:
    return lambda one: one._replace(value=_json({k: v for k, v in one.body.items() if k in names}))


def _is(kind: str) -> Callable[[Seen], bool]:
    return lambda one: one.body["change"] == kind


def _last_of_each(seens: Sequence[Seen]) -> Sequence[Seen]:
    return list({one.key: one for one in seens}.values())


def _first_of_each(seens: Sequence[Seen]) -> Sequence[Seen]:
    return list({one.key: one for one in reversed(seens)}.values())


def _in_no_order(one: Seen) -> Seen:
    seq = one.body["seq"]
    return one._replace(value=_json({**one.body, "seq": seq and 1}))


Edit = Callable[[list[Seen], int], list[Seen] | None]
"""Makes one thing wrong at a place, or returns None where that would change nothing."""


def once(edit: Edit) -> Callable[[Sequence[Seen]], Sequence[Seen]]:
    """Return what makes *edit* at one place, the first from the middle on where it can be made."""

    def make(seens: Sequence[Seen]) -> Sequence[Seen]:
        edited = (edit(list(seens), at) for at in range(len(seens) // 3, len(seens)))
        return next(new for new in edited if new is not None)

    return make


def dropped(seens: list[Seen], at: int) -> list[Seen] | None:
    return seens[:at] + seens[at + 1 :]


def repeated(seens: list[Seen], at: int) -> list[Seen] | None:
    if seens[at].body.get("change") == "violation":  # these may be alike to the letter
        return None
    return [*seens[: at + 1], *seens[at:]]


def late(seens: list[Seen], at: int) -> list[Seen] | None:
    """Move a record behind the next of its key and input partition."""
    one = seens[at]
    for place in range(at + 1, len(seens)):
        other = seens[place]
        is_of_its_line = (other.key, other.source[:2]) == (one.key, one.source[:2])
        if one.key and is_of_its_line and other.source != one.source:
            return [*seens[:at], *seens[at + 1 : place + 1], one, *seens[place + 1 :]]
    return None


def stale(seens: list[Seen], at: int) -> list[Seen] | None:
    """Give a record the value of the one before it of the same key."""
    before = _before(seens, at)
    if before is None or before.value == seens[at].value:
        return None
    return [*seens[:at], seens[at]._replace(value=before.value), *seens[at + 1 :]]


def stale_outcome(seens: list[Seen], at: int) -> list[Seen] | None:
    """Give a record the outcome of the one before it, where that is another."""
    before = _before(seens, at)
    names = ("outcome", "reason", "mpid")
    if before is None or all(before.body[name] == seens[at].body[name] for name in names):
        return None
    return stale(seens, at)


def addition_lost(seens: list[Seen], at: int) -> list[Seen] | None:
    """Lose the change by which a profile got an identity that it kept."""
    token = seens[at].body.get("token")
    is_last = all(one.body.get("token") != token for one in seens[at + 1 :])
    return dropped(seens, at) if _is("identity_added")(seens[at]) and is_last else None


def of_a_stale_profile(seens: list[Seen], at: int) -> list[Seen] | None:
    """Give a batch the attributes that the one before it of the same profile showed."""
    before, body = _before(seens, at), seens[at].body
    shown = before and before.body.get("user_attributes")
    if not shown or shown == body["user_attributes"]:
        return None
    value = _json({**body, "user_attributes": shown})
    return [*seens[:at], seens[at]._replace(value=value), *seens[at + 1 :]]


def with_stale_content(seens: list[Seen], at: int) -> list[Seen] | None:
    """Give a version of a profile what the one before it held."""
    before = _before(seens, at)
    if before is None:
        return None
    value = _json({**before.body, "version": seens[at].body["version"]})
    return [*seens[:at], seens[at]._replace(value=value), *seens[at + 1 :]]


def overtaken(seens: list[Seen], at: int) -> list[Seen] | None:
    """Publish a version once more after the next one, at the end of all."""
    if not any(one.key == seens[at].key for one in seens[at + 1 :]):
        return None
    return [*seens, seens[at]]


def last_lost(seens: list[Seen], at: int) -> list[Seen] | None:
    """Lose the last version of a profile that has several."""
    if _before(seens, at) is None or any(one.key == seens[at].key for one in seens[at + 1 :]):
        return None
    return dropped(seens, at)


def foreign(seens: list[Seen], at: int) -> list[Seen] | None:
    """Add an outcome of a record that there is not."""
    return [*seens, seens[at]._replace(headers={**seens[at].headers, "source-offset": b"999999"})]


def of_a_bad_record(seens: list[Seen], at: int) -> list[Seen] | None:
    """Give a dead letter's outcome the reason of another class."""
    one = seens[at]
    if one.body["reason"] != "malformed":
        return None
    value = _json({**one.body, "reason": "invalid"})
    return [*seens[:at], one._replace(value=value), *seens[at + 1 :]]


def of_another_profile(seens: list[Seen], at: int) -> list[Seen] | None:
    one = seens[at]
    if one.body["mpid"] is None:
        return None
    return [
        *seens[:at],
        one._replace(value=_json({**one.body, "mpid": "1"})),
        *seens[at + 1 :],
    ]


def decided_late(seens: list[Seen], at: int) -> list[Seen] | None:
    """Exchange the places in the order of one record and the next of its partition."""
    one = seens[at]
    for place in range(at + 1, len(seens)):
        other = seens[place]
        if other.source[:2] == one.source[:2] and None not in (one.body["seq"], other.body["seq"]):
            theirs = [{k: o.body[k] for k in ("seq", "position")} for o in (one, other)]
            new = list(seens)
            new[at] = one._replace(value=_json({**one.body, **theirs[1]}))
            new[place] = other._replace(value=_json({**other.body, **theirs[0]}))
            return new
    return None


def _before(seens: list[Seen], at: int) -> Seen | None:
    return next((one for one in reversed(seens[:at]) if one.key == seens[at].key), None)


def alias_lost(role: str) -> Edit:
    """Return what loses the change of an alias under the profile in *role*."""

    def edit(seens: list[Seen], at: int) -> list[Seen] | None:
        return dropped(seens, at) if seens[at].body.get("role") == role else None

    return edit


def alias_of_another(seens: list[Seen], at: int) -> list[Seen] | None:
    """Let one of the two changes of an alias say another window."""
    if not _is("profile_aliased")(seens[at]):
        return None
    value = _json({**seens[at].body, "end_ms": seens[at].body["end_ms"] - 1})
    return [*seens[:at], seens[at]._replace(value=value), *seens[at + 1 :]]


def left_lost(seens: list[Seen], at: int) -> list[Seen] | None:
    """Lose the change by which somebody left an audience that they entered again."""
    one = seens[at]
    names = ("audience", "change")
    again = (one.body["audience"], "entered")
    is_again = any(
        other.key == one.key and tuple(other.body[name] for name in names) == again
        for other in seens[at + 1 :]
    )
    return dropped(seens, at) if one.body["change"] == "left" and is_again else None


TOLD = ("audience_changes", "audience changes")
EMPTY = each(lambda one: one._replace(value=b""))
NO_KEY = each(lambda one: one._replace(key=b""))
REPEATED = doubled(lambda _one: True)
NONE = each(lambda _one: None)
KINDS = (
    "profile_created",
    "profile_merged",
    "profile_orphaned",
    "profile_linked",
    "profile_aliased",
    "identity_added",
    "identity_removed",
    "identity_moved",
    "violation",
)

WRONG = [
    Wrong("answers of two fields", "responses", "outputs", each(_only("mpid", "resolution"))),
    Wrong("answers without a resolution", "responses", "outputs", body(resolution=None)),
    Wrong("answers of another status", "responses", "outputs", body(status=418)),
    Wrong("answers under no key", "responses", "outputs", NO_KEY),
    Wrong("answers that are empty objects", "responses", "outputs", each(_only())),
    Wrong("answers twice", "responses", "outputs agree", REPEATED),
    Wrong("no answers", "responses", "outputs", NONE),
    Wrong("batches without a resolution", "enriched", "outputs", without("resolution")),
    Wrong("batches without an MPID", "enriched", "outputs", without("mpid")),
    Wrong("batches without the input's headers", "enriched", "outputs", without("class")),
    Wrong("batches under no key", "enriched", "outputs", NO_KEY),
    Wrong("batches without events", "enriched", "shown", body(events=None)),
    Wrong("batches of nobody's attributes", "enriched", "shown", body(user_attributes={"x": "y"})),
    Wrong("batches without identities", "enriched", "shown", body(user_identities=None)),
    Wrong("batches that are empty", "enriched", "shown", EMPTY),
    Wrong("dead letters without their record", "dead_letters", "outputs", EMPTY),
    Wrong("dead letters without their key", "dead_letters", "outputs", NO_KEY),
    Wrong("dead letters of a wrong reason", "dead_letters", "outputs", headers(reason=b"dull")),
    Wrong("dead letters of a wrong detail", "dead_letters", "outputs", headers(detail=b"dull")),
    Wrong("dead letters tried often", "dead_letters", "outputs", headers(attempts=b"99")),
    Wrong("dead letters without a time", "dead_letters", "outputs", without("source-timestamp")),
    Wrong("dead letters lost", "dead_letters", "outputs", NONE),
    *[
        Wrong(f"no changes of the kind {kind}", "changes", "changes", make)
        for kind in KINDS
        for make in [each(lambda one, kind=kind: None if _is(kind)(one) else one)]
    ],
    *[
        Wrong(f"changes of the kind {kind} twice", "changes", "changes", doubled(_is(kind)))
        for kind in KINDS
    ],
    Wrong("changes of another time", "changes", "changes", body(timestamp_ms=1)),
    Wrong("changes for another reason", "changes", "changes", body(reason="dull")),
    Wrong("changes without a cause", "changes", "changes", body(cause={})),
    Wrong("changes under no key", "changes", "changes", NO_KEY),
    Wrong("changes without an MPID in headers", "changes", "changes", without("mpid")),
    Wrong("no audience changes", "audience_changes", "audience changes", NONE),
    Wrong("audience changes of another time", *TOLD, body(timestamp_ms=1)),
    Wrong("audience changes for another reason", *TOLD, body(reason="dull")),
    Wrong("audience changes without a cause", *TOLD, body(cause={})),
    Wrong("audience changes of nobody's identities", *TOLD, body(user_identities=[])),
    Wrong("audience changes under no key", *TOLD, NO_KEY),
    Wrong("one audience change lost", *TOLD, once(dropped)),
    Wrong("one audience change that is stale", *TOLD, once(stale)),
    Wrong("one flip twice", "audience_changes", "flips", once(repeated)),
    Wrong("one flip lost", "audience_changes", "flips", once(left_lost)),
    Wrong("profiles of other times", "profiles", "changelog", body(created_ms=1)),
    Wrong("profiles without their MPID", "profiles", "changelog", without("mpid")),
    Wrong(
        "profiles of no record", "profiles", "changelog", headers(**{"source-offset": b"999999"})
    ),
    Wrong("only the last version of profiles", "profiles", "changelog keeps up", _last_of_each),
    Wrong("only the first version of profiles", "profiles", "changelog keeps up", _first_of_each),
    Wrong("all profiles twice", "profiles", "changelog repeats little", REPEATED),
    Wrong("outcomes for another reason", "outcomes", "outcomes", body(reason="dull")),
    Wrong("outcomes under no key", "outcomes", "outcomes", NO_KEY),
    Wrong("outcomes twice", "outcomes", "one outcome each", REPEATED),
    Wrong("outcomes in no order", "outcomes", "decisions", each(_in_no_order)),
    Wrong("one outcome lost", "outcomes", "one outcome each", once(dropped)),
    Wrong("one outcome twice", "outcomes", "one outcome each", once(repeated)),
    Wrong("one outcome of no record", "outcomes", "one outcome each", once(foreign)),
    Wrong(
        "one outcome twice in the end",
        "outcomes",
        "one outcome each, read in the end",
        once(repeated),
        in_the_end=True,
    ),
    Wrong("one outcome of another profile", "outcomes", "decisions", once(of_another_profile)),
    Wrong("one outcome that is stale", "outcomes", "decisions", once(stale_outcome)),
    Wrong("one outcome of bad input", "outcomes", "bad input", once(of_a_bad_record)),
    Wrong("one record decided late", "outcomes", "order of decisions", once(decided_late)),
    *[
        Wrong(f"one of {role} {what}", role, "outputs agree", once(edit))
        for role in ("enriched", "responses", "dead_letters")
        for what, edit in (("lost", dropped), ("twice", repeated))
    ],
    *[
        Wrong(f"one of {role} late", role, "order is kept", once(late))
        for role in ("enriched", "responses", "dead_letters", "changes", "outcomes")
    ],
    *[
        Wrong(f"one of {role} {what} in the end", role, told_by, once(edit), in_the_end=True)
        for role in ("enriched", "changes")
        for what, edit, told_by in (
            ("lost", dropped, "readers agree"),
            ("late", late, "order is kept, read in the end"),
        )
    ],
    Wrong("one answer that is stale", "responses", "outputs", once(stale)),
    Wrong("one dead letter that is stale", "dead_letters", "outputs", once(stale)),
    Wrong("one batch that is stale", "enriched", "shown", once(stale)),
    Wrong("one batch of a stale profile", "enriched", "shown", once(of_a_stale_profile)),
    Wrong("one change lost", "changes", "changes replay", once(addition_lost)),
    Wrong("one change twice", "changes", "changes told once", once(repeated)),
    Wrong("one change that is stale", "changes", "changes", once(stale)),
    Wrong("one alias not told of its source", "changes", "aliases", once(alias_lost("source"))),
    Wrong("one alias not told of whom", "changes", "aliases", once(alias_lost("destination"))),
    Wrong("one alias of two windows", "changes", "aliases", once(alias_of_another)),
    Wrong("one alias twice", "changes", "aliases", doubled(_is("profile_aliased"))),
    Wrong(
        "one profile lost in its last version",
        "profiles",
        "changelog is the store",
        once(last_lost),
    ),
    Wrong("one profile overtaken", "profiles", "changelog ends with the highest", once(overtaken)),
    Wrong(
        "one profile with what it held before", "profiles", "changelog", once(with_stale_content)
    ),
]
LEFT_WRONG = {"final states", "graph", "limits", "merges", "overdue"}
"""Checks of what is left in the store: each has a test of its own."""
OF_LIVES = {"aged early", "outlives", "gone"}
"""Checks of lifetimes, which nobody has here: see ``test_lifetimes``."""


def test_a_run_in_which_nothing_is_wrong_is_clean(run: Run):
    assert set(run.published.by_role) >= {wrong.role for wrong in WRONG}
    assert {one.body["change"] for one in run.published.by_role["changes"]} == set(KINDS)
    flips = Counter(
        (one.body["change"], one.body["reason"])
        for one in run.published.by_role["audience_changes"]
    )
    assert flips["left", "time"] > 40
    assert flips["left", "merge"]
    assert flips["updated", "record"]
    found = verdict(run.settings, run.published, run.published, run.left, run.resolved)
    assert not any(found.values()), found


def test_every_check_holds_where_sweeps_were_cut_as_processes_died(tmp_path: Path):
    settings, published, left = recorded(tmp_path, has_deaths=True)
    resolved = resolve_again(settings, published)
    taken = Counter(len(told) for told in swept(published).values())
    assert taken[1] > 20
    found = verdict(settings, published, published, left, resolved)
    assert not any(found.values()), found


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_what_is_wrong_is_told_by_the_check_that_is_meant_to(run: Run, wrong: Wrong):
    by_role = {**run.published.by_role, wrong.role: wrong.make(run.published.by_role[wrong.role])}
    mutated = run.published._replace(by_role=by_role)
    published = run.published if wrong.in_the_end else mutated
    resolved = run.resolved
    if wrong.role == "outcomes":  # they are the order of everything
        resolved = resolve_again(run.settings, published)
    found = verdict(run.settings, published, mutated, run.left, resolved)
    assert found[wrong.told_by], {name: told for name, told in found.items() if told}


def test_each_check_is_shown_to_tell_something(run: Run):
    found = verdict(run.settings, run.published, run.published, run.left, run.resolved)
    shown = {wrong.told_by for wrong in WRONG}
    rest = {name.partition(" of ")[0] for name in found.keys() - shown}
    assert rest == LEFT_WRONG | OF_LIVES
    assert shown <= found.keys()


def test_a_value_in_a_log_is_told():
    log = "started\nno record of customer-17\nstopped"
    assert nothing_is_told(log, "a log") == ["a value in a log"]
    assert nothing_is_told("started\nstopped", "a log") == []


def test_a_value_where_none_belongs_is_told(run: Run):
    assert told_by_topics(run.published) == []
    for role, change in (
        ("changes", body(token="customer-17")),
        ("outcomes", body(reason="mail-1")),
        ("responses", body(errors=[{"message": "no such secret-a"}])),
        ("dead_letters", headers(detail=b"mail-1: is no customer")),
    ):
        by_role = {**run.published.by_role, role: change(run.published.by_role[role])}
        assert told_by_topics(Published(run.published.inputs, by_role)), role


def test_the_first_decision_that_differs_is_told_first(run: Run):
    outcomes = list(run.published.by_role["outcomes"])
    decided = [one for one in outcomes if one.body["mpid"]]
    first, second = sorted(decided, key=lambda one: run.resolved.order[one.source])[10:12]
    wrong = [
        one._replace(value=_json({**one.body, "mpid": "1"})) if one in (first, second) else one
        for one in reversed(outcomes)
    ]
    mutated = run.published._replace(by_role={**run.published.by_role, "outcomes": wrong})
    told = decisions_are_those_of_one_processor(mutated, run.resolved)
    assert str(first.source) in told[0]
    assert "others may follow from it" in told[0]
    assert str(second.source) in told[1]


def test_what_is_lost_and_what_is_doubled_is_counted(run: Run):
    assert (losses(run.published), repetitions(run.published)) == (0, 0)
    outcomes = run.published.by_role["outcomes"]
    answers = run.published.by_role["responses"]
    by_role = {"outcomes": outcomes[2:], "responses": [*answers, *answers[:3]]}
    mutated = run.published._replace(by_role=by_role)
    assert (losses(mutated), repetitions(mutated)) == (2, 3)


def left_wrong(run: Run, profile: Profile, **fields: Any) -> dict[str, list[str]]:
    """Return what is told of the run if *profile* were left in the store with other fields."""
    key = f"{profile.scope}/{profile.environment}/{profile.mpid}"
    live = {**run.left.live, key: replace(profile, **fields)}
    left = run.left._replace(live=live)
    return verdict(run.settings, run.published, run.published, left, run.resolved)


def one_of(run: Run, space: str, is_meant: Callable[[Profile], Any]) -> Profile:
    profiles = run.left.live.values()
    return next(p for p in profiles if f"{p.scope}/{p.environment}" == space and is_meant(p))


def test_a_state_that_the_resolver_does_not_arrive_at_is_told(run: Run):
    profile = one_of(run, "retail/production", lambda p: p.identities)
    found = left_wrong(run, profile, last_seen_ms=profile.last_seen_ms + 1)
    assert found["final states"]
    assert found["changelog is the store"]


def test_whoever_is_due_though_their_shard_was_swept_is_told(run: Run):
    profile = one_of(run, "outlet/production", lambda p: p.merged_into is None)
    found = left_wrong(run, profile, more=replace(profile.more, due_ms=NOON_MS))
    assert found["overdue"]


def test_more_identities_than_a_type_may_have_are_told(run: Run):
    profile = one_of(run, "outlet/production", lambda p: p.identities)
    more = [replace(profile.identities[0], value=f"customer-{number}") for number in range(4)]
    found = left_wrong(run, profile, identities=(*profile.identities, *more))
    assert found["limits of outlet/production"]
    assert found["graph of outlet/production"]


def test_more_identities_than_a_profile_may_have_are_told(run: Run):
    profile = one_of(run, "retail/development", lambda p: p.identities)
    found = left_wrong(run, profile, identities=profile.identities * 201)
    assert found["limits of retail/development"]


def test_an_identifier_with_too_many_holders_is_told(run: Run):
    profile = one_of(run, "retail/production", lambda p: p.identities)
    device = replace(profile.identities[0], identity_type="ios_idfv", value="device-x")
    live = {
        f"retail/production/{mpid}": replace(profile, mpid=mpid, identities=(device,))
        for mpid in range(31)
    }
    left = run.left._replace(live=live)
    found = verdict(run.settings, run.published, run.published, left, run.resolved)
    assert found["limits of retail/production"] == ["31 holders of a ios_idfv"]


@pytest.mark.parametrize("pointer", [1, None], ids=["to nobody", "lost"])
def test_a_merge_that_leads_nowhere_is_told(run: Run, pointer: int | None):
    merged = one_of(run, "outlet/production", lambda p: p.merged_into)
    found = left_wrong(run, merged, merged_into=pointer)
    assert found["merges of outlet/production"]


def test_a_merge_that_the_survivor_does_not_know_is_told(run: Run):
    survivor = one_of(run, "outlet/production", lambda p: p.absorbed)
    assert left_wrong(run, survivor, absorbed=())["merges of outlet/production"]


@pytest.mark.parametrize("role", ["source", "destination"])
def test_an_alias_that_one_of_its_profiles_does_not_have_is_told(run: Run, role: str):
    """Though no change under that profile is missed, and the resolver might make the same."""

    def has_role(profile: Profile) -> bool:
        return any(alias.role == role for alias in profile.more.aliases)

    profile = one_of(run, "lounge/production", has_role)
    bare = replace(profile, more=replace(profile.more, aliases=()))
    key = f"lounge/production/{profile.mpid}"
    changes = [
        one
        for one in run.published.by_role["changes"]
        if (one.key, one.body["change"]) != (key.encode(), "profile_aliased")
    ]
    published = run.published._replace(by_role={**run.published.by_role, "changes": changes})
    left = run.left._replace(live={**run.left.live, key: bare})
    found = verdict(run.settings, published, published, left, run.resolved)
    assert found["aliases"]
    assert left_wrong(run, profile, more=bare.more)["aliases"]


@pytest.mark.parametrize("space", ["retail/production", "outlet/production"])
def test_entries_that_are_not_those_of_the_documents_are_told(run: Run, space: str):
    holders = {s: held if s.name != space else {} for s, held in run.left.holders.items()}
    left = run.left._replace(holders=holders)
    found = verdict(run.settings, run.published, run.published, left, run.resolved)
    assert found[f"graph of {space}"]
