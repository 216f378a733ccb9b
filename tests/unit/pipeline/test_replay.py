"""Whatever dies, wherever: every record gets one outcome, and its first decision stays."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.codecs.avro.reading import AvroWriter
from processor.codecs.avro.schemas import latest
from processor.codecs.formats import Codecs
from processor.identity.model import Space
from processor.index.derivation import derive
from processor.index.errors import NoStart
from processor.index.memory import MemoryIndex
from processor.pipeline.pipeline import Parts, Pipeline
from processor.profiles.document import from_json, to_json
from processor.records import Output, Record
from processor.settings import load
from tests.unit.pipeline.stream import Crash, Crasher, Stream

CONFIGURATION = """
[workspaces.retail]
strategy = "{strategy}"
{rules}
[inputs.default]
workspace = "retail"
source = "custom_feed"
"""
PRIORITY = 'priority = ["customerid", "email", "ios_idfv"]\n'
LOGINS = f'{PRIORITY}login_ids = ["customerid", "email"]\nunique_ids = ["customerid", "email"]'
FLAT = "max_merges = 2\nidentifiers = { customerid = { limit = 1 }, email = {}, ios_idfv = {} }"
STRATEGIES = {
    "profile_isolation": LOGINS,
    "profile_link": LOGINS,
    "profile_conversion": LOGINS,
    "best_match": PRIORITY,
    "flat_matching": FLAT,
}


def pipeline_over(
    index: MemoryIndex, strategy: str, tmp_path, crasher: Crasher, codecs: Codecs | None = None
) -> Pipeline:
    path = tmp_path / f"{strategy}.toml"
    if not path.exists():
        path.write_text(CONFIGURATION.format(strategy=strategy, rules=STRATEGIES[strategy]))
    settings = load(path, {})
    spaces = settings.space_rules()
    rules = settings.rules()
    return Pipeline(
        Parts(
            rules=rules,
            spaces=spaces,
            index=index,
            owner="test",
            with_outcomes=True,
            reach=crasher.reach,
            codecs=codecs or Codecs(),
        )
    )


identities = st.fixed_dictionaries(
    {},
    optional={
        "customerid": st.sampled_from("ABC"),
        "email": st.sampled_from(["a@x", "b@x"]),
        "ios_idfv": st.sampled_from(["D1", "D2"]),
    },
)
requests = st.builds(
    lambda kind, ids: ("identity-requests", {"request_type": kind, "known_identities": ids}),
    st.sampled_from(["identify", "login", "logout", "search"]),
    identities,
)
batches = st.builds(
    lambda ids, attributes, request_id: (
        "event-batches",
        {
            "user_identities": {k: v for k, v in ids.items() if k != "ios_idfv"},
            "device_info": {k: v for k, v in ids.items() if k == "ios_idfv"},
            "user_attributes": attributes,
            "events": [{"event_type": "session_start", "data": {}}],
            **({"source_request_id": request_id} if request_id else {}),
        },
    ),
    identities,
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
    st.sampled_from([None, None, "r1", "r2"]),
)
garbage = st.just(("event-batches", None))
histories = st.lists(st.one_of(requests, batches, garbage), min_size=1, max_size=25)
# Of one row. What had no effect on one row may, replayed, come after what others did meanwhile:
# another order that is as good, of which tests/model asks that it be consistent.
lone_histories = st.one_of(
    st.lists(st.one_of(batches, garbage), min_size=1, max_size=25),
    st.lists(requests, min_size=1, max_size=25),
)


def stream_of(history, partitions: int = 2) -> Stream:
    records: dict[tuple[str, int], list[Record]] = {
        ("event-batches", 0): [],
        ("event-batches", 1): [],
        ("identity-requests", 0): [],
    }
    for at, (topic, body) in enumerate(history):
        key = (topic, at % partitions if topic == "event-batches" else 0)
        value = None if body is None else json.dumps({"environment": "production", **body}).encode()
        records[key].append(Record(*key, len(records[key]), 1_000_000 + at * 60_000, b"k", value))
    return Stream(records)


def source_of(output: Output) -> tuple[str, int, int]:
    headers = dict(output.headers)
    return (
        headers["source-topic"].decode(),
        int(headers["source-partition"]),
        int(headers["source-offset"]),
    )


def state_of(index: MemoryIndex) -> list[bytes]:
    return [to_json(profile) for profile in index.profiles()]


def without_order(output: Output) -> object:
    value = json.loads(output.value) if output.value else None
    # An outcome has another seq, and a batch may show its profile at a later version.
    later = {"seq", "position", "user_attributes", "user_identities"}
    if output.role in {"outcomes", "enriched"}:
        value = {k: v for k, v in value.items() if k not in later}
    return replace(output, value=json.dumps(value, sort_keys=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configurations")


cuts = st.lists(st.integers(1, 7), min_size=1, max_size=3)


@given(
    st.sampled_from(sorted(STRATEGIES)),
    lone_histories,
    cuts,
    st.integers(1, 3),
    st.lists(st.integers(1, 25), max_size=4),
)
def test_a_history_with_crashes_has_the_outputs_and_the_graph_of_one_without(
    folder, strategy, history, cuts, commit_every, crashes
):
    calm, calm_index = stream_of(history, 1), MemoryIndex()
    calm.run(pipeline_over(calm_index, strategy, folder, Crasher()), cuts, commit_every)

    stormy, index = stream_of(history, 1), MemoryIndex()
    for at in [*crashes, None]:
        crasher = Crasher(at)
        try:
            pipeline = pipeline_over(index, strategy, folder, crasher)
            stormy.run(pipeline, cuts, commit_every, crasher.reach)
        except Crash:
            continue
        else:
            break

    assert state_of(index) == state_of(calm_index)
    for role in ("enriched", "responses", "changes", "dead_letters", "outcomes"):
        seen = Counter(without_order(o) for o in stormy.published if o.role == role)
        assert seen == Counter(without_order(o) for o in calm.published if o.role == role), role


@given(st.sampled_from(sorted(STRATEGIES)), histories, cuts, cuts, st.integers(1, 3))
def test_where_poll_batches_are_cut_does_not_change_what_is_decided(
    folder, strategy, history, first, second, commit_every
):
    runs = []
    for cut in (first, second):
        stream, index = stream_of(history), MemoryIndex()
        stream.run(pipeline_over(index, strategy, folder, Crasher()), cut, commit_every)
        outputs = [without_order(o) for o in stream.published if o.role != "profiles"]
        runs.append((outputs, state_of(index)))

    assert runs[0] == runs[1]


@given(st.sampled_from(sorted(STRATEGIES)), histories, cuts, st.integers(1, 25))
def test_every_input_offset_has_one_outcome_and_the_changelog_rebuilds_the_store(
    folder, strategy, history, cuts, crash
):
    stream, index = stream_of(history), MemoryIndex()
    for at in (crash, None):
        crasher = Crasher(at)
        try:
            stream.run(pipeline_over(index, strategy, folder, crasher), cuts, 2, crasher.reach)
            break
        except Crash:
            continue

    inputs = {(r.topic, r.partition, r.offset) for rs in stream.records.values() for r in rs}
    outcomes = Counter(source_of(o) for o in stream.published if o.role == "outcomes")
    assert outcomes == Counter(inputs)
    published = [from_json(o.value) for o in stream.published if o.role == "profiles"]
    state = derive(published, {"retail": ("customerid", "email", "ios_idfv").__contains__})
    space = Space("retail", "production")
    rebuilt = sorted((p.mpid, to_json(p)) for p in state[space].profiles.values()) if state else []
    assert rebuilt == [(p.mpid, to_json(p)) for p in index.profiles()]


def test_a_replayed_batch_of_a_profile_that_was_merged_since_keeps_its_mpid(folder):
    at = ("event-batches", 0)
    events = [{"event_type": "session_start", "data": {}}]
    said = [
        {"user_identities": {"customerid": "A"}},
        {"user_identities": {"email": "a@x"}, "user_attributes": {"x": 1}},
        {"user_identities": {"customerid": "A", "email": "a@x"}, "user_attributes": {"y": 2}},
    ]
    values = [json.dumps({**body, "events": events}).encode() for body in said]
    stream = Stream({at: [Record(*at, n, 10_000 + n, b"k", v) for n, v in enumerate(values)]})
    index = MemoryIndex()
    died = pipeline_over(index, "flat_matching", folder, Crasher())
    stream.start(died)
    outputs = [output for record in stream.records[at] for output in died.process([record])]
    first = [json.loads(o.value)["mpid"] for o in outputs if o.role == "enriched"]
    assert len(set(first)) == 2, "the second profile was merged into the first"
    stream.run(pipeline_over(index, "flat_matching", folder, Crasher()), [1], 1)
    enriched = [o for o in stream.published if o.role == "enriched"]
    again = [json.loads(o.value) for o in enriched]
    assert [batch["mpid"] for batch in again] == first
    assert [o.key for o in enriched] == [b"retail/production/%d" % mpid for mpid in first]
    assert all(batch["user_attributes"] == {"x": 1, "y": 2} for batch in again)


class Registry:
    """Knows one schema, once *is_known*."""

    def __init__(self) -> None:
        self.is_known = False

    def writer(self, schema_id: int) -> str | None:
        assert schema_id == 7
        return latest("event-batch").text() if self.is_known else None


def three_batches(middle: bytes) -> Stream:
    at = ("event-batches", 0)
    values = [body_of("a@x"), middle, body_of("c@x")]
    headers = [(), (("content-type", b"application/vnd.apache.avro+binary"),), ()]
    if middle[:1] == b"{":
        headers[1] = ()
    told = zip(values, headers, strict=True)
    return Stream({at: [Record(*at, n, 9, b"k", v, h) for n, (v, h) in enumerate(told)]})


def body_of(email: str) -> bytes:
    events = [{"event_type": "session_start", "data": {}}]
    return json.dumps({"user_identities": {"email": email}, "events": events}).encode()


@pytest.mark.parametrize("cuts", [[1], [2], [3]])
def test_a_schema_that_is_registered_between_a_crash_and_the_replay_changes_nothing(folder, cuts):
    stream = three_batches(AvroWriter("event-batch", 7).write(body_of("b@x")))
    registry, index = Registry(), MemoryIndex()

    def starts() -> Pipeline:
        codecs = Codecs.build((), registry)
        return pipeline_over(index, "best_match", folder, Crasher(), codecs)

    died = starts()
    stream.start(died)
    first = [o for record in stream.records["event-batches", 0] for o in died.process([record])]
    registry.is_known = True
    stream.run(starts(), cuts, 1)
    letters = [o for o in stream.published if o.role == "dead_letters"]
    assert letters == [o for o in first if o.role == "dead_letters"]
    assert [dict(o.headers)["reason"] for o in letters] == [b"schema_not_found"]
    outcomes = [source_of(o)[2] for o in stream.published if o.role == "outcomes"]
    assert outcomes == [0, 1, 2]


def test_a_record_that_another_configuration_passed_by_is_not_decided_now(folder):
    stream = three_batches(b"{" + body_of("b@x")[1:])
    index = MemoryIndex()
    died = pipeline_over(index, "best_match", folder, Crasher())
    stream.start(died)
    for record in stream.records["event-batches", 0][::2]:
        died.process([record])
    with pytest.raises(NoStart, match="offset 1 is below the cursor"):
        stream.run(pipeline_over(index, "best_match", folder, Crasher()), [1], 1)
