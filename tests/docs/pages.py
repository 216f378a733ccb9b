"""The project's pages as the docs tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")])


def text(name: str) -> str:
    """Return a page by its path from the top."""
    return (ROOT / name).read_text()


def headings(name: str) -> list[str]:
    """Return the headings of a page, as they stand there; comments within code are none."""
    prose = re.sub(r"^```.*?^```$", "", text(name), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.*)$", prose, re.MULTILINE)


def rows(name: str) -> list[list[str]]:
    """Return the cells of every table row of a page, heads and rules left out."""
    lines = [line for line in text(name).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


def redis_rights() -> list[list[str]]:
    """Return what the page of operations gives the Redis user: to run, to check, in a cluster."""
    lines = re.findall(r"^ACL SETUSER idstream (.*)$", text("docs/operations.md"), re.MULTILINE)
    return [line.split() for line in lines]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    heads = headings(str(page.relative_to(ROOT)))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
