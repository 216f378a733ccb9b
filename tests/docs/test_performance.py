"""The page of benchmarks tells of each of them, and shows the plots that are there."""

import re

import pytest

from benchmarks.__main__ import MEASURED, module
from benchmarks.page import HEAD, asked
from tests.docs.pages import ROOT, text

PAGE = text("docs/performance.md")


def test_the_page_begins_with_the_method_that_the_script_would_write():
    assert PAGE.startswith(HEAD)


@pytest.mark.parametrize("name", MEASURED)
def test_every_benchmark_has_its_section(name):
    question, explained = asked(module(name))
    assert f"\n## {question}\n\n{explained}\n" in PAGE
    assert f"`./dev bench {name}`, " in PAGE


def test_every_plot_is_shown_and_every_plot_that_is_shown_is_there():
    shown = set(re.findall(r"\(performance/([\w-]+\.png)\)", PAGE))
    assert shown == {path.name for path in (ROOT / "docs" / "performance").glob("*.png")}
