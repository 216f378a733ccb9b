"""Links lead somewhere, and no page knows one particular machine."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors

OURS = "https://github.com/idstream/idstream/blob/main/"
LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
IDS = {"ids": lambda page: str(page.relative_to(ROOT))}


def test_there_are_pages():
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= {p.name for p in PAGES}


@pytest.mark.parametrize("page", PAGES, **IDS)
def test_every_link_leads_to_a_file_and_heading_of_the_project(page):
    for link in LINK.findall(page.read_text()):
        if "://" in link and not link.startswith(OURS):
            continue
        name, _, anchor = link.removeprefix(OURS).partition("#")
        folder = ROOT if link.startswith(OURS) else page.parent
        target = (folder / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, **IDS)
def test_no_page_names_a_place_of_one_machine(page):
    for place in ("/root/", "/home/", "/tmp/", "/" + "work/"):
        assert place not in page.read_text()
