"""Input for runs under fire: people with devices, requests, batches, and a share of bad records."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Headers = tuple[tuple[str, bytes], ...]
MARKS = (b"customer-", b"device-", b"mail-", b"secret-")
"""Every identifier's and attribute's value begins with one of these: no log or label may."""


class Sent(NamedTuple):
    """A record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Bad(NamedTuple):
    """A class of bad input, and what has to become of it."""

    make: Callable[[random.Random], tuple[bytes | None, Headers]]
    outcome: str
    reason: str | None = None
    topic: str = "event-batches"


def load(
    seed: int,
    batches: int,
    requests: int,
    bad: float = 0.02,
    repeats: float = 0.2,
    variety: float = 0.0,
    drift: float = 0.0,
) -> Iterator[Sent]:
    """Yield *batches* and *requests*, mixed, about people who share devices; *seed* fixes them.

    *repeats* is the share of batches with a ``source_request_id``, a fourth of which were used
    before; *variety* that of records which need the whole configuration of a ``Stage``
    (``_varied``). The first bad records are one of each class. With *drift* the people come and go
    (``_drifting``), so many new ones a record, and some requests only ask.
    """
    chance = random.Random(seed)
    people = CROWD if drift else max(50, batches // 20)
    ids = _Ids()
    first = {topic: _each_once(chance, topic) for topic in ("event-batches", "identity-requests")}
    kinds = ["event-batches"] * batches + ["identity-requests"] * requests
    chance.shuffle(kinds)
    for number, topic in enumerate(kinds):
        person = chance.randrange(people)
        if drift:
            person = _drifting(chance, person, int(number * drift))
        key = f"k{person}".encode()
        if chance.random() < bad:
            yield _bad(chance, next(first[topic], None) or _any_class(chance, topic), key)
        elif variety and chance.random() < variety:
            yield _varied(chance, topic, key, person)
        elif topic == "event-batches":
            yield Sent(topic, key, _json(_batch(chance, number, person, ids, repeats)))
        else:
            request = _request(chance, number, person)
            if drift and chance.random() < ONLY_ASKS:
                request["read_only"] = True
            yield Sent(topic, key, _json(request))


CROWD = 60
"""How many people are about at a time, where they come and go."""
TURNS = 8
"""Crowds that take turns."""
STRAYS = 0.1
"""Share of records of anybody: some come back just before they are forgotten, some just after."""
ONLY_ASKS = 0.1


def _drifting(chance: random.Random, person: int, gone: int) -> int:
    """Return one of a crowd of which so many have gone; they come back when all had their turn."""
    if chance.random() < STRAYS:
        return chance.randrange(TURNS * CROWD)
    return (person + gone) % (TURNS * CROWD)


class _Ids:
    """The ids of batches: new ones, and those of batches before, near and far."""

    AGAIN = 0.25

    def __init__(self) -> None:
        self._given: list[str] = []

    def next(self, chance: random.Random, number: int) -> str:
        if self._given and chance.random() < self.AGAIN:
            return chance.choice([self._given[-1], chance.choice(self._given)])
        self._given.append(f"request-{number}")
        return self._given[-1]


def _batch(
    chance: random.Random, number: int, person: int, ids: _Ids, repeats: float
) -> dict[str, Any]:
    batch: dict[str, Any] = {
        "environment": "production",
        "events": [{"event_type": "session_start", "data": {"session_number": number}}],
        "device_info": {"ios_idfv": f"device-{person // 2}"},
    }
    if chance.random() < 0.7:
        batch["user_identities"] = {"customer_id": f"customer-{person}"}
    if chance.random() < 0.3:
        batch["user_attributes"] = {"last": number, "kind": f"secret-{chance.choice('abc')}"}
    if chance.random() < repeats:
        batch["source_request_id"] = ids.next(chance, number)
    if chance.random() < 0.2:
        batch["consent_state"] = _consent(chance, number)
    if chance.random() < 0.1:
        batch["events"] = []
    return batch


def _consent(chance: random.Random, number: int) -> dict[str, Any]:
    """Return answers of a person who changes their mind: what changes is told in the batch."""

    def answer() -> dict[str, Any]:
        return {
            "consented": chance.random() < 0.5,
            "timestamp_unixtime_ms": 1_700_000_000_000 + number,
        }

    purposes = chance.sample(["ads", "mail", "research"], chance.randrange(1, 3))
    state: dict[str, Any] = {"gdpr": {purpose: answer() for purpose in purposes}}
    if chance.random() < 0.3:
        state["ccpa"] = {"data_sale_opt_out": answer()}
    return state


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


# ---- variety ----------------------------------------------------------------------------------

FIRST_MPID = 10_000
"""People whom batches name by MPID have this one and the next: requests can modify them."""
UNKNOWN_MPID = 20_000
OUTLET = (("input", b"outlet"),)
LOUNGE = (("input", b"lounge"),)
PARTNER = (("input", b"partner"),)
"""May only update: a batch about nobody known is dropped."""
MIRROR = (("input", b"mirror"),)
"""Is read only: batches go through as they are."""


def _varied(chance: random.Random, topic: str, key: bytes, person: int) -> Sent:
    """Return a record of the other workspace or environment, or one that moves or refuses."""
    kinds = [_elsewhere, _outlet, _outlet, _lounge]
    kinds += [_named, _crowded] if topic == "event-batches" else [_modify, _modify]
    kinds += [_blocked, _guarded, _famous]
    record, headers = chance.choice(kinds)(chance, topic, person)
    return Sent(topic, key, _json(record), headers)


Made = tuple[dict[str, Any], Headers]


def _about(topic: str, **identities: str) -> dict[str, Any]:
    """Return a batch or a request about *identities*; a device is one of device_info."""
    if topic == "identity-requests":
        return {
            "request_type": "identify",
            "request_id": "r",
            "environment": "production",
            "known_identities": identities,
        }
    devices = {kind: v for kind, v in identities.items() if kind == "ios_idfv"}
    return {
        "environment": "production",
        "events": [{"event_type": "session_start", "data": {}}],
        "device_info": devices,
        "user_identities": {kind: v for kind, v in identities.items() if kind not in devices},
    }


def _elsewhere(_chance: random.Random, topic: str, person: int) -> Made:
    """The same people in development: they are others."""
    record = _about(topic, ios_idfv=f"device-{person // 2}", email=f"mail-{person}")
    return {**record, "environment": "development"}, ()


def _outlet(chance: random.Random, topic: str, person: int) -> Made:
    """The workspace that merges: each record holds one or two of a person's identifiers."""
    person %= 40  # few, so that their profiles meet
    all_of_them = {
        "customer_id": f"customer-{person}",
        "email": f"mail-{chance.randrange(person + 1)}",
        "ios_idfv": f"device-{person // 2}-{chance.randrange(2)}",
    }
    chosen = chance.sample(sorted(all_of_them), chance.randrange(1, 3))
    return _about(topic, **{kind: all_of_them[kind] for kind in chosen}), OUTLET


def _named(chance: random.Random, topic: str, person: int) -> Made:
    """A batch with an MPID of its sender's choice, which requests can modify then."""
    mpid = FIRST_MPID + person % 20
    batch = _about(topic, email=f"mail-{chance.randrange(person + 1)}")
    return {**batch, "mpid": mpid, "user_attributes": {"kind": "secret-named"}}, ()


def _crowded(_chance: random.Random, topic: str, person: int) -> Made:
    """A device that everybody uses: it gets more holders than it may have."""
    return _about(topic, ios_idfv="device-shop", customer_id=f"customer-{person}"), ()


def _modify(chance: random.Random, _topic: str, person: int) -> Made:
    """A change of an address, to one that somebody else may have: that moves it."""
    new = f"mail-{chance.randrange(person + 1)}" if chance.random() < 0.8 else None
    request = {
        "request_type": "modify",
        "request_id": "r",
        "environment": "production",
        "mpid": str(FIRST_MPID + chance.randrange(20)),
        "identity_changes": [{"identity_type": "email", "old_value": None, "new_value": new}],
    }
    return request, ()


def _lounge(chance: random.Random, topic: str, person: int) -> Made:
    """The workspace that links and aliases: devices, who logs in there, and whose history it is."""
    person %= 20
    if topic == "event-batches":
        batch = _about(topic, ios_idfv=f"device-{person}")
        return {**batch, "mpid": FIRST_MPID + person}, LOUNGE
    if chance.random() < 0.5:
        known = {"customer_id": f"customer-{chance.randrange(40)}", "ios_idfv": f"device-{person}"}
        return {**_about(topic, **known), "request_type": "login"}, LOUNGE
    ends = chance.sample(range(FIRST_MPID, FIRST_MPID + 20), 2)
    data: dict[str, Any] = dict(zip(("source_mpid", "destination_mpid"), ends, strict=True))
    if chance.random() < 0.5:
        stamp = f"device-{chance.randrange(3)}"
        data |= {"scope": "device", "device_application_stamp": stamp}
    request = {"request_type": "alias", "request_id": "r", "environment": "production"}
    return {**request, "data": data}, LOUNGE


def _blocked(chance: random.Random, topic: str, person: int) -> Made:
    """An address that is none."""
    record = _about(topic, email="mail-blocked", ios_idfv=f"device-{person // 2}")
    return record, chance.choice([(), OUTLET])


def _famous(chance: random.Random, topic: str, _person: int) -> Made:
    """Somebody whom every partition is about: processors get in each other's way."""
    record = _about(topic, customer_id="customer-famous")
    if topic == "event-batches":
        record |= {"user_attributes": {"last": chance.randrange(1_000)}}
    return record, ()


def _guarded(chance: random.Random, topic: str, person: int) -> Made:
    """Something about a person, known or not, through an input that may not create."""
    somebody = chance.choice([f"customer-{person}", f"customer-stranger-{person}"])
    record = _about(topic, customer_id=somebody)
    if topic == "event-batches":
        record |= {"user_attributes": {"kind": "secret-partner"}}
        if chance.random() < 0.5:
            record["source_request_id"] = f"guarded-{person}"
        if chance.random() < 0.2:
            record["mpid"] = UNKNOWN_MPID
    return record, chance.choice([PARTNER, MIRROR])


# ---- bad input --------------------------------------------------------------------------------

CLASS = "class"
"""The header that names the class of a bad record: it is copied to outputs, so checks can tell."""


def _each_once(chance: random.Random, topic: str) -> Iterator[str]:
    """Yield each class of *topic*, in any order; large ones last, as not every topic takes them."""
    names = [name for name, bad in BAD.items() if bad.topic == topic]
    chance.shuffle(names)
    yield from sorted(names, key=LARGE.__contains__)


def _any_class(chance: random.Random, topic: str) -> str:
    names = [name for name, bad in BAD.items() if bad.topic == topic]
    # Large ones are rare, or they would be all that a run is about.
    (name,) = chance.choices(names, [1 if name in LARGE else 20 for name in names])
    return name


def _bad(chance: random.Random, name: str, key: bytes) -> Sent:
    bad = BAD[name]
    value, headers = bad.make(chance)
    odd = {"no key": None, "an empty key": b"", "a binary key": b"\x00\xff\xfe"}
    return Sent(bad.topic, odd.get(name, key), value, ((CLASS, name.encode()), *headers))


def _is(value: bytes | None, *headers: tuple[str, bytes]) -> Callable[..., Any]:
    return lambda _chance: (value, headers)


def _of(*headers: tuple[str, bytes], **fields: Any) -> Callable[..., Any]:
    """Return a maker of batches of nobody in particular, with *fields*."""

    def make(chance: random.Random) -> tuple[bytes, Headers]:
        person = chance.randrange(1000)
        batch = {
            "environment": "production",
            "events": [{"event_type": "session_start", "data": {}}],
            "user_identities": {"customer_id": f"customer-{person}"},
            **fields,
        }
        return _json({k: v for k, v in batch.items() if v is not None}), headers

    return make


def _raw(text: bytes) -> Callable[..., Any]:
    """Return a batch with *text* as its attributes."""
    return _is(b'{"environment":"production","user_attributes":' + text + b',"events":[]}')


MALFORMED = ("dead_letter", "malformed")
INVALID = ("dead_letter", "invalid")
MANY = {f"a{number}": number for number in range(10_000)}
BAD = {
    "a tombstone": Bad(_is(None), *MALFORMED),
    "an empty value": Bad(_is(b""), *MALFORMED),
    "no JSON": Bad(_is(b"environment=production"), *MALFORMED),
    "an array": Bad(_is(b"[]"), *MALFORMED),
    "a string": Bad(_is(b'"secret-x"'), *MALFORMED),
    "truncated": Bad(_is(b'{"environment":"production","events":[{"event_type"'), *MALFORMED),
    "invalid UTF-8": Bad(_raw(b'{"x":"\xff\xfe"}'), *MALFORMED),
    "a lone surrogate": Bad(_raw(b'{"x":"\\ud800"}'), *MALFORMED),
    "a BOM": Bad(_is(b'\xef\xbb\xbf{"environment":"production","events":[]}'), *MALFORMED),
    "NaN": Bad(_raw(b'{"x":NaN}'), *MALFORMED),
    "nesting": Bad(_raw(b"[" * 10_000 + b"]" * 10_000), *MALFORMED),
    "nested objects": Bad(_raw(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), *MALFORMED),
    "an unknown environment": Bad(_of(environment="mars"), *INVALID),
    "no environment": Bad(_of(environment=None), "forwarded"),
    "no identity": Bad(_of(user_identities=None), "dropped", "no_identity"),
    "no event_type": Bad(_of(events=[{"data": {}}]), *INVALID),
    "an unknown identity type": Bad(
        _of(user_identities={"nickname": "secret-n"}), "dead_letter", "unknown_identity_type"
    ),
    "events of a wrong type": Bad(_of(events="secret-events"), *INVALID),
    "identities of a wrong type": Bad(_of(user_identities=7), *INVALID),
    "attributes of a wrong type": Bad(_of(user_attributes=[1]), *INVALID),
    "an MPID beyond 64 bits": Bad(_of(mpid=1 << 70), *INVALID),
    "an unknown input": Bad(_of(("input", b"nobody")), "dead_letter", "unknown_input"),
    "an unknown content type": Bad(
        _of(("content-type", b"text/csv")), "dead_letter", "unsupported_content_type"
    ),
    "forged headers": Bad(
        _of(("source-offset", b"1"), ("mpid", b"1"), ("resolution", b"{}"), ("version", b"9")),
        "forwarded",
    ),
    "duplicate keys": Bad(
        _is(
            b'{"environment":"mars","environment":"production","user_identities":{"customer_id":'
            b'"customer-1","customer_id":"customer-2"},"events":[{"event_type":"session_start"}]}'
        ),
        "forwarded",
    ),
    "an unknown field": Bad(_of(whatever={"x": [1, None]}), "forwarded"),
    "a clock far in the past": Bad(_of(timestamp_unixtime_ms=1), "forwarded"),
    "a clock far in the future": Bad(_of(timestamp_unixtime_ms=1 << 52), "forwarded"),
    "no key": Bad(_of(), "forwarded"),
    "an empty key": Bad(_of(), "forwarded"),
    "a binary key": Bad(_of(), "forwarded"),
    "an integer beyond 64 bits": Bad(_of(user_attributes={"x": 1 << 80}), "forwarded"),
    "a long attribute": Bad(_of(user_attributes={"x": "secret-" + "x" * 10_000}), "forwarded"),
    "a long identifier": Bad(
        _of(user_identities={"email": "mail-" + "x" * 2_000, "customer_id": "customer-1"}),
        "forwarded",
    ),
    "10,000 attributes": Bad(_of(user_attributes=MANY), "forwarded"),
    "100,000 identities": Bad(
        _of(user_identities={f"t{number}": "secret-i" for number in range(100_000)}),
        "dead_letter",
        "oversize",
    ),
    "a large value": Bad(_of(blob="secret-" + "x" * 900_000), "dead_letter", "oversize"),
    "a request of no type": Bad(
        _is(b'{"environment":"production"}'), "dead_letter", "invalid", "identity-requests"
    ),
    "a request of an unknown type": Bad(
        _is(b'{"request_type":"sing"}'), "dead_letter", "invalid", "identity-requests"
    ),
    "a request that is no JSON": Bad(_is(b"\x80"), *MALFORMED, "identity-requests"),
    "a request without identities": Bad(
        _is(b'{"request_type":"login","request_id":"r","environment":"production"}'),
        "answered",
        "BAD_REQUEST",
        "identity-requests",
    ),
    "a request tombstone": Bad(_is(None), *MALFORMED, "identity-requests"),
}
LARGE = {"10,000 attributes", "100,000 identities", "a large value", "nesting", "nested objects"}
