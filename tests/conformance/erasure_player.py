"""Plays the cases of erasure and access through ``resolve``, in this process."""

import json
import uuid
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from processor.commands.offline.resolve import CaseFiles, resolve
from processor.settings.load import load_offline
from tests.conformance.computed_player import BASE_MS, WORKSPACE, configuration, instant

MINUTE_MS = 60_000
OURS = {
    "dry_run": "dry_run",
    "suppress": "suppress",
    "follow": "follow",
    "all_holders": "all_holders",
    "skip": "skip_waiting_period",
}
ENDED = {"erased": "erased", "deleted": "deleted", "aged_out": "aged_out"}
Case = Mapping[str, Any]
Line = dict[str, Any]


class Story:
    """A case on its way: who is called what, the time, and the line of each step."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.mpids: dict[str, str] = {}
        self.lines: dict[int, Line] = {}
        self.now = BASE_MS + len(case.get("given") or {})
        settings = "\n".join(
            f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(one)}" for key, one in values.items())
            for table, values in (case.get("settings") or {}).items()
        )
        self.config = folder / "case.toml"
        written = configuration(case, case["config"], {"max_aliases": 50})
        self.config.write_text(f"{settings}\n{written}", encoding="utf-8")
        self.dump, self.cases = folder / "dump.jsonl", folder / "cases.jsonl"
        self.dump.write_text("".join(f"{json.dumps(one)}\n" for one in self._given()))
        self.cases.write_text("")

    def play(self) -> None:
        """Play the case, a process for each act between restarts; check every expectation."""
        steps = list(enumerate(self.case["steps"], 1))
        starts = [0, *(n for n, (_, step) in enumerate(steps) if step["do"] == "restart")]
        for start, end in pairwise([*starts, len(steps)]):
            self._act([one for one in steps[start:end] if one[1]["do"] != "restart"])
            self.now += MINUTE_MS
        living = [one for one in self._documents().values() if one["merged_into"] is None]
        for label, final in (self.case.get("final") or {}).items():
            self._check_final(label, final)
        if "profile_count" in self.case:
            assert len(living) == self.case["profile_count"]

    def _act(self, steps: list[tuple[int, Line]]) -> None:
        """Let one process answer *steps*: each is sent once the one before is judged."""

        def sent() -> Iterator[bytes]:
            for number, step in steps:
                for again, expect in self._parts(number, step):
                    yield json.dumps(self.lines[again]).encode()
                    self._check(f"step {number}", step, expect, json.loads(sink.lines[-1]))

        sink = _Lines()
        cases = CaseFiles(self.cases, self.cases)
        settings = load_offline(self.config, {})
        resolve(settings, sent(), sink, profiles=self.dump, dump=self.dump, cases=cases)

    def _parts(self, number: int, step: Line) -> list[tuple[int, Line]]:
        if step["do"] == "again":
            return list(zip(step["steps"], step["expect_each"], strict=True))
        self.now = instant(step["at"]) if "at" in step else self.now + MINUTE_MS
        self.lines[number] = {"timestamp_ms": self.now, **self._line(number, step)}
        return [(number, step.get("expect") or {})]

    def mpid(self, label: str) -> str:
        """Return whom *label* stands for; one that is not known yet stands for nobody."""
        return self.mpids.get(label) or str(9_100_000_000_000_000_000 + zlib.crc32(label.encode()))

    def _line(self, number: int, step: Line) -> Line:
        kind = step["do"]
        if kind == "clock":
            return {"topic": "clock"}
        if kind == "privacy":
            return {"topic": "privacy", "input": "default", "value": self._request(step)}
        if kind == "batch":
            batch = dict(step["batch"])
            if "mpid" in batch:
                batch["mpid"] = int(self.mpid(batch["mpid"]))
            said = step.get("input") or {}
            name = said.get("source", "default")
            if "protection" in said:
                name += f"_{said['protection']}"
            return {"topic": "batches", "input": name, "value": batch}
        body = {
            "request_type": kind,
            "request_id": f"request-{number}",
            "environment": "production",
            "request_timestamp_ms": self.now,
        }
        if kind == "alias":
            asked = step["request"]
            ends = {f"{end}_mpid": self.mpid(asked[end]) for end in ("source", "destination")}
            times = {f"{at}_unixtime_ms": instant(asked[at]) for at in ("start", "end")}
            body["data"] = ends | times
        elif kind == "modify":
            body |= {"mpid": self.mpid(step["mpid"]), "identity_changes": step["identity_changes"]}
        else:
            body["known_identities"] = step["known_identities"]
        if step.get("previous") is not None:
            body["previous_mpid"] = self.mpid(step["previous"])
        return {"topic": "requests", "input": "default", "value": body}

    def _request(self, step: Line) -> Line:
        ours: Line = {name: step[key] for key, name in OURS.items() if key in step}
        if "mpids" in step:
            ours["mpids"] = [self.mpid(label) for label in step["mpids"]]
        if "mpid" in step:
            ours["subject_identities"] = {"mpid": {"value": self.mpid(step["mpid"])}}
        return {
            "regulation": "gdpr",
            "subject_request_id": request_id(step["case"]),
            "subject_request_type": step["type"],
            "submitted_time": "2026-01-01T00:00:00Z",
            "environment": "production",
            "subject_identities": {
                name: one if isinstance(one, dict) else {"value": one, "encoding": "raw"}
                for name, one in (step.get("identities") or {}).items()
            },
            "extensions": {"idstream": ours},
        }

    def _given(self) -> Iterator[Line]:
        for number, (label, given) in enumerate((self.case.get("given") or {}).items()):
            mpid = self.mpids[label] = str(7_000_000_000_000_000_001 - 1_000_003 * number)
            at = BASE_MS + number
            held = {
                name: {"value": one["value"], "source": one["source"], "updated_ms": at}
                for name, one in (given.get("attributes") or {}).items()
            }
            yield {
                "scope": WORKSPACE,
                "environment": "production",
                "mpid": mpid,
                "created_ms": at,
                "identities": [
                    {"identity_type": kind, "value": value}
                    for kind, value in given["identities"].items()
                ],
                "workspaces": {WORKSPACE: {"attributes": held}},
            }

    # ---- what is checked --------------------------------------------------------------------

    def _check(self, where: str, step: Line, expect: Line, answer: Line) -> None:
        value = answer["value"] or {}
        mpid = answer["mpid"] or value.get("mpid")
        if isinstance(mpid, str) and mpid not in self.mpids.values():
            free = (f"P{n}" for n in range(1, 100) if f"P{n}" not in self.mpids)
            label = expect.get("profile")
            self.mpids[label if label is not None and label not in self.mpids else next(free)] = (
                mpid
            )
        for name, want in expect.items():
            assert self._seen(name, answer, value) == want, f"{where} ({step['do']}): {name}"

    def _seen(self, name: str, answer: Line, value: Line) -> Any:
        """Return what *answer* shows of an expectation, in its words."""
        if name in ENDED:
            ended = [c for c in answer["changes"] if c["change"] == "profile_erased"]
            return self._labels(c["mpid"] for c in ended if c["reason"] == ENDED[name])
        seen = {
            "profile": lambda: self._label(answer["mpid"] or value.get("mpid")),
            "created": lambda: any(c["change"] == "profile_created" for c in answer["changes"]),
            "forwarded": lambda: answer["outcome"] == "forwarded",
            "forwarded_mpid": lambda: self._label(str(value["mpid"])),
            "enriched": lambda: value.get("user_attributes", {}),
            "reason": lambda: answer["reason"],
            "skipped": lambda: [one["identity_type"] for one in answer["resolution"]["skipped"]],
            "error": lambda: {"status": value["status"], "code": value["errors"][0]["code"]},
            "code": lambda: value["errors"][0]["code"],
            "would_erase": lambda: self._labels(value["would_erase"]),
            "completed": lambda: self._completed(answer),
        }
        return seen[name]() if name in seen else value.get(name)

    def _completed(self, answer: Line) -> list[str]:
        named = {request_id(s["case"]): s["case"] for s in self.case["steps"] if "case" in s}
        told = [one for one in answer["receipts"] if one["state"] == "completed"]
        return [named[one["subject_request_id"]] for one in told]

    def _check_final(self, label: str, want: Line) -> None:
        document = self._documents().get(self.mpids[label])
        if want.get("gone"):
            assert document is None, f"final {label}"
            return
        assert document is not None, f"final {label}"
        held = {one["identity_type"]: one["value"] for one in document["identities"]}
        assert held == want["identities"], f"final {label}"
        if "attributes" in want:
            attributes = document["workspaces"].get(WORKSPACE, {}).get("attributes", {})
            assert {n: one["value"] for n, one in attributes.items()} == want["attributes"], label
        if "source" in want:
            assert self._label(document["source_mpid"]) == want["source"], f"final {label}"

    def _documents(self) -> dict[str, Line]:
        lines = self.dump.read_text(encoding="utf-8").splitlines()
        return {one["mpid"]: one for one in map(json.loads, lines)}

    def _label(self, mpid: str | None) -> str | None:
        return next((label for label, one in self.mpids.items() if one == mpid), mpid)

    def _labels(self, mpids: Iterator[str] | list[str]) -> list[str | None]:
        return sorted(map(self._label, mpids), key=str)


class _Lines(BytesIO):
    """Standard output, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def write(self, line: Any) -> int:
        """Keep a line."""
        self.lines.append(bytes(line))
        return len(line)


def request_id(name: str) -> str:
    """Return the id of the request that a case calls *name*."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
