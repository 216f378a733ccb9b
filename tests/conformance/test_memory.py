"""The cases over the in-memory index."""

from pathlib import Path

import pytest

from processor.index.memory import MemoryIndex
from processor.settings import SettingsError
from tests.conformance.cases import Case, played, refused
from tests.conformance.flat_story import FlatCase, FlatStory, flat_cases
from tests.conformance.players import play, play_flat, settings_of
from tests.conformance.story import Story


@pytest.mark.parametrize("case", played(), ids=str)
def test_a_case_holds(case: Case, tmp_path: Path):
    play(Story(case), MemoryIndex(), tmp_path)


@pytest.mark.parametrize("case", refused(), ids=str)
def test_a_configuration_that_must_be_refused_is(case: Case, tmp_path: Path):
    with pytest.raises(SettingsError):
        settings_of([Story(case)], tmp_path)


@pytest.mark.parametrize("case", flat_cases(), ids=str)
def test_a_case_of_flat_matching_holds(case: FlatCase, tmp_path: Path):
    play_flat(FlatStory(case), MemoryIndex(), tmp_path)
