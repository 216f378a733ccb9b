"""``resolve`` as a program that knows only the interface drives it."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processor.commands.offline.resolve import resolve
from processor.commands.terminal.failure import Failure
from processor.settings import load_offline

CONFIG = """
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "retail"
[inputs.trial]
workspace = "retail"
protection = "read_only"
[inputs.asks]
workspace = "retail"
topics = ["identity-requests"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config: Path):
    def _run(*lines: str | dict[str, Any], **files: Path) -> list[dict[str, Any]]:
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        sink = io.BytesIO()
        resolve(load_offline(config, {}), [t.encode() + b"\n" for t in text], sink, **files)
        return [json.loads(line) for line in sink.getvalue().splitlines()]

    return _run


def request(kind: str = "identify", **identities: str) -> dict[str, Any]:
    body = {"request_type": kind, "environment": "production", "known_identities": identities}
    return {"topic": "requests", "input": "default", "timestamp_ms": 1000, "value": body}


def batch(name: str = "default", events: int = 1, **identities: str) -> dict[str, Any]:
    event = {"event_type": "custom_event", "data": {"event_name": "x"}}
    value = {
        "environment": "production",
        "user_identities": identities,
        "events": [event] * events,
    }
    return {"topic": "batches", "input": name, "timestamp_ms": 2000, "key": "k", "value": value}


def profile(mpid: int, **more: Any) -> dict[str, Any]:
    found = {
        "format": 1,
        "scope": "retail",
        "environment": "production",
        "mpid": str(mpid),
        "version": 1,
        "created_ms": 1,
        "last_seen_ms": 1,
        "source_mpid": None,
        "merged_into": None,
        "is_orphaned": False,
        "identities": [],
        "workspaces": {},
    }
    return {**found, **more}


def email(value: str) -> list[dict[str, Any]]:
    return [
        {
            "identity_type": "email",
            "value": value,
            "added_ms": 1,
            "updated_ms": 1,
            "input": "default",
        }
    ]


def test_a_request_is_answered_with_everything_the_interface_names(run):
    (line,) = run(request("login", email="a@b.c"))
    assert (line["outcome"], line["reason"], line["key"]) == ("answered", None, None)
    assert line["value"]["status"] == 200
    assert line["mpid"] == line["value"]["mpid"] == line["headers"]["mpid"]
    assert line["resolution"] == line["value"]["resolution"]
    assert [c["change"] for c in line["changes"]] == ["profile_created", "identity_added"]


def test_a_batch_goes_out_under_the_profiles_key_with_its_resolution(run):
    (line,) = run(batch(email="a@b.c"))
    assert line["outcome"] == "forwarded"
    assert line["key"] == f"retail/production/{line['mpid']}"
    assert line["value"]["mpid"] == int(line["mpid"])
    assert json.loads(line["headers"]["resolution"]) == line["resolution"]
    assert line["headers"]["source-topic"] == "batches"


def test_a_batch_without_events_is_stored_and_has_no_value(run):
    (line,) = run(batch(events=0, email="a@b.c"))
    assert (line["outcome"], line["value"], line["key"]) == ("stored", None, None)
    assert line["mpid"] is not None


def test_a_read_only_batch_goes_out_byte_for_byte_without_a_profile(run):
    text = '{"topic":"batches","input":"trial","timestamp_ms":1,"key":"k","value":%s}'
    value = '{"environment" : "production","user_identities":{"email":"a"},"events":[ ]}'
    (line,) = run(text % value)
    assert (line["outcome"], line["key"], line["mpid"]) == ("forwarded", "k", None)
    assert line["value"] == json.loads(value)
    assert line["resolution"] is None


def test_a_dead_letter_carries_what_came_in(run):
    (line,) = run({"topic": "batches", "timestamp_ms": 1, "key": "k", "value": [1]})
    assert (line["outcome"], line["reason"]) == ("dead_letter", "malformed")
    assert (line["key"], line["value"]) == ("k", [1])
    assert line["headers"]["reason"] == "malformed"


def test_headers_go_along_and_the_input_may_be_one_of_them(run):
    record = {**batch(email="a@b.c"), "headers": {"traceparent": "00-1", "input": "trial"}}
    del record["input"]
    (line,) = run(record)
    assert line["headers"]["traceparent"] == "00-1"
    assert line["mpid"] is None, "the input trial is read_only"


def test_a_bound_input_is_taken_from_its_kind_of_topic_only(run):
    lines = run({**request(email="a@b.c"), "input": "asks"}, batch("asks", email="a@b.c"))
    assert [line["outcome"] for line in lines] == ["answered", "dead_letter"]
    assert lines[1]["reason"] == "unknown_input"


def test_the_same_input_gives_the_same_output(run):
    lines = (request(ios_idfv="1"), request("login", email="a@b.c"), batch(email="a@b.c"))
    assert run(*lines) == run(*lines)


def test_the_place_in_the_input_tells_two_equal_records_apart(run):
    same = request("login", email="a@b.c")
    first, second = run(same)[0], run("", same)[0]
    assert first["mpid"] != second["mpid"]
    assert second["headers"]["source-offset"] == "1", "an empty line has its place, no answer"


def test_each_line_is_answered_before_the_next_is_read(config):
    sink = io.BytesIO()

    def source() -> Iterator[bytes]:
        for n in range(3):
            assert sink.getvalue().count(b"\n") == n
            yield json.dumps(request(ios_idfv=str(n))).encode() + b"\n"

    resolve(load_offline(config, {}), source(), sink)
    assert sink.getvalue().count(b"\n") == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{} {}", "not a JSON object"),
        ('{"topic": }', "topic: write batches, requests, privacy or clock"),
        ('{"topic": "batches", "value": {}}', "timestamp_ms: is required"),
        (
            '{"topic": "profiles", "timestamp_ms": 1, "value": {}}',
            "topic: write batches, requests, privacy or",
        ),
        (
            '{"topic": "batches", "timestamp_ms": "1", "value": {}}',
            "timestamp_ms: must be an integer, not text",
        ),
        ('{"topic": "batches", "timestamp_ms": 1, "value": {}, "headers": {"a": []}}', "headers"),
    ],
)
def test_a_line_that_is_no_record_ends_it_with_its_number(config, line, message):
    sink = io.BytesIO()
    lines = [json.dumps(request(email="a")).encode(), line.encode()]
    with pytest.raises(Failure) as caught:
        resolve(load_offline(config, {}), lines, sink)
    assert message in str(caught.value)
    assert "line 2 of the input" in str(caught.value)
    assert sink.getvalue().count(b"\n") == 1, "the line before it was answered"


@pytest.mark.parametrize(
    "value",
    [
        '{"user_attributes": {"k": NaN}}',
        '{"user_identities": {"email": "\\ud800"}}',
        '{"x": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"events": [}, "a": "}"}'.replace("[}", "[]"),
        "null",
        "[]",
        '"text, with: {brackets"',
    ],
)
def test_a_bad_value_is_a_dead_letter_and_its_neighbours_are_answered(config, value):
    sink = io.BytesIO()
    good = json.dumps(request(email="a")).encode()
    bad = b'{"id": 7, "topic": "batches", "timestamp_ms": 1, "headers": null, "value": %s}'
    resolve(load_offline(config, {}), [good, bad % value.encode(), good], sink)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [a["outcome"] for a in answers[::2]] == ["answered", "answered"]
    assert answers[1]["outcome"] in ("dead_letter", "dropped")


def test_a_line_without_a_value_is_a_tombstone(config):
    sink = io.BytesIO()
    resolve(load_offline(config, {}), [b'{"topic": "batches", "timestamp_ms": 1}'], sink)
    answer = json.loads(sink.getvalue())
    assert (answer["outcome"], answer["reason"], answer["value"]) == (
        "dead_letter",
        "malformed",
        None,
    )


# ---- snapshots -----------------------------------------------------------------------------------


def snapshot(path: Path, *profiles: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(p) + "\n" for p in profiles))
    return path


def dumped(path: Path) -> dict[str, dict[str, Any]]:
    return {p["mpid"]: p for p in map(json.loads, path.read_text().splitlines())}


def test_profiles_of_a_snapshot_are_found_and_dumped_again(run, tmp_path):
    given = snapshot(tmp_path / "in", profile(7, identities=email("a@b.c")))
    dump = tmp_path / "out"
    (line,) = run(request("login", email="a@b.c"), profiles=given, dump=dump)
    assert line["mpid"] == "7"
    assert dumped(dump)["7"]["identities"][0]["value"] == "a@b.c"


def test_a_dump_is_a_snapshot(run, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(request("login", email="a", ios_idfv="1"), batch(email="b"), dump=first)
    run(profiles=first, dump=second)
    assert first.read_text() == second.read_text()


def test_merged_pointers_stay_and_lead_to_the_survivor(run, tmp_path):
    given = snapshot(
        tmp_path / "in",
        profile(1, identities=email("a@b.c")),
        profile(2, merged_into="1"),
        profile(3, merged_into="2"),
    )
    value = {"environment": "production", "mpid": 3, "events": [{"event_type": "custom_event"}]}
    record = {"topic": "batches", "timestamp_ms": 1, "value": value}
    (line,) = run(record, profiles=given, dump=tmp_path / "out")
    assert line["mpid"] == "1"
    found = dumped(tmp_path / "out")
    assert found["2"]["merged_into"] == "1"
    assert found["1"]["merges"] == 2, "how many it absorbed follows from the pointers"


def test_the_highest_version_of_a_snapshot_counts(run, tmp_path):
    given = snapshot(
        tmp_path / "in",
        profile(1, version=5, identities=email("new@b.c")),
        profile(1, version=4, identities=email("old@b.c")),
    )
    lines = run(
        request("search", email="new@b.c"), request("search", email="old@b.c"), profiles=given
    )
    assert [line["value"]["status"] for line in lines] == [200, 404]


def test_profiles_of_other_scopes_are_kept(run, tmp_path):
    given = snapshot(tmp_path / "in", profile(1, scope="elsewhere", identities=email("a@b.c")))
    lines = run(request("search", email="a@b.c"), profiles=given, dump=tmp_path / "out")
    assert lines[0]["value"]["status"] == 404
    assert dumped(tmp_path / "out")["1"]["scope"] == "elsewhere"


def test_profiles_that_could_tie_are_marked_as_contested(run, tmp_path):
    device = [{"identity_type": "ios_idfv", "value": "1"}]
    given = snapshot(tmp_path / "in", profile(1, identities=device), profile(2, identities=device))
    run(profiles=given, dump=tmp_path / "out")
    assert [p["contested"] for p in dumped(tmp_path / "out").values()] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: a profile cannot be read"),
        (json.dumps(profile(1, merged_into="9")), "is merged into itself or into nobody"),
        (json.dumps(profile(1, merged_into="1")), "is merged into itself or into nobody"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(run, tmp_path, text, message):
    (tmp_path / "in").write_text(text)
    with pytest.raises(Failure, match=message):
        run(profiles=tmp_path / "in")


def test_a_missing_snapshot_and_a_dump_to_nowhere_are_refused(run, tmp_path):
    with pytest.raises(Failure, match="none: cannot be read"):
        run(profiles=tmp_path / "none")
    with pytest.raises(Failure, match="cannot be written"):
        run(dump=tmp_path / "no" / "dump")


def test_a_snapshot_may_spell_types_as_batches_do(config, tmp_path):
    given = {
        "scope": "retail",
        "environment": "production",
        "mpid": "7",
        "identities": [{"identity_type": "customer_id", "value": "A"}],
    }
    sink = io.BytesIO()
    lines = [json.dumps(request(customerid="A")).encode()]
    path = snapshot(tmp_path / "profiles.jsonl", given)
    resolve(load_offline(config, {}), lines, sink, profiles=path)
    assert json.loads(sink.getvalue())["mpid"] == "7"
