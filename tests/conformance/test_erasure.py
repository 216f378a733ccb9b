"""The cases of erasure and access, each rule that can be seen from outside."""

from pathlib import Path

import pytest
import yaml

from tests.conformance.erasure_player import Story

FILE = yaml.safe_load((Path(__file__).parent / "erasure.yaml").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in FILE["cases"]}


@pytest.mark.parametrize("name", CASES)
def test_the_case_holds(name, tmp_path):
    Story(CASES[name], tmp_path).play()
