"""``audience`` tells who an audience would be: a range, where too little is remembered."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from processor.cli import idstream
from processor.commands.offline.audience import AudienceQuery, rehearse, rehearse_live
from processor.commands.offline.resolve import resolve
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.identity.view import Effects
from processor.profiles.document import from_json
from processor.redis.index import RedisIndex
from processor.settings import load_offline

DAY = 86_400_000
START = 1_767_225_600_000
CONFIG = """
[redis]
url = "{url}"
prefix = "{prefix}"
[workspaces.shop]
preset = "default"
[workspaces.shop.events.order]
type = "custom_event"
name = "Order"
[workspaces.shop.events.view]
type = "custom_event"
name = "View"
[workspaces.shop.audiences.buyers]
all = [{{ event = "order", within = "7d" }}]
[workspaces.shop.audiences.plan]
status = "draft"
all = [
  {{ identity = "email" }},
  {{ event = "order", within = "3d" }},
  {{ event = "view" }},
]
[workspaces.shop.audiences.longer]
status = "draft"
all = [{{ event = "order", within = "30d" }}]
[workspaces.shop.audiences.rarely]
status = "draft"
all = [{{ not = {{ event = "view" }} }}]
[workspaces.shop.audiences.gone]
status = "retired"
all = [{{ identity = "email" }}]
[inputs.default]
workspace = "shop"
"""


def line(kind: str, value: str, time_ms: int, *events: str) -> bytes:
    said = [
        {"event_type": "custom_event", "data": {"event_name": name, "custom_event_type": "other"}}
        for name in events
    ]
    body = {"user_identities": {kind: value}, "events": said}
    return json.dumps({"topic": "batches", "timestamp_ms": time_ms, "value": body}).encode()


BATCHES = [
    line("email", "ada@example.com", START, "Order"),
    line("email", "bob@example.com", START, "View"),
    line("customerid", "C1", START + 5 * DAY, "Order"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.format(url="redis://localhost:1/0", prefix="x"))
    return path


@pytest.fixture
def people(config: Path, tmp_path: Path) -> Path:
    """Return a snapshot of three people, who are remembered as the active audience needs."""
    path = tmp_path / "profiles.jsonl"
    resolve(load_offline(config, {}), BATCHES, io.BytesIO(), dump=path)
    return path


def query(name: str, at_ms: int = START + 6 * DAY, show: int = 10) -> AudienceQuery:
    return AudienceQuery("shop", name, "production", at_ms, show)


def test_of_an_active_audience_it_tells_who_would_leave_by_then(config, people):
    found = rehearse(config, {}, query("buyers"), people, None)
    assert (found.people, found.members, found.fit, found.unknown) == (3, 2, 2, 0)
    found = rehearse(config, {}, query("buyers", START + 8 * DAY), people, None)
    assert (found.fit, found.would_leave, len(found.leaving)) == (1, 1, 1)
    assert rehearse(config, {}, query("buyers", START + 8 * DAY, 0), people, None).leaving == []


def test_events_that_nobody_counts_yet_are_unknown_and_hide_nothing_that_is_known(config, people):
    found = rehearse(config, {}, query("plan"), people, None)
    rows = {one.criterion: (one.fit, one.unknown, one.so_far) for one in found.criteria}
    assert rows == {
        "all of": (0, 0, 0),
        "identity email exists": (2, 0, 2),
        "event order at_least 1 within 3d": (1, 0, 0),
        "event view at_least 1": (0, 3, 0),
    }
    found = rehearse(config, {}, query("plan", START + DAY), people, None)
    assert (found.fit, found.unknown) == (0, 1), "the one with an email and an order may fit"
    assert rehearse(config, {}, query("rarely"), people, None).unknown == 3


def test_a_longer_window_than_is_counted_is_unknown(config, people):
    found = rehearse(config, {}, query("longer"), people, None)
    assert (found.fit, found.unknown) == (0, 3)


def test_who_was_evaluated_by_other_definitions_may_have_done_what_is_not_remembered(
    config, people
):
    lines = [json.loads(one) for one in people.read_text().splitlines()]
    for one in lines:
        one["stamp"] = "00" * 8
    people.write_text("\n".join(map(json.dumps, lines)))
    found = rehearse(config, {}, query("buyers"), people, None)
    assert (found.fit, found.unknown) == (2, 1), "what is remembered counts all the same"


def test_batches_are_played_first_and_are_then_all_that_happened(config):
    found = rehearse(config, {}, query("longer"), None, BATCHES)
    assert (found.people, found.fit, found.unknown) == (3, 2, 0)
    assert rehearse(config, {}, query("plan"), None, BATCHES).fit == 0
    more = [*BATCHES, line("email", "bob@example.com", START + 5 * DAY, "Order")]
    assert rehearse(config, {}, query("plan"), None, more).fit == 1


@pytest.mark.redis
def test_it_looks_at_the_live_index_too(config, people, redis_url, redis_prefix):
    config.write_text(CONFIG.format(url=redis_url, prefix=redis_prefix))
    profiles = [from_json(one.encode()) for one in people.read_text().splitlines()]
    index = RedisIndex.connect(redis_url, redis_prefix)
    effects = Effects({}, {}, {}, {one.mpid: one for one in profiles})
    index.commit(Space("shop", "production"), effects, [])
    index.close()
    live = rehearse_live(config, {}, query("plan"))
    assert live == rehearse(config, {}, query("plan"), people, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plam", "shop has no audience plam; it has buyers"),
        ("gone", "gone is retired: nobody fits"),
    ],
)
def test_what_cannot_be_rehearsed_is_said_in_a_line(config, people, name, message):
    with pytest.raises(Failure, match=message):
        rehearse(config, {}, query(name), people, None)


def test_the_command_prints_tables_or_json_and_needs_people(config, people):
    run = CliRunner()
    start = ["audience", "-c", str(config), "shop", "buyers"]
    told = run.invoke(idstream, [*start, "--profiles", str(people), "--at", "2026-01-09"], obj={})
    assert "would leave  1" in told.output
    assert "event order at_least 1 within 7d" in told.output
    options = ["--profiles", str(people), "--at", "2026-01-09T00:00:00Z", "--json"]
    assert json.loads(run.invoke(idstream, [*start, *options], obj={}).output)["would_leave"] == 1
    assert run.invoke(idstream, start, obj={}).exit_code == 2
    both = ["--index", "--profiles", str(people)]
    assert run.invoke(idstream, [*start, *both], obj={}).exit_code == 2
