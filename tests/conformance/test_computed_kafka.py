"""The cases of calculated attributes and audiences end to end: one processor, its real topics.

Each case has a workspace and inputs of its own, and all are played side by side. The records are
of long ago, so the processor's own clock stands still; the test writes the sweeps, whose time is
that of the case.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from processor.commands.offline.computed import versions
from processor.computed.definition import Definitions
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.pipeline.computing import definitions_of
from processor.pipeline.showing import shown_at
from processor.profiles.document import to_json
from processor.records import Output
from processor.settings import load
from tests.conformance.computed_player import (
    WORKSPACE,
    check,
    check_final,
    configuration,
    input_name,
    line,
)
from tests.conformance.computed_stage import clock_answer, sweeps, take_up
from tests.conformance.players import answer_of
from tests.conformance.test_computed import CASES, FILE, PLAYED
from tests.conformance.test_kafka import Coordinates, Theatre, processing
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

AT_ONCE = 24
"""Cases a process: the witnesses of all spaces must fit into an offset."""


def is_played(name: str) -> bool:
    """Whether a case has the limits of all, and one configuration throughout."""
    case = CASES[name]
    return "settings" not in case and all(step["do"] != "restart" for step in case["steps"])


NAMES = [name for name in PLAYED if is_played(name)]
GROUPS = [NAMES[at : at + AT_ONCE] for at in range(0, len(NAMES), AT_ONCE)]


class Playbill(Theatre):
    """Topics with sweeps and changes of audiences among them."""

    def __init__(self, kafka: Kafka) -> None:
        super().__init__(kafka)
        self.topics["audience_changes"] = kafka.create_topic("audience-changes", 2)
        self.inputs["clock"] = kafka.create_topic("clock", 2)


class Part:
    """One case, played in a workspace of its own."""

    def __init__(self, name: str, seat: int) -> None:
        self.case = CASES[name]
        self.lines = [line(step) for step in self.case["steps"]]
        self.workspace = name.lower()
        self._seat = seat
        self._seen: dict[int, Profile] = {}
        self._labels: dict[str, str] = {}

    def configuration(self) -> str:
        """Return its part of an idstream.toml."""
        return configuration(self.case, self.case["config"], {}, self.workspace)

    def send(self, theatre: Playbill, number: int) -> list[Coordinates]:
        """Append what a step stands for."""
        said = self.lines[number]
        if said["topic"] != "clock":
            name = input_name(said.get("input", "default"), self.workspace)
            return [theatre.send(self._seat, {**said, "input": name})]
        space = Space(self.workspace, "production")
        mpids = sorted(self._seen, key=lambda mpid: (self._seen[mpid].created_ms, mpid))
        return [
            theatre.send_raw(self._seat, "clock", time_ms, value)
            for time_ms, value in sweeps(said, space, mpids)
        ]

    def check(self, number: int, outputs: list[Output], definitions: Definitions | None) -> None:
        """Check what came of a step."""
        step = self.case["steps"][number]
        written = [output for output in outputs if output.role == "profiles"]
        changed = take_up(self._seen, written)
        told = [json.loads(o.value or b"") for o in outputs if o.role == "audience_changes"]
        if self.lines[number]["topic"] == "clock":
            changes = [json.loads(o.value or b"") for o in outputs if o.role == "changes"]
            answer = clock_answer(told, changed, changes)
        else:
            answer = self._answer(number, outputs, definitions)
            want = (step.get("expect") or {}).get("audience_changes") or []
            answer |= {"audience_changes": _in_order(told, want), "written": versions(written)}
        check(f"{step['do']} {number + 1}", step.get("expect") or {}, answer, self._labels)

    def _answer(
        self, number: int, outputs: list[Output], definitions: Definitions | None
    ) -> dict[str, Any]:
        said = self.lines[number]
        heard = answer_of(said["topic"], (o for o in outputs if o.role != "profiles"))
        answer = {"mpid": heard.mpid, "outcome": heard.outcome, "reason": heard.reason}
        answer |= {"value": heard.value, "resolution": heard.resolution}
        profile = None if heard.mpid is None else self._seen.get(int(heard.mpid))
        if profile is not None and definitions is not None:
            shown = shown_at(definitions, profile, said["timestamp_ms"])
            answer |= {"calculated": dict(shown.calculated), "audiences": list(shown.audiences)}
        return answer

    def check_end(self) -> None:
        """Check what is left."""
        documents = {}
        for mpid, profile in self._seen.items():
            document = {"workspaces": {}, **json.loads(to_json(profile))}
            document["workspaces"] = {WORKSPACE: document["workspaces"].get(self.workspace, {})}
            documents[str(mpid)] = document
        check_final(self.case, documents, self._labels)


def _in_order(told: list[dict[str, Any]], want: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was told of several people in the order in which it is wanted.

    Each key has its partition, and partitions are read in any order.
    """
    if len({one["mpid"] for one in told}) < 2:
        return told
    places = [next(iter(said.items())) for said in want]
    return sorted(
        told,
        key=lambda one: [*places, (one["change"], one["audience"])].index(
            (one["change"], one["audience"])
        ),
    )


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]}-to-{names[-1]}")
def test_cases_hold_through_the_topics(
    names: list[str], kafka: Kafka, redis_url: str, redis_prefix: str, tmp_path: Path
):
    theatre, port = Playbill(kafka), free_port()
    parts = [Part(name, seat) for seat, name in enumerate(names)]
    config, limits = tmp_path / "idstream.toml", FILE["settings"]["limits"]
    text = theatre.configuration(parts, redis_url, redis_prefix, port)
    text += "\n[clock]\nmax_silence_s = 1\n[limits]\n"
    config.write_text(text + "".join(f"{key} = {value}\n" for key, value in limits.items()))
    definitions = definitions_of(load(config, {}).computed)
    failures = {}
    with processing(tmp_path, port):
        for number in range(max(len(part.lines) for part in parts)):
            playing = [part for part in parts if number < len(part.lines)]
            sent = [(part, part.send(theatre, number)) for part in playing]
            outputs = theatre.outputs({where for _, places in sent for where in places})
            for part, places in sent:
                came = [output for where in places for output in outputs[where]]
                try:
                    part.check(number, came, definitions.get(part.workspace))
                except AssertionError as failure:
                    failures.setdefault(part.case["id"], failure)
    for part in parts:
        try:
            part.check_end()
        except AssertionError as failure:
            failures.setdefault(part.case["id"], failure)
    assert not failures, "\n".join(f"{name}: {why}" for name, why in failures.items())
