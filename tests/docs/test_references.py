"""What docstrings and comments refer to can be found in this repository."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, headings

FOLDERS = ("processor", "tests", "contracts", "schemas", "benchmarks")
KINDS = ("*.py", "*.lua", "*.yaml", "*.json", "*.avsc", "*.toml")
FILES = sorted(f for folder in FOLDERS for k in KINDS for f in (ROOT / folder).rglob(k))
SOURCES = [f for f in FILES if f.is_relative_to(ROOT / "processor")]
ELSEWHERE = re.compile(r"\bsemantics\b|§|\.\./shared")
"""What would be a citation of something that is not in the repository."""
CODE = re.compile(r"\b(?:A-\d+|[A-Z]{2}-\d\d|[CLU]\d)\b(?! \d\d)")
PAGE = re.compile(r"\bdocs/(\w+)\.md\b((?:(?:,| and)? \\?\"[^\"]+\")*)")
UNLIKE = re.compile(r"\bdocs/\w+\.md\\? \"[^\"]+\"")
"""A citation without the comma that the others have."""
HEADING = re.compile(r"\"([^\"\\]+)\\?\"")
IDS = {"ids": lambda file: str(file.relative_to(ROOT))}


def one_line(file: Path) -> str:
    """Return a file without the line breaks and comment signs that may stand within a citation."""
    return re.sub(r"\s*\n[\s#-]*", " ", file.read_text())


def citations(file: Path) -> list[tuple[str, list[str]]]:
    """Return each page of docs/ that *file* names, with the headings it cites of it."""
    return [(page, HEADING.findall(cited)) for page, cited in PAGE.findall(one_line(file))]


def test_there_are_citations_to_check():
    assert len([head for file in FILES for _, heads in citations(file) for head in heads]) > 60


@pytest.mark.parametrize("file", [f for f in FILES if f != Path(__file__)], **IDS)
def test_nothing_is_cited_that_is_not_in_the_repository(file):
    assert not ELSEWHERE.findall(one_line(file))


@pytest.mark.parametrize("file", SOURCES, **IDS)
def test_nothing_is_called_by_a_code_that_only_its_author_can_look_up(file):
    assert not CODE.findall(one_line(file))


@pytest.mark.parametrize("file", FILES, **IDS)
def test_a_page_and_heading_cited_exist(file):
    assert not UNLIKE.findall(one_line(file))
    for page, heads in citations(file):
        assert (ROOT / "docs" / f"{page}.md").exists()
        for head in heads:
            assert head in headings(f"docs/{page}.md")
