"""Files, folders and tables that pages name exist."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, text

IDS = {"ids": lambda page: str(page.relative_to(ROOT))}
NAMED = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.\w+)?|[\w-]+\.(?:py|lua))`")
"""A path of folders, with or without a file, or a source file by its own name."""
TABLE = re.compile(r"`(\w+)` in\s+`([\w/.]+\.py)`")
BEFORE = ("", "processor/", "tests/", "tests/faults/")
"""Folders that pages leave out before a path."""
FOLDERS = ("processor", "tests", "benchmarks")
SOURCES = {f.name for top in FOLDERS for k in ("*.py", "*.lua") for f in (ROOT / top).rglob(k)}
CONTRIBUTING = "CONTRIBUTING.md"


def exists(path: str) -> bool:
    return path in SOURCES or any((ROOT / before / path).exists() for before in BEFORE)


# The changelog tells of what was there at the time.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], **IDS)
def test_every_file_and_folder_that_a_page_names_exists(page):
    assert not {path for path in NAMED.findall(page.read_text()) if not exists(path)}


def test_every_list_of_what_to_add_names_files():
    parts = [part.partition("\n") for part in text(CONTRIBUTING).split("\n## Adding ")[1:]]
    sections = {name: steps.partition("\n## ")[0] for name, _, steps in parts}
    assert sections.keys() >= {"a strategy", "a kind of record", "a source tier", "a format"}
    for name, steps in sections.items():
        assert len(set(NAMED.findall(steps))) >= 4, name


def test_every_table_named_for_an_addition_stands_in_its_file():
    found = TABLE.findall(text(CONTRIBUTING))
    assert len(found) > 8
    for name, path in found:
        source = (ROOT / path).read_text()
        assert re.search(rf"^(?:class )?{name}\b", source, re.MULTILINE), (name, path)
