"""What must hold of everything a read_committed reader saw, and of the store. Pure functions.

Each check returns the list of what is wrong in words, the first few of each kind; empty means that
it holds. Nothing here talks to a server, so a check can be tried on any history by hand.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from processor.computed.definition import Definitions
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.pipeline.enrichment import profile_fields
from processor.pipeline.pipeline import Pipeline
from processor.pipeline.round import READ_PLACE
from processor.pipeline.showing import computed_fields
from processor.pipeline.sweeping import Sweep
from processor.pipeline.work import Settled, Work
from processor.profiles.document import from_json, to_json
from processor.records import Output, Record
from tests.faults.load import BAD, CLASS, MARKS

Source = tuple[str, int, int]
"""Topic, partition and offset of an input record."""
MOST = 5

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Seen(NamedTuple):
    """One record that the reader saw."""

    role: str
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    @property
    def source(self) -> Source:
        """The input record that caused it."""
        return source_of(self.headers)

    @property
    def body(self) -> Any:
        """The value as JSON; that of an empty object where it is none."""
        return _body(self.value)

    @property
    def version(self) -> int:
        """The profile's version that it tells; that of a tombstone is in its headers."""
        return int(self.headers["version"] if is_tombstone(self) else self.body["version"])


@lru_cache(maxsize=100_000)
def _body(value: bytes) -> Any:
    """Return *value* as JSON, decoded once, since many checks want it: nobody changes it."""
    try:
        return json.loads(value)
    except ValueError:
        return {}


document = lru_cache(maxsize=20_000)(from_json)
"""The profile that a value of the changelog holds."""


def source_of(headers: Mapping[str, bytes]) -> Source:
    """Return the input record that *headers* of an output name."""
    return (
        headers["source-topic"].decode(),
        int(headers["source-partition"]),
        int(headers["source-offset"]),
    )


class Ended(NamedTuple):
    """A profile that has ended, as its tombstone tells it."""

    version: int
    reason: str


def is_tombstone(one: Seen) -> bool:
    """Whether *one* says that a profile has ended."""
    return one.role == "profiles" and not one.value


def held(one: Seen) -> Profile | Ended:
    """Return what a record of the changelog holds: a document, or that the profile has ended."""
    if not is_tombstone(one):
        return document(one.value)
    return Ended(one.version, one.headers["reason"].decode())


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
    return few(lost) + few(doubled) + few(foreign)


OUTPUT_OF = {"forwarded": "enriched", "answered": "responses", "dead_letter": "dead_letters"}


def losses(published: Published) -> int:
    """Return how many records have no outcome."""
    return len(published.inputs.keys() - published.outcomes().keys())


def repetitions(published: Published) -> int:
    """Return how many outcomes, batches, answers and dead letters are one too many."""
    roles = ("outcomes", *OUTPUT_OF.values())
    seen = Counter((role, one.source) for role in roles for one in published.by_role.get(role, ()))
    return seen.total() - len(seen)


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
    return few(wrong)


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
    return few(twice)


def profiles_published(published: Published) -> dict[str, Profile | Ended]:
    """Return the highest version of each profile on the changelog, by key."""
    highest: dict[str, Profile | Ended] = {}
    for one in published.by_role.get("profiles", ()):
        profile = held(one)
        key = (one.key or b"").decode()
        if key not in highest or highest[key].version < profile.version:
            highest[key] = profile
    return highest


def changelog_is_the_store(published: Published, live: Mapping[str, Profile]) -> list[str]:
    """The highest version of each profile on the changelog is the live one, or a tombstone."""
    last = profiles_published(published)
    highest = {key: one for key, one in last.items() if isinstance(one, Profile)}
    wrong = [f"not published: {key}" for key in live if key not in highest]
    wrong += [f"published, not live: {key}" for key in highest if key not in live]
    wrong += [
        f"live {live[key].version}, published {profile.version}: {key}"
        for key, profile in highest.items()
        if key in live and to_json(live[key]) != to_json(profile)
    ]
    return few(wrong)


def changelog_ends_with_the_highest(published: Published) -> list[str]:
    """Compaction, which keeps what was appended last, keeps the highest version of each profile."""
    last = {one.key: one.version for one in published.by_role.get("profiles", ())}
    return few(
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
    return few(wrong)


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
            elif change["change"] == "profile_erased":
                tokens.clear()
        record = {token(Identifier(i.identity_type, i.value)).hex() for i in profile.identities}
        if tokens != record:
            wrong.append(f"changes arrive at {len(tokens)} identities, not {len(record)}: {key}")
    return few(wrong)


class Resolved(NamedTuple):
    """What one processor makes of the input, record by record, in the order of the decisions."""

    order: Mapping[Source, int]
    spaces: Mapping[Source, Space]
    """The space of each record that asks something of one."""
    settled: Mapping[Source, Settled]
    versions: Mapping[str, Sequence[tuple[int, Profile | Ended]]]
    """Every version of a profile with the place in the order of the record that made it."""
    documents: Mapping[tuple[str, int], Output]
    """What the changelog holds of each version, ascribed to the record that made it."""
    definitions: Mapping[str, Definitions] = MappingProxyType({})
    """What is computed of a person, by workspace."""


def resolve_again(
    published: Published,
    pipeline: Pipeline,
    definitions: Mapping[str, Definitions] = MappingProxyType({}),
    begin: Callable[[Source], None] = lambda _source: None,
) -> Resolved:
    """Decide everything again, in the order of ``seq`` and ``position``, by a pure resolver.

    *pipeline* is one over an empty index in memory, *begin* hears of each record before it is
    decided. Duplicates come last: a request id is used up by the read, before the commit that gives
    the first of its records a place in the order.
    """
    # An outcome of no input is told elsewhere: nothing can be decided for it.
    outcomes = {s: one for s, one in published.outcomes().items() if s in published.inputs}
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
    spaces: dict[Source, Space] = {}
    resolved: dict[Source, Settled] = {}
    versions: dict[str, list[tuple[int, Profile | Ended]]] = defaultdict(list)
    documents: dict[tuple[str, int], Output] = {}
    for place, source in enumerate((*decided, *rest, *duplicates)):
        record = published.inputs[source]
        if isinstance(taken := pipeline._take(record), Work | Sweep):
            spaces[source] = taken.space
        begin(source)
        (settled,) = pipeline.settle([record])
        pipeline.committed()
        order[source], resolved[source] = place, settled
        for output in settled.profiles:
            headers = dict(output.headers)
            profile = held(Seen("profiles", output.key, output.value or b"", headers))
            key = (output.key or b"").decode()
            versions[key].append((place, profile))
            documents[key, profile.version] = output
    return Resolved(order, spaces, resolved, dict(versions), documents, definitions)


def decisions_are_in_order(published: Published, resolved: Resolved) -> list[str]:
    """The records of one input partition and space are decided in the order of their offsets."""
    lines: dict[tuple[str, int, Space], list[tuple[int, tuple[int, int]]]] = defaultdict(list)
    for source, outcome in published.outcomes().items():
        if outcome["seq"] is not None and source in resolved.spaces:
            topic, partition, offset = source
            # Each read counts its records from the same place: those of one seq cannot be told.
            place = outcome["seq"], min(outcome["position"], READ_PLACE)
            lines[topic, partition, resolved.spaces[source]].append((offset, place))
    wrong = []
    for (topic, partition, _), line in lines.items():
        for (before, its), (offset, place) in pairwise(sorted(line)):
            if place < its:
                wrong.append(f"{before} is decided after {offset}: {topic}/{partition}")
    return few(wrong)


def decisions_are_those_of_one_processor(published: Published, resolved: Resolved) -> list[str]:
    """Outcome, reason, profile and resolution of every record are those of a pure resolver.

    The first in the order of the decisions is told first: what comes later may follow from it.
    """
    told = {
        (role, one.source): _why(one)
        for role in ("enriched", "responses")
        for one in published.by_role.get(role, ())
    }
    wrong = []
    outcomes = published.outcomes()
    for source in sorted(outcomes.keys() & resolved.order.keys(), key=resolved.order.__getitem__):
        outcome, settled = outcomes[source], resolved.settled[source]
        mpid = None if settled.outcome.mpid is None else str(settled.outcome.mpid)
        expected = settled.outcome.name, settled.outcome.reason, mpid
        got = outcome["outcome"], outcome["reason"], outcome["mpid"]
        if expected != got:
            wrong.append(f"{got}, the resolver says {expected}: {source}")
        why = told.get((OUTPUT_OF.get(outcome["outcome"], ""), source))
        expected_why = json.loads(bytes(settled.resolution)) if settled.resolution else None
        if None not in (why, expected_why) and why != expected_why:
            wrong.append(f"resolution {why}: {source}")
    if len(wrong) > 1:
        wrong[0] += " (the first decision that differs; others may follow from it)"
    return few(wrong)


OF_PROFILE = frozenset(
    {"user_attributes", "user_identities", "consent_state", "audience_memberships"}
)
"""The fields of a batch that may be those of a later version of its profile."""


def outputs_show_their_profile(published: Published, resolved: Resolved) -> list[str]:
    """A batch goes out with its profile at some version at or after its own effect, never before.

    What it may show are the resolver's documents, which nobody read for an output. All else in it
    is what a pure resolver sends, byte for byte.
    """
    wrong = []
    for one in published.by_role.get("enriched", ()):
        settled = resolved.settled.get(one.source)
        if settled is None or settled.output is None:
            continue
        if "mpid" not in dict(settled.output.headers):
            if one.value != settled.output.value:
                wrong.append(f"not the batch as it was received: {one.source}")
            continue
        got, expected = fields_of(one.value), fields_of(settled.output.value or b"")
        names = {*got, *expected} - OF_PROFILE
        if others := sorted(name for name in names if got.get(name) != expected.get(name)):
            wrong.append(f"other {', '.join(others)} than the resolver's: {one.source}")
        record = published.inputs[one.source]
        if _of_profile(got) not in _since(settled.output, resolved, record):
            wrong.append(f"a profile that never was, or was before: {one.source}")
    return few(wrong)


def fields_of(value: bytes) -> dict[str, bytes]:
    """Return the bytes of each field of an object; all under no name where we do not write so."""
    try:
        fields = _fields(value)
    except msgspec.DecodeError:
        return {"": value}
    return {n: bytes(raw) for n, raw in fields.items()} if _encode(fields) == value else {"": value}


def _of_profile(fields: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: fields[name] for name in fields.keys() & OF_PROFILE}


def _since(output: Output, resolved: Resolved, record: Record) -> Iterator[dict[str, bytes]]:
    """Yield what the profile of a batch, or its survivor, looked like after it and later ones.

    What is computed is shown at the time of *record*, the batch; where the profile has ended,
    the batch has what it brought along.
    """
    key, since = (output.key or b"").decode(), resolved.order[source_of(dict(output.headers))]
    while key:
        following, versions = "", resolved.versions.get(key, ())
        in_force = bisect_right(versions, since, key=itemgetter(0)) - 1
        for made_at, profile in versions[max(0, in_force) :]:
            if isinstance(profile, Ended):
                yield _of_profile(fields_of(record.value or b""))
                continue
            if profile.merged_into is not None:
                following, since = f"{key.rpartition('/')[0]}/{profile.merged_into}", made_at
                break
            # Each workspace has a scope of its own here, of its name.
            fields = profile_fields(profile, profile.scope)
            fields |= computed_fields(
                resolved.definitions.get(profile.scope), profile, record.timestamp_ms
            )
            yield _of_profile(fields_of(_encode(fields)))
        key = following


def final_states_are_the_resolvers(live: Mapping[str, Profile], resolved: Resolved) -> list[str]:
    """What is stored in the end is what the resolver arrives at: nobody lost, nobody back."""
    last = {key: versions[-1][1] for key, versions in resolved.versions.items()}
    expected = {key: one for key, one in last.items() if isinstance(one, Profile)}
    wrong = [f"not live: {key}" for key in expected if key not in live]
    wrong += [
        f"not what the resolver has: {key}"
        for key, profile in live.items()
        if key not in expected or to_json(expected[key]) != to_json(profile)
    ]
    return few(wrong)


def order_is_kept(published: Published) -> list[str]:
    """Outputs of one key and input partition come in the order of the input.

    Profiles do not: a debt is paid again in the name of the row's last record.
    """
    wrong = []
    for role in ("enriched", "responses", "dead_letters", "changes", "outcomes"):
        last: dict[tuple[bytes, str, int], int] = {}
        for one in published.by_role.get(role, ()):
            topic, partition, offset = one.source
            if one.key:  # records without a key go anywhere
                line = one.key, topic, partition
                if last.get(line, -1) > offset:
                    wrong.append(f"{role} of {one.source} after that of {last[line]}")
                last[line] = offset
    return few(wrong)


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
    return few(wrong)


def nothing_is_told(text: str, where: str) -> list[str]:
    """No identifier's and no attribute's value is in a log or in the metrics."""
    lines = text.splitlines()
    return few([f"a value in {where}" for line in lines for m in MARKS if m.decode() in line])


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


def few(wrong: list[str]) -> list[str]:
    """Return the first of what is wrong, and how many there are besides."""
    more = len(wrong) - MOST
    return [*wrong[:MOST], f"… and {more} more"] if more > 0 else wrong
