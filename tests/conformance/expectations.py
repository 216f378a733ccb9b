"""What a case expects of an answer and of the profiles at its end.

Only what interfaces names is compared; whatever else an answer holds is welcome.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from tests.conformance.story import Story

MERE_DATA = "not_in_priority"
BROKEN_BATCH = frozenset({"invalid", "unknown_identity_type"})
"""Reasons of the dead letters that batches which break a rule become: error 400 in the cases."""


class Answer(Struct):
    """What one record led to, however it was played."""

    topic: str
    outcome: str
    reason: str | None = None
    mpid: str | None = None
    key: str | None = None
    value: dict[str, Any] | None = None
    resolution: dict[str, Any] | None = None
    changes: list[dict[str, Any]] = []

    @property
    def body(self) -> dict[str, Any]:
        return self.value or {}

    @property
    def is_created(self) -> bool:
        """Whether the profile of the answer is new."""
        born = {c["mpid"] for c in self.changes if c["change"] == "profile_created"}
        return self.mpid in born

    @property
    def effects(self) -> list[dict[str, Any]]:
        """The changes that changed something."""
        return [c for c in self.changes if c["change"] != "violation"]


def check_step(story: Story, number: int, answer: Answer) -> None:
    """Hold *answer* against what step *number* expects."""
    expect = dict(story.case.steps[number].get("expect") or {})
    error = expect.pop("error", None)
    if error is not None:
        _check_refused(answer, error)
        assert not expect
        return
    assert answer.outcome not in {"dead_letter", "duplicate"}, answer
    if answer.topic == "requests":
        assert answer.outcome == "answered"
        assert answer.body["status"] == expect.pop("status", 200), answer.body
    for name in sorted(expect, key=lambda name: name != "profile"):
        STEP_CHECKS[name](story, answer, expect[name])


def check_final(story: Story, profiles: Mapping[str, dict[str, Any]]) -> None:
    """Hold the live *profiles* of the production space, by MPID, against the case's end."""
    case = story.case
    for label, expect in case.final.items():
        profile = profiles[story.cast.mpid(label)]
        for name, wanted in expect.items():
            FINAL_CHECKS[name](story, profile, wanted)
    if case.profile_count is not None:
        assert len(profiles) == case.profile_count, sorted(map(str, profiles))


def _check_refused(answer: Answer, error: dict[str, Any]) -> None:
    assert not answer.effects
    if answer.topic == "batches":
        assert (answer.outcome, answer.reason in BROKEN_BATCH) == ("dead_letter", True), answer
        return
    assert answer.outcome == "answered"
    assert answer.body["status"] == error["status"], answer.body
    assert error["code"] in {e["code"] for e in answer.body["errors"]}


def _profile(story: Story, answer: Answer, label: str | None) -> None:
    if label is None:
        assert answer.mpid is None
        return
    assert answer.mpid is not None, answer
    if not story.cast.knows(label):
        story.cast.bind(label, answer.mpid)
    assert story.cast.label(answer.mpid) == label


def _created(story: Story, answer: Answer, wanted: bool) -> None:
    assert answer.is_created == wanted
    if answer.resolution is not None and answer.mpid is not None:
        assert (answer.resolution["outcome"] == "created") == wanted


def _matched(story: Story, answer: Answer, wanted: dict[str, str]) -> None:
    assert answer.body["matched_identities"] == wanted


def _skipped(story: Story, answer: Answer, wanted: list[str]) -> None:
    assert answer.resolution is not None
    skipped = answer.resolution["skipped"]
    assert sorted(s["identity_type"] for s in skipped if s["reason"] != MERE_DATA) == sorted(wanted)


def _is_logged_in(story: Story, answer: Answer, wanted: bool) -> None:
    assert answer.body["is_logged_in"] == wanted


def _change_results(story: Story, answer: Answer, wanted: list[dict[str, str]]) -> None:
    got = [
        (c["identity_type"], story.cast.label(c["modified_mpid"]))
        for c in answer.body["change_results"]
    ]
    assert sorted(got) == sorted((c["identity_type"], c["modified_mpid"]) for c in wanted)


def _forwarded(story: Story, answer: Answer, wanted: bool) -> None:
    if wanted:
        assert answer.outcome == "forwarded"
        if answer.mpid is not None:
            environment = answer.body["environment"]
            assert answer.key == f"{story.workspace}/{environment}/{answer.mpid}"
    else:
        assert answer.outcome == ("dropped" if answer.mpid is None else "stored")
        assert answer.value is None


def _forwarded_mpid(story: Story, answer: Answer, label: str | int | None) -> None:
    wanted = None if label is None else int(story.cast.mpid(label))
    assert answer.body.get("mpid") == wanted


def _enriched(story: Story, answer: Answer, wanted: dict[str, Any]) -> None:
    assert answer.outcome == "forwarded"
    assert answer.body.get("user_attributes", {}) == wanted


def _reason(story: Story, answer: Answer, wanted: str) -> None:
    assert answer.reason == wanted


def _outgoing(story: Story, answer: Answer, wanted: dict[str, Any]) -> None:
    wanted = dict(wanted)
    assert answer.outcome == "forwarded"
    for name in wanted.pop("absent", ()):
        assert name not in answer.body
    if "mpid" in wanted:
        wanted["mpid"] = int(story.cast.mpid(wanted["mpid"]))
    for name, part in wanted.items():
        assert holds(answer.body[name], part), (name, answer.body[name])


def _alias(story: Story, answer: Answer, wanted: dict[str, Any]) -> None:
    names = {
        "start": "start_unixtime_ms",
        "end": "end_unixtime_ms",
        "effective": "effective_ms",
    }
    for name, value in wanted.items():
        told = answer.body["alias"][names.get(name, name)]
        assert told == (story.time(value) if name in names else value), name


def _applied(story: Story, answer: Answer, wanted: bool) -> None:
    assert answer.body["alias"]["outcome"] == ("applied" if wanted else "ignored")


def _aliased(story: Story, answer: Answer, wanted: list[str]) -> None:
    changes = [c for c in answer.changes if c["change"] == "profile_aliased"]
    labels = [story.cast.label(c["mpid"]) for c in changes]
    assert sorted(str(label) for label in labels) == sorted(wanted)
    for change in changes:
        assert change["mpid"] == change[change["role"]]


def _aliased_window(story: Story, answer: Answer, wanted: list[str]) -> None:
    start, end, *scope = wanted
    for change in answer.changes:
        if change["change"] == "profile_aliased":
            assert [change["start_ms"], change["end_ms"]] == [story.time(start), story.time(end)]
            assert [change["scope"]] == scope


def holds(whole: Any, part: Any) -> bool:
    """Whether *part* is found in *whole*: named keys only, lists in any order."""
    if part == "<int>":
        return type(whole) is int
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(any(holds(w, p) for w in whole) for p in part)
    return bool(whole == part)


def _lookups(story: Story, profile: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for identity in profile["identities"]:
        if identity["identity_type"] in story.case.config["priority"]:
            found.setdefault(identity["identity_type"], []).append(identity["value"])
    return {kind: sorted(values) for kind, values in found.items()}


def _final_identities(story: Story, profile: dict[str, Any], wanted: dict[str, Any]) -> None:
    as_lists = {k: sorted(v) if isinstance(v, list) else [v] for k, v in wanted.items()}
    assert _lookups(story, profile) == as_lists
    assert profile["is_orphaned"] == (not profile["identities"])


def _final_attributes(story: Story, profile: dict[str, Any], wanted: dict[str, Any]) -> None:
    data = profile["workspaces"].get(story.workspace, {"attributes": {}})
    assert {key: held["value"] for key, held in data["attributes"].items()} == wanted


def _final_source(story: Story, profile: dict[str, Any], label: str | None) -> None:
    assert story.cast.label(profile["source_mpid"]) == label


def _final_aliases(story: Story, profile: dict[str, Any], wanted: list[Any]) -> None:
    got = [[a["role"], story.cast.label(a["mpid"])] for a in profile.get("aliases", ())]
    assert len(got) == len(wanted)
    assert all(alias in got for alias in wanted)


def _final_created(story: Story, profile: dict[str, Any], wanted: str) -> None:
    assert profile["created_ms"] == story.time(wanted)


def _final_first_seen(story: Story, profile: dict[str, Any], wanted: str) -> None:
    assert profile.get("first_seen_ms", profile["created_ms"]) == story.time(wanted)


def _final_events(story: Story, profile: dict[str, Any], wanted: list[str]) -> None:
    """Compare what whoever keeps events has for a profile: its own, and those that it copies."""
    given = story.case.given
    events = [e["name"] for e in given[story.cast.label(profile["mpid"])].get("events", ())]
    for alias in profile.get("aliases", ()):
        if alias["role"] == "destination":
            window = range(alias["start_ms"], alias["end_ms"])
            theirs = given[story.cast.label(alias["mpid"])].get("events", ())
            events += [event["name"] for event in theirs if event["t"] in window]
    assert sorted(events) == sorted(wanted)


def _final_known(story: Story, profile: dict[str, Any], wanted: bool) -> None:
    login_ids = story.case.config["login_ids"]
    assert any(kind in login_ids for kind in _lookups(story, profile)) == wanted


STEP_CHECKS: dict[str, Callable[[Story, Answer, Any], None]] = {
    "profile": _profile,
    "created": _created,
    "matched": _matched,
    "skipped": _skipped,
    "is_logged_in": _is_logged_in,
    "change_results": _change_results,
    "forwarded": _forwarded,
    "forwarded_mpid": _forwarded_mpid,
    "enriched": _enriched,
    "reason": _reason,
    "outgoing": _outgoing,
    "alias": _alias,
    "applied": _applied,
    "aliased": _aliased,
    "aliased_window": _aliased_window,
}
FINAL_CHECKS: dict[str, Callable[[Story, dict[str, Any], Any], None]] = {
    "identities": _final_identities,
    "attributes": _final_attributes,
    "source": _final_source,
    "known": _final_known,
    "aliases": _final_aliases,
    "created": _final_created,
    "first_seen": _final_first_seen,
    "events": _final_events,
}
