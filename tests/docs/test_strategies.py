"""The journeys on the page of strategies are the ones that the conformance cases play."""

import re

import pytest

from tests.conformance.cases import all_cases
from tests.docs.pages import text

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
