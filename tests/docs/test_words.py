"""Every reason, kind and outcome that readers of the topics meet is documented."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import get_args

import pytest

import processor
from processor.crash import POINTS
from processor.pipeline.fold import VIOLATIONS
from processor.records import DeadLetterReason, OutcomeName
from processor.settings.sections import OUTPUT_ROLES
from tests.docs.pages import ROOT, rows, text


def first_cells(name: str) -> set[str]:
    return {word for row in rows(name) for word in re.findall(r"`([^`]+)`", row[0])}


def test_every_reason_of_a_dead_letter_is_documented():
    assert set(get_args(DeadLetterReason)) <= first_cells("docs/messages.md")


def test_every_outcome_is_documented():
    assert set(get_args(OutcomeName)) <= first_cells("docs/messages.md")


@pytest.mark.parametrize("role", OUTPUT_ROLES)
def test_every_topic_is_documented(role):
    assert f"`kafka.topics.{role}`" in text("docs/configuration.md")


def written(pattern: str, *folders: str) -> set[str]:
    """Return what *pattern* finds in the sources of *folders*."""
    files = [f for folder in folders for f in Path(ROOT / "processor" / folder).rglob("*.py")]
    assert files
    return {word for f in files for word in re.findall(pattern, f.read_text())}


def test_every_reason_of_a_skip_is_documented():
    reasons = written(r"Skip\([^()]*,\s*\"([a-z_]+)\"[,)]", "identity") | {"merge_limit"}
    assert reasons, "no skip was found: has its spelling changed?"
    assert reasons <= first_cells("docs/strategies.md")


def test_every_reason_of_a_violation_is_documented():
    named = written(r"\"violation\".*reason=\"([a-z_]+)\"", ".")
    assert "max_holders" in named
    for reason in VIOLATIONS | named | {"limit", "time_limit", "merge_limit"}:
        assert f"`{reason}`" in text("docs/messages.md")


def test_every_kind_of_change_is_documented():
    changes = written(r"Change\(\s*(?:change=)?\"([a-z_]+)\"", ".")
    assert len(changes) > 4
    assert changes <= first_cells("docs/messages.md")


def test_every_crash_point_is_documented_in_its_own_words():
    documented = {row[0].strip("`"): row[1] for row in rows("docs/operations.md") if len(row) == 2}
    assert documented.items() >= POINTS.items()


def errors() -> set[str]:
    """Return the name of every class of the project that can be raised."""
    found = set()
    for module in pkgutil.walk_packages(processor.__path__, "processor."):
        if module.name != "processor.__main__":
            members = vars(importlib.import_module(module.name)).values()
            found |= {m for m in members if isinstance(m, type) and issubclass(m, Exception)}
    return {e.__name__ for e in found if e.__module__.startswith("processor.")}


def test_every_error_of_ours_is_documented():
    assert len(errors()) > 8
    assert errors() <= first_cells("docs/architecture.md")
