"""Whom the tests of the service ask for, and a service over them in this process."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn
from msgspec.structs import replace

from processor.identity.ending import end_profile
from processor.identity.filed import Filing
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Effects, View
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Index
from processor.index.sight import MemoryReader, Reader
from processor.kafka.clock import Clock
from processor.privacy.case import Case, Found, case_number, filed
from processor.profiles.document import from_json
from processor.serve.credentials import SCOPES, TokenFile, hash_of, mint
from processor.serve.service import Parts, server_of
from processor.settings import load_text
from processor.settings.settings import Settings
from processor.watch.api import ApiMetrics

CONFIG = """
[kafka]
bootstrap_servers = "{kafka}"
client = {{ "fetch.wait.max.ms" = 20 }}
topics = {{ batches = ["event-batches", "outlet-batches"], privacy = "privacy-requests" }}

[serve]
tokens_file = "unused"
port = 0
workspace_ids = {{ 3622 = "retail" }}
{serve}

[privacy]
waiting_days = 7

[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
immutable_ids = ["customerid"]

[workspaces.retail.events.order]
type = "custom_event"
name = "order"

[workspaces.retail.calculated.orders_30d]
type = "count"
event = "order"
within = "30d"

[workspaces.retail.calculated.favorite_hour]
type = "last_value"
event = "order"
attribute = "hour"

[workspaces.retail.audiences.big_spenders]
version = 2
all = [{{ consent = "gdpr.ads" }}]

[workspaces.retail.audiences.watched]
publish = false
all = [{{ consent = "gdpr.ads" }}]

[workspaces.shop]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
immutable_ids = ["customerid"]

[workspaces.outlet]
identity_scope = "retail"
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
immutable_ids = ["customerid"]

[workspaces.flat]
strategy = "flat_matching"
identifiers = {{ user_id = {{ priority = 1 }}, email = {{ priority = 2 }} }}

[inputs.default]
workspace = "retail"
topics = ["event-batches", "identity-requests"]

[inputs.outlet]
workspace = "outlet"
topics = ["outlet-batches"]

[inputs.office]
workspace = "retail"
topics = ["privacy-requests"]
"""
TOKENS = {
    "all": (["retail"], ["profiles:read", "identities:clear", "activity:read", "ui"]),
    "reader": (["retail"], ["profiles:read"]),
    "shop": (["shop"], ["profiles:read", "identities:clear"]),
    "flat": (["flat"], ["profiles:read", "identities:clear"]),
    "viewer": (["retail"], ["ui", "profiles:read"]),
    "chain": (["retail", "outlet"], ["profiles:read", "activity:read", "ui"]),
    "watcher": (["retail"], ["activity:read"]),
    "clerk": (["retail"], ["ui"]),
    "nothing": (["retail"], []),
    "desk": (["retail"], ["ui", "profiles:read", "privacy:read", "privacy:request"]),
    "developer": (["retail"], ["ui", "profiles:read", "activity:read"]),
    "officer": (["retail"], ["profiles:read", "privacy:read"]),
}
EVERY_SCOPES = [
    frozenset(some) for n in range(len(SCOPES) + 1) for some in itertools.combinations(SCOPES, n)
]
"""All that a token may have of scopes."""


def scoped(scopes: Iterable[str]) -> str:
    """The name of the token that has *scopes* and no others."""
    return "-".join(["only", *sorted(one.replace(":", "_") for one in scopes)])


TOKENS |= {scoped(scopes): (["retail"], sorted(scopes)) for scopes in EVERY_SCOPES}
TOKENS["stranger"] = (["shop"], list(SCOPES))
ADA, BEN, ANONYMOUS = 9080350317581165000, -77, 1234
MERGED, SURVIVOR = 501, 500
MALLORY, HOSTILE = 666, """"'><svg/onload=alert(1)>{{ 7 * 7 }}\u202e&lt;"""
ENDED = 4712
ORDER_ENDS_MS = 1577923200000
"""When the order that ADA made at nine counts no more."""
AN_ORDER = (
    "AZOCqm9yZGVyc18zMGSTAcQIKjHrMpzk9MqSzUc4Aa1mYXZvcml0ZV9ob3Vyk"
    "wHECDj3vDq5+1elks8AAAFux0kOt6E5gIA="
)
"""What idstream remembers of it."""
ALIEN = 4711
"""Of the workspace shop."""
DAY_MS = 86_400_000
NOW_MS = int(time.time() * 1000)


def asked(request_id: str, *mpids: int, days_ago: float = 0, **more: Any) -> Case:
    """A request of retail, and what became of it."""
    at_ms = NOW_MS - int(days_ago * DAY_MS)
    fields = {"request_type": "access", "state": "completed", "group_id": "g", **more}
    return Case(
        scope="retail",
        environment="production",
        number=case_number(request_id, "retail", b""),
        version=1,
        request_id=request_id,
        workspace="retail",
        digest=b"",
        about=request_id,
        received_ms=at_ms,
        expected_ms=at_ms,
        found=Found(1 if mpids else 0, mpids),
        completed_ms=None if fields["state"] == "pending" else at_ms,
        **fields,
    )


ERASE = {
    "subject_request_id": "mine",
    "subject_request_type": "erasure",
    "regulation": "gdpr",
    "submitted_time": "2026-11-01T15:00:00Z",
    "subject_identities": {"email": {"value": "ada@example.com", "encoding": "raw"}},
}
"""A request that ADA may send."""
WAITS = Identifier("email", "who.waits@example.com")
"""Whom the request that waits is about."""
OVER = asked("over", 7, request_type="erasure", group_id=None)
CASES = [
    asked("waits", request_type="erasure", state="pending", identifiers=(WAITS,)),
    replace(OVER, found=replace(OVER.found, is_bounded=True)),
    asked("ada", ADA, days_ago=3),
    asked("merged", MERGED, SURVIVOR),
    asked("late", ADA, days_ago=8, request_type="portability"),
    asked("nobody", group_id=None),
    asked("ended", ENDED, group_id=None),
]
FILED = CASES[0].number
"""The number of a case, which stands where profiles do."""


def token(name: str) -> str:
    """The text of the token called *name*."""
    return mint(name.encode().ljust(20, b"."))


def token_tables(rate: float = 1e6) -> str:
    return "\n".join(
        f'[{name}]\nsha256 = "{hash_of(token(name))}"\nworkspaces = {json.dumps(workspaces)}\n'
        f"scopes = {json.dumps(scopes)}\nrate = {rate}\n"
        + ('attributes = ["favorite_*"]\n' if name == "reader" else "")
        + ('environments = ["development"]\n' if name == "developer" else "")
        for name, (workspaces, scopes) in TOKENS.items()
    )


def document(mpid: int, scope: str = "retail", **fields: object) -> dict[str, object]:
    return {
        "scope": scope,
        "environment": "production",
        "mpid": str(mpid),
        "version": 3,
        "created_ms": 1574704283462,
        "last_seen_ms": 1575301484215,
        **fields,
    }


def identity(kind: str, value: str, at: int = 1574704283462) -> dict[str, object]:
    return {"identity_type": kind, "value": value, "added_ms": at, "updated_ms": at}


def attribute(value: object, source: str = "sdk") -> dict[str, object]:
    return {"value": value, "source": source, "input": "default", "updated_ms": 1575301484215}


PEOPLE = [
    document(
        ADA,
        source_mpid=str(ANONYMOUS),
        identities=[
            identity("customerid", "12345"),
            identity("email", "ada@example.com"),
            identity("email", "a.lovelace@example.com", 1574704283999),
            identity("android_uuid", "a5d934n0-232f-4afc-2e9a-3832d95zc702"),
            identity("device_application_stamp", "stamp-1"),
        ],
        aliases=[
            {"role": "destination", "mpid": str(ANONYMOUS), "start_ms": 1, "end_ms": 2}
            | {"scope": "device", "device": "stamp-1"}
        ],
        workspaces={
            "retail": {
                "attributes": {
                    "ltv": attribute(342.1),
                    "ml_product_recs": attribute(["1", 2]),
                    "$city": attribute("New York", "custom_feed"),
                    "favorite_drink": attribute("<script>alert('x')</script>"),
                    "tag": attribute(None),
                    "tier": attribute("gold", "account"),
                },
                "consent_state": {
                    "gdpr": {
                        "ads": {
                            "consented": True,
                            "timestamp_unixtime_ms": 1,
                            "hardware_id": "IDFA-1",
                            "location": "17 Cherry Tree Lane",
                        }
                    }
                },
                "devices": [
                    {"ids": {"ios_idfv": "V-OLD"}, "first_seen_ms": 1, "last_seen_ms": 2},
                    {
                        "ids": {"android_uuid": "a5d934n0-232f-4afc-2e9a-3832d95zc702"},
                        "first_seen_ms": 1,
                        "last_seen_ms": 1575301484215,
                        "info": {"limit_ad_tracking": True, "platform": "Android"},
                    },
                ],
                "computed": {
                    "calculated": {"orders_30d": 1, "favorite_hour": "9"},
                    "fresh_until_ms": ORDER_ENDS_MS,
                    "state": AN_ORDER,
                    "audiences": {
                        "big_spenders": {"version": 2, "entered_ms": 1575301484215},
                        "watched": {"version": 1, "entered_ms": 1575301484215},
                        "forgotten": {"version": 1, "entered_ms": 1575301484215},
                    },
                },
                "attribution": {"publisher": "P", "campaign": "C", "time_ms": 5},
                "partner_identities": {
                    "TradeDesk_UID2": {"value": "uid2-of-ada", "updated_ms": 5, "input": "uid2"}
                },
            },
            "shop": {"attributes": {"secret_of_shop": attribute("hidden")}},
        },
    ),
    document(BEN, identities=[identity("email", "ben@example.com"), identity("ios_idfv", "V-1")]),
    document(ANONYMOUS, identities=[identity("ios_idfv", "V-1", 1)], last_seen_ms=1),
    document(MERGED, merged_into=str(SURVIVOR)),
    document(SURVIVOR, absorbed=[str(MERGED)], version=7, identities=[identity("email", "s@x.de")]),
    document(
        MALLORY,
        source_mpid="1",
        identities=[
            {**identity("customerid", HOSTILE), "input": HOSTILE},
            identity("email", f"{HOSTILE}@x"),
        ],
        aliases=[
            {"role": "source", "mpid": "2", "start_ms": 2**62, "end_ms": -(2**62)}
            | {"scope": "device", "device": HOSTILE}
        ],
        workspaces={
            "retail": {
                "attributes": {
                    HOSTILE: attribute(HOSTILE),
                    "list": attribute([HOSTILE, {HOSTILE: HOSTILE}]),
                    "long": attribute("x" * 4096),
                },
                "consent_state": {
                    "gdpr": {HOSTILE: {"consented": False, "timestamp_unixtime_ms": 1e300}},
                    HOSTILE: {"p": {"consented": True, "document": HOSTILE}},
                },
                "devices": [
                    {"ids": {"ios_idfv": HOSTILE}, "first_seen_ms": 1, "last_seen_ms": 2**60}
                    | {"info": {HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE]}}}
                ],
                "computed": {
                    "calculated": {HOSTILE: HOSTILE},
                    "audiences": {HOSTILE: {"version": 1, "entered_ms": 2**60}},
                },
                "attribution": {"publisher": HOSTILE, "campaign": HOSTILE, "time_ms": 5},
            }
        },
    ),
    document(ALIEN, "shop", identities=[identity("customerid", "alien"), identity("email", "z@z")]),
    document(88, "flat", identities=[identity("user_id", "u1"), identity("email", "u1@x")]),
]


def settings_of(
    serve: str = "", kafka: str = "127.0.0.1:9", environ: Mapping[str, str] | None = None
) -> Settings:
    return load_text(CONFIG.format(serve=serve, kafka=kafka), environ or {})


def index_of(settings: Settings, people: Sequence[dict[str, object]] = PEOPLE) -> MemoryIndex:
    index = MemoryIndex(b"key")
    policies = {w.scope: w.policy.priority for w in settings.workspaces.values()}
    profiles = [from_json(json.dumps(one).encode()) for one in people]
    index.load(profiles, {s: frozenset(p).__contains__ for s, p in policies.items()})
    bury(index)
    return index


def living_in(scope: str) -> list[Profile]:
    """The people of *scope*."""
    profiles = [from_json(json.dumps(one).encode()) for one in PEOPLE]
    return [one for one in profiles if one.scope == scope]


def bury(index: Index) -> None:
    """Let ENDED have been deleted, and requests stand as CASES say."""
    space = Space("retail", "production")
    held = {case.opened_for: (case.number,) for case in CASES if case.state == "pending"}
    filing = Filing({case.number: filed(case) for case in CASES})
    index.commit(space, Effects({}, {}, held, {}, filing=filing), ())
    view = View(index.visit(space, {}, [Ask(mpids=(ENDED,))]).found, lambda _: False, space)
    view.put(Profile("retail", "production", ENDED, 1, 1, 1))
    view.end_record()
    index.commit(space, view.effects(), ())
    view = View(index.visit(space, {}, [Ask(mpids=(ENDED,))]).found, lambda _: False, space)
    end_profile(view, view.exact(ENDED), "deleted", 5)
    view.end_record()
    index.commit(space, view.effects(), ())


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _note(self, event: str, /, **facts: object) -> None:
        self.lines.append(json.dumps({"event": event, **facts}, default=str))

    debug = info = warning = error = _note


class Service:
    """A running service, as its callers see it."""

    def __init__(self, port: int, parts: Parts) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.parts = parts
        self.log: Log = parts.log

    def call(
        self, method: str, path: str, name: str | None = "all", **how: object
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token(name)}"} if name else {}
        headers |= how.pop("headers", {})
        return requests.request(
            method, self.url + path, headers=headers, timeout=20, allow_redirects=False, **how
        )

    def get(self, path: str, name: str | None = "all", **how: object) -> requests.Response:
        return self.call("GET", path, name, **how)

    def post(
        self, path: str, body: object, name: str | None = "all", **how: object
    ) -> requests.Response:
        return self.call("POST", path, name, json=body, **how)


@contextmanager
def serving(
    folder: Path,
    serve: str = "",
    *,
    reader: Callable[[Settings], Reader] | None = None,
    clock: Clock | None = None,
    rate: float = 1e6,
    kafka: str = "127.0.0.1:9",
    environ: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Serve PEOPLE from this process, at a port of its own, through the real HTTP server."""
    settings = settings_of(serve, kafka, environ)
    path = folder / "tokens.toml"
    path.write_text(token_tables(rate))
    path.chmod(0o600)
    file = TokenFile(path, settings.workspaces)
    file.look()
    made = MemoryReader(index_of(settings)) if reader is None else reader(settings)
    parts = Parts(settings, settings.serve, made, file, ApiMetrics(), Log(), clock or Clock())
    server = server_of(parts)
    with running(server) as port:
        yield Service(port, parts)


@contextmanager
def running(server: uvicorn.Server) -> Iterator[int]:
    """Run *server* in a thread; its port."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as opened:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield opened.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
