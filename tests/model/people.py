"""What the played records hold: a byte stands for a record, so that histories shrink well."""

import itertools
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from processor.records import Record
from processor.rules import Rules, SpaceRules
from processor.settings import Settings, load

# Deaths come from outside here, and often meet one record alone: that is not its doing.
CONFIGURATION = """
[limits]
max_deaths = 1000000
{limits}
[workspaces.retail]
strategy = "{strategy}"
{rules}
[inputs.default]
workspace = "retail"
source = "custom_feed"
"""
IN_ORDER = 'priority = ["customerid", "email", "ios_idfv"]'
LOGINS = f"""{IN_ORDER}
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]"""
FLAT = """
[workspaces.retail.identifiers]
customerid = { limit = 1 }
customer_id = { limit = 2 }
email = { limit = 2 }
ios_idfv = { limit = 2 }
"""
SETTINGS = {
    "profile_isolation": LOGINS,
    "profile_link": LOGINS,
    "profile_conversion": LOGINS,
    "best_match": IN_ORDER,
    "flat_matching": FLAT,
}
COMPUTED = "computed"
DEFINITIONS = """
[workspaces.retail.events]
visit = { type = "session_start" }
[workspaces.retail.calculated]
visits = { type = "count", event = "visit" }
visits_1h = { type = "count", event = "visit", within = "1h", expire = "promptly" }
last_visit = { type = "last_timestamp", event = "visit" }
[workspaces.retail.audiences]
recent = { all = [{ event = "visit", within = "10m" }], identities = ["email"] }
often = { all = [{ event = "visit", within = "3h", at_least = 2 }], attributes = ["x"] }
lapsed = { all = [{ event = "visit" }, { not = { event = "visit", within = "2d" } }] }
described = { all = [{ attribute = "x", op = "exists" }], identities = ["email"] }
"""
WITHIN_MS = {"recent": 600_000}
"""Audiences of whoever has a visit of late, with how long that may be ago."""
AGEING = "ageing"
SHORT_LIVES = """
activity_resolution_s = 60
grave_days = 1
"""
RETENTION = """
[workspaces.retail.retention]
anonymous_days = 0.005  # some seven minutes
"""
HALF_AN_HOUR = "known_days = 0.02\n"
LIVES = {
    "profile_isolation": HALF_AN_HOUR,
    "profile_link": HALF_AN_HOUR + "identity_days = 0.1\n",
    "profile_conversion": "",  # known profiles live for ever
    "best_match": HALF_AN_HOUR,  # who they are is kept for ever
    "flat_matching": HALF_AN_HOUR,
}
KEEPS = {"profile_link", "best_match"}
"""Strategies whose profiles are emptied before they end."""
TIMED = tuple(f"{strategy} {COMPUTED}" for strategy in SETTINGS) + tuple(
    f"{strategy} {COMPUTED} {AGEING}" for strategy in SETTINGS
)
"""The same with calculated attributes and audiences, so that time changes something.

In some of them profiles age as well.
"""
INPUTS = (("event-batches", 0), ("event-batches", 1), ("identity-requests", 0))
CLOCK = (("idstream-clock", 0), ("idstream-clock", 1))
LATEST_MS = 3 * 86_400_000
"""How long after its last record a run ends: everything that can be due is due by then."""


class Rulebook(NamedTuple):
    """What the pipelines of one setting share."""

    settings: Settings
    rules: Rules
    spaces: tuple[SpaceRules, ...]


@cache
def rulebook(setting: str) -> Rulebook:
    """Return the rules of a strategy, with definitions and lifetimes where the setting says so."""
    strategy, *more = setting.split()
    rules, limits = SETTINGS[strategy], ""
    if AGEING in more:  # keys of the workspace come before its tables
        keeps = "keep_identity_record = true\n" if strategy in KEEPS else ""
        rules, limits = keeps + rules, SHORT_LIVES
    if COMPUTED in more:
        rules += DEFINITIONS
    if AGEING in more:
        rules += RETENTION + LIVES[strategy]
    with TemporaryDirectory() as folder:
        path = Path(folder, "idstream.toml")
        path.write_text(CONFIGURATION.format(strategy=strategy, rules=rules, limits=limits))
        settings = load(path, {})
    return Rulebook(settings, settings.rules(), settings.space_rules())


def _batch(customer: str, device: str, data: dict[str, Any]) -> dict[str, Any]:
    batch: dict[str, Any] = {"events": [{"event_type": "session_start", "data": {}}], **data}
    if customer:
        batch["user_identities"] = {"customer_id": customer}
    if device:
        batch["device_info"] = {"ios_idfv": device}
    return batch


def _request(kind: str, **known: str) -> dict[str, Any]:
    return {"request_type": kind, "known_identities": {k: v for k, v in known.items() if v}}


def _modify(old: str | None, new: str | None) -> dict[str, Any]:
    change = {"identity_type": "email", "old_value": old, "new_value": new}
    return {"request_type": "modify", "mpid": "7", "identity_changes": [change]}


def _alias(source: str, destination: str, start: int, end: int, **more: str) -> dict[str, Any]:
    window = {"start_unixtime_ms": start, "end_unixtime_ms": end}
    data = {"source_mpid": source, "destination_mpid": destination, **window, **more}
    return {"request_type": "alias", "data": data}


BATCHES = [
    *(
        _batch(customer, device, {"user_attributes": {"x": number}})
        for number, (customer, device) in enumerate(itertools.product(["A", "", "B"], ["D", "E"]))
    ),
    _batch("A", "", {}),
    _batch("A", "D", {"user_attributes": {"y": 1}, "source_request_id": "r1"}),
    _batch("B", "D", {"source_request_id": "r1"}),
    _batch("B", "", {"user_attributes": {"y": 2}, "events": []}),
    _batch("A", "D", {"environment": "development", "user_attributes": {"y": 3}}),
    {**_batch("A", "", {}), "user_identities": {"customer_id": "A", "email": "a@x"}},
    _batch("A", "E", {"mpid": 7, "user_attributes": {"z": 1}}),
    {**_batch("", "", {"mpid": 7}), "user_identities": {"email": "b@x"}},
    None,
    _batch("", "F", {"mpid": 8}),
]
REQUESTS = [
    _request("login", customerid="A", ios_idfv="D"),
    _request("logout", ios_idfv="D"),
    _request("identify", ios_idfv="D"),
    _request("login", customerid="B", ios_idfv="D"),
    _request("login", email="a@x", ios_idfv="E"),
    _request("identify", customerid="A", email="a@x"),
    _request("search", customerid="A"),
    _request("logout", ios_idfv="E"),
    _request("login", customerid="B", email="a@x"),
    _modify(None, "a@x"),
    _modify("a@x", "b@x"),
    _modify("b@x", None),
    {"request_type": "sing"},
    _alias("8", "7", 0, 5),
    _alias("8", "7", 5, 9, scope="device", device_application_stamp="S"),
    _alias("7", "8", 0, 5),
]


REGULARS = bytes([0, 1, 4, 36, 37, 39, 40, 45, 46, 2, 5])
"""A few people, some of whom name their MPIDs: they come back under them when they have ended."""
TOGETHER = 8
"""Records between two pauses."""
PAUSE_MS = 2_400_000
"""Longer than any lifetime here."""


def inputs(history: bytes, pause_ms: int = 0) -> dict[tuple[str, int], list[Record]]:
    """Return the records that *history* stands for, by partition, with pauses in between."""
    records: dict[tuple[str, int], list[Record]] = {key: [] for key in INPUTS}
    for at, number in enumerate(history):
        key = INPUTS[number % 3]
        bodies = REQUESTS if key[0] == "identity-requests" else BATCHES
        body = bodies[number // 3 % len(bodies)]
        value = None if body is None else json.dumps({"environment": "production", **body}).encode()
        offset = len(records[key])
        time_ms = 1_000_000 + at * 60_000 + at // TOGETHER * pause_ms
        # Keys as producers should choose them are not needed here: partitions keep their order.
        records[key].append(Record(*key, offset, time_ms, b"k%d" % at, value))
    return records
