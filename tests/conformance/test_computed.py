"""The cases of calculated attributes and audiences, each rule that can be seen from outside."""

from pathlib import Path

import pytest
import yaml

from processor.index.memory import MemoryIndex
from processor.redis.index import RedisIndex
from processor.settings import SettingsError
from processor.settings.load import load_offline
from tests.conformance.computed_player import configuration, play
from tests.conformance.computed_stage import Stage

FILE = yaml.safe_load((Path(__file__).parent / "computed.yaml").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in FILE["cases"]}
PLAYED = [name for name, case in CASES.items() if case.get("steps")]
REFUSED = [name for name, case in CASES.items() if case.get("expect_config_error")]


def limits_of(case: dict) -> dict:
    return FILE["settings"]["limits"] | (case.get("settings") or {}).get("limits", {})


@pytest.mark.parametrize("name", PLAYED)
def test_the_case_holds(name, tmp_path):
    play(CASES[name], limits_of(CASES[name]), tmp_path)


@pytest.mark.parametrize("name", PLAYED)
def test_the_case_holds_by_sweeps(name, tmp_path):
    play(CASES[name], limits_of(CASES[name]), tmp_path, Stage(MemoryIndex()).act)


@pytest.mark.redis
@pytest.mark.parametrize("name", PLAYED)
def test_the_case_holds_over_redis(name, redis_url, redis_prefix, tmp_path):
    index = RedisIndex.connect(redis_url, redis_prefix)
    try:
        play(CASES[name], limits_of(CASES[name]), tmp_path, Stage(index).act)
    finally:
        index.close()


@pytest.mark.parametrize("name", REFUSED)
def test_the_configuration_is_refused_by_its_path(name, tmp_path):
    case, path = CASES[name], tmp_path / "case.toml"
    path.write_text(configuration(case, case["config"], limits_of(case)))
    with pytest.raises(SettingsError) as error:
        load_offline(path, {})
    if case["expect_config_error"] is not True:
        assert case["expect_config_error"] in str(error.value)


def test_every_case_is_played_or_refused():
    assert {*PLAYED, *REFUSED} == set(CASES)
