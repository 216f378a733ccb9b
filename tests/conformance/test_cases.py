"""The case file itself: nothing is left out silently, and every expectation is looked at."""

from tests.conformance.cases import LATER, all_cases, played, refused
from tests.conformance.expectations import FINAL_CHECKS, STEP_CHECKS, holds

KNOWN = {"error", "status"}
"""What is looked at in every answer."""


def test_every_case_is_played_or_listed_with_its_reason():
    ids = [c.id for c in all_cases()]
    assert len(ids) == len(set(ids))
    assert LATER.keys() <= set(ids)
    assert {c.id for c in played()} | {c.id for c in refused()} | LATER.keys() == set(ids)
    assert len(played()) >= 68


def test_every_expectation_of_a_played_case_is_one_that_is_checked():
    for case in played():
        for step in case.steps:
            assert (step.get("expect") or {}).keys() <= STEP_CHECKS.keys() | KNOWN, case.id
        for final in case.final.values():
            assert final.keys() <= FINAL_CHECKS.keys(), case.id


def test_a_part_is_found_in_a_whole_that_says_more_and_in_no_other():
    assert holds({"a": 1, "b": [{"c": 2, "d": 3}, {"c": 4}]}, {"b": [{"c": 4}, {"c": "<int>"}]})
    assert not holds({"a": 1}, {"a": 2})
    assert not holds({"b": [{"c": 2}]}, {"b": [{"c": 2}, {"c": 2}]})
    assert not holds({"a": True}, {"a": "<int>"})
