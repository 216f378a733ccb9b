"""Dead letters lie in piles of one reason and detail; of one of them values are masked."""

import json
from pathlib import Path

import pytest

from processor.commands.letters import one
from processor.commands.letters.letters import (
    GIVE,
    HEAD,
    LettersOptions,
    letters,
    place_in,
    print_piles,
    row_of,
)
from processor.commands.letters.pile import MOST, OTHERS, Piles
from processor.commands.options import DEFAULT_CONFIG, option_of
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.masking import MASK, masked
from processor.commands.terminal.tables import draw
from processor.kafka.letters import REASONS
from processor.records import Record
from tests.docs.pages import ROOT

HELD = {0: dict.fromkeys(REASONS, 0), 1: dict.fromkeys(REASONS, 2)}
BODY = b'{"user_identities":{"email":"ed@example.com"},"mpid":12,"events":[{"event_type":"crash"}]}'


def letter(reason, detail, offset=0, partition=0, value=BODY, **more):
    headers = {
        "input": "default",
        "reason": reason,
        "detail": detail,
        "source-topic": "in",
        "source-partition": "3",
        "source-offset": "99",
        "source-timestamp": "1782900000000",
        **more,
    }
    pairs = tuple((name, text.encode()) for name, text in headers.items())
    return Record("dead", partition, offset, 1000 + offset, b"ed@example.com", value, pairs)


def piled(*found, reasons=REASONS):
    piles = Piles(HELD, frozenset(reasons))
    for single in found:
        piles.add(single)
    return piles.sorted()


def test_letters_of_one_reason_and_detail_lie_together_whatever_the_place_in_a_list():
    first, second = piled(
        letter("invalid", "events[0].event_type: is required", 0),
        letter("malformed", "the value is empty", 1),
        letter("invalid", "events[7].event_type: is required", 2),
    )
    assert (first.reason, first.detail) == ("invalid", "events[…].event_type: is required")
    assert (first.letters, first.newest, first.topics) == (2, (0, 2), {"in"})
    assert second.letters == 1


def test_letters_that_a_replay_has_come_to_do_not_wait():
    (pile,) = piled(*(letter("invalid", "x", offset, partition=1) for offset in range(5)))
    assert (pile.letters, pile.waiting) == (5, 3)


def test_only_the_reasons_asked_for_are_told_and_unknown_ones_are_other():
    found = [letter("invalid", "x"), letter("new_in_a_later_release", "y")]
    assert [p.reason for p in piled(*found, reasons=["other"])] == ["other"]


def test_more_details_than_can_be_read_lie_on_one_pile():
    found = piled(*(letter("invalid", f"x{n}", n) for n in range(MOST + 5)))
    assert len(found) == MOST + 1
    assert (found[0].detail, found[0].letters) == (OTHERS, 5)


def test_values_are_masked_and_words_of_the_format_are_not():
    assert masked(json.loads(BODY)) == {
        "user_identities": {"email": MASK},
        "mpid": MASK,
        "events": [{"event_type": "crash"}],
    }
    assert masked([None, True, 1.5, "x"]) == [None, True, MASK, MASK]


@pytest.mark.parametrize("value", [BODY, b"ed@example.com", b"\xff\xfe ed@example.com"])
def test_one_letter_shows_its_values_only_when_asked(value, capsys):
    found = letter("invalid", "x", value=value, traceparent="ed@example.com")
    one.show(found, ["in"], clear=False)
    shown = capsys.readouterr()
    assert "ed@example" not in shown.out + shown.err
    assert "in/3/99" in shown.out
    assert "2026-07-01 10:00:00" in shown.out
    assert "idstream replay --reason invalid --dry-run" in shown.err
    assert "ed@example" not in json.dumps(one.as_json(found, clear=False))
    one.show(found, ["in"], clear=True)
    shown = capsys.readouterr().out
    assert "ed@example" in shown or "65 64 40" in shown


def test_a_letter_that_cannot_go_back_says_so(capsys):
    one.show(letter("invalid", "x"), ["other"], clear=False)
    assert "its topic is no input" in capsys.readouterr().err


def test_a_letter_may_be_named_with_its_topic_too():
    assert (
        place_in("dead.letters/0/12", "dead.letters") == place_in("0/12", "dead.letters") == (0, 12)
    )


def test_at_80_columns_how_many_wait_is_told_and_how_many_there_are_is_not(capsys):
    console = pytest.importorskip("rich.console")
    found = piled(letter("unsupported_content_type", "header content-type: only this and that"))
    draw("t", HEAD, [row_of(one) for one in found], console.Console(width=80), GIVE)
    head = capsys.readouterr().out.splitlines()[1]
    assert head.split() == ["reason", "detail", "waiting", "newest", "at"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([letter("invalid", "x"), letter("invalid", "y")], "invalid"),
        ([letter("invalid", "x"), letter("malformed", "y")], "REASON"),
        ([letter("invalid", "x", 9), letter("malformed", "y", 1, 1)], "invalid"),
    ],
)
def test_what_to_do_next_can_be_copied_and_guesses_no_reason(found, reason, capsys):
    print_piles(piled(*found), "dead", frozenset(REASONS), option_of(Path("my conf.toml")))
    told = capsys.readouterr().err
    assert "idstream letters -c 'my conf.toml' 0/" in told
    assert f"idstream replay -c 'my conf.toml' --reason {reason} --dry-run" in told


def test_where_no_letter_waits_none_is_to_be_replayed(capsys):
    print_piles(piled(letter("invalid", "x", 1, 1)), "dead", frozenset(REASONS), "")
    assert "replay" not in capsys.readouterr().err
    assert option_of(DEFAULT_CONFIG) == ""


def test_a_tombstone_has_no_value(capsys):
    one.show(letter("malformed", "x", value=None), ["in"], clear=False)
    assert "(none: a tombstone)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"reasons": ["invalidd"]}, "there is no reason invalidd; there are malformed"),
        ({"place": "x"}, "x is no place of a letter; write PARTITION/OFFSET"),
        ({"place": "in/0/3"}, "in is not the topic of dead letters, which is dead-letters"),
    ],
)
def test_what_is_not_there_is_told_before_kafka_is_asked(asked, told):
    with pytest.raises(Failure, match=told):
        letters(ROOT / "deploy/compose/idstream.toml", {}, LettersOptions(**asked))
