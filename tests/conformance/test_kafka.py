"""The cases end to end: records into a real Kafka, one processor process, outputs out of it.

Every case has a workspace and inputs of its own, so that one process plays many of them at once:
step by step, each with its record, and the next step when the outcome of the last is there.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from processor.records import Output
from processor.redis.index import RedisIndex
from tests.conformance.cases import Case, played
from tests.conformance.expectations import Answer, check_final, check_step
from tests.conformance.flat_story import FlatCase, FlatStory, flat_cases
from tests.conformance.players import (
    AnyStory,
    Published,
    answer_of,
    given_profiles,
    settings_of,
    store,
)
from tests.conformance.speech import Avro, Json
from tests.conformance.story import Story
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port
from tests.servers.registry import Registry
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

PARTITIONS = 2
MOVED = {KafkaError.FENCED_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION}
"""What clients are told that do not know yet that a broker lost and regained its partitions."""
OUTPUTS = ("enriched", "responses", "changes", "profiles", "dead_letters", "outcomes")
AT_ONCE = 24
"""Cases a process: each has two spaces, and the witnesses of all spaces must fit into an offset."""

Coordinates = tuple[str, int, int]


def groups() -> list[list[Case]]:
    cases = played()
    return [cases[at : at + AT_ONCE] for at in range(0, len(cases), AT_ONCE)]


class Theatre:
    """The topics of one run and everything that was written to them."""

    def __init__(self, kafka: Kafka, speech: Json | Avro = Json()) -> None:  # noqa: B008
        self._kafka = kafka
        self.speech = speech
        quiet = {"linger.ms": 0, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, **quiet})
        self.topics = {role: kafka.create_topic(role, PARTITIONS) for role in OUTPUTS}
        self.inputs = {
            name: kafka.create_topic(name, PARTITIONS) for name in ("batches", "requests")
        }

    def configuration(
        self, stories: Sequence[AnyStory], redis_url: str, prefix: str, port: int
    ) -> str:
        topics = {**self.inputs, **self.topics}
        return "\n".join(
            [
                "[kafka]",
                f'bootstrap_servers = "{self._kafka.bootstrap}"',
                f'group_id = "{prefix}"',
                "[kafka.topics]",
                *(f"{role} = {json.dumps(name)}" for role, name in topics.items()),
                *self.speech.settings(),
                "[redis]",
                f'url = "{redis_url}"',
                f'prefix = "{prefix}"',
                "[observability]",
                'host = "127.0.0.1"',
                f"port = {port}",
                *(story.configuration() for story in stories),
            ]
        )

    def send(self, seat: int, record: dict[str, Any]) -> Coordinates:
        """Append a record and return where it is."""
        value, headers = self.speech.said(record["topic"], record["value"])
        headers = {"input": record["input"], **headers}
        return self.send_raw(seat, record["topic"], record["timestamp_ms"], value, headers)

    def send_raw(
        self,
        seat: int,
        role: str,
        time_ms: int,
        value: bytes,
        headers: dict[str, str] | None = None,
    ) -> Coordinates:
        """Append a record as it is, and return where it is."""
        delivered: list[Message] = []
        self._producer.produce(
            self.inputs[role],
            value,
            partition=seat % PARTITIONS,
            timestamp=time_ms,
            headers=headers,
            on_delivery=lambda error, message: delivered.append(message),
        )
        assert self._producer.flush(30) == 0
        assert delivered[0].error() is None
        return delivered[0].topic(), delivered[0].partition(), delivered[0].offset()

    def outputs(self, wanted: set[Coordinates]) -> dict[Coordinates, list[Output]]:
        """Wait for the outcomes of the records at *wanted*; return all that was written."""
        outcomes = self.topics["outcomes"]
        eventually(lambda: wanted <= {_cause(m) for m in self._kafka.read(outcomes)})
        # The markers of a transaction reach its partitions one after the other.
        eventually(self._is_settled)
        roles = {name: role for role, name in self.topics.items()}
        found: dict[Coordinates, list[Output]] = {}
        for message in self._kafka.read(*self.topics.values()):
            if not message.headers() or "source-topic" not in dict(message.headers()):
                continue  # a profile published again
            role, headers = roles[message.topic()], tuple(message.headers())
            value = self.speech.heard(role, message.value(), dict(headers))
            output = Output(role, message.key(), value, headers)
            found.setdefault(_cause(message), []).append(output)
        return found

    def _is_settled(self) -> bool:
        """Whether no transaction is open; one that has moved is asked for again."""
        try:
            return self._ends(committed=True) == self._ends(committed=False)
        except KafkaException as failure:
            if failure.args[0].code() not in MOVED:
                raise
            return False

    def _ends(self, *, committed: bool) -> dict[tuple[str, int], int]:
        partitions = [TopicPartition(t, p) for t in self.topics.values() for p in range(PARTITIONS)]
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        asked = self._kafka.admin.list_offsets(
            {p: OffsetSpec.latest() for p in partitions}, isolation_level=level
        )
        return {(p.topic, p.partition): future.result().offset for p, future in asked.items()}


def _cause(message: Message) -> Coordinates:
    headers = {name: value.decode() for name, value in message.headers()}
    place = int(headers["source-partition"]), int(headers["source-offset"])
    return headers["source-topic"], *place


@contextmanager
def processing(folder: Path, port: int) -> Iterator[None]:
    """Run a processor until the block ends, then let it leave in order."""
    log = folder / "processor.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "processor", "run", "-c", str(folder / "idstream.toml")],
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            eventually(lambda: process.poll() is not None or is_ready(port))
            assert process.poll() is None, log.read_text()
            yield
            process.terminate()
            assert process.wait(40) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def perform(stories: Sequence[Story], theatre: Theatre) -> Iterator[tuple[Story, int, Answer]]:
    """Play all stories side by side, a step at a time; yield each answer."""
    for number in range(max(len(story.case.steps) for story in stories)):
        sent = {
            theatre.send(seat, story.record(number)): (story, story.record(number)["topic"])
            for seat, story in enumerate(stories)
            if number < len(story.case.steps) and not story.is_restart(number)
        }
        outputs = theatre.outputs(set(sent))
        for coordinates, (story, topic) in sent.items():
            parts = [o for o in outputs[coordinates] if o.role != "profiles"]
            yield story, number, answer_of(topic, parts)


def published(theatre: Theatre, kafka: Kafka, stories: Sequence[AnyStory]) -> Published:
    profiles = Published(profile for story in stories for profile in story.given())
    for message in kafka.read(theatre.topics["profiles"]):
        headers = dict(message.headers() or ())
        profiles.note(json.loads(theatre.speech.heard("profiles", message.value() or b"", headers)))
    return profiles


Store = tuple[str, str]


@pytest.fixture
def store_at(redis_url: str, redis_prefix: str) -> Store:
    return redis_url, redis_prefix


@pytest.mark.parametrize("cases", groups(), ids=lambda cases: f"{cases[0]}-to-{cases[-1]}")
def test_cases_hold_through_the_topics(
    cases: list[Case], kafka: Kafka, store_at: Store, tmp_path: Path
):
    hold(cases, Theatre(kafka), kafka, store_at, tmp_path)


@pytest.mark.registry
@pytest.mark.parametrize("cases", groups(), ids=lambda cases: f"{cases[0]}-to-{cases[-1]}")
def test_cases_hold_in_avro_as_in_json(
    cases: list[Case], kafka: Kafka, registry: Registry, store_at: Store, tmp_path: Path
):
    hold(cases, Theatre(kafka, Avro(registry)), kafka, store_at, tmp_path)


def hold(
    cases: list[Case], theatre: Theatre, kafka: Kafka, store_at: Store, tmp_path: Path
) -> None:
    """Play *cases* in one processor, and say everything that does not hold."""
    redis_url, redis_prefix = store_at
    stories = [Story(case, case.id.lower(), seat) for seat, case in enumerate(cases)]
    port = free_port()
    configuration = theatre.configuration(stories, redis_url, redis_prefix, port)
    (tmp_path / "idstream.toml").write_text(configuration)
    failures: dict[str, AssertionError] = {}
    with processing(tmp_path, port):
        settings = settings_of(stories, tmp_path)
        index = RedisIndex.connect(redis_url, redis_prefix)
        store(index, given_profiles(stories, settings, tmp_path), settings)
        index.close()
        for story, number, answer in perform(stories, theatre):
            try:
                check_step(story, number, answer)
            except AssertionError as failure:
                failures.setdefault(f"{story.case.id}, step {number + 1}", failure)
    profiles = published(theatre, kafka, stories)
    for story in stories:
        try:
            check_final(story, profiles.of(story.workspace))
        except AssertionError as failure:
            failures.setdefault(f"{story.case.id}, at its end", failure)
    assert not failures, "\n".join(f"{where}: {why}" for where, why in failures.items())


def flat_groups() -> list[tuple[FlatCase, ...]]:
    cases = flat_cases()
    return [cases[at : at + AT_ONCE] for at in range(0, len(cases), AT_ONCE)]


def perform_act(stories: Sequence[FlatStory], theatre: Theatre) -> Iterator[tuple[FlatStory, str]]:
    """Play the act that is on of all stories side by side; yield where an answer is wrong."""
    waiting = list(enumerate(stories))
    while waiting:
        sent = {}
        for seat, story in list(waiting):
            record = story.next_record()
            if record is None:
                waiting.remove((seat, story))
            else:
                sent[theatre.send(seat, record)] = story, record["topic"]
        outputs = theatre.outputs(set(sent)) if sent else {}
        for coordinates, (story, topic) in sent.items():
            parts = [o for o in outputs[coordinates] if o.role != "profiles"]
            try:
                story.check(answer_of(topic, parts))
            except AssertionError as failure:
                yield story, str(failure)


@pytest.mark.parametrize("cases", flat_groups(), ids=lambda cases: f"{cases[0]}-to-{cases[-1]}")
def test_cases_of_flat_matching_hold_through_the_topics(
    cases: Sequence[FlatCase], kafka: Kafka, store_at: Store, tmp_path: Path
):
    hold_flat(cases, Theatre(kafka), kafka, store_at, tmp_path)


@pytest.mark.registry
@pytest.mark.parametrize("cases", flat_groups(), ids=lambda cases: f"{cases[0]}-to-{cases[-1]}")
def test_cases_of_flat_matching_hold_in_avro_as_in_json(
    cases: Sequence[FlatCase], kafka: Kafka, registry: Registry, store_at: Store, tmp_path: Path
):
    hold_flat(cases, Theatre(kafka, Avro(registry)), kafka, store_at, tmp_path)


def hold_flat(
    cases: Sequence[FlatCase], theatre: Theatre, kafka: Kafka, store_at: Store, tmp_path: Path
) -> None:
    """Play *cases* of flat matching in one processor an act, and say what does not hold."""
    redis_url, redis_prefix = store_at
    stories = [FlatStory(case, str(case).lower()) for case in cases]
    port = free_port()
    failures: dict[str, str] = {}
    acting = stories
    while acting:
        configuration = theatre.configuration(stories, redis_url, redis_prefix, port)
        (tmp_path / "idstream.toml").write_text(configuration)
        with processing(tmp_path, port):
            for story, failure in perform_act(acting, theatre):
                failures.setdefault(str(story.case), failure)
        acting = [story for story in acting if story.begin_next_act()]
    documents = published(theatre, kafka, stories)
    for story in stories:
        try:
            story.check_end(documents.documents(story.workspace))
        except AssertionError as failure:
            failures.setdefault(f"{story.case}, at its end", str(failure))
    assert not failures, "\n".join(f"{where}: {why}" for where, why in failures.items())
