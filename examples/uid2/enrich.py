"""The service: reads who is to be enriched, asks the operator, and sends the answers as batches.

Its committed offsets on ``audience-changes`` are all that it remembers: they are committed after
the answers are acknowledged, so a question without an answer is asked again.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, Producer

from examples.uid2.operator_client import MOST, Operator, Unavailable

IDENTITY: Final = "TradeDesk_UID2"
_ASKS: Final = frozenset({b"entered", b"updated"})
_WAIT_S: Final = 5.0
_PAUSES_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_FLUSH_S: Final = 60.0

log = logging.getLogger("uid2")


class Question(NamedTuple):
    """A person who is to be enriched."""

    key: bytes
    """Of the message, and of the answer: so answers come in the order of the questions."""
    environment: str
    mpid: int
    version: int
    email: str


def question_of(
    key: bytes | None, headers: Iterable[tuple[str, Any]], value: bytes | None, audience: str
) -> Question | None:
    """Return what a message on ``audience-changes`` asks, None where it asks nothing of us."""
    said = dict(headers)
    if said.get("audience") != audience.encode() or said.get("change") not in _ASKS:
        return None
    message = json.loads(value or b"{}")
    emails = [i["identity"] for i in message["user_identities"] if i["identity_type"] == "email"]
    if not emails or key is None:
        return None
    place = message["environment"], int(message["mpid"]), message["version"]
    return Question(key, *place, emails[0])


def answer_of(question: Question, found: dict[str, Any]) -> bytes:
    """Return the batch that tells idstream what the operator has *found*.

    It names the MPID and no email, which would become the profile's again. One who opted out is
    answered too, and asked again as late as everybody.
    """
    uid = found.get("u")
    event = {
        "event_name": "UID2 Enriched",
        "custom_event_type": "other",
        "custom_attributes": {"result": "mapped" if uid else found.get("e", "unknown")},
    }
    batch = {
        "environment": question.environment,
        "mpid": question.mpid,
        "partner_identities": {IDENTITY: uid},
        "source_request_id": f"uid2:{question.mpid}:{question.version}",
        "events": [{"event_type": "custom_event", "data": event}],
    }
    return json.dumps(batch).encode()


def ask(
    operator: Operator, questions: Sequence[Question], sleep: Callable[[float], None]
) -> list[bytes]:
    """Return the answer to each question, however long the operator is away."""
    emails = list(dict.fromkeys(question.email for question in questions))
    found: dict[str, dict[str, Any]] = {}
    attempt = 0
    while len(found) < len(emails):
        lot = emails[len(found) : len(found) + MOST]
        try:
            found.update(zip(lot, operator.map(lot), strict=True))
            attempt = 0
        except Unavailable as error:
            pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
            log.warning("%s; again in %s s", error, pause)
            sleep(pause)
            attempt += 1
    return [answer_of(question, found[question.email]) for question in questions]


class Service(NamedTuple):
    """What the service reads from and writes to."""

    consumer: Consumer
    producer: Producer
    operator: Operator
    audience: str = "needs_uid2"
    answers: str = "uid2-answers"
    feed: str = "uid2_feed"

    def turn(self, wait_s: float = _WAIT_S, sleep: Callable[[float], None] = time.sleep) -> int:
        """Read what has come, ask, answer, and commit; return how many were answered."""
        messages = [one for one in self.consumer.consume(MOST, wait_s) if one.error() is None]
        questions = [question for one in messages if (question := self._question(one)) is not None]
        for question, value in zip(questions, ask(self.operator, questions, sleep), strict=True):
            self.producer.produce(self.answers, value, question.key, headers={"input": self.feed})
        if self.producer.flush(_FLUSH_S):
            raise RuntimeError("answers were not acknowledged; their questions are asked again")
        if messages:
            self._commit()
        return len(questions)

    def _commit(self) -> None:
        """Remember what was answered, unless the group has taken its partitions from us.

        It does where the operator was away for longer than ``max.poll.interval.ms``. Whoever has
        them now asks again, and the same answer twice is a duplicate.
        """
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as error:
            log.warning("offsets were not committed (%s); what was asked is asked again", error)

    def _question(self, message: Message) -> Question | None:
        return question_of(
            message.key(), dict(message.headers() or ()).items(), message.value(), self.audience
        )


def main() -> None:
    """Serve until the process is ended. Everything is said by environment variables."""
    logging.basicConfig(level=logging.INFO)
    get = os.environ
    servers = {"bootstrap.servers": get["BOOTSTRAP_SERVERS"]}
    consumer = Consumer(
        {
            **servers,
            "group.id": "uid2",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([get.get("AUDIENCE_CHANGES", "audience-changes")])
    operator = Operator(
        get["UID2_OPERATOR"],
        get["UID2_API_KEY"],
        bytes.fromhex(get["UID2_SECRET"]),
        lambda: time.time_ns() // 1_000_000,
    )
    producer = Producer({**servers, "enable.idempotence": True, "partitioner": "murmur2_random"})
    service = Service(consumer, producer, operator)
    while True:
        answered = service.turn()
        if answered:
            log.info("answered %s", answered)


if __name__ == "__main__":
    main()
