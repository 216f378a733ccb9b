"""Cases beside a configuration: what is as expected passes, and every difference is told."""

from pathlib import Path

import pytest

from processor.commands.offline.expect import expect
from processor.commands.terminal.failure import Failure
from processor.settings import load_offline
from tests.docs.pages import text
from tests.unit.commands.test_resolve import CONFIG

HEAD = '[[case]]\nname = "a visit"\n'
RECORD = """
[[case.record]]
topic = "batches"
value.user_identities.email = "%s"
value.events = [{ event_type = "session_start", data = {} }]
"""


@pytest.fixture
def played(tmp_path: Path, capsys):
    def play(cases: str) -> tuple[list[str], str]:
        config, file = tmp_path / "idstream.toml", tmp_path / "cases.toml"
        config.write_text(CONFIG)
        file.write_text(cases)
        failed = ""
        try:
            expect(load_offline(config, {}), file, None)
        except Failure as failure:
            failed = str(failure)
        return capsys.readouterr().out.splitlines(), failed

    return play


def test_what_is_as_expected_passes(played):
    one, other = RECORD % "ada@example.com", RECORD % "bob@example.com"
    ada, bob = 'expect = { person = "ada" }\n', 'expect = { person = "bob" }\n'
    cases = HEAD + one + ada + one + ada + other + bob
    assert played(cases) == (["ok     a visit", "1 case, all as expected"], "")


def test_cases_know_nothing_of_each_other(played):
    once = RECORD % "ada@example.com" + 'expect = { resolution = { outcome = "created" } }\n'
    out, failed = played(HEAD + once + '[[case]]\nname = "another"\n' + once)
    assert (len(out), failed) == (3, "")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ('{ outcome = "dropped" }', 'outcome: expected "dropped", got "forwarded"'),
        (
            "{ value = { user_identities = [{ identity = 'x' }] } }",
            'value.user_identities[0].identity: expected "x", got "ada@example.com"',
        ),
        ("{ value = { user_identities = [] } }", "value.user_identities: expected [], got [{"),
        ("{ value = { other = 1 } }", "value.other: expected 1, there is none"),
        ("{ changes = [] }", "changes: expected [], got [{"),
        ('{ mpid = "1" }', 'mpid: expected "1", got "'),
    ],
)
def test_every_difference_is_told_with_its_place(played, wanted, says):
    out, failed = played(HEAD + RECORD % "ada@example.com" + f"expect = {wanted}\n")
    assert failed == "1 of 1 case wrong"
    assert out[0] == "wrong  a visit"
    assert out[1].startswith(f"       record 1: {says}")


@pytest.mark.parametrize(
    ("email", "person", "says"),
    [
        ("ada@example.com", "bob", "person: expected bob, got ada"),
        ("bob@example.com", "ada", "person: expected ada, got a new profile"),
    ],
)
def test_a_name_is_one_person(played, email, person, says):
    first = RECORD % "ada@example.com" + 'expect = { person = "ada" }\n'
    out, _ = played(HEAD + first + RECORD % email + f'expect = {{ person = "{person}" }}\n')
    assert out[1] == f"       record 2: {says}"


def test_a_record_that_reaches_nobody_is_no_person(played):
    cases = HEAD + '[[case.record]]\ntopic = "batches"\nvalue = "no json"\n'
    out, _ = played(cases + 'expect = { outcome = "dead_letter", person = "ada" }\n')
    assert out[1] == "       record 1: person: expected ada, got nobody"


@pytest.mark.parametrize("cases", ["x", "[[case]]\n", HEAD + "record = []\nother = 1\n"])
def test_a_file_that_is_none_of_cases_is_refused_by_name(played, cases):
    assert "cases.toml: " in played(cases)[1]


def test_the_cases_of_the_page_pass(played):
    page = text("docs/operations.md").partition("### Cases")[2]
    cases = page.partition("```toml\n")[2].partition("```")[0]
    assert played(cases)[1] == ""
