"""Calls that are not answered: asked again, or left behind."""

from threading import Event

import pytest

from processor.apart import apart, until_answered


class Away(Exception):
    """Not now."""


def failing(times: int, error: Exception):
    """Return a question that is answered after so many failures."""
    left = [error] * times

    def ask() -> str:
        if left:
            raise left.pop()
        return "answer"

    return ask


def test_a_question_is_asked_until_it_is_answered():
    heard = []
    answer = until_answered(failing(3, Away()), Away, lambda away: heard.append(away) is None)
    assert answer == "answer"
    assert len(heard) == 3


def test_a_question_is_given_up_when_nobody_waits_any_more():
    assert until_answered(failing(3, Away()), Away, lambda _: False) is None


def test_another_failure_is_raised_at_once():
    with pytest.raises(ValueError, match="ours"):
        until_answered(failing(1, ValueError("ours")), Away, lambda _: True)


def test_a_call_apart_gives_its_answer_or_its_failure():
    assert apart(failing(0, Away()), 30, "t") == "answer"
    with pytest.raises(Away):
        apart(failing(1, Away()), 30, "t")


def test_a_call_apart_that_does_not_end_is_left_behind():
    end = Event()
    with pytest.raises(TimeoutError):
        apart(end.wait, 0.01, "t")
    end.set()
