"""The example of examples/uid2: what it asks, what it answers, and the loop through idstream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from msgspec import Raw

from examples import uid2
from examples.uid2.enrich import IDENTITY, Question, Service, answer_of, ask, question_of
from examples.uid2.envelope import (
    Broken,
    Sealed,
    open_answer,
    open_request,
    seal_answer,
    seal_request,
)
from examples.uid2.operator_client import Operator, Refused, Unavailable
from examples.uid2.stand_in import StandIn, uid_of
from processor.commands.offline.computed import Sweeper
from processor.commands.offline.resolve import offline_pipeline
from processor.index.memory import MemoryIndex
from processor.kafka.mock import EmbeddedBroker
from processor.pipeline.work import Settled
from processor.records import Record
from processor.settings.load import load, load_text

SECRET, KEY = bytes(range(32)), "api-key"
IV, NONCE, NOW = b"i" * 12, b"n" * 8, 1_767_225_600_000
DAY = 86_400_000
CONFIG = """
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[workspaces.shop.events.uid2]
type = "custom_event"
name = "UID2 Enriched"
inputs = ["uid2_feed"]
[workspaces.shop.audiences.needs_uid2]
all = [{ identity = "email" }, { not = { event = "uid2", within = "7d" } }]
identities = ["email"]
[workspaces.shop.partner_identities]
TradeDesk_UID2 = {}
[inputs.default]
workspace = "shop"
source = "custom_feed"
[inputs.uid2_feed]
workspace = "shop"
source = "custom_feed"
protection = "update_only"
"""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    made = StandIn(KEY, SECRET, lambda: NOW)
    yield made
    made.stop()


def operator(stand_in: StandIn, **other: Any) -> Operator:
    said = {"api_key": KEY, "secret": SECRET, "now_ms": lambda: NOW, **other}
    return Operator(stand_in.url, **said)


def test_the_configuration_beside_it_has_the_audience_and_a_topic_of_answers_alone():
    settings = load(Path(uid2.__file__).with_name("idstream.toml"), {})
    assert settings.inputs["uid2_feed"].topics == {"uid2-answers"}
    (scope,) = settings.computed.values()
    assert scope.workspaces["shop"].audiences["needs_uid2"].identities == ("email",)


def test_what_is_sealed_is_opened_by_the_other_side_alone():
    asked = Sealed(NOW, NONCE, {"email": ["a@x.example"]})
    assert open_request(SECRET, seal_request(SECRET, asked, IV)) == asked
    answer = seal_answer(SECRET, asked, IV)
    assert open_answer(SECRET, answer, NONCE) == asked.document
    with pytest.raises(Broken, match="another request"):
        open_answer(SECRET, answer, b"other no")
    with pytest.raises(Broken, match="another secret"):
        open_answer(b"x" * 32, answer, NONCE)
    with pytest.raises(Broken, match="another version"):
        open_request(SECRET, answer)
    with pytest.raises(Broken, match="no base64"):
        open_answer(SECRET, b"<html>", NONCE)


def test_addresses_are_answered_in_their_order(stand_in):
    found = operator(stand_in).map(["a@x.example", "optout@example.com", "nonsense"])
    assert [one.get("u") or one["e"] for one in found] == [
        uid_of("a@x.example"),
        "optout",
        "invalid identifier",
    ]


def test_a_refusal_is_no_outage_and_an_outage_is_no_refusal(stand_in):
    for other in ({"api_key": "wrong"}, {"secret": b"x" * 32}, {"now_ms": lambda: NOW - DAY}):
        with pytest.raises(Refused):
            operator(stand_in, **other).map(["a@x.example"])
    stand_in.failures += [429, 503]
    for _ in range(2):
        with pytest.raises(Unavailable):
            operator(stand_in).map(["a@x.example"])


def message(change: str, audience: str = "needs_uid2", **more: Any) -> dict[str, Any]:
    value = {
        "environment": "production",
        "mpid": "2345",
        "version": 17,
        "user_identities": [{"identity_type": "email", "identity": "a@x.example"}],
        **more,
    }
    return {
        "key": b"shop/production/2345",
        "headers": [("audience", audience.encode()), ("change", change.encode())],
        "value": json.dumps(value).encode(),
    }


def test_only_who_enters_or_changes_in_the_audience_is_asked_about():
    asked = question_of(**message("entered"), audience="needs_uid2")
    assert asked == Question(b"shop/production/2345", "production", 2345, 17, "a@x.example")
    assert question_of(**message("updated"), audience="needs_uid2") == asked
    assert question_of(**message("left"), audience="needs_uid2") is None
    assert question_of(**message("entered", "other"), audience="needs_uid2") is None
    assert question_of(**message("entered", user_identities=[]), audience="needs_uid2") is None


def test_an_answer_names_the_person_and_no_address():
    asked = Question(b"k", "production", 2345, 17, "a@x.example")
    found = json.loads(answer_of(asked, {"e": "optout"}))
    assert found["mpid"] == 2345
    assert found["partner_identities"] == {IDENTITY: None}
    assert found["source_request_id"] == "uid2:2345:17"
    assert found["events"][0]["data"]["custom_attributes"] == {"result": "optout"}
    assert b"a@x.example" not in answer_of(asked, {"u": "uid"})


def test_an_operator_that_is_away_is_asked_again_with_growing_pauses(stand_in):
    stand_in.failures += [429, 503, 500]
    pauses: list[float] = []
    same = [Question(b"k", "production", n, 1, "a@x.example") for n in range(3)]
    answers = ask(operator(stand_in), same, pauses.append)
    assert pauses == [1.0, 2.0, 5.0]
    assert stand_in.asked == [["a@x.example"]]
    assert [json.loads(one)["mpid"] for one in answers] == [0, 1, 2]


def test_questions_are_answered_through_kafka_and_committed_once_they_are(stand_in):
    broker = EmbeddedBroker(["audience-changes", "uid2-answers"])
    servers = {"bootstrap.servers": broker.bootstrap_servers}
    producer = Producer(servers)
    for change in ("entered", "left"):
        said = message(change)
        producer.produce("audience-changes", said["value"], said["key"], 0, headers=said["headers"])
    assert producer.flush(10) == 0
    consumer = Consumer(
        {
            **servers,
            "group.id": "uid2",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    reader = Consumer({**servers, "group.id": "r"})
    try:
        consumer.subscribe(["audience-changes"])
        service = Service(consumer, producer, operator(stand_in))
        answered = next(n for _ in range(30) if (n := service.turn(wait_s=1.0)))
        assert answered == 1
        (place,) = consumer.committed([TopicPartition("audience-changes", 0)], timeout=10)
        assert place.offset == 2
        reader.assign([TopicPartition("uid2-answers", p, 0) for p in range(4)])
        got = next(m for _ in range(30) if (m := reader.poll(1)) is not None and not m.error())
        assert got.key() == b"shop/production/2345"
        assert got.headers() == [("input", b"uid2_feed")]
        assert json.loads(got.value())["partner_identities"] == {IDENTITY: uid_of("a@x.example")}
    finally:
        consumer.close()
        reader.close()
        broker.stop()


class Overtaken:
    """A consumer whose group took its partitions away while it was busy, once."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._is_lost = True

    def consume(self, *how: Any) -> list[Any]:
        return self._consumer.consume(*how)

    def commit(self, **how: Any) -> Any:
        if self._is_lost:
            self._is_lost = False
            raise KafkaException(KafkaError(KafkaError._ASSIGNMENT_LOST))
        return self._consumer.commit(**how)


def test_who_lost_the_partitions_while_the_operator_was_away_goes_on(stand_in, caplog):
    broker = EmbeddedBroker(["audience-changes", "uid2-answers"])
    servers = {"bootstrap.servers": broker.bootstrap_servers}
    producer = Producer(servers)
    said = message("entered")
    group = {"group.id": "uid2", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({**servers, **group})
    try:
        consumer.subscribe(["audience-changes"])
        service = Service(Overtaken(consumer), producer, operator(stand_in))  # type: ignore[arg-type]
        for _ in range(2):
            producer.produce(
                "audience-changes", said["value"], said["key"], 0, headers=said["headers"]
            )
            assert producer.flush(10) == 0
            assert next(n for _ in range(30) if (n := service.turn(wait_s=1.0))) == 1
        assert "asked again" in caplog.text
        (place,) = consumer.committed([TopicPartition("audience-changes", 0)], timeout=10)
        assert place.offset == 2
    finally:
        consumer.close()
        broker.stop()


class Loop:
    """idstream in memory, with the service behind its topic."""

    def __init__(self, stand_in: StandIn) -> None:
        settings = load_text(CONFIG, {})
        self.index = MemoryIndex()
        self.pipeline = offline_pipeline(settings, self.index)
        self.sweeper = Sweeper(settings, self.index)
        self.operator = operator(stand_in)
        self._offset = 0

    def take(self, value: bytes, at: int, name: str = "default") -> Settled:
        headers = (("input", name.encode()),)
        record = Record("batches", 0, self._offset, NOW + at, b"k", value, headers)
        self._offset += 1
        (settled,) = self.pipeline.settle([record])
        self.pipeline.committed()
        return settled

    def answer(self, messages: list[bytes], at: int) -> list[Settled]:
        """Let the service answer *messages*; return what became of the answers."""
        found = []
        for value in messages:
            said = json.loads(value)
            headers = [(name, said[name].encode()) for name in ("audience", "change")]
            found.append(question_of(b"k", headers, value, "needs_uid2"))
        asked = [one for one in found if one is not None]
        answers = ask(self.operator, asked, lambda _: None)
        return [self.take(value, at, "uid2_feed") for value in answers]

    def sweep(self, at: int) -> list[bytes]:
        line = self.sweeper.sweep(Record("clock", 0, 0, NOW + at, None, None))
        messages: list[Raw] = line["audience_changes"]
        return [bytes(one) for one in messages]


def told(settled: Settled) -> list[bytes]:
    return [one.value or b"" for one in settled.audience_changes]


def changes(messages: list[bytes]) -> list[tuple[str, int]]:
    found = (json.loads(one) for one in messages)
    return [(one["change"], (one["timestamp_ms"] - NOW) // DAY) for one in found]


def test_a_person_is_asked_about_once_in_seven_days_whatever_comes_or_does_not(stand_in):
    loop = Loop(stand_in)
    seen = {"user_identities": {"customer_id": "A", "email": "a@x.example"}}
    first = loop.take(json.dumps(seen).encode(), 0)
    (left,) = loop.answer(told(first), 1000)
    assert changes(told(left)) == [("left", 0)]
    assert loop.sweep(6 * DAY) == []
    for week in (1, 2):
        again = loop.sweep(week * 7 * DAY + 60_000)
        assert changes(again) == [("entered", 7 * week)]
        (left,) = loop.answer(again, week * 7 * DAY + 120_000 - 60_000)
        assert changes(told(left)) == [("left", 7 * week)]
    assert stand_in.asked == [["a@x.example"]] * 3
    (profile,) = loop.index.profiles()
    kept = profile.workspaces["shop"].more.partner_identities
    assert {name: one.value for name, one in kept.items()} == {IDENTITY: uid_of("a@x.example")}


def test_the_same_answer_twice_is_a_duplicate(stand_in):
    loop = Loop(stand_in)
    seen = {"user_identities": {"customer_id": "A", "email": "a@x.example"}}
    messages = told(loop.take(json.dumps(seen).encode(), 0))
    assert [one.outcome.name for one in loop.answer(messages, 1000)] == ["forwarded"]
    assert [one.outcome.name for one in loop.answer(messages, 2000)] == ["duplicate"]


def test_who_changes_the_address_is_asked_about_anew(stand_in):
    loop = Loop(stand_in)
    seen = {"user_identities": {"customer_id": "A", "email": "a@x.example"}}
    loop.take(json.dumps(seen).encode(), 0)
    seen["user_identities"]["email"] = "b@x.example"
    changed = loop.take(json.dumps(seen).encode(), 1000)
    assert changes(told(changed)) == [("updated", 0)]
    loop.answer(told(changed), 2000)
    assert stand_in.asked == [["b@x.example"]]
