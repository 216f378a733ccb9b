"""Plays journeys on a stage, a row of a table for each step, and compares them with the tables."""

from collections.abc import Mapping
from typing import Final

import click
import msgspec

from processor.commands.demo.journeys import (
    ATTRIBUTES,
    ISOLATION,
    JOURNEYS,
    AttributeStep,
    Journey,
    JourneyStep,
)
from processor.commands.demo.stage import Stage, value_of
from processor.commands.terminal.console import say
from processor.commands.terminal.tables import COLOURS, print_table

START_MS: Final = 1_767_225_600_000
WIDTHS: Final = (22, 42, 10, 10)
HEAD: Final = ("scenario", "request", "published", "reached", "")
ATTRIBUTES_HEAD: Final = ("attributes", "batch of customer ABC123 sets", "enriched batch shows", "")


def play(stage: Stage) -> int:
    """Play all journeys; return in how many places they differ from the tables."""
    differs = 0
    for journey in JOURNEYS:
        say(f"\n{journey.strategy}: the published scenarios, each a record on a topic")
        _row(HEAD)
        labels: dict[str, str] = {}
        for number, step in enumerate(journey.steps):
            differs += not _step(stage, journey, step, labels, START_MS + number * 60_000)
        if journey is ISOLATION:
            say("")
            _row(ATTRIBUTES_HEAD)
            for attributes in ATTRIBUTES:
                differs += not _attributes(stage, attributes)
        stage.read_on()
        differs += _profiles(stage, journey, labels)
    say("Enriched batches:")
    for batch in stage.enriched:
        say(msgspec.json.format(msgspec.json.encode(batch), indent=2).decode())
    say("")
    return differs


def _step(
    stage: Stage, journey: Journey, step: JourneyStep, labels: dict[str, str], time_ms: int
) -> bool:
    """Play a step, print its row, and return whether it went as published."""
    mpids = {label: mpid for mpid, label in labels.items()}
    if step.action == "batch":
        topic, name = stage.topics.batches[0], journey.feed
        body = {"environment": "production", **step.body}
    else:
        topic, name = stage.topics.requests[0], journey.app
        body = {
            "request_type": step.action,
            "request_id": step.scenario,
            "environment": "production",
            "request_timestamp_ms": time_ms,
            **step.body,
        }
        if step.current is not None:
            field = "mpid" if step.action == "modify" else "previous_mpid"
            body[field] = mpids.get(step.current)
    answer = stage.ask(topic, name, body)
    mpid = dict(answer.headers).get("mpid", b"").decode()
    is_new = bool(mpid) and mpid not in labels
    if is_new:
        labels[mpid] = f"P{len(labels) + 1}"
    reached = labels.get(mpid, "none")
    holds = (reached, is_new) == (step.reaches, step.is_new)
    _row(
        (
            step.scenario,
            step.says,
            f"{step.reaches}{' new' if step.is_new else ''}",
            f"{reached}{' new' if is_new else ''}",
            "ok" if holds else "differs",
        )
    )
    return holds


def _attributes(stage: Stage, step: AttributeStep) -> bool:
    event = {"event_type": "custom_event", "data": {"event_name": step.scenario}}
    body = {
        "environment": "production",
        "user_identities": {"customer_id": "ABC123"},
        "user_attributes": step.sets,
        "events": [event],
    }
    answer = value_of(stage.ask(stage.topics.batches[0], step.input, body))
    holds = answer.get("user_attributes") == step.shows
    sets, shows = (
        ", ".join(f"{k} {v}" for k, v in values.items())
        for values in (step.sets, answer.get("user_attributes", {}))
    )
    _row((step.scenario, sets, shows, "ok" if holds else "differs"))
    return holds


def _profiles(stage: Stage, journey: Journey, labels: Mapping[str, str]) -> int:
    """Show a journey's profiles, as the profiles topic has them; return how many differ."""
    scope = stage.scope_of[journey.app]
    rows, differs = [], 0
    for mpid, label in labels.items():
        profile = stage.profiles.get((scope, mpid), {})
        held = {i["identity_type"]: i["value"] for i in profile.get("identities", ())}
        source = labels.get(profile.get("source_mpid") or "", "")
        survivor = labels.get(profile.get("merged_into") or "", "")
        holds = (held, source, survivor) == (
            journey.final.get(label),
            journey.sources.get(label, ""),
            journey.merged.get(label, ""),
        )
        differs += not holds
        nothing = f"(merged into {survivor})" if survivor else "(orphaned)"
        identities = ", ".join(f"{t} {v}" for t, v in held.items()) or nothing
        rows.append((label, mpid, source, identities, "ok" if holds else "differs"))
    differs += len(set(journey.final) - set(labels.values()))
    say("")
    print_table(
        f"Profiles of {journey.strategy}", ("profile", "MPID", "source", "identities", ""), rows
    )
    return differs


def _row(cells: tuple[str, ...]) -> None:
    *texts, verdict = cells
    line = "  ".join(text.ljust(width) for text, width in zip(texts, WIDTHS, strict=False))
    colour = COLOURS.get(verdict)
    say(f"{line}  {click.style(verdict, fg=colour) if colour else verdict}".rstrip())
