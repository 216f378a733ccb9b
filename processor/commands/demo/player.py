"""Plays journeys on a stage, and compares each step with the published tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.demo.journeys import (
    ATTRIBUTES,
    ISOLATION,
    JOURNEYS,
    AttributeStep,
    Journey,
    JourneyStep,
    called,
)
from processor.commands.demo.stage import Stage, value_of

START_MS: Final = 1_767_225_600_000


class Played(Struct, frozen=True):
    """A step that was played: what went in, and what came out."""

    journey: str
    scenario: str
    topic: str
    input: str
    says: str
    """What went in, in the table's words."""
    published: str
    """The profile that the table names."""
    reached: str
    mpid: str | None
    holds: bool
    """Whether it went as published."""
    sent: dict[str, Any]
    received: dict[str, Any]


class Ending(Struct, frozen=True):
    """A profile at the end of its journey."""

    label: str
    mpid: str
    identities: str
    source: str
    holds: bool


class Act(Struct):
    """A journey that was played."""

    journey: Journey
    steps: list[Played]
    attributes: list[Played]
    profiles: list[Ending]
    missing: int
    """How many profiles of the table there never were."""

    def differs(self) -> int:
        """Return in how many places it went otherwise than published."""
        steps = sum(not one.holds for one in (*self.steps, *self.attributes))
        return self.missing + steps + sum(not one.holds for one in self.profiles)


def play(stage: Stage) -> Iterator[Act]:
    """Yield each journey once it is played."""
    for journey in JOURNEYS:
        labels: dict[str, str] = {}
        steps = [
            _step(stage, journey, step, labels, START_MS + number * 60_000)
            for number, step in enumerate(journey.steps)
        ]
        is_longest = journey is ISOLATION
        attributes = [_attributes(stage, one, labels) for one in ATTRIBUTES] if is_longest else []
        stage.read_on()
        profiles = list(_profiles(stage, journey, labels))
        missing = len(set(journey.final) - set(labels.values()))
        yield Act(journey, steps, attributes, profiles, missing)


def _step(
    stage: Stage, journey: Journey, step: JourneyStep, labels: dict[str, str], time_ms: int
) -> Played:
    """Play a step; a profile that is met for the first time gets its label."""
    body = _body(step, {label: mpid for mpid, label in labels.items()}, time_ms)
    is_batch = step.action == "batch"
    topic = (stage.topics.batches if is_batch else stage.topics.requests)[0]
    name = journey.feed if is_batch else journey.app
    answer = stage.ask(topic, name, body)
    mpid = dict(answer.headers).get("mpid", b"").decode()
    is_new = bool(mpid) and mpid not in labels
    if is_new:
        labels[mpid] = f"P{len(labels) + 1}"
    reached = labels.get(mpid, "none")
    return Played(
        journey=journey.strategy,
        scenario=step.scenario,
        topic=topic,
        input=name,
        says=step.says,
        published=_named(step.reaches, is_new=step.is_new),
        reached=_named(reached, is_new=is_new),
        mpid=mpid or None,
        holds=(reached, is_new) == (step.reaches, step.is_new),
        sent=body,
        received=value_of(answer),
    )


def _body(step: JourneyStep, mpids: Mapping[str, str], time_ms: int) -> dict[str, Any]:
    if step.action == "batch":
        return {"environment": "production", **step.body}
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
    return body


def _named(label: str, *, is_new: bool) -> str:
    return f"{label} new" if is_new else label


def _attributes(stage: Stage, step: AttributeStep, labels: Mapping[str, str]) -> Played:
    event = {"event_type": "custom_event", "data": {"event_name": step.scenario}}
    body = {
        "environment": "production",
        "user_identities": {"customer_id": "ABC123"},
        "user_attributes": step.sets,
        "events": [event],
    }
    topic = stage.topics.batches[0]
    answer = stage.ask(topic, step.input, body)
    received = value_of(answer)
    mpid = dict(answer.headers).get("mpid", b"").decode()
    return Played(
        journey=ISOLATION.strategy,
        scenario=step.scenario,
        topic=topic,
        input=step.input,
        says=_pairs(step.sets),
        published=_pairs(step.shows),
        reached=_pairs(received.get("user_attributes", {})),
        mpid=mpid or None,
        holds=received.get("user_attributes") == step.shows and mpid in labels,
        sent=body,
        received=received,
    )


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in values.items())


def _profiles(stage: Stage, journey: Journey, labels: Mapping[str, str]) -> Iterator[Ending]:
    """Yield a journey's profiles, as the topic of profiles has them."""
    scope = stage.scope_of[journey.app]
    for mpid, label in labels.items():
        profile = stage.profiles.get((scope, mpid), {})
        held = {i["identity_type"]: i["value"] for i in profile.get("identities", ())}
        source = labels.get(profile.get("source_mpid") or "", "")
        survivor = labels.get(profile.get("merged_into") or "", "")
        why = f"merged into {survivor}" if survivor else _nobodys(journey, label)
        yield Ending(
            label=label,
            mpid=mpid,
            identities=", ".join(called(t, v) for t, v in held.items()) or f"({why})",
            source=source,
            holds=(held, source, survivor)
            == (
                journey.final.get(label),
                journey.sources.get(label, ""),
                journey.merged.get(label, ""),
            ),
        )


def _nobodys(journey: Journey, label: str) -> str:
    why = journey.emptied.get(label)
    return f"nobody's: {why}" if why else "nobody's"


def as_json(act: Act) -> Iterator[bytes]:
    """Yield each step as a JSON object: what went in and what came out, whole."""
    yield from (msgspec.json.encode(one) for one in (*act.steps, *act.attributes))
