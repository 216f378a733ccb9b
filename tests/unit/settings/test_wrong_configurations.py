"""Configurations as tired people write them: every mistake is told at once, a line for each."""

from pathlib import Path

import pytest
import yaml

from processor.settings import SettingsError, load, load_text

TABLE = yaml.safe_load(Path(__file__).with_name("wrong.yaml").read_text())
SECRET = "hunter2"


def told(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_text(text, {})
    return caught.value.mistakes


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_every_mistake_has_a_line_with_its_place_and_the_remedy(case):
    assert list(told(case["toml"])) == case["told"]


def test_there_are_many_and_most_have_several_mistakes():
    assert len(TABLE) >= 25
    assert sum(len(case["told"]) > 1 for case in TABLE) >= 25


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_no_line_tells_a_secret_and_each_names_the_file(case, tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(case["toml"])
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    for line in caught.value.mistakes:
        assert line.startswith(f"{path}: ")
        assert SECRET not in line.replace(f"/nowhere/{SECRET}", "")
        assert "\n" not in line
