"""A case as what the processor sees: a configuration, given profiles, one record a step."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.conformance.cases import Case

START_MS = 1_767_225_600_000
STEP_MS = 60_000
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
GIVEN_MPID = 7_000_000_000_000_000_000
PARTNER_FEEDS = frozenset({"pdf", "warehouse"})
"""Sources under which the cases mean two different partner feeds."""


class Cast:
    """Who is who: the labels of a case and the MPIDs of this run, one to one."""

    def __init__(self) -> None:
        self._mpids: dict[str, str] = {}

    def bind(self, label: str, mpid: str) -> None:
        """Let *label* stand for *mpid*, which nobody else may be."""
        assert mpid not in self._mpids.values(), f"{label} should be new, but is {self.label(mpid)}"
        self._mpids[label] = mpid

    def knows(self, label: str) -> bool:
        return label in self._mpids

    def mpid(self, label: str | int) -> str:
        """Return the MPID of a label; a number stands for itself."""
        return str(label) if isinstance(label, int) else self._mpids[label]

    def label(self, mpid: str | None) -> str | None:
        """Return the label of an MPID; one that has none is returned as it is."""
        return next((label for label, known in self._mpids.items() if known == mpid), mpid)


class Story:
    """One case, played in *workspace* (which is also the prefix of its inputs' names)."""

    def __init__(self, case: Case, workspace: str = "retail", seat: int = 0) -> None:
        self.case = case
        self.workspace = workspace
        self.cast = Cast()
        self.start_ms, self._gap_ms = START_MS, STEP_MS
        if any("now" in (step.get("request") or {}) for step in case.steps):
            self.start_ms = self._gap_ms = 1  # its times are plain numbers
        self._times = list(self._step_times())
        for place, label in enumerate(case.given):
            self.cast.bind(label, str(GIVEN_MPID + 1000 * seat - place))

    def configuration(self) -> str:
        """Return this case's part of an idstream.toml."""
        lines = [f"[workspaces.{self.workspace}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.case.config.items()]
        inputs = {self._input({}): {"source": "custom_feed"}}
        for step in self.case.steps:
            if step["do"] == "batch":
                spec = step.get("input") or {}
                inputs[self._input(spec)] = _input_settings(spec)
        for name, settings in inputs.items():
            lines += [f"[inputs.{name}]", f'workspace = "{self.workspace}"']
            lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        return "\n".join(lines) + "\n"

    def given(self) -> list[dict[str, Any]]:
        """Return the profiles that exist before the first step, oldest first."""
        return [
            self._profile(label, spec, self.start_ms + place)
            for place, (label, spec) in enumerate(self.case.given.items())
        ]

    def time(self, said: str | int) -> int:
        """Return a time in milliseconds: a text counts from the start of the case."""
        if not isinstance(said, str):
            return said
        assert re.fullmatch(r"(-?[0-9]+(ms|s|m|h|d)[+]?)+", said), said
        parts = re.findall(r"(-?[0-9]+)(ms|s|m|h|d)", said)
        return self.start_ms + sum(int(count) * UNITS_MS[unit] for count, unit in parts)

    def _step_times(self) -> Iterator[int]:
        now = self.start_ms + len(self.case.given)
        for step in self.case.steps:
            now = self.time(step["at"]) if "at" in step else now + self._gap_ms
            now = (step.get("request") or {}).get("now", now)
            yield now

    def is_restart(self, number: int) -> bool:
        """Whether step *number* is no record, but the end of the process and another one."""
        return bool(self.case.steps[number]["do"] == "restart")

    def record(self, number: int) -> dict[str, Any]:
        """Return step *number* (from 0) as `idstream resolve` reads it."""
        step = self.case.steps[number]
        time_ms = self._times[number]
        if step["do"] == "batch":
            batch = dict(step["batch"])
            if "mpid" in batch:
                batch["mpid"] = int(self.cast.mpid(batch["mpid"]))
            name = self._input(step.get("input") or {})
            return {"topic": "batches", "input": name, "timestamp_ms": time_ms, "value": batch}
        request = {
            "request_type": step["do"],
            "request_id": f"{self.case.id}/{number}",
            "environment": step.get("environment", "production"),
            "request_timestamp_ms": time_ms,
            **self._body(step),
        }
        name = self._input({})
        return {"topic": "requests", "input": name, "timestamp_ms": time_ms, "value": request}

    def _body(self, step: dict[str, Any]) -> dict[str, Any]:
        if step["do"] == "modify":
            changes = step["identity_changes"]
            return {"mpid": self.cast.mpid(step["mpid"]), "identity_changes": changes}
        if step["do"] == "alias":
            return self._alias(step["request"])
        body: dict[str, Any] = {"known_identities": step["known_identities"]}
        if "previous" in step:
            body["previous_mpid"] = self.cast.mpid(step["previous"])
        if "read_only" in step:
            body["read_only"] = step["read_only"]
        return body

    def _alias(self, asked: dict[str, Any]) -> dict[str, Any]:
        ends = [end for end in ("source", "destination") if end in asked]
        data = {f"{end}_mpid": self.cast.mpid(asked[end]) for end in ends}
        limits = [limit for limit in ("start", "end") if limit in asked]
        data |= {f"{limit}_unixtime_ms": self.time(asked[limit]) for limit in limits}
        names = {"scope": "scope", "das": "device_application_stamp"}
        data |= {name: asked[key] for key, name in names.items() if key in asked}
        return {"data": data} | {key: asked[key] for key in ("read_only",) if key in asked}

    def _input(self, spec: dict[str, Any]) -> str:
        parts = [spec.get("name") or spec.get("source") or "", spec.get("protection") or ""]
        name = "_".join(part for part in parts if part)
        if self.workspace == "retail":
            return name or "default"
        return f"{self.workspace}_{name}" if name else self.workspace

    def _profile(self, label: str, spec: dict[str, Any], time_ms: int) -> dict[str, Any]:
        identities = [
            {"identity_type": kind, "value": value, "added_ms": time_ms, "updated_ms": time_ms}
            for kind, values in (spec.get("identities") or {}).items()
            for value in (values if isinstance(values, list) else [values])
        ]
        attributes = {
            key: {
                "value": held["value"],
                "source": _source(held["source"]),
                "input": self._input(held),
                "updated_ms": time_ms,
            }
            for key, held in (spec.get("attributes") or {}).items()
        }
        data = {
            "attributes": attributes,
            "consent_state": spec.get("consent") or {},
            "devices": [],
        }
        return {
            "format": 1,
            "scope": self.workspace,
            "environment": "production",
            "mpid": self.cast.mpid(label),
            "version": 1,
            "created_ms": time_ms,
            "last_seen_ms": time_ms,
            "source_mpid": None,
            "merged_into": None,
            "is_orphaned": not identities,
            "identities": [{**identity, "input": "default"} for identity in identities],
            "workspaces": {self.workspace: data},
        }


def _source(name: str) -> str:
    return "partner_feed" if name in PARTNER_FEEDS else name


def _input_settings(spec: dict[str, Any]) -> dict[str, str]:
    settings = {"source": _source(spec.get("source", "custom_feed"))}
    if "protection" in spec:
        settings["protection"] = spec["protection"]
    return settings
