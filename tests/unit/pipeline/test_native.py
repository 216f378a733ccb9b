"""What is read in C is read and laid out as in Python; all else is left to Python."""

import json
import os
from random import Random
from sys import getrefcount

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from processor.codecs.batch import read_heads
from processor.codecs.envelope import open_object
from processor.codecs.fault import Fault
from processor.identity.decision import Matched
from processor.identity.model import Space
from processor.index.cache import Slots
from processor.index.memory import MemoryIndex
from processor.pipeline import native
from processor.pipeline.batches import Batch
from processor.pipeline.enrichment import lay_over
from processor.pipeline.known import Known
from processor.pipeline.memory import WORDS, Made, Memo, Reads, Term, words_of
from processor.pipeline.work import Verdict
from processor.records import Record
from tests.unit.pipeline.test_memory import START, assign, pipeline

IS_OFF = os.environ.get("IDSTREAM_TEST_NATIVE") == "off"
if native.recall is None and (IS_OFF or os.environ.get("CI") != "true"):
    pytest.skip("native code is not there", allow_module_level=True)

MOST = 4096
BATCH = {
    "environment": "production",
    "source_request_id": "request-1",
    "timestamp_unixtime_ms": 1_700_000_000_000,
    "user_identities": {"customerid": "C1", "email": "zoë@example.com"},
    "user_attributes": {"color": "red", "sizes": ["S", "M"], "age": 41.5},
    "device_info": {"platform": "iOS", "screen_height": 2532, "ios_idfv": "A-1"},
    "consent_state": {"gdpr": {"ads": {"consented": True}}},
    "application_info": {"application_name": "Laden", "nested": [{"a": [[], {}]}, None]},
    "system_notifications": [],
    "schema_version": 1,
    "events": [
        {"event_type": "session_start", "data": {"timestamp_unixtime_ms": 1_700_000_000_005}},
        {
            "data": {
                "event_name": 'In den "Warenkorb" 🛒\n',
                "custom_event_type": "navigation",
                "timestamp_unixtime_ms": 1_700_000_000_003,
                "custom_attributes": {"price": -0.25, "ok": True, "no": False, "none": None},
            },
            "event_type": "custom_event",
        },
        {"event_type": "screen_view", "data": None},
        {"event_type": "push_reaction"},
    ],
}
OVER = {
    "environment": Raw(b'"production"'),
    "mpid": Raw(b"-42"),
    "user_attributes": Raw(b'{"color":"red"}'),
    "user_identities": Raw(b'[{"identity_type":"email"}]'),
    "consent_state": Raw(b"{}"),
    "device_info": Raw(b'{"platform":"iOS"}'),
}
ENCODED = (
    json.dumps(BATCH, ensure_ascii=False, separators=(",", ":")).encode(),
    json.dumps(BATCH).encode(),
    json.dumps(BATCH, indent="\t").replace("\n", " \r\n").encode() + b"\n ",
)
ANONYMOUS = {name: value for name, value in BATCH.items() if name not in WORDS}
"""Of nobody: what is remembered of it is found whatever its other fields say."""


def memo_of(words, over=OVER) -> Memo:
    verdict = Verdict(Matched(42), "forwarded")
    made = Made(b"key", over, ())
    reads = Reads((), (), Slots((), ()))
    kept = tuple(None if raw is None else Raw(bytes(raw)) for raw in words)
    return Memo(Space("retail", "production"), kept, reads, Term(0), (verdict, verdict), made)


def name_of(words):
    return ("app", *(b"" if raw is None else bytes(raw) for raw in words[:2]))


def remembered(value: bytes, over=OVER):
    """Return memos as the memory holds them: one, of the words of *value*."""
    words = words_of(open_object(value, MOST))
    return {name_of(words): memo_of(words, over)}


def in_python(value, memos, most=MOST):
    """Return what C is to return if it does not leave the batch to Python."""
    try:
        fields = open_object(value, most)
    except Fault:
        return None
    heads, words = read_heads(fields), words_of(fields)
    memo = memos.get(name_of(words))
    if heads is None or memo is None or memo.words != words:
        return None
    enriched = lay_over(fields, memo.made.fields, None)
    return memo, heads.has_events, heads.time_ms, heads.source_request_id, enriched


def in_c(value, memos, most=MOST):
    return native.recall(value, most, "app", memos)


def same(value, memos) -> bool:
    """Whether C took the batch; if so as Python does."""
    found = in_c(value, memos)
    if found is not None:
        assert found == in_python(value, memos), value
    return found is not None


@pytest.mark.parametrize("value", ENCODED)
def test_a_usual_batch_is_taken_and_enriched_as_in_python(value):
    memos = remembered(value)
    found = in_c(value, memos)
    assert found is not None
    assert found == in_python(value, memos)
    assert found[1:4] == (True, 1_700_000_000_003, "request-1")
    assert json.loads(found[4])["schema_version"] == 2


USUAL = {
    "no events": {"events": []},
    "events are null": {"events": None},
    "a time is null": {"timestamp_unixtime_ms": None, "events": None},
    "time is zero": {"timestamp_unixtime_ms": 0, "events": []},
    "an event has no time": {"events": [{"event_type": "opt_out", "data": {}}]},
    "a type is null": {"events": [{"event_type": "profile", "data": {"custom_event_type": None}}]},
    "a request id is null": {"source_request_id": None},
    "a request id is empty": {"source_request_id": ""},
    "an MPID": {"mpid": "77"},
    "a control character": {"context": {"\x7f": '\x00\x1f\\/"\b\f'}},
    "a long text": {"context": "x" * 1500 + "ü" + "y" * 500},
    "levels": {"context": json.loads("[" * 64 + "]" * 64)},
    "a schema of ours": {"schema_version": 2},
}


@pytest.mark.parametrize("change", USUAL.values(), ids=USUAL)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_what_else_is_usual_is_taken(change, is_ascii):
    value = json.dumps({**BATCH, **change}, ensure_ascii=is_ascii).encode()
    assert same(value, remembered(value))


def test_a_request_id_that_is_escaped_is_left_to_python():
    value = b'{"source_request_id":"gr\\u00f6\\u00dfe"}'
    assert in_python(value, remembered(b"{}"))[3] == "größe"
    assert in_c(value, remembered(b"{}")) is None


def test_fields_that_are_missing_are_laid_behind_the_others_in_their_order():
    for without in BATCH:
        value = msgspec.json.encode({n: v for n, v in BATCH.items() if n != without})
        assert same(value, remembered(value))
    for one in BATCH.items():
        value = msgspec.json.encode(dict([one]))
        assert same(value, remembered(value))
    assert same(b"{}", remembered(b"{}"))
    assert same(b'{"mpid":1}', remembered(b'{"mpid":1}', {}))


UNUSUAL = {
    "no object": b"[]",
    "empty": b"",
    "space before": b' {"events":[]}',
    "a byte order mark": b'\xef\xbb\xbf{"events":[]}',
    "an end too much": b'{"events":[]}}',
    "a NUL behind": b'{"events":[]}\x00',
    "cut": b'{"events":[',
    "a comma too much": b'{"events":[],}',
    "no colon": b'{"events" []}',
    "a name twice": b'{"events":[],"events":[]}',
    "an unknown name": b'{"evnts":[]}',
    "a name with an escape": b'{"\\u0065vents":[]}',
    "events of another type": b'{"events":{}}',
    "an event of another type": b'{"events":[null]}',
    "an event without a type": b'{"events":[{}]}',
    "an event of an unknown type": b'{"events":[{"event_type":"party"}]}',
    "a type twice": b'{"events":[{"event_type":"profile","event_type":"opt_out"}]}',
    "a type with an escape": b'{"events":[{"event_type":"pr\\u006ffile"}]}',
    "a name in an event with an escape": b'{"events":[{"event_type":"profile","\\u0064ata":1}]}',
    "data of another type": b'{"events":[{"event_type":"profile","data":[]}]}',
    "data twice": b'{"events":[{"event_type":"profile","data":null,"data":{}}]}',
    "attribution": b'{"events":[{"event_type":"custom_event","data":'
    b'{"custom_event_type":"attribution"}}]}',
    "a custom type twice": b'{"events":[{"event_type":"custom_event","data":'
    b'{"custom_event_type":"other","custom_event_type":"media"}}]}',
    "a time twice": b'{"events":[{"event_type":"profile","data":'
    b'{"timestamp_unixtime_ms":2,"timestamp_unixtime_ms":1}}]}',
    "a time before 1970": b'{"timestamp_unixtime_ms":-1}',
    "a time that is text": b'{"timestamp_unixtime_ms":"1"}',
    "a time with a fraction": b'{"timestamp_unixtime_ms":1.5}',
    "a time with an exponent": b'{"timestamp_unixtime_ms":1e3}',
    "a time with a zero before": b'{"timestamp_unixtime_ms":01}',
    "a time of many digits": b'{"timestamp_unixtime_ms":1700000000000000}',
    "a request id that is a number": b'{"source_request_id":1}',
    "a request id with an escape": b'{"source_request_id":"\\n"}',
    "an exponent": b'{"context":1e400}',
    "a long number": b'{"context":123456789012345678901234567890123}',
    "no number": b'{"context":NaN}',
    "a number without an end": b'{"context":1.}',
    "a number with a sign": b'{"context":+1}',
    "a minus alone": b'{"context":-}',
    "a zero before": b'{"context":00}',
    "a word that goes on": b'{"context":nulll}',
    "a word that stops": b'{"context":tru}',
    "a control character": b'{"context":"\x1f"}',
    "an unknown escape": b'{"context":"\\x"}',
    "half an escape": b'{"context":"\\u12"}',
    "no hex": b'{"context":"\\u12g4"}',
    "half a pair": b'{"context":"\\ud800"}',
    "half a pair, and a letter": b'{"context":"\\ud800\\u0041"}',
    "two first halves": b'{"context":"\\ud800\\ud800"}',
    "two second halves": b'{"context":"\\udc00\\udc00"}',
    "a second half": b'{"context":"\\udfff"}',
    "a pair of which the second is cut": b'{"context":"\\ud800\\udc0"}',
    "a continuation alone": b'{"context":"\x80"}',
    "overlong, of two": b'{"context":"\xc1\xbf"}',
    "overlong, of three": b'{"context":"\xe0\x9f\xbf"}',
    "overlong, of four": b'{"context":"\xf0\x8f\xbf\xbf"}',
    "a surrogate": b'{"context":"\xed\xa0\x80"}',
    "beyond Unicode": b'{"context":"\xf4\x90\x80\x80"}',
    "no character": b'{"context":"\xf5\x80\x80\x80"}',
    "a character that is cut": b'{"context":"\xf0\x9f\x9b"}',
    "the same before its end": b'{"context":"\xf0\x9f\x9b',
    "an object that closes a list": b'{"context":[}}',
    "too many levels": b'{"context":' + b"[" * 65 + b"]" * 65 + b"}",
    "a comment": b'{"context":1/**/}',
    "single quotes": b"{'context':1}",
    "a name that is no text": b'{"context":{1:2}}',
}


@pytest.mark.parametrize("value", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_left_to_python(value):
    memos = remembered(b"{}")
    assert in_c(b'{"events":[]}', memos) is not None
    assert in_c(value, memos) is None


def test_what_is_no_bytes_or_too_large_is_left_to_python():
    value = ENCODED[0]
    memos = remembered(value)
    assert in_c(None, memos) is None
    assert in_c(bytearray(value), memos) is None
    assert in_c(value, memos, len(value)) is not None
    assert in_c(value, memos, len(value) - 1) is None
    assert in_c(value, memos, 0) is None


def test_what_is_not_remembered_is_left_to_python():
    value = ENCODED[0]
    memos = remembered(value)
    assert native.recall(value, MOST, "web", memos) is None
    assert in_c(value, {}) is None
    words = words_of(open_object(value, MOST))
    for place, word in enumerate(words):
        said = b"" if word is None else bytes(word)
        for other in (None, Raw(said[:-1]), Raw(said + b" "), Raw(b"x" + said[1:])):
            if other != word:
                changed = (*words[:place], other, *words[place + 1 :])
                assert in_c(value, {name_of(words): memo_of(changed)}) is None, WORDS[place]


def test_fields_that_cannot_be_laid_over_are_left_to_python():
    value = ENCODED[0]
    for over in (
        {"a b": Raw(b"1")},
        {"\udc80": Raw(b"1")},
        {"schema_version": Raw(b"1")},
        {"system_notifications": Raw(b"1")},
        {"mpid": 1},
        {f"field_{'x' * n}": Raw(b"1") for n in range(33)},
    ):
        assert in_c(value, remembered(value, over)) is None
    for over in ({}, {f"field_{'x' * n}": Raw(b"1") for n in range(32)}):
        assert same(value, remembered(value, over))


def test_a_request_id_may_be_any_text():
    value = '{"source_request_id":"größe-✓-🛒"}'.encode()
    assert same(value, remembered(b"{}"))


def test_what_is_no_question_is_refused():
    with pytest.raises(TypeError):
        native.recall(b"{}", MOST, "app")
    with pytest.raises(TypeError):
        native.recall(b"{}", MOST, "app", [])
    with pytest.raises(TypeError):
        native.recall(b"{}", "many", "app", {})
    with pytest.raises(OverflowError):
        native.recall(b"{}", 2**70, "app", {})


# ---- in the pipeline ----------------------------------------------------------------------------


def record_of(value: bytes, offset: int, headers=()) -> Record:
    return Record("batches", 0, offset, START + offset, b"", value, headers)


def taken_again(*headers):
    """Return how a batch that came twice before is taken in the third time."""
    made = pipeline(MemoryIndex(), remembers=True)
    assign(made, 0)
    body = {n: v for n, v in BATCH.items() if n in ("user_identities", "user_attributes", "events")}
    value = json.dumps(body).encode()
    for offset in range(2):
        made.process([record_of(value, offset, headers)])
    return made._intake.take(record_of(value, 2, headers)), made


def test_a_known_batch_is_recalled_in_c():
    work, made = taken_again()
    assert isinstance(work.content, Known)
    assert isinstance(work.content.fields, bytes)
    (output,) = made.process([work.record])
    assert output.value is not work.content.fields  # it was taken in once more
    assert output.value == work.content.fields


def test_what_was_recalled_in_c_is_taken_anew_in_python():
    work, _ = taken_again()
    anew = work.content.take_anew()
    read = pipeline(MemoryIndex(), remembers=False)._intake.take(work.record)
    assert isinstance(anew.content, Batch)
    assert (anew.time_ms, anew.ask, anew.request) == (read.time_ms, read.ask, read.request)
    assert anew.content.batch == read.content.batch


def test_where_events_count_a_known_batch_is_read_in_python():
    work, _ = taken_again(("input", b"beside"))
    assert isinstance(work.content.fields, bytes)
    work, _ = taken_again(("input", b"counted"))
    assert not isinstance(getattr(work.content, "fields", None), bytes)


# ---- anything at all ----------------------------------------------------------------------------

PIECES = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud83d\\uded2", b"\\u00e9", b"null",
    b"true", b"NaN", b"Infinity", b"-", b"0", b"1e9", b"1.5", b"9" * 19, b"9" * 400, b" ", b"\n",
    b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xc0\x80", b"\xc3\xbc", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xf0\x9f\x9b\x92", b"\xf4\x90\x80\x80", b"{}", b"[]", b'""', b'"events":[],', b"[" * 70,
    b'"event_type":"custom_event",', b'"data":{},', b'"timestamp_unixtime_ms":1,', b"/**/",
    b'"custom_event_type":"other",', b'"source_request_id":"a",', b'"consent_state":{},',
    b'"schema_version":3,', b'"context":{},', b'"mpid":7,',
)  # fmt: skip


def mutated(random: Random, value: bytes) -> bytes:
    """Return *value* with up to three things of it changed."""
    for _ in range(random.randint(1, 3)):
        at, to = random.randrange(len(value) + 1), random.randrange(len(value) + 1)
        to = to if random.random() < 0.1 else min(len(value), at + random.randint(0, 8))
        at, to = min(at, to), max(at, to)
        kind = random.randrange(6)
        if kind == 0:
            piece = bytes([random.randrange(256)])
        elif kind == 1:
            piece = b""
        elif kind == 2:
            piece = value[at:to] * 2
        elif kind == 3:
            piece, value = b"", value[:to]
        else:
            piece = random.choice(PIECES)
        value = value[:at] + piece + value[to if kind in (0, 1, 2, 4) else at :]
    return value


def test_whatever_becomes_of_the_bytes_c_agrees_with_python_or_leaves_it_to_python():
    random = Random(7)
    values = [
        *ENCODED,
        *(msgspec.json.encode(ANONYMOUS | {"context": one}) for one in (1, "ü", BATCH)),
    ]
    memos = {}
    for value in (*values, b"{}"):
        memos |= remembered(value)
    taken = sum(same(mutated(random, random.choice(values)), memos) for _ in range(20_000))
    assert taken > 500


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.just("\ud800")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
TIMES = st.one_of(st.integers(-1, 2**64), st.none(), st.floats(), VALUES)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "timestamp_unixtime_ms": TIMES,
        "custom_event_type": st.sampled_from(("other", "attribution", "media", None, 1, "")),
        "event_name": VALUES,
    },
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"event_type": st.sampled_from(("profile", "custom_event", "uninstall", "odd", None))},
        optional={"data": DATA | st.none() | VALUES, "more": VALUES},
    ),
    max_size=3,
)
BATCHES = st.fixed_dictionaries(
    {},
    optional={
        "events": EVENTS | st.none() | VALUES,
        "timestamp_unixtime_ms": TIMES,
        "source_request_id": st.text(max_size=9) | st.none() | VALUES,
        **dict.fromkeys(("context", "schema_version", "batch_id", "evnts", "mpid"), VALUES),
        **dict.fromkeys(("user_identities", "device_info", "consent_state", "ip"), VALUES),
    },
)


@given(
    BATCHES,
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (" , ", " :\t")]),
)
def test_any_batch_is_read_as_in_python_or_left_to_python(batch, is_ascii, indent, separators):
    text = json.dumps(batch, ensure_ascii=is_ascii, indent=indent, separators=separators)
    value = text.encode("utf-8", "surrogatepass")
    try:
        memos = remembered(value)
    except Fault:
        assert in_c(value, {}) is None
        return
    same(value, memos)


def test_asking_again_and_again_keeps_nothing():
    value = ENCODED[0]
    memos = remembered(value)
    (memo,) = memos.values()
    held = (value, memo, memo.words, memo.made, memo.made.fields, *OVER.values(), "app", None)
    odd = {name: memo_of(memo.words, {"mpid": 1}) for name in memos}
    before = [getrefcount(one) for one in held]
    for n in range(1_000):
        assert in_c(value, memos) is not None
        in_c(value[: n % len(value)], memos)
        in_c(value, odd)
    after = [getrefcount(one) for one in held]
    assert max(abs(now - was) for now, was in zip(after, before, strict=True)) < 100
