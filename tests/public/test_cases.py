"""Problems that people reported in public of tools that do this job: here they are none."""

import io
import json
from pathlib import Path

import pytest
import yaml

from processor.commands.offline.resolve import resolve
from processor.settings import load_offline
from tests.public.expectation import Result, check

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_went_wrong_elsewhere_goes_right(path, tmp_path):
    case = yaml.safe_load(path.read_text())
    (tmp_path / "idstream.toml").write_text(case["configuration"])
    settings, out = load_offline(tmp_path / "idstream.toml", {}), io.BytesIO()
    dump = tmp_path / "dump.jsonl"
    resolve(settings, case["records"].encode().splitlines(), out, dump=dump)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    profiles = [json.loads(line) for line in dump.read_text().splitlines()]
    check(case["expect"], Result(lines, profiles))
