"""The site is made of the repository's own pages (mkdocs.yml); here links find their way there.

Pages link to each other, and to files, as the repository has them: relatively in docs/, with whole
addresses in the README, which package indexes show too. On the site a link to one of its pages
stays within it, and any other leads to the repository.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {
    "index.md": "README.md",
    "schemas.md": "schemas/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Pages of the site that lie outside of docs/."""
NAMES = {path: name for name, path in PAGES.items()}
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for name, path in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links turned to the site, where it has what they lead to."""
    name = page.file.src_uri
    here = dirname(PAGES.get(name, f"docs/{name}"))
    source = f"{config.repo_url}/blob/main/"
    return LINK.sub(lambda link: turned(link[0], here, source), markdown)


def turned(link: str, here: str, source: str) -> str:
    """Return *link* of a page in the folder *here* of the repository as the site needs it."""
    if link.startswith("#") or ("://" in link and not link.startswith(source)):
        return link
    path, _, anchor = link.removeprefix(source).partition("#")
    path = path if link.startswith(source) else normpath(f"{here}/{path}").lstrip("/")
    if path.startswith("docs/"):
        found = path.removeprefix("docs/")
    else:
        found = NAMES.get(path, f"{source}{path}")
    return f"{found}#{anchor}" if anchor else found
