"""What must hold of everything a read_committed reader saw, and of the store. Pure functions.

Each check returns the list of what is wrong in words, the first few of each kind; empty means that
it holds. Nothing here talks to a server, so a check can be tried on any history by hand.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from processor.enrichment.outgoing import profile_fields
from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.outcome import Record
from processor.pipeline import Pipeline
from processor.profiles.document import from_json, to_json
from processor.publish import Settled
from tests.faults.load import BAD, CLASS, MARKS

Source = tuple[str, int, int]
"""Topic, partition and offset of an input record."""
MOST = 5


class Seen(NamedTuple):
    """One record that the reader saw."""

    role: str
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    @property
    def source(self) -> Source:
        """The input record that caused it."""
        headers = self.headers
        return (
            headers["source-topic"].decode(),
            int(headers["source-partition"]),
            int(headers["source-offset"]),
        )

    @property
    def body(self) -> Any:
        """The value as JSON."""
        return json.loads(self.value)


class Published(NamedTuple):
    """All that was seen, by role, and the input it came from."""

    inputs: Mapping[Source, Record]
    by_role: Mapping[str, Sequence[Seen]]

    def outcomes(self) -> dict[Source, dict[str, Any]]:
        """Return the (last seen) outcome of each input record."""
        return {seen.source: seen.body for seen in self.by_role.get("outcomes", ())}


def one_outcome_each(published: Published) -> list[str]:
    """Every input offset has exactly one outcome, and nothing else has any."""
    seen = Counter(one.source for one in published.by_role.get("outcomes", ()))
    lost = [f"no outcome: {s}" for s in published.inputs if not seen[s]]
    doubled = [f"{n} outcomes: {s}" for s, n in seen.items() if n > 1]
    foreign = [f"outcome of no input: {s}" for s in seen if s not in published.inputs]
    return _few(lost) + _few(doubled) + _few(foreign)


OUTPUT_OF = {"forwarded": "enriched", "answered": "responses", "dead_letter": "dead_letters"}


def outputs_agree(published: Published) -> list[str]:
    """A record's outputs are those its outcome promises, once each, and name one profile."""
    wrong: list[str] = []
    by_source: dict[tuple[str, Source], list[Seen]] = defaultdict(list)
    for role in ("enriched", "responses", "dead_letters"):
        for one in published.by_role.get(role, ()):
            by_source[role, one.source].append(one)
    outcomes = published.outcomes()
    for source, outcome in outcomes.items():
        promised = OUTPUT_OF.get(outcome["outcome"])
        for role in ("enriched", "responses", "dead_letters"):
            found = by_source.pop((role, source), [])
            if len(found) != (role == promised):
                wrong.append(f"{len(found)} {role} for {outcome['outcome']}: {source}")
            for one in found:
                wrong += _same_profile(one, outcome, source)
    wrong += [f"{role} of a record without outcome: {source}" for role, source in by_source]
    return _few(wrong)


def _same_profile(one: Seen, outcome: Mapping[str, Any], source: Source) -> list[str]:
    if one.role == "dead_letters":
        return []
    named = {one.headers["mpid"].decode()} if "mpid" in one.headers else set()
    if "mpid" in one.headers or one.role == "responses":
        named.add(str(one.body["mpid"]) if "mpid" in one.body else "None")
    if one.role == "enriched" and "mpid" in one.headers:
        named.add((one.key or b"").decode().rpartition("/")[2])
    named.discard("None")
    expected = {outcome["mpid"]} - {None}
    return [] if named == expected else [f"{one.role} names {named}, not {expected}: {source}"]


def changes_are_told_once(published: Published) -> list[str]:
    """No identity change is on its topic twice."""
    seen = Counter((one.key, one.value) for one in published.by_role.get("changes", ()))
    # Two refusals of one record may be alike to the letter; changes of the graph may not.
    twice = [f"{n} times: {v!r}" for (_, v), n in seen.items() if n > 1 and b'"violation"' not in v]
    return _few(twice)


def profiles_published(published: Published) -> dict[str, Profile]:
    """Return the highest version of each profile on the changelog, by key."""
    highest: dict[str, Profile] = {}
    for one in published.by_role.get("profiles", ()):
        profile = from_json(one.value)
        key = (one.key or b"").decode()
        if key not in highest or highest[key].version < profile.version:
            highest[key] = profile
    return highest


def changelog_is_the_store(published: Published, live: Mapping[str, Profile]) -> list[str]:
    """The highest version of each profile on the changelog is the live one."""
    highest = profiles_published(published)
    wrong = [f"not published: {key}" for key in live if key not in highest]
    wrong += [f"published, not live: {key}" for key in highest if key not in live]
    wrong += [
        f"live {live[key].version}, published {profile.version}: {key}"
        for key, profile in highest.items()
        if key in live and to_json(live[key]) != to_json(profile)
    ]
    return _few(wrong)


def changelog_ends_with_the_highest(published: Published) -> list[str]:
    """Compaction, which keeps what was appended last, keeps the highest version of each profile."""
    last = {one.key: from_json(one.value).version for one in published.by_role.get("profiles", ())}
    return _few(
        [
            f"the last record has version {last[key.encode()]}, not {profile.version}: {key}"
            for key, profile in profiles_published(published).items()
            if last[key.encode()] != profile.version
        ]
    )


def graph_is_valid(
    live: Mapping[str, Profile],
    holders: Mapping[Identifier, Iterable[int]],
    priority: Sequence[str],
    unique: Iterable[str],
) -> list[str]:
    """Unique values have one owner, and the index is the exact inverse of the identity records."""
    inverse: dict[Identifier, set[int]] = defaultdict(set)
    for profile in live.values():
        for identity in profile.identities:
            if identity.identity_type in priority and profile.merged_into is None:
                inverse[Identifier(identity.identity_type, identity.value)].add(profile.mpid)
    wrong = [
        f"{len(owners)} owners of a {identifier.identity_type}"
        for identifier, owners in inverse.items()
        if identifier.identity_type in unique and len(owners) > 1
    ]
    stored = {identifier: set(mpids) for identifier, mpids in holders.items()}
    if stored != dict(inverse):
        missing = sum(stored.get(i) != owners for i, owners in inverse.items())
        wrong.append(f"index entries differ from the documents: {missing} of {len(inverse)}")
    return _few(wrong)


def changes_replay_to_the_records(
    published: Published, live: Mapping[str, Profile], token: Callable[[Identifier], bytes]
) -> list[str]:
    """Identity changes, in the order of their versions, arrive at the live records, over tokens."""
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in published.by_role.get("changes", ()):
        if one.body["mpid"] is not None:
            by_key[(one.key or b"").decode()].append(one.body)
    wrong = []
    for key, profile in live.items():
        tokens: set[str] = set()
        for change in sorted(by_key[key], key=lambda c: c["version"]):
            if change["change"] == "identity_added":
                tokens.add(change["token"])
            elif change["change"] == "identity_removed":
                tokens.discard(change["token"])
            elif change["change"] == "identity_moved":
                gains = change["to"] == str(profile.mpid)
                (tokens.add if gains else tokens.discard)(change["token"])
        record = {token(Identifier(i.identity_type, i.value)).hex() for i in profile.identities}
        if tokens != record:
            wrong.append(f"changes arrive at {len(tokens)} identities, not {len(record)}: {key}")
    return _few(wrong)


class Resolved(NamedTuple):
    """What one processor makes of the input, record by record, in the order of the decisions."""

    order: Mapping[Source, int]
    settled: Mapping[Source, Settled]
    versions: Mapping[str, Sequence[tuple[int, Profile]]]
    """Every version of a profile with the place in the order of the record that made it."""


def resolve_again(published: Published, pipeline: Pipeline) -> Resolved:
    """Decide everything again, in the order of ``seq`` and ``position``, by a pure resolver.

    *pipeline* is one over an empty index in memory. Duplicates come last: a request id is used up
    by the read, before the commit that gives the first of its records a place in the order.
    """
    outcomes = published.outcomes()
    duplicates = [s for s, outcome in outcomes.items() if outcome["outcome"] == "duplicate"]
    decided = sorted(
        (
            source
            for source, outcome in outcomes.items()
            if outcome["seq"] is not None and outcome["outcome"] != "duplicate"
        ),
        key=lambda s: (outcomes[s]["seq"], outcomes[s]["position"]),
    )
    rest = [s for s, outcome in outcomes.items() if outcome["seq"] is None]
    order: dict[Source, int] = {}
    resolved: dict[Source, Settled] = {}
    versions: dict[str, list[tuple[int, Profile]]] = defaultdict(list)
    for place, source in enumerate((*decided, *rest, *duplicates)):
        (settled,) = pipeline.settle([published.inputs[source]])
        pipeline.committed()
        order[source], resolved[source] = place, settled
        for output in settled.profiles:
            versions[(output.key or b"").decode()].append((place, from_json(output.value or b"")))
    return Resolved(order, resolved, dict(versions))


def decisions_are_those_of_one_processor(published: Published, resolved: Resolved) -> list[str]:
    """Outcome, reason, profile and resolution of every record are those of a pure resolver."""
    told = {
        (role, one.source): _why(one)
        for role in ("enriched", "responses")
        for one in published.by_role.get(role, ())
    }
    wrong = []
    for source, outcome in published.outcomes().items():
        settled = resolved.settled[source]
        mpid = None if settled.outcome.mpid is None else str(settled.outcome.mpid)
        expected = settled.outcome.name, settled.outcome.reason, mpid
        got = outcome["outcome"], outcome["reason"], outcome["mpid"]
        if expected != got:
            wrong.append(f"{got}, the resolver says {expected}: {source}")
        why = told.get((OUTPUT_OF.get(outcome["outcome"], ""), source))
        expected_why = json.loads(bytes(settled.resolution)) if settled.resolution else None
        if None not in (why, expected_why) and why != expected_why:
            wrong.append(f"resolution {why}: {source}")
    return _few(wrong)


OF_PROFILE = ("user_attributes", "user_identities", "consent_state")


def outputs_show_their_profile(
    published: Published, resolved: Resolved, workspace: str
) -> list[str]:
    """A batch goes out with its profile at some version at or after its own effect, never before.

    All else in it is what a pure resolver sends.
    """
    wrong = []
    for one in published.by_role.get("enriched", ()):
        settled = resolved.settled.get(one.source)
        if "mpid" not in one.headers or settled is None or settled.output is None:
            continue
        body, expected = one.body, json.loads(settled.output.value or b"null")
        shown = {name: body.pop(name, None) for name in OF_PROFILE}
        at_once = {name: expected.pop(name, None) for name in OF_PROFILE}
        if body != expected:
            wrong.append(f"other fields than the resolver's: {one.source}")
        if shown != at_once and shown not in _later(one, resolved, workspace):
            wrong.append(f"a profile that never was, or was before: {one.source}")
    return _few(wrong)


def _later(one: Seen, resolved: Resolved, workspace: str) -> list[dict[str, Any]]:
    """Return what the profile of *one*, or its survivor, looked like after later records."""
    place, found = resolved.order[one.source], []
    keys = [(one.key or b"").decode()]
    for key in keys:
        for made_at, profile in resolved.versions.get(key, ()):
            if profile.merged_into is not None:
                keys.append(f"{key.rpartition('/')[0]}/{profile.merged_into}")
            elif made_at > place or key != keys[0]:
                fields = json.loads(msgspec.json.encode(profile_fields(profile, workspace)))
                found.append({name: fields.get(name) for name in OF_PROFILE})
    return found


def final_states_are_the_resolvers(live: Mapping[str, Profile], resolved: Resolved) -> list[str]:
    """What is stored in the end is what the resolver arrives at."""
    expected = {key: versions[-1][1] for key, versions in resolved.versions.items()}
    wrong = [f"not live: {key}" for key in expected if key not in live]
    wrong += [
        f"not what the resolver has: {key}"
        for key, profile in live.items()
        if key not in expected or to_json(expected[key]) != to_json(profile)
    ]
    return _few(wrong)


def order_is_kept(published: Published) -> list[str]:
    """Outputs of one key and input partition come in the order of the input."""
    wrong = []
    for role in ("enriched", "responses", "dead_letters", "outcomes"):
        last: dict[tuple[bytes, str, int], int] = {}
        for one in published.by_role.get(role, ()):
            topic, partition, offset = one.source
            if one.key:  # records without a key go anywhere
                line = one.key, topic, partition
                if last.get(line, -1) > offset:
                    wrong.append(f"{role} of {one.source} after that of {last[line]}")
                last[line] = offset
    return _few(wrong)


def bad_input_became_what_it_must(published: Published) -> list[str]:
    """Each record of a class of bad input has the outcome and reason of its class."""
    wrong, outcomes = [], published.outcomes()
    for source, record in published.inputs.items():
        name = dict(record.headers).get(CLASS)
        if name is None or source not in outcomes:
            continue
        bad, outcome = BAD[name.decode()], outcomes[source]
        if (outcome["outcome"], outcome["reason"]) != (bad.outcome, bad.reason):
            became = f"{outcome['outcome']}, {outcome['reason']}"
            wrong.append(f"{name.decode()} became {became}: {source}")
    return _few(wrong)


def nothing_is_told(text: str, where: str) -> list[str]:
    """No identifier's and no attribute's value is in a log or in the metrics."""
    lines = text.splitlines()
    return _few([f"a value in {where}" for line in lines for m in MARKS if m.decode() in line])


def readers_agree(first: Published, second: Published) -> list[str]:
    """The reader that ran throughout saw what one sees that reads it all in the end."""
    wrong = []
    for role in sorted({*first.by_role, *second.by_role}):
        one, other = (
            Counter((seen.key, seen.value, tuple(sorted(seen.headers.items()))) for seen in seens)
            for seens in (first.by_role.get(role, ()), second.by_role.get(role, ()))
        )
        if one != other:
            wrong.append(f"{role}: {(one - other).total()} gone, {(other - one).total()} unseen")
    return wrong


def _why(one: Seen) -> Any:
    if one.role == "responses":
        return one.body.get("resolution")
    header = one.headers.get("resolution")
    return None if header is None else json.loads(header)


def _few(wrong: list[str]) -> list[str]:
    more = len(wrong) - MOST
    return [*wrong[:MOST], f"… and {more} more"] if more > 0 else wrong
