"""The comparison itself: whatever a case expects, expecting something else fails."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from processor.index.memory import MemoryIndex
from tests.conformance.cases import Case, played
from tests.conformance.players import play
from tests.conformance.story import Story

NEW = "P9"


def wrong(name: str, value: Any) -> Any:
    """Return an expectation that contradicts *value*."""
    if isinstance(value, bool):
        return not value
    if name == "error":
        return {**value, "status": 499}
    if name in {"profile", "source"}:
        return NEW if value is None else None
    if name == "forwarded_mpid":
        return 1
    if name == "change_results":
        return [*value, {"identity_type": "email", "modified_mpid": NEW}]
    if isinstance(value, list):
        return [*value, NEW]
    if isinstance(value, dict):
        return {**value, "email": "nobody@example.com"}
    return f"not {value}"


def altered(case: Case) -> Iterator[tuple[str, Case]]:
    """Yield the case with one expectation of it turned wrong, for each."""
    for number, step in enumerate(case.steps):
        for name, value in (step.get("expect") or {}).items():
            steps = copy.deepcopy(list(case.steps))
            steps[number]["expect"][name] = wrong(name, value)
            if name == "error" and step["do"] == "batch":
                steps[number]["expect"] = {}  # a dead letter has no status: expect success
            yield f"step {number + 1}, {name}", replace(case, steps=tuple(steps))
    for label, expect in case.final.items():
        for name, value in expect.items():
            final = copy.deepcopy(case.final)
            final[label][name] = wrong(name, value)
            yield f"final {label}, {name}", replace(case, final=final)
    if case.profile_count is not None:
        yield "profile_count", replace(case, profile_count=case.profile_count + 1)


@pytest.mark.parametrize("case", played(), ids=str)
def test_a_wrong_expectation_is_noticed_wherever_it_stands(case: Case, tmp_path: Path):
    unnoticed = []
    for where, other in altered(case):
        try:
            play(Story(other), MemoryIndex(), tmp_path)
        except (AssertionError, KeyError):
            continue
        unnoticed.append(where)
    assert not unnoticed
