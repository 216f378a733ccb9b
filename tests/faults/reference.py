"""Everything that was published, held against a pure reference resolver. Pure functions.

The resolver is the production pipeline over the index in memory: one processor, one record at a
time, in the order in which the run decided (``oracle.resolve_again``). So a difference is one that
processes, servers, crashes and journals made. Whether the decisions themselves are right is held to
the published cases by ``tests/conformance``.

Key, value and headers of every output are compared byte for byte with the resolver's. What may
rightly differ is said where it is allowed: the ``seq`` and ``position`` of an outcome, which make
the order; the profile's fields in a batch, which may be of a later version; which versions of a
profile the changelog holds, and which record each is ascribed to.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from processor.codecs.headers import source_headers
from processor.pipeline.publish import outcome_record
from processor.records import Output
from tests.faults.oracle import (
    OUTPUT_OF,
    Published,
    Resolved,
    Seen,
    Source,
    few,
    is_tombstone,
    source_of,
)

MOST_OVERTAKEN = 0.4
MOST_REPEATED = 0.4
"""Shares that tell few from nearly all: short runs with many new owners came to a fifth."""


def outcomes_are_the_references(published: Published, resolved: Resolved) -> list[str]:
    """Each outcome is the resolver's, but for its place in the order, which it has if that has."""
    wrong = []
    for one in published.by_role.get("outcomes", ()):
        settled = resolved.settled.get(one.source)
        if settled is None:
            continue  # an outcome of no input, which another check tells
        outcome, body = settled.outcome, one.body
        if outcome.seq is not None and body.get("seq") is not None:
            outcome = replace(outcome, seq=body["seq"], position=body.get("position"))
        record = settled.record
        value, headers = outcome_record(outcome), source_headers(record)
        wrong += _differences(one, Output("outcomes", record.key, value, headers))
    return few(wrong)


def outputs_are_the_references(published: Published, resolved: Resolved) -> list[str]:
    """Each record's response, batch or dead letter is the resolver's, and there is no other."""
    wrong = []
    expected = {s: one.output for s, one in resolved.settled.items() if one.output is not None}
    missing = set(expected)
    for role in OUTPUT_OF.values():
        for one in published.by_role.get(role, ()):
            missing.discard(one.source)
            output = expected.get(one.source)
            if output is None or output.role != role:
                wrong.append(f"{role} where the resolver has none: {one.source}")
            elif role == "enriched":  # for its value see outputs_show_their_profile
                wrong += _differences(one, replace(output, value=one.value))
            else:
                wrong += _differences(one, output)
    return few(wrong) + few([f"no {expected[s].role}: {s}" for s in sorted(missing)])


def _differences(one: Seen, expected: Output) -> Iterator[str]:
    """Yield what of *one* is not byte for byte as *expected*."""
    if one.key != expected.key:
        yield f"key of {one.role} is {one.key!r}, not {expected.key!r}: {one.source}"
    if one.value != (expected.value or b""):
        yield f"value of {one.role} is not the resolver's: {one.source}"
    headers = dict(expected.headers)
    if one.headers != headers:
        names = sorted({*one.headers, *headers})
        differ = [name for name in names if one.headers.get(name) != headers.get(name)]
        yield f"headers of {one.role} differ in {', '.join(differ)}: {one.source}"


def changes_are_the_references(published: Published, resolved: Resolved) -> list[str]:
    """Each record's changes are the resolver's, in its order for each key, and no others."""
    changes = {source: one.changes for source, one in resolved.settled.items()}
    return _in_order("changes", published, changes)


def audience_changes_are_the_references(published: Published, resolved: Resolved) -> list[str]:
    """Each record's audience changes, a sweep's as well, are the resolver's, and no others."""
    changes = {source: one.audience_changes for source, one in resolved.settled.items()}
    return _in_order("audience_changes", published, changes)


def _in_order(
    role: str, published: Published, expected: Mapping[Source, Sequence[Output]]
) -> list[str]:
    """Return where a record's outputs of *role* are not those expected, in order for each key."""
    got: dict[tuple[Source, bytes | None], list[Seen]] = defaultdict(list)
    for one in published.by_role.get(role, ()):
        got[one.source, one.key].append(one)
    wanted: dict[tuple[Source, bytes | None], list[Output]] = defaultdict(list)
    for source, outputs in expected.items():
        for output in outputs:
            wanted[source, output.key].append(output)
    wrong = []
    for line in sorted({*got, *wanted}, key=repr):
        seen, outputs = got.get(line, []), wanted.get(line, [])
        if len(seen) != len(outputs):
            wrong.append(f"{len(seen)} {role}, not {len(outputs)}: {line}")
            continue
        for one, output in zip(seen, outputs, strict=True):
            wrong += _differences(one, output)
    return few(wrong)


def changelog_is_of_the_reference(published: Published, resolved: Resolved) -> list[str]:
    """Each profile published is, byte for byte, the version of it that the resolver has.

    The record it is ascribed to is one of the input; which one, a replay and a debt may decide.
    """
    wrong = []
    for one in published.by_role.get("profiles", ()):
        version = resolved.documents.get(_version(one))
        if version is None:
            wrong.append(f"a version that never was: {_version(one)}")
        elif (version.value or b"") != one.value:
            wrong.append(f"not the resolver's version: {_version(one)}")
        mpid = (one.key or b"").rpartition(b"/")[2]
        names = {"source-topic", "source-partition", "source-offset", "mpid"}
        names |= {"version", "reason"} if is_tombstone(one) else set()
        if one.headers.keys() != names or one.headers["mpid"] != mpid:
            wrong.append(f"headers {sorted(one.headers)} of {_version(one)}")
        elif one.source not in published.inputs:
            wrong.append(f"ascribed to no record: {_version(one)}")
    return few(wrong)


def changelog_keeps_up(published: Published, resolved: Resolved) -> list[str]:
    """What each commit made of a profile is published, but for what was overtaken before that.

    A poll batch publishes each profile once, as it is at its end (``Pipeline``), and so does the
    replay of one, with today's profile. So of a commit's versions of a profile the last is due, and
    it may be left out only where a later one took its place: after a conflict that cut the batch,
    or before a replay. Which these were cannot be seen from outside; they are few.
    """
    held = {_version(one) for one in published.by_role.get("profiles", ())}
    highest: dict[str, int] = {}
    for key, version in held:
        highest[key] = max(highest.get(key, 0), version)
    due: dict[tuple[str, Any], int] = {}
    outcomes = published.outcomes()
    for (key, version), output in resolved.documents.items():
        commit = key, outcomes[source_of(dict(output.headers))]["seq"]
        due[commit] = max(due.get(commit, 0), version)
    versions = [(key, version) for (key, _), version in due.items()]
    lost = [one for one in versions if highest.get(one[0], 0) < one[1]]
    overtaken = sum(one not in held for one in versions)
    wrong = few([f"neither it nor a later one is published: {one}" for one in lost])
    if overtaken > MOST_OVERTAKEN * len(versions):
        wrong.append(f"{overtaken} of {len(versions)} versions are not published")
    return wrong


def changelog_repeats_little(published: Published) -> list[str]:
    """Hardly any profile is published twice in one version for one and the same record.

    It may be: a new owner of a row cannot know what the last one published, and publishes what it
    owes once more, ascribed to the row's last record, which may be the one that made the version.
    Twice the same is harmless, so only a changelog that does so all the time is wrong.
    """
    seen = Counter((_version(one), one.source) for one in published.by_role.get("profiles", ()))
    repeated = seen.total() - len(seen)
    if repeated <= MOST_REPEATED * len(seen):
        return []
    return [f"{repeated} of {seen.total()} profiles were published for a record before"]


class _Versioned(Struct):
    version: int


_versioned = msgspec.json.Decoder(_Versioned).decode


def _version(one: Seen) -> tuple[str, int]:
    version = one.version if is_tombstone(one) else _versioned(one.value).version
    return (one.key or b"").decode(), version
