"""The layers that the page of the architecture draws are those that import-linter checks."""

import re
import tomllib

from processor.pipeline.intake import KINDS
from tests.docs.pages import text

CONTRACTS = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
SECTION = text("docs/architecture.md").partition("## Layers\n")[2].partition("\n## ")[0]


def layer(written: str) -> tuple[frozenset[str], bool]:
    """Return the modules of a layer, and whether they may not know each other."""
    return frozenset(re.findall(r"\w+", written)), "|" in written


def test_the_layers_drawn_are_those_of_the_contract():
    drawn = re.findall(r"^```\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0].split("▸")
    (checked,) = [c["layers"] for c in CONTRACTS if c["type"] == "layers"]
    assert checked[0] == "(__main__)"
    assert [layer(one) for one in drawn] == [layer(one) for one in checked[1:]]


def test_the_core_named_is_the_one_that_does_no_input_or_output():
    (checked,) = [c["source_modules"] for c in CONTRACTS if c["type"] == "forbidden"]
    named = re.search(r"The core \((.*?)\)", SECTION, re.DOTALL)
    core = {m.removeprefix("processor.") for m in checked}
    assert set(re.findall(r"`([\w.]+)`", named[1])) == core


def test_the_kinds_of_records_are_in_the_core():
    (checked,) = [c["source_modules"] for c in CONTRACTS if c["type"] == "forbidden"]
    assert {kind.__module__ for kind in KINDS.values()} <= set(checked)


def test_the_homes_of_client_libraries_are_those_of_the_contract():
    for contract in CONTRACTS:
        if contract["type"] == "protected":
            (library,) = contract["protected_modules"]
            said = re.search(rf"\b{library} in (.*?)(?:\.\s|,\s\w+ in )", SECTION, re.DOTALL)
            homes = {m.removeprefix("processor.") for m in contract["allowed_importers"]}
            found = {
                w.removesuffix(".py").replace("/", ".") for w in re.findall(r"`(.*?)`", said[1])
            }
            assert found == homes
