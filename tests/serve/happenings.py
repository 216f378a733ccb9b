"""What has happened to the people of the tests, on the topics of a broker."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from processor.kafka.mock import EmbeddedBroker
from processor.privacy.case import case_key, case_to_json
from processor.settings.sections import TopicSettings
from tests.serve.people import ADA, ANONYMOUS, CASES, HOSTILE, MALLORY

TOPICS = TopicSettings()
AT = 1_575_301_484_000
SOURCE = {"source-topic": "event-batches", "source-partition": "0", "source-offset": "7"}
WHY = {"outcome": "matched", "matched_on": "customerid", "candidates": 1, "skipped": []}


def change(kind: str, mpid: int = ADA, workspace: str = "retail", **more: object) -> dict:
    found = {"change": kind, "mpid": str(mpid), "version": 3, "workspace": workspace}
    return found | {"environment": "production", "timestamp_ms": AT} | more


CHANGES = [
    change("profile_created"),
    change("identity_added", identity_type="email", token="00ff"),
    change("identity_removed", ANONYMOUS, identity_type="ios_idfv"),
    change("identity_added", ADA, "shop", identity_type="google"),
    change("violation", identity_type="email", reason="blocked"),
]
BATCH = {
    "events": [
        {"event_type": "custom_event", "data": {"event_name": "<b>Checkout</b>"}},
        {"event_type": "screen_view", "data": {"screen_name": "Home"}},
    ]
}
OF_OUTLET = {
    "events": [{"event_type": "custom_event", "data": {"event_name": "Seen in the outlet"}}]
}
"""Of another workspace, which shares the people of retail."""
ERROR = {
    "request_type": "login",
    "workspace": "retail",
    "environment": "production",
    "status": 400,
    "errors": [{"code": "LOOKUP_ERROR", "message": "a login request needs a login ID"}],
}


def receipt(request_id: str, workspace: str = "retail", **more: object) -> dict:
    found = {"subject_request_id": request_id, "workspace": workspace, "status": 200}
    return found | {"environment": "production", "errors": []} | more


RECEIPTS = [
    receipt(
        "tried",
        state=None,
        dry_run=True,
        would_erase=[str(ADA), str(ANONYMOUS)],
        identities={"email": 2},
        attributes=6,
        devices=1,
        residues=[
            {"where": "event-batches", "gone_by_ms": AT},
            {"where": "aof", "gone_by_ms": None},
        ],
    ),
    receipt("tried", "shop", state="refused", errors=[{"code": "OF_SHOP", "message": "m"}]),
    receipt("ada", state="completed", mpids=[str(ADA)]),
    receipt("refused", state="refused", errors=[{"code": "IN_PROGRESS", "message": HOSTILE}]),
]


@contextmanager
def happened() -> Iterator[str]:
    """Run a broker where all that has happened; its address."""
    broker = EmbeddedBroker([*TOPICS.inputs, *TOPICS.outputs.values(), "privacy-requests"])
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "partitioner": "murmur2_random"}
    )

    def tell(topic: str, key: str, value: object, number: int = 0, **headers: str) -> None:
        listed = [(k, v.encode()) for k, v in (SOURCE | headers).items()]
        data = json.dumps(value)
        producer.produce(topic, data, key, headers=listed, timestamp=AT + number * 1000)

    for number, one in enumerate(CHANGES):
        tell(TOPICS.changes, f"retail/production/{one['mpid']}", one, number)
    for number in range(60):
        why = json.dumps(WHY)
        tell(TOPICS.enriched, f"retail/production/{ADA}", BATCH, number, resolution=why)
    hostile = {"events": [{"event_type": HOSTILE, "data": {"event_name": HOSTILE}}, {"data": 5}, 7]}
    skipped = json.dumps({"outcome": HOSTILE, "skipped": [{"identity_type": HOSTILE}]})
    tell(TOPICS.enriched, f"retail/production/{MALLORY}", hostile, resolution=skipped)
    tell(TOPICS.enriched, f"retail/production/{MALLORY}", [HOSTILE], resolution="[]")
    told = change("violation", MALLORY, identity_type=HOSTILE, reason=[HOSTILE])
    tell(TOPICS.changes, f"retail/production/{MALLORY}", told)
    tell(TOPICS.changes, f"retail/production/{MALLORY}", told | {"change": f"{{from}}{HOSTILE}"})
    outlet = {"source-topic": "outlet-batches"}
    for origin in (outlet, {"source-topic": "batches-of-the-past"}):
        tell(TOPICS.enriched, f"retail/production/{ADA}", OF_OUTLET, 60, **origin)
    tell(TOPICS.dead_letters, "d", {}, 4, reason="invalid", detail="of the outlet", **outlet)
    tell(TOPICS.responses, "r", ERROR, 1)
    tell(TOPICS.responses, "r", ERROR | {"workspace": "shop", "errors": [{"code": "OF_SHOP"}]}, 2)
    for number, detail in ((0, "mpid: is none"), (3, "value: is none")):
        tell(TOPICS.dead_letters, "d", {"value": "v"}, number, reason="invalid", detail=detail)
    tell(TOPICS.batches[0], "b", {})
    for case in CASES:
        tell(
            TOPICS.cases, case_key(case.space, case.number).decode(), json.loads(case_to_json(case))
        )
    for number, one in enumerate(RECEIPTS):
        tell(TOPICS.receipts, one["subject_request_id"], one, number)
    producer.flush(20)
    try:
        yield broker.bootstrap_servers
    finally:
        broker.stop()
