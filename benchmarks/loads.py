"""The records that benchmarks send: those of a shop's app, about 2 KB each, in every run the same
but for their times, which begin with the hour.

A load begins with records that prepare the index (users are made, then seen once more) and goes on
with those that are measured. Record n is a pure function of n and that hour, so loads may be as
long as a run needs.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import NamedTuple

import fastavro
import msgspec

START_MS = int(time.time()) // 3_600 * 3_600_000
"""When the records begin: lately, as the clock does at once what records of long ago made due."""
SCHEMAS = Path(__file__).parent.parent / "schemas"
USERS = 10_000

ISOLATION = """
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""
FLAT = """
strategy = "flat_matching"
[workspaces.shop.identifiers]
customerid = { limit = 1 }
email = {}
ios_idfv = {}
"""
SEGMENT = """
preset = "segment"
"""
MORE_IDENTITIES = (
    "other", "other2", "other3", "other4", "other5", "other6", "other7", "other8", "other9",
    "other10", "facebook", "twitter", "google", "microsoft", "yahoo",
)  # fmt: skip


class Message(NamedTuple):
    """What a producer sends."""

    key: bytes
    value: bytes


@dataclass(frozen=True)
class Load:
    """Records of one kind: *prepare* makes the first *prepared*, *make* the others."""

    name: str
    says: str
    make: Callable[[int], Message]
    count: int = 60_000
    prepare: Callable[[int], Message] | None = None
    prepared: int = 0
    settle: int = 2_000
    """How many records after a start belong to it, at least."""
    users: int = 0
    """How many users come back, one after the other: the first batch of each belongs to the start,
    in which memory fills again."""
    workspace: str = ISOLATION
    formats: dict[str, str] = field(default_factory=dict)
    requests: bool = False
    """Whether what is measured are identity requests; they are answered, not forwarded."""
    decides: str = "matched"
    """What becomes of nearly all that is measured, as `idstream_decisions_total` calls it."""
    computes: bool = False
    """Whether the workspace defines calculated attributes or audiences."""
    same_as: str = ""
    """The name of another load with the very same records."""

    def first(self) -> Iterator[Message]:
        """Yield the records that prepare."""
        yield from map(self.prepare or self.make, range(self.prepared))

    def then(self) -> Iterator[Message]:
        """Yield the records that are measured."""
        yield from map(self.make, range(self.prepared, self.prepared + self.count))


def known(
    users: int = USERS, identities: int = 3, events: int = 4, counters: float = 0, spread: int = 1
) -> Load:
    """Return batches of users who come back and change nothing but, in a share of them, a counter.

    Their numbers are *spread* apart: users among as many more.
    """
    more = MORE_IDENTITIES[: identities - 3]

    def make(n: int) -> Message:
        user = user_of(n, users) * spread
        body = batch(n, user)
        body["user_identities"] |= {kind: f"{kind}-{user}" for kind in more}
        if scattered(n) < counters:
            body["user_attributes"]["sessions"] = n
        return Message(b"user-%d" % user, with_events(body, events_of(n, events)))

    priority = "".join(f'"{kind}", ' for kind in more)
    return Load(
        "known",
        "users who come back, nothing changed, fresh request ids",
        make,
        prepared=users,
        users=users,
        workspace=ISOLATION.replace('"ios_idfv"]', f'{priority}"ios_idfv"]'),
    )


def counted(share: float, users: int = USERS) -> Load:
    """Return batches of known users of which a *share* has an order among its events.

    Events have no time of their own: that of their record counts, so none is outside a window.
    """

    def make(n: int) -> Message:
        user = user_of(n, users)
        body = batch(n, user)
        del body["timestamp_unixtime_ms"]
        events = events_of(n).replace(b'"timestamp_unixtime_ms":%d,' % time_of(n), b"")
        if scattered(n) < share:
            order = b'"Order","custom_event_type":"transaction"'
            events = events.replace(b'"Suche","custom_event_type":"navigation"', order)
            more = b'"position":2,"price":%d.5,"color":"color-%d"' % (n % 40, n % 7)
            events = events.replace(b'"position":2', more)
        return Message(b"user-%d" % user, with_events(body, events))

    return replace(known(users), name="counted", says="orders among the events", make=make)


def again(load: Load, first: int) -> Iterator[Message]:
    """Return a *load*'s batches from *first* on, without end, of users who come back.

    A sender shares the machine with what is measured, and making a batch takes as long as
    processing it. So one of each user is made at once; what comes later has a request id and times
    of its own, and the same events again.
    """
    made = [load.make(first + n) for n in range(load.users)]

    def go_on() -> Iterator[Message]:
        for n in count(first):
            was = first + (n - first) % load.users
            key, value = made[was - first]
            value = value.replace(b'"request-%d"' % was, b'"request-%d"' % n)
            yield Message(key, value.replace(b":%d" % time_of(was), b":%d" % time_of(n)))

    return go_on()


def changed(users: int = USERS) -> Load:
    """Return batches of known users that change one attribute each."""
    says = "known users, one attribute of each batch is another than before"
    return replace(known(users, counters=1.0), name="changed attribute", says=says)


def new() -> Load:
    """Return batches of users who were never seen."""

    def make(n: int) -> Message:
        return Message(b"user-%d" % n, with_events(batch(n, n), events_of(n)))

    says = "every batch is of somebody never seen"
    return Load("new user", says, make, prepared=5_000, decides="created")


def login(devices: int = 30_000) -> Load:
    """Return login requests of devices that were anonymous before, each once."""

    def prepare(n: int) -> Message:
        body = batch(n, n) | {"user_identities": {}}
        return Message(b"user-%d" % n, with_events(body, events_of(n)))

    def make(n: int) -> Message:
        user = n - devices
        body = {
            "request_type": "login",
            "request_id": f"login-{n}",
            "environment": "production",
            "request_timestamp_ms": time_of(n),
            "known_identities": {"customerid": f"C{user:08}", "ios_idfv": uuid_of(1, user)},
        }
        return Message(b"user-%d" % user, encoded(body))

    says = "login requests (0.2 KB): an anonymous device signs in for the first time"
    return Load("login", says, make, devices, prepare, devices, requests=True, decides="created")


def flat(users: int = USERS) -> Load:
    """Return the batches of `known`, under flat matching."""
    return replace(
        known(users),
        name="flat",
        says="known users under flat_matching",
        workspace=FLAT,
        same_as="known",
    )


def merge(people: int = 25_000) -> Load:
    """Return batches that each show two profiles to be one person, under flat matching."""

    def prepare(n: int) -> Message:
        person, half = divmod(n, 2)
        body = batch(n, person)
        names = {"customerid": f"C{person:08}"} if half else {"email": f"user.{person}@example.com"}
        body["user_identities"] = names
        del body["device_info"]["ios_idfv"]
        return Message(b"user-%d" % person, with_events(body, events_of(n)))

    def make(n: int) -> Message:
        person = n - 2 * people
        return Message(b"user-%d" % person, with_events(batch(n, person), events_of(n)))

    says = "flat_matching: every batch makes one profile of two"
    return Load("merge", says, make, people, prepare, 2 * people, workspace=FLAT, decides="merged")


def avro(users: int = USERS) -> Load:
    """Return the batches of `known` in Avro, in and out."""

    def make(n: int) -> Message:
        user = user_of(n, users)
        return Message(b"user-%d" % user, avro_of(batch(n, user), events_of(n)))

    formats = {"batches": "avro", "enriched": "avro", "changes": "avro", "profiles": "avro"}
    says = "known users, Avro in and out"
    return replace(known(users), name="Avro", says=says, make=make, formats=formats)


def segment(users: int = USERS) -> Load:
    """Return Segment's track calls of known users."""

    def make(n: int) -> Message:
        user = user_of(n, users)
        body = {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"C{user:08}",
            "anonymousId": uuid_of(5, user),
            "messageId": uuid_of(3, n),
            "timestamp": f"2026-07-01T12:00:00.{n % 1000:03}Z",
            "properties": {"sku": uuid_of(4, n), "position": n % 40, "price": n % 100 + 0.5},
            "context": {
                "traits": {"email": f"user.{user}@example.com"},
                "device": {"type": "ios", "id": uuid_of(1, user), "model": "iPhone14,5"},
                "app": {"name": "Shop", "version": "5.12.0"},
                "library": {"name": "analytics-ios", "version": "4.1.6"},
                "locale": "en-PT",
                "screen": {"width": 1170, "height": 2532},
            },
        }
        return Message(b"user-%d" % user, encoded(body))

    says = "known users, Segment's track calls (0.6 KB) under flat_matching"
    formats = {"batches": "segment"}
    return Load(
        "Segment", says, make, prepared=users, users=users, workspace=SEGMENT, formats=formats
    )


def mixed(users: int = USERS) -> Load:
    """Return what a shop may see: 80 % known, 15 % with a changed attribute, 5 % new users."""

    def make(n: int) -> Message:
        chance = scattered(n)
        user = users + n if chance < 0.05 else user_of(n, users)
        body = batch(n, user)
        if chance > 0.85:
            body["user_attributes"]["sessions"] = n
        return Message(b"user-%d" % user, with_events(body, events_of(n)))

    says = "80 % known users, 15 % with a changed attribute, 5 % new"
    return Load("mixed", says, make, prepare=known(users).make, prepared=users, users=users)


def batch(n: int, user: int) -> dict:
    """Return batch *n*, which is of *user*, without its events."""
    return {
        "environment": "production",
        "source_request_id": f"request-{n}",
        "timestamp_unixtime_ms": time_of(n),
        "user_identities": {"customerid": f"C{user:08}", "email": f"user.{user}@example.com"},
        "user_attributes": {"favorite_drink": "Coke" if user % 2 else "Tea", "$city": "Lisbon"},
        "device_info": {
            "brand": "Apple",
            "device_model": "iPhone14,5",
            "platform": "iOS",
            "os_version": "17.4.1",
            "locale_language": "en",
            "locale_country": "PT",
            "screen_height": 2532,
            "screen_width": 1170,
            "ios_idfv": uuid_of(1, user),
        },
        "application_info": {"application_name": "Shop", "application_version": "5.12.0"},
    }


EVENT = (
    '{"event_type":"custom_event","data":{"event_name":"%s","custom_event_type":"navigation",'
    '"timestamp_unixtime_ms":%d,"event_id":%d,"session_uuid":"%s","source_message_id":"%s",'
    '"custom_attributes":{"sku":"%s","position":%d}}}'
)
# As with real shops, some names are not ASCII.
NAMES = ("Produkt ansehen", "In den Warenkorb für später", "Suche", "Scroll")


def events_of(n: int, count: int = 4) -> bytes:
    """Return the events of batch *n* as JSON."""
    session, at = uuid_of(2, n // 5), time_of(n)
    made = []
    for place in range(count):
        number = n * 100 + place
        message, sku = uuid_of(3, number), uuid_of(4, number)[:18]
        made.append(EVENT % (NAMES[place % 4], at, number, session, message, sku, place))
    return ("[" + ",".join(made) + "]").encode()


def user_of(n: int, users: int) -> int:
    """Return whose batch *n* is: a scattered walk, every user comes back, none twice in a row."""
    return n * 7919 % users


def time_of(n: int) -> int:
    """Return the time of batch *n*, ms: a hundred a second, whatever the rate."""
    return START_MS + n // 100


def scattered(n: int) -> float:
    """Return a number from 0 to 1 that goes with nothing else of *n*."""
    return (n * 2_654_435_761 % 2**32) / 2**32


def uuid_of(kind: int, n: int) -> str:
    """Return a UUID that follows from a number, another for each *kind* of thing."""
    digits = (
        f"{(n + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 + kind * 0xD1B54A32D192ED03 & MASK:032x}"
    )
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


MASK = 2**128 - 1


def encoded(body: dict) -> bytes:
    """Return compact JSON."""
    return ENCODER.encode(body)


ENCODER = msgspec.json.Encoder()


def with_events(body: dict, events: bytes) -> bytes:
    """Return a batch as JSON, its events last."""
    return b'%b,"events":%b}' % (encoded(body)[:-1], events)


TYPED = (
    "environment", "source_request_id", "timestamp_unixtime_ms", "user_identities", "device_info",
    "user_attributes",
)  # fmt: skip


def avro_of(body: dict, events: bytes) -> bytes:
    """Return a batch as a single object of Avro, by the published schema."""
    typed = {name: body[name] for name in TYPED} | {"events": events}
    typed["other_fields"] = {
        name: encoded(value) for name, value in body.items() if name not in typed
    }
    written = BytesIO()
    fastavro.schemaless_writer(written, _schema(), typed)
    return b"\xc3\x01" + _fingerprint() + written.getvalue()


@cache
def _schema():
    return fastavro.parse_schema(json.loads((SCHEMAS / "event-batch" / "v1.avsc").read_text()))


@cache
def _fingerprint() -> bytes:
    """Return what readers find version 1 of the schema by."""
    versions = json.loads((SCHEMAS / "fingerprints.json").read_text())
    return bytes.fromhex(versions["event-batch"][0])
