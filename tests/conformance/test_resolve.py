"""The cases through `idstream resolve`, one process a case, one line a step."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import Case, played, refused
from tests.conformance.expectations import Answer, check_final, check_step
from tests.conformance.story import Story

SOME = ["PC-01", "PL-01", "PI-01", "BM-01", "DF-01", "IP-09", "EN-18", "AL-04", "AL-16"]
"""A process a case is slow, and it decides as in memory: the journeys are enough."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "processor", "resolve", *arguments]


def answer(topic: str, line: str) -> Answer:
    """Read one output line as an answer."""
    found = json.loads(line)
    return Answer(
        topic=topic,
        outcome=found["outcome"],
        reason=found["reason"],
        mpid=found.get("mpid"),
        key=found["key"],
        value=found["value"],
        resolution=found.get("resolution"),
        changes=found["changes"],
    )


@contextmanager
def resolving(story: Story, folder: Path) -> Iterator[Any]:
    """Yield a function that asks one record of a process."""
    (folder / "idstream.toml").write_text(story.configuration())
    (folder / "given.jsonl").write_text("".join(json.dumps(p) + "\n" for p in story.given()))
    arguments = ("-c", "idstream.toml", "--profiles", "given.jsonl", "--dump", "final.jsonl")
    process = subprocess.Popen(
        command(*arguments), cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(record: dict[str, Any]) -> Answer:
        process.stdin.write(json.dumps(record) + "\n")
        process.stdin.flush()
        return answer(record["topic"], process.stdout.readline())

    try:
        yield ask
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("case", [c for c in played() if c.id in SOME], ids=str)
def test_a_case_holds_step_by_step(case: Case, tmp_path: Path):
    story = Story(case)
    with resolving(story, tmp_path) as ask:
        for number in range(len(case.steps)):
            check_step(story, number, ask(story.record(number)))
    dumped = map(json.loads, (tmp_path / "final.jsonl").read_text().splitlines())
    check_final(story, {p["mpid"]: p for p in dumped if p["environment"] == "production"})


@pytest.mark.parametrize("case", refused(), ids=str)
def test_a_refused_configuration_ends_with_one_line_before_anything_is_read(
    case: Case, tmp_path: Path
):
    (tmp_path / "idstream.toml").write_text(Story(case).configuration())
    done = subprocess.run(
        command("-c", str(tmp_path / "idstream.toml")),
        input='{"topic": "batches", "value": {}}\n',
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
