"""A case of flat matching as what the processor sees, and what it expects of the answers.

A case has acts: between two of them its rules change, and the processor starts anew.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from tests.conformance.expectations import Answer
from tests.conformance.story import Cast

HERE = Path(__file__).parent
MODES = ("lowest_relevant", "lowest")
WORKSPACE = "retail"


class FlatCase(Struct, frozen=True):
    """One case of flat_matching.yaml under one demotion mode."""

    id: str
    mode: str
    acts: tuple[tuple[dict[str, Any], tuple[dict[str, Any], ...]], ...]
    """Rules and events."""
    expect: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.id}-{self.mode}"


@cache
def flat_cases() -> tuple[FlatCase, ...]:
    """Return every case under both demotion modes."""
    document = yaml.safe_load((HERE / "flat_matching.yaml").read_text())
    return tuple(
        _case(raw, mode, document["configs"]) for raw in document["cases"] for mode in MODES
    )


def _case(raw: dict[str, Any], mode: str, configs: dict[str, Any]) -> FlatCase:
    acts: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [(configs[raw["config"]], [])]
    for event in raw["events"]:
        if "set_config" in event:
            acts.append((configs[event["set_config"]], []))
        else:
            acts[-1][1].append(event)
    expect = raw["expect"]
    if mode == "lowest":
        expect = raw.get("expect_lowest", expect)
    parts = tuple((rules, tuple(events)) for rules, events in acts)
    return FlatCase(raw["id"], mode, parts, expect)


class FlatStory:
    """One case, played in *workspace* through an input of its own."""

    def __init__(self, case: FlatCase, workspace: str = WORKSPACE) -> None:
        self.case = case
        self.workspace = workspace
        self.cast = Cast()
        self.act = 0
        self._place = 0
        self._at_ms = 0
        self._absorbed: dict[str, set[str]] = defaultdict(set)
        self._expected = iter(case.expect["per_event"])

    @property
    def input(self) -> str:
        return "default" if self.workspace == WORKSPACE else self.workspace

    def configuration(self) -> str:
        """Return this case's part of an idstream.toml, for the act that is on."""
        rules, _ = self.case.acts[self.act]
        lines = [
            f"[workspaces.{self.workspace}]",
            'strategy = "flat_matching"',
            f'demotion = "{self.case.mode}"',
            "default_blocked_values = false",  # the cases use some of them as ordinary values
            *(f"{key} = {value}" for key, value in rules.get("system", {}).items()),
            f"[workspaces.{self.workspace}.identifiers]",
            *(f"{json.dumps(k)} = {_table(_rule(v))}" for k, v in rules["identifiers"].items()),
            f"[inputs.{self.input}]",
            f'workspace = "{self.workspace}"',
            'source = "custom_feed"',
        ]
        return "\n".join(lines) + "\n"

    def given(self) -> list[dict[str, Any]]:
        """Return nobody: these cases begin with no profiles."""
        return []

    def next_record(self) -> dict[str, Any] | None:
        """Return the next event of the act as `idstream resolve` reads it; None at its end."""
        _, events = self.case.acts[self.act]
        if self._place == len(events):
            return None
        event = events[self._place]
        self._place += 1
        if event.get("call") == "alias":
            self._at_ms += 1
            return self._record("requests", self._alias(event))
        time = datetime.fromisoformat(event["t"])
        assert time.tzinfo == UTC
        time_ms = int(time.timestamp() * 1000)
        self._at_ms = max(self._at_ms + 1, time_ms)
        data = {"event_name": "e", "custom_event_type": "other", "timestamp_unixtime_ms": time_ms}
        batch = {
            "environment": "production",
            "user_identities": event["ids"],
            "events": [{"event_type": "custom_event", "data": data}],
        }
        if "traits" in event:
            batch["user_attributes"] = event["traits"]
        return self._record("batches", batch)

    def begin_next_act(self) -> bool:
        """Go on to the next act; return whether there is one."""
        if self.act + 1 == len(self.case.acts):
            return False
        self.act += 1
        self._place = 0
        return True

    def _record(self, topic: str, value: dict[str, Any]) -> dict[str, Any]:
        record = {"topic": topic, "input": self.input, "timestamp_ms": self._at_ms}
        return {**record, "value": value}

    def _alias(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an alias request between the owners of an event's two identifiers."""
        owners = {
            (kind, value): label
            for label, held in self.case.expect["profiles"].items()
            for kind, values in held.items()
            for value in values
        }
        source, destination = (
            self.cast.mpid(owners[kind, value])
            for kind, values in event["ids"].items()
            for value in values
        )
        data = {"source_mpid": source, "destination_mpid": destination}
        return {"request_type": "alias", "environment": "production", "data": data}

    # ------------------------------------------------------------------------------ expectations

    def check(self, answer: Answer) -> None:
        """Hold the answer to the last record against the case."""
        action, label, notes = next(self._expected)
        if action == "ignored":
            assert answer.body["status"] == 403
            assert {e["code"] for e in answer.body["errors"]} == {"FORBIDDEN"}
            assert not answer.changes
            return
        assert _action(answer) == action
        violations = Counter(notes.get("violations", ()))
        if action == "unresolved":
            assert label is None
            assert not answer.effects
            return
        assert answer.mpid is not None
        if not self.cast.knows(label):
            assert action == "create"
            self.cast.bind(label, answer.mpid)
        assert self.cast.label(answer.mpid) == label
        self._check_resolution(answer, action, notes.get("demoted", ()), violations)
        for change in answer.changes:
            if change["change"] == "profile_merged":
                self._absorbed[change["mpid"]] |= set(change["absorbed"])

    def _check_resolution(self, answer, action, demoted, violations) -> None:
        assert answer.outcome == "forwarded"
        assert answer.resolution is not None
        kind = {"create": "created", "merge": "merged"}.get(action, "matched")
        assert answer.resolution["outcome"] == kind
        skipped = Counter(
            (skip["reason"], skip["identity_type"]) for skip in answer.resolution["skipped"]
        )
        types = sorted(kind for reason, kind in skipped.elements() if reason == "demoted")
        assert types == sorted(text.partition(":")[0] for text in demoted)
        reasons = Counter(r for r, _ in skipped.elements())
        told = Counter(c["reason"] for c in answer.changes if c["change"] == "violation")
        assert told == violations
        for reason in ("blocked", "mapping_limit"):
            assert reasons[reason] == violations[reason]
        assert bool(reasons["merge_limit"]) == bool(violations["merge_limit"])

    def check_end(self, documents: Mapping[str, dict[str, Any]]) -> None:
        """Hold all *documents* of the workspace's space, by MPID, against the case's end."""
        expect = self.case.expect
        live = {m: p for m, p in documents.items() if p["merged_into"] is None}
        held = {self.cast.label(mpid): _identities(profile) for mpid, profile in live.items()}
        assert held == {
            label: {kind: sorted(map(str, values)) for kind, values in identities.items()}
            for label, identities in expect["profiles"].items()
        }
        for label, traits in expect.get("traits", {}).items():
            data = live[self.cast.mpid(label)]["workspaces"][self.workspace]["attributes"]
            assert {name: attribute["value"] for name, attribute in data.items()} == traits
        for label, absorbed in expect.get("absorbed", {}).items():
            mpid = self.cast.mpid(label)
            mpids = {self.cast.mpid(other) for other in absorbed}
            assert self._absorbed[mpid] == set(live[mpid]["absorbed"]) == mpids
            assert live[mpid]["merges"] == len(mpids)
            assert {m for m in documents if m != mpid and _survivor(documents, m) == mpid} == mpids


def _rule(written: dict[str, Any]) -> dict[str, Any]:
    """Return an identifier of the case file as the configuration has it."""
    rule = {key: written[key] for key in ("priority", "limit") if key in written}
    if isinstance(rule.get("limit"), dict):
        rule["limit"] = {"count": rule["limit"]["value"], "window": rule["limit"]["window"]}
    blocked = written.get("blocked", [])
    rule["blocked"] = [value for value in blocked if isinstance(value, str)]
    rule["blocked_patterns"] = [value["regex"] for value in blocked if isinstance(value, dict)]
    return rule


def _table(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_table(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def _action(answer: Answer) -> str:
    if answer.mpid is None:
        assert (answer.outcome, answer.reason) == ("dropped", "no_identity")
        return "unresolved"
    if answer.is_created:
        return "create"
    changes = {change["change"] for change in answer.changes if change["mpid"] == answer.mpid}
    if "profile_merged" in changes:
        return "merge"
    return "add" if "identity_added" in changes else "resolve"


def _identities(profile: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for identity in profile["identities"]:
        found.setdefault(identity["identity_type"], []).append(identity["value"])
    return {kind: sorted(values) for kind, values in found.items()}


def _survivor(documents: Mapping[str, dict[str, Any]], mpid: str) -> str:
    while documents[mpid]["merged_into"] is not None:
        mpid = documents[mpid]["merged_into"]
    return mpid
