"""Plays the cases of calculated attributes and audiences: in this process, through ``resolve``.

Another way to play an act can be handed in (``computed_stage``): what is expected is the same.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from processor.commands.offline.resolve import resolve
from processor.settings.load import load_offline

WORKSPACE = "retail"
BASE_MS = 1_767_225_600_000
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "ms": 1}
FIELDS = {
    "who": "user_identities",
    "attributes": "user_attributes",
    "deleted": "deleted_user_attributes",
    "device": "device_info",
    "consent": "consent_state",
}
ENDINGS = {"aged_out": "profile_erased", "emptied": "profile_emptied"}
Case = Mapping[str, Any]


def instant(said: str | int) -> int:
    """Return the time that an offset such as "1d2h" or "1d-1ms" stands for."""
    if isinstance(said, int):
        return BASE_MS + said
    return BASE_MS + sum(
        int(number) * UNITS[unit] for number, unit in re.findall(r"([+-]?\d+)(ms|[dhm])", said)
    )


Objects = list[dict[str, Any]]


def play(
    case: Case, limits: Mapping[str, Any], folder: Path, resolved: "Act | None" = None
) -> None:
    """Play a case, a process for each act between restarts, and check every expectation."""
    config, labels, documents = dict(case["config"]), dict[str, str](), list[dict[str, Any]]()
    resolved = resolved or _resolved
    for act in _acts(case["steps"]):
        if act and act[0]["do"] == "restart":
            config |= act[0].get("config") or {}
            act = act[1:]  # noqa: PLW2901 - the rest of it
        written = configuration(case, config, limits)
        answers, documents = resolved(written, documents, list(map(line, act)), folder)
        for number, (step, answer) in enumerate(zip(act, answers, strict=True), 1):
            check(f"{step['do']} {number}", step.get("expect") or {}, answer, labels)
    check_final(case, {one["mpid"]: one for one in documents}, labels)


def _acts(steps: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    starts = [0, *(n for n, step in enumerate(steps) if step["do"] == "restart"), len(steps)]
    for start, end in pairwise(starts):
        yield steps[start:end]


def configuration(
    case: Case, config: Mapping[str, Any], limits: Mapping[str, Any], place: str = ""
) -> str:
    """Return the configuration of a case as TOML.

    *place* names its workspace and begins its inputs' names, where several cases share a process.
    """
    lines = ["[limits]", *(f"{k} = {_toml(v)}" for k, v in limits.items())] if limits else []
    events = {name: dict(selector) for name, selector in (config.get("events") or {}).items()}
    inputs: dict[str, dict[str, Any]] = {input_name("default", place): {"source": "custom_feed"}}
    for selector in events.values():
        if "inputs" in selector:
            selector["inputs"] = [input_name(name, place) for name in selector["inputs"]]
            inputs |= {name: {"source": "custom_feed"} for name in selector["inputs"]}
    workspace, settings = place or WORKSPACE, {**config, "events": events}
    lines += [f"[workspaces.{workspace}]", *(f"{k} = {_toml(v)}" for k, v in settings.items())]
    for step in case.get("steps", ()):
        name, written = _input(step)
        inputs.setdefault(input_name(name, place), {}).update(written)
    for name, written in inputs.items():
        lines += [f"[inputs.{json.dumps(name)}]", f'workspace = "{workspace}"']
        lines += [f"{key} = {_toml(value)}" for key, value in written.items()]
    return "\n".join(lines) + "\n"


def input_name(name: str, place: str) -> str:
    """Return what an input is called in the configuration of a case at *place*."""
    return f"{place}-{name}" if place else name


def _input(step: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    said = step.get("input") or {}
    name = said.get("name") or said.get("source") or "default"
    written = {"source": said.get("source", "custom_feed")}
    if "protection" in said:
        name, written["protection"] = f"{name}_{said['protection']}", said["protection"]
    if "compute" in said:
        written["compute"] = said["compute"]
    return name, written


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


Act = Callable[[str, Objects, Objects, Path], tuple[Objects, Objects]]
"""Lets one process answer lines under a configuration, over given documents."""


def _resolved(
    written: str, documents: Objects, lines: Objects, folder: Path
) -> tuple[Objects, Objects]:
    """Let one process answer *lines*; return its lines and the documents that it leaves."""
    config, given, dump = folder / "case.toml", folder / "given.jsonl", folder / "dump.jsonl"
    config.write_text(written, encoding="utf-8")
    given.write_text("".join(f"{json.dumps(one)}\n" for one in documents), encoding="utf-8")
    source = [json.dumps(line).encode() for line in lines]
    sink = BytesIO()
    resolve(load_offline(config, {}), source, sink, profiles=given, dump=dump)
    return _objects(sink.getvalue()), _objects(dump.read_bytes())


def _objects(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def line(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of ``resolve`` that a step stands for."""
    line: dict[str, Any] = {"timestamp_ms": instant(step["at"])}
    if step["do"] in ("clock", "recompute"):
        line["topic"] = "clock"
        return line | ({"value": {"all": True}} if step["do"] == "recompute" else {})
    if step["do"] == "batch":
        value = {"environment": "production", **(step.get("batch") or {})}
        value |= {FIELDS[name]: step[name] for name in FIELDS if name in step}
        if "events" in step:
            value["events"] = [_event(one) for one in step["events"]]
        return line | {"topic": "batches", "input": _input(step)[0], "value": value}
    value = {"environment": "production", "request_type": step["do"]}
    if "known_identities" in step:
        value["known_identities"] = step["known_identities"]
    value |= step.get("request", {})
    return line | {"topic": "requests", "value": value}


def _event(said: Any) -> dict[str, Any]:
    said = {"name": said} if isinstance(said, str) else said
    if "event_type" in said:
        return said
    if "commerce" in said:
        products = {"products": said.get("products", []), **said.get("action", {})}
        kind, data = "commerce_event", {"product_action": {"action": said["commerce"], **products}}
    elif "screen" in said:
        kind, data = "screen_view", {"screen_name": said["screen"]}
    else:
        kind, data = "custom_event", {"event_name": said["name"], "custom_event_type": "other"}
    if "with" in said:
        data["custom_attributes"] = said["with"]
    if "at" in said:
        data["timestamp_unixtime_ms"] = instant(said["at"])
    return {"event_type": kind, "data": data}


def check(
    where: str, expect: Mapping[str, Any], answer: Mapping[str, Any], labels: dict[str, str]
) -> None:
    """Check what a step expects; *labels* are the MPIDs by the names that the case gives them."""
    mpid, want = answer["mpid"], dict(expect)
    label = want.pop("profile", None)
    if mpid is not None and mpid not in labels.values():
        free = (f"P{n}" for n in range(1, 100) if f"P{n}" not in labels)
        labels[label or next(free)] = mpid
    if label is not None:
        assert labels.get(label) == mpid, where
    known = {mpid: label for label, mpid in labels.items()}
    for name, value in want.items():
        assert _seen(name, value, answer, known) == value, f"{where}: {name}"


def _seen(name: str, want: Any, answer: Mapping[str, Any], known: Mapping[str, str]) -> Any:
    """Return what *answer* shows of an expectation, in its words."""
    if name == "calculated":
        return {one: answer["calculated"].get(one) for one in want}
    if name == "audiences":
        return [one for one in want if one in answer["audiences"]] + [
            one for one in answer["audiences"] if one not in want
        ]
    if name == "enriched":
        return answer["value"].get("user_attributes", {})
    if name == "wrote":
        written = [one["mpid"] for one in answer["written"]]
        return answer["mpid"] in written if isinstance(want, bool) else len(written)
    if name == "forwarded":
        return answer["outcome"] == "forwarded"
    if name == "reason":
        return answer["reason"] or answer["outcome"]
    if name in ("aged_out", "emptied"):
        told = [one for one in answer["changes"] if one["change"] == ENDINGS[name]]
        assert all(one.get("reason") == name for one in told if name == "aged_out")
        return sorted(known[one["mpid"]] for one in told)
    if name == "skipped":
        return [one["identity_type"] for one in answer["resolution"]["skipped"]]
    assert name == "audience_changes", f"nobody checks {name}"
    told = answer["audience_changes"]
    if len(told) != len(want):
        return told
    return [_message(one, said, known) for one, said in zip(told, want, strict=True)]


def _message(
    told: Mapping[str, Any], want: Mapping[str, Any], known: Mapping[str, str]
) -> dict[str, Any]:
    seen = {
        told["change"]: told["audience"],
        "profile": known.get(told["mpid"]),
        "reason": told["reason"],
        "identities": {one["identity_type"]: one["identity"] for one in told["user_identities"]},
        "attributes": told["user_attributes"],
        "at": told["timestamp_ms"],
        "expires": told["expires_ms"],
    }
    for name in ("at", "expires"):
        if want.get(name) is not None and instant(want[name]) == seen[name]:
            seen[name] = want[name]
    return {name: seen.get(name) for name in want}


def check_final(
    case: Case, documents: Mapping[str, dict[str, Any]], labels: Mapping[str, str]
) -> None:
    """Check what a case expects to be left."""
    for label, want in (case.get("final") or {}).items():
        document = documents.get(labels[label])
        if want is None or want == {"gone": True}:
            is_gone = document is None or document["merged_into"] is not None
            assert is_gone, f"final {label}"
            continue
        assert document is not None, f"final {label}"
        workspace = document["workspaces"].get(WORKSPACE, {})
        for name, value in want.items():
            if name == "attributes":
                seen: Any = {n: one["value"] for n, one in workspace["attributes"].items()}
            elif name == "audiences":
                seen = sorted(workspace.get("computed", {}).get("audiences", {}))
            else:
                assert name == "due", f"nobody checks {name}"
                seen = document.get("due_ms")
                value = None if value is None else instant(value)  # noqa: PLW2901 - as a time
            assert seen == value, f"final {label}: {name}"
    if "profile_count" in case:
        living = [one for one in documents.values() if one["merged_into"] is None]
        assert len(living) == case["profile_count"]
