"""Input for runs under fire: people with devices, requests, batches, and a share of bad records."""

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A record to produce."""

    topic: str
    key: bytes
    value: bytes | None


BAD = (None, b"", b"{", b"[]", b'{"environment":"mars"}', b'{"user_identities":{"nickname":"x"}}')


def load(seed: int, batches: int, requests: int, bad: float = 0.02) -> Iterator[Sent]:
    """Yield *batches* and *requests*, mixed, about people who share devices; *seed* fixes them."""
    chance = random.Random(seed)
    people = max(50, batches // 20)
    kinds = ["event-batches"] * batches + ["identity-requests"] * requests
    chance.shuffle(kinds)
    for number, topic in enumerate(kinds):
        person = chance.randrange(people)
        key = f"k{person}".encode()
        if chance.random() < bad:
            yield Sent(topic, key, chance.choice(BAD))
        elif topic == "event-batches":
            yield Sent(topic, key, _json(_batch(chance, number, person)))
        else:
            yield Sent(topic, key, _json(_request(chance, number, person)))


def _batch(chance: random.Random, number: int, person: int) -> dict[str, Any]:
    batch: dict[str, Any] = {
        "environment": "production",
        "events": [{"event_type": "session_start", "data": {"session_number": number}}],
        "device_info": {"ios_idfv": f"device-{person // 2}"},
    }
    if chance.random() < 0.7:
        batch["user_identities"] = {"customer_id": f"customer-{person}"}
    if chance.random() < 0.3:
        batch["user_attributes"] = {"last": number, "kind": chance.choice("abc")}
    if chance.random() < 0.2:
        batch["source_request_id"] = f"request-{number - chance.randrange(3)}"
    if chance.random() < 0.1:
        batch["events"] = []
    return batch


def _request(chance: random.Random, number: int, person: int) -> dict[str, Any]:
    kind = chance.choice(["identify", "login", "login", "logout", "search"])
    known = {"ios_idfv": f"device-{person // 2}"}
    if kind != "logout" and chance.random() < 0.8:
        known["customerid"] = f"customer-{person}"
    if chance.random() < 0.2:
        known["email"] = f"mail-{chance.randrange(person + 1)}"
    return {
        "request_type": kind,
        "request_id": f"r{number}",
        "environment": "production",
        "known_identities": known,
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
