"""The table of strategies: complete, and with the traits that docs/strategies.md promises."""

import re
from pathlib import Path
from typing import get_args

import pytest

import processor
from processor.identity.model import StrategyName, Traits
from processor.identity.strategies import STRATEGIES


def test_every_name_that_settings_may_hold_has_a_strategy():
    assert tuple(STRATEGIES) == get_args(StrategyName)


@pytest.mark.parametrize("name", ["default", "profile_conversion", "profile_link"])
def test_aliasing_exists_where_an_anonymous_history_can_be_joined(name):
    assert STRATEGIES[name].traits == Traits(can_alias=True)


@pytest.mark.parametrize("name", ["profile_isolation", "best_match", "flat_matching"])
def test_aliasing_does_not_exist_elsewhere(name):
    assert not STRATEGIES[name].traits.can_alias


def test_flat_matching_alone_merges_and_so_has_one_owner_of_everything():
    owning = {name for name, strategy in STRATEGIES.items() if strategy.traits.has_one_owner}
    assert owning == {"flat_matching"}


def test_best_match_alone_refuses_logins():
    assert [n for n, one in STRATEGIES.items() if not one.traits.has_logins] == ["best_match"]


def test_only_settings_compare_the_name_of_a_strategy():
    folder = Path(processor.__file__).parent
    compares = re.compile(r"\.strategy (?:==|!=|in|not in) ")
    found = {f.relative_to(folder) for f in folder.rglob("*.py") if compares.search(f.read_text())}
    assert {path.parts[0] for path in found} == {"settings"}
