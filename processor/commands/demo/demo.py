"""``idstream demo``: the published journeys through an embedded broker, one step at a time.

Each step is a record on an input topic; what is shown was read from the output topics. A step that
reaches another profile than the published table says makes the demo fail.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

import click
import msgspec
from msgspec.structs import replace

from processor import app
from processor.commands.demo.journeys import (
    ATTRIBUTES,
    ISOLATION,
    JOURNEYS,
    AttributeStep,
    Journey,
    Step,
)
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.tables import print_table
from processor.embedded.mode import embedded_settings, embedding
from processor.kafka.clock import Clock
from processor.kafka.conversation import Conversation, NoAnswer, Place
from processor.records import Record
from processor.settings import Settings

ANSWER_SECONDS: Final = 30.0
START_MS: Final = 1_767_225_600_000
WIDTHS: Final = (22, 42, 10, 10)
HEAD: Final = ("scenario", "request", "published", "reached", "")
ATTRIBUTES_HEAD: Final = ("attributes", "batch of customer ABC123 sets", "enriched batch shows", "")


def demo(environ: Mapping[str, str]) -> None:
    """Play every journey and show steps, profiles and enriched batches."""
    settings = embedded_settings(None, environ)
    settings = replace(
        settings, observability=replace(settings.observability, port=0, log_level="warning")
    )
    click.echo(
        "Broker and processor run in this process, Valkey beside it; nothing is kept.", err=True
    )
    with embedding(settings) as running, _processor(running, environ) as processor:
        client = Conversation(running.kafka, Clock())
        try:
            differs = _play(Stage(client, processor, running))
        except NoAnswer as late:
            raise Failure(str(late)) from None
        finally:
            client.close()
    if differs:
        raise Failure(f"{differs} steps or profiles differ from the published tables")
    click.echo("Every step reached the profile that the published tables name.")


class Processor(Thread):
    """The processor in a thread of its own, as ``run`` has it in a process."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        super().__init__(name="idstream-loop")
        self._settings = settings
        self._environ = environ
        self.stop = Event()
        self.error: Exception | None = None

    # typing.override is younger than our oldest Python
    def run(self) -> None:  # type: ignore[explicit-override]
        """Process until told to stop; keep what ended it otherwise."""
        options = app.RunOptions(embedded=True)
        try:
            app.serve(self._settings, self._environ, self.stop, sys.stderr, options)
        except Exception as error:  # noqa: BLE001 - raised again by who waits for an answer
            self.error = error


@contextmanager
def _processor(settings: Settings, environ: Mapping[str, str]) -> Iterator[Processor]:
    processor = Processor(settings, environ)
    processor.start()
    try:
        yield processor
    finally:
        processor.stop.set()
        processor.join()


class Stage:
    """One played demo: sends records, collects what comes out, gives profiles their labels."""

    def __init__(self, client: Conversation, processor: Processor, settings: Settings) -> None:
        self._client = client
        self._processor = processor
        self.topics = settings.kafka.topics
        self.scope_of = {n: i.workspace.scope for n, i in settings.inputs.items()}
        self.profiles: dict[tuple[str, str], dict[str, Any]] = {}
        self.enriched: list[dict[str, Any]] = []
        self._answers: dict[Place, Record] = {}

    def ask(self, topic: str, name: str, body: dict[str, Any]) -> Record:
        """Send *body* through input *name*; return the record that answers it."""
        value = msgspec.json.encode(body)
        place = self._client.send(topic, b"demo", value, [("input", name.encode())])
        deadline = monotonic() + ANSWER_SECONDS
        while place not in self._answers:
            if self._processor.error is not None:
                raise self._processor.error
            if monotonic() > deadline:
                raise NoAnswer("the processor did not answer a step in time")
            self._collect(self._client.read(within=0.5))
        return self._answers[place]

    def read_on(self) -> None:
        """Read on until nothing more comes: profiles follow the answers they belong to."""
        while records := self._client.read(within=0.5):
            self._collect(records)

    def _collect(self, records: list[Record]) -> None:
        answers = {self.topics.responses, self.topics.enriched, self.topics.dead_letters}
        for record in records:
            if record.topic in answers:
                self._answers[_source(record)] = record
            if record.topic == self.topics.enriched:
                self.enriched.append(_object(record))
            if record.topic == self.topics.profiles:
                self._note(_object(record))

    def _note(self, profile: dict[str, Any]) -> None:
        key = profile["scope"], profile["mpid"]
        before = self.profiles.get(key)
        if before is None or before["version"] < profile["version"]:
            self.profiles[key] = profile


def _source(record: Record) -> Place:
    headers = dict(record.headers)
    topic, partition, offset = (
        headers[f"source-{part}"].decode() for part in ("topic", "partition", "offset")
    )
    return Place(topic, int(partition), int(offset))


def _object(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(record.value or b"{}")
    return found


def _play(stage: Stage) -> int:
    """Play all journeys; return in how many places they differ from the tables."""
    differs = 0
    for journey in JOURNEYS:
        click.echo(f"\n{journey.strategy}: the published scenarios, each a record on a topic")
        _row(HEAD)
        labels: dict[str, str] = {}
        for number, step in enumerate(journey.steps):
            differs += not _step(stage, journey, step, labels, START_MS + number * 60_000)
        if journey is ISOLATION:
            click.echo("")
            _row(ATTRIBUTES_HEAD)
            for attributes in ATTRIBUTES:
                differs += not _attributes(stage, attributes)
        stage.read_on()
        differs += _profiles(stage, journey, labels)
    click.echo("Enriched batches:")
    for batch in stage.enriched:
        click.echo(msgspec.json.format(msgspec.json.encode(batch), indent=2).decode())
    click.echo("")
    return differs


def _step(stage: Stage, journey: Journey, step: Step, labels: dict[str, str], time_ms: int) -> bool:
    """Play a step, print its row, and tell whether it went as published."""
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
    answer = _object(stage.ask(stage.topics.batches[0], step.input, body))
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
    click.echo("")
    print_table(
        f"Profiles of {journey.strategy}", ("profile", "MPID", "source", "identities", ""), rows
    )
    return differs


def _row(cells: tuple[str, ...]) -> None:
    *texts, verdict = cells
    line = "  ".join(text.ljust(width) for text, width in zip(texts, WIDTHS, strict=False))
    colour = {"ok": "green", "differs": "red"}.get(verdict)
    click.echo(f"{line}  {click.style(verdict, fg=colour) if colour else verdict}".rstrip())
