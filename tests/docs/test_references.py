"""What docstrings and comments refer to can be found in this repository."""

import re

import pytest

from tests.docs.pages import ROOT, rows

SOURCES = sorted(f for kind in ("*.py", "*.lua") for f in (ROOT / "processor").rglob(kind))
CITED = re.compile(r"\bsemantics (§[\d.]*\d(?:(?:, | to | and )§[\d.]*\d)*)")
CODE = re.compile(r"\b(?:A-\d+|[A-Z]{2}-\d\d|[CLU]\d)\b(?! \d\d)")
PAGE = re.compile(r"\bdocs/(\w+\.md)(?: \"([^\"]+)\")?")
IDS = {"ids": lambda file: str(file.relative_to(ROOT))}


def one_line(file) -> str:
    return re.sub(r"[\s#]+", " ", file.read_text())


@pytest.mark.parametrize("file", SOURCES, **IDS)
def test_a_section_cited_is_one_that_the_page_of_decisions_maps(file):
    mapped = {row[0] for row in rows("docs/decisions.md")}
    source = one_line(file)
    for sections in CITED.findall(source):
        for section in re.findall(r"§\d+", sections):
            assert section in mapped
    assert "§" not in CITED.sub("", source)


@pytest.mark.parametrize("file", SOURCES, **IDS)
def test_nothing_is_called_by_a_code_that_only_its_author_can_look_up(file):
    assert not CODE.findall(one_line(file))


@pytest.mark.parametrize("file", SOURCES, **IDS)
def test_a_page_and_heading_cited_exist(file):
    for page, heading in PAGE.findall(one_line(file)):
        heads = re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
        assert not heading or heading in heads
