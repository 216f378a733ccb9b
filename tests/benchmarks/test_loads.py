"""The records that benchmarks send are what their names say, by what idstream makes of them."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from benchmarks.loads import (
    START_MS,
    Load,
    again,
    avro,
    changed,
    flat,
    known,
    login,
    merge,
    mixed,
    new,
    segment,
    uuid_of,
)  # fmt: skip
from benchmarks.play import counts
from benchmarks.profiles import profile
from processor.codecs.avro.reading import AvroReader

MEASURED = 10
SMALL = [
    known(users=10),
    replace(known(users=10, identities=18), name="18 identities"),
    replace(known(users=10, counters=0.5), name="half with a counter"),
    replace(known(users=10, spread=7, events=1), name="few of many users"),
    changed(users=10),
    replace(new(), prepared=10),
    flat(users=10),
    segment(users=10),
    login(10),
    merge(10),
    mixed(users=10),
]


def test_batches_that_are_sent_again_are_those_that_are_made_but_for_their_events():
    load, first = known(users=10), 995
    for n, (key, value) in enumerate(islice(again(load, first), 25), first):
        sent, made = json.loads(value), json.loads(load.make(n).value)
        assert (key, len(sent.pop("events"))) == (load.make(n).key, len(made.pop("events")))
        assert sent == made


def lines(load: Load) -> list[str]:
    """Return the records that prepare, and ten of the measured."""
    first = [("batches", one) for one in load.first()]
    topic = "requests" if load.requests else "batches"
    then = [(topic, one) for one in islice(load.then(), MEASURED)]
    return [
        json.dumps({"topic": topic, "timestamp_ms": START_MS, "value": json.loads(value)})
        for topic, (_, value) in (*first, *then)
    ]


def resolved(load: Load, folder) -> list[dict]:
    """Return what idstream makes of them."""
    config = folder / "idstream.toml"
    inputs = '[inputs.default]\nworkspace = "shop"\n'
    if "segment" in load.formats.values():
        inputs += 'format = "segment"\n'
    config.write_text(f"{inputs}[workspaces.shop]\n{load.workspace}")
    done = subprocess.run(
        [sys.executable, "-m", "processor", "resolve", "-c", str(config)],
        input="\n".join(lines(load)),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("load", SMALL, ids=lambda load: load.name)
def test_a_record_is_decided_as_its_load_says(load, tmp_path):
    found = resolved(load, tmp_path)
    assert len(found) == load.prepared + MEASURED
    assert {one["outcome"] for one in found} <= {"forwarded", "answered"}
    measured = Counter(one["resolution"]["outcome"] for one in found[load.prepared :])
    ((decided, often),) = measured.most_common(1)
    assert decided == load.decides
    assert often == MEASURED or load.name == "mixed"


def test_only_a_counter_makes_known_users_change():
    assert attributes(known(users=10), 3) == attributes(known(users=10), 13)
    assert attributes(changed(users=10), 3) != attributes(changed(users=10), 13)
    half = known(counters=0.5)
    counted = sum("sessions" in attributes(half, n) for n in range(1000))
    assert 450 < counted < 550


def attributes(load: Load, n: int) -> dict:
    return json.loads(load.make(n).value)["user_attributes"]


@pytest.mark.parametrize("load", SMALL, ids=lambda load: load.name)
def test_no_request_id_comes_twice_and_no_record_differs_from_run_to_run(load):
    records = [*load.first(), *islice(load.then(), 100)]
    bodies = [json.loads(one.value) for one in records]
    ids = [
        next(body[k] for k in ("source_request_id", "request_id", "messageId") if k in body)
        for body in bodies
    ]
    assert len(set(ids)) == len(ids)
    assert records == [*load.first(), *islice(load.then(), 100)]


def test_ids_of_different_things_differ():
    ids = {uuid_of(kind, n) for kind in range(1, 6) for n in range(1000)}
    assert len(ids) == 5000


def test_a_batch_in_avro_says_what_it_says_in_json():
    opened = AvroReader("event-batch").open_object(avro().make(7).value, 100_000)
    plain = json.loads(known().make(7).value)
    assert {k: json.loads(bytes(v)) for k, v in opened.items()} == plain


def test_a_profile_for_restoring_is_that_of_its_model_under_another_name():
    ids = ["C00000001", "user.1@example.com", uuid_of(1, 1)]
    odd = json.dumps({"mpid": "51", "ids": ids}, separators=(",", ":"))
    key, value = profile(["{}", odd], 12_345)
    _, other = profile(["{}", odd], 12_347)
    found = json.loads(value)
    assert key == b"shop/production/" + found["mpid"].encode()
    assert found["ids"] == ["C00012345", "user.12345@example.com", uuid_of(1, 12_345)]
    assert json.loads(other)["mpid"] != found["mpid"] != "51"


def test_what_a_processor_counted_is_read_by_outcome():
    metrics = """
# HELP idstream_records_total consumed
idstream_records_total{outcome="forwarded",reason="",topic="a"} 3.0
idstream_records_total{outcome="forwarded",reason="",topic="b"} 4.0
idstream_decisions_total{outcome="matched",strategy="flat_matching"} 7.0
idstream_batch_records_count 2.0
"""
    assert counts(metrics) == {"forwarded": 7.0, "matched": 7.0}
