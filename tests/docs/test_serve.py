"""The page of the profile API: its examples work, its metrics are there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from inspect import isfunction, signature

import pytest

from processor.serve import refusal
from processor.serve.credentials import SCOPES, parse_tokens
from processor.serve.happenings import UNREAD
from processor.watch.api import ApiMetrics
from tests.docs.pages import ROOT, rows, text
from tests.docs.shell import BLOCK, Shell, commands, pattern
from tests.serve.people import Service, serving, token

PAGE = text("docs/serve.md")
DECODED = (400, "INVALID_DATA")
"""What the decoder of requests refuses with; the API passes it on."""
BLOCKS = [(kind, block) for kind, _, block in BLOCK.findall(PAGE)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("serve")) as running:
        yield running


@pytest.fixture
def variables(service: Service) -> dict[str, str]:
    return {"IDSTREAM": service.url, "TOKEN": token("all")}


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        one
        for kind, block in BLOCKS
        if kind == "console"
        for one in (commands(block) if block.startswith("$ ") else [])
        if one[0].startswith("curl")
    ],
)
def test_every_call_is_answered_as_shown(tmp_path, variables, command, shown):
    shell = Shell(tmp_path)
    for name, value in variables.items():
        shell.run(f"export {name}={value}")
    found = shell.run(f"{command}; echo")
    shell.close()
    assert re.fullmatch(pattern(shown), found.rstrip("\n") + "\n"), found


def test_the_program_runs(tmp_path, variables):
    (program,) = [block for kind, block in BLOCKS if kind == "python"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("sdk 304\n", "")


def test_the_table_of_a_token_is_one():
    (table,) = [block for kind, block in BLOCKS if kind == "toml"]
    (found,) = parse_tokens(table, ["retail"]).by_hash.values()
    assert found.may_read("anything")


def test_every_scope_is_documented():
    told = {row[0].strip("`") for row in rows("docs/serve.md") if len(row) == 2}
    assert set(SCOPES) <= told


def refusals(*modules: str) -> set[tuple[int, str]]:
    """Return status and code of each refusal that modules of the API state."""
    ready = {
        name: made(*("" for _ in signature(made).parameters))
        for name, made in vars(refusal).items()
        if isfunction(made)
    }
    found = set()
    for module in modules:
        source = text(f"processor/serve/{module}.py")
        for status, code in re.findall(r'Refusal\((\w+), "(\w+)"', source):
            found.add((UNREAD if status == "UNREAD" else int(status), code))
        found |= {(one.status, one.code) for name, one in ready.items() if f" {name}(" in source}
    return found


def refusals_told(page: str) -> set[tuple[int, str]]:
    """Return status and code of each row that *page* has of answers."""
    answers = [row for row in rows(page) if len(row) == 3 and row[0].isdigit()]
    return {
        (int(status), code)
        for status, codes, _ in answers
        for code in re.findall(r"`(\w+)`", codes)
    }


def test_every_refusal_of_the_api_is_documented_and_no_other():
    pages = refusals_told("docs/serve.md") | refusals_told("docs/privacy.md")
    modules = [path.stem for path in (ROOT / "processor" / "serve").glob("*.py")]
    assert pages == refusals(*modules) | {DECODED}


def test_every_refusal_of_requests_under_privacy_law_is_on_their_page():
    found = refusals("subjects", "cases", "access", "entitled") | {DECODED}
    assert refusals_told("docs/privacy.md") == found


def test_every_metric_is_documented_with_its_type_and_its_labels():
    told = {
        name.strip("`"): (kind, [one for one in labels.split(", ") if one])
        for name, kind, labels, _ in (row for row in rows("docs/serve.md") if len(row) == 4)
        if name.startswith("`idstream_")
    }
    found = {}
    metrics = vars(ApiMetrics()).values()
    labels = {m._name: list(m._labelnames) for m in metrics if hasattr(m, "_labelnames")}
    for family in ApiMetrics().registry.collect():
        if family.name.startswith("idstream_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, labels.get(family.name, ["version", "guarantee"]))
    assert told == found
