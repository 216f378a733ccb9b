"""Every strategy is on its pages, and its journey there is one that the conformance cases play."""

import re

import pytest

from processor.identity.strategies import STRATEGIES
from tests.conformance.cases import all_cases
from tests.docs.pages import headings, rows, text

JOURNEYS = {
    "default": "DF-01",
    "profile_conversion": "PC-01",
    "profile_link": "PL-01",
    "profile_isolation": "PI-01",
    "best_match": "BM-01",
}


def journey(strategy: str) -> list[list[str]]:
    section = re.split(r"^## ", text("docs/strategies.md"), flags=re.MULTILINE)
    mine = next(part for part in section if part.startswith(f"{strategy}\n"))
    found = re.findall(r"^\| (\d+) \| (.*) \| (.*) \| (.*) \|$", mine, re.MULTILINE)
    assert found
    return [list(row) for row in found]


CHOOSING = tuple(n for n, strategy in STRATEGIES.items() if not strategy.traits.has_one_owner)


def test_every_strategy_has_a_section_and_its_name_among_the_settings():
    (setting,) = [row for row in rows("docs/configuration.md") if row[0].endswith(".strategy`")]
    for name in STRATEGIES:
        assert name in headings("docs/strategies.md")
        assert f"`{name}`" in setting[3]


def test_every_strategy_that_chooses_has_a_journey_and_a_column_beside_the_others():
    (head,) = [row for row in rows("docs/strategies.md") if row[0] == "what happens"]
    assert [name for column in head[1:] for name in column.split(", ")] == list(CHOOSING)
    assert list(JOURNEYS) == list(CHOOSING)


@pytest.mark.parametrize(("strategy", "case_id"), JOURNEYS.items())
def test_each_step_of_a_journey_reaches_the_profile_that_the_case_expects(strategy, case_id):
    case = next(c for c in all_cases() if c.id == case_id)
    table = journey(strategy)
    assert len(table) == len(case.steps)
    for (number, _, request, profile), (place, step) in zip(
        table, enumerate(case.steps, 1), strict=True
    ):
        expect = step["expect"]
        assert int(number) == place
        assert request.startswith(step["do"]), (number, request)
        assert profile.split(",")[0].split(" ")[0] == expect["profile"], (number, profile)
        assert (", new" in profile) == expect.get("created", False), (number, profile)
