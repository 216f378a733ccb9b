"""Records as broken clients, other tools and tired people send them: none passes in silence.

Each is a dead letter or an answer that says where and why, or a word of ``explain`` (and a count)
tells what was left out or where its identities were looked for.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from processor.commands.offline.explain import explain
from processor.commands.offline.resolve import load_index
from processor.settings import load_offline

CONFIGURATION = """
[workspaces.retail]
preset = "default"
[workspaces.strictly]
preset = "default"
validation = "strict"
[workspaces.shop]
preset = "segment"
[inputs.default]
workspace = "retail"
[inputs.strict]
workspace = "strictly"
[inputs.seg]
workspace = "shop"
format = "segment"
"""
TABLE = yaml.safe_load(Path(__file__).with_name("wrong_records.yaml").read_text())
SAYS_WHY = re.compile(
    r"Outcome \w+ \(\w+\): .|- .* (left out|blocked)|It looked for identifiers in"
)


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIGURATION)
    settings = load_offline(path, {})

    def of(case) -> list[str]:
        around = {"topic": case.get("topic", "batches"), "timestamp_ms": 1_700_000_000_000}
        if "input" in case:
            around["input"] = case["input"]
        line = f'{json.dumps(around)[:-1]}, "value": {case["value"]}}}'
        return [
            re.sub(r"profile -?\d+", "profile N", one)
            for one in explain(settings, [line.encode()], load_index(settings, None)).words
        ]

    return of


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_what_is_wrong_with_a_record_is_told(case, words):
    said = words(case)
    assert [line for line in case["told"] if line not in said] == []


def test_there_are_many_and_none_is_silent():
    assert len(TABLE) >= 40
    silent = [c["name"] for c in TABLE if not any(SAYS_WHY.match(line) for line in c["told"])]
    assert silent == []
