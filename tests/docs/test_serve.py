"""The page of the profile API: its examples work, its metrics are there."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from processor.serve.credentials import SCOPES, parse_tokens
from processor.watch.api import ApiMetrics
from tests.docs.pages import rows, text
from tests.docs.shell import BLOCK, Shell, commands, pattern
from tests.serve.people import Service, serving, token

PAGE = text("docs/serve.md")
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
