"""A batch that fits a template is what it would be if it were opened."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec import Raw

from processor.codecs.batch import read_heads
from processor.codecs.envelope import open_object
from processor.codecs.fault import Fault
from processor.pipeline.enrichment import lay_over
from processor.pipeline.memory import words_of
from processor.pipeline.template import HOLES, Template, template_of

OVER = {"environment": Raw(b'"production"'), "mpid": Raw(b"7"), "user_attributes": Raw(b"{}")}
EVENT = {"event_type": "screen_view", "data": {"timestamp_unixtime_ms": 5, "name": "ü"}}
BATCH = {
    "environment": "production",
    "source_request_id": "r-1",
    "timestamp_unixtime_ms": 1_700_000_000_000,
    "user_identities": {"email": "ed@example.com"},
    "user_attributes": {"drink": "tea"},
    "consent_state": {"gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": 3}}},
    "application_info": {"version": "5"},
    "events": [EVENT],
}
STYLES = {"compact": (",", ":"), "spaced": (", ", ": ")}


def text(batch: dict, style: str = "compact") -> bytes:
    return json.dumps(batch, separators=STYLES[style], ensure_ascii=False).encode()


def template(batch: dict, style: str = "compact") -> Template:
    value = text(batch, style)
    made = template_of(value, open_object(value, len(value)), OVER)
    assert made is not None
    return made


def is_as_opened(made: Template, like: bytes, value: bytes) -> bool:
    """Whether *value* fits; if so it must be what opening it makes of it."""
    filled = made.fill(value)
    if filled is None:
        return False
    fields = open_object(value, len(value))  # no fault
    assert words_of(fields) == words_of(open_object(like, len(like)))
    assert filled.heads == read_heads(fields)
    assert filled.value == lay_over(fields, OVER, None)
    return True


orders = st.permutations(list(BATCH)).map(lambda names: {name: BATCH[name] for name in names})
values = {
    "source_request_id": st.text(st.characters(codec="utf-8"), max_size=8),
    "timestamp_unixtime_ms": st.integers(0, 1 << 45),
    "events": st.lists(
        st.fixed_dictionaries(
            {
                "event_type": st.sampled_from(["screen_view", "custom_event", "nonsense"]),
                "data": st.dictionaries(
                    st.sampled_from([*HOLES, "custom_event_type"]), st.integers(0, 9), max_size=3
                ),
            }
        ),
        max_size=3,
    ),
}
holes = st.fixed_dictionaries(values)


@given(orders, holes, st.sampled_from(list(STYLES)))
def test_whatever_is_in_the_holes_is_read_as_if_it_were_opened(batch, filling, style):
    value = text({**batch, **filling}, style)
    is_as_opened(template(batch, style), text(batch, style), value)


pieces = st.sampled_from(
    [b"null", b' "x" ', b'"a",', b"[]", b'"', b"\\", b"{", b"}", b"1", b"1.5", b"\xff", b"\n", b"-"]
)


@given(orders, st.sampled_from(HOLES), st.lists(pieces, max_size=3).map(b"".join))
def test_what_is_no_value_does_not_fit(batch, name, piece):
    value = text(batch).replace(text(batch[name]), piece)
    is_as_opened(template(batch), text(batch), value)


@given(orders, st.data())
def test_a_byte_more_or_less_anywhere_is_read_as_if_it_were_opened(batch, data):
    value = like = text(batch)
    at = data.draw(st.integers(0, len(value)))
    other = data.draw(st.sampled_from([b"", b" ", b'"', b"0", b",", b"}", b"\\", b"\x00"]))
    value = value[:at] + other + value[at + data.draw(st.integers(0, 1)) :]
    is_as_opened(template(batch), like, value)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("last", [*HOLES, "environment"])
def test_a_batch_with_other_events_id_and_time_fits(style, last):
    batch = {**{name: one for name, one in BATCH.items() if name != last}, last: BATCH[last]}
    other = {"source_request_id": "r-2", "timestamp_unixtime_ms": 9, "events": [EVENT, EVENT]}
    if last != "timestamp_unixtime_ms":  # where events follow, their end is that of the value
        value = text({**batch, **other}, style)
        assert is_as_opened(template(batch, style), text(batch, style), value)


@pytest.mark.parametrize("name", [name for name in BATCH if name not in HOLES])
def test_any_other_field_that_differs_does_not_fit(name):
    assert template(BATCH).fill(text({**BATCH, name: "other"})) is None


def test_a_field_more_or_less_does_not_fit():
    made = template(BATCH)
    assert made.fill(text({**BATCH, "mpid": "8"})) is None
    assert made.fill(text({n: one for n, one in BATCH.items() if n != "source_request_id"})) is None


@pytest.mark.parametrize("name", HOLES)
def test_null_in_a_hole_does_not_fit(name):
    assert template(BATCH).fill(text({**BATCH, name: None})) is None


@pytest.mark.parametrize("bad", [b'"\xff"', b'"\\ud800"', b"[" * 200 + b"]" * 200, b"NaN"])
def test_what_cannot_be_opened_does_not_fit(bad):
    value = text(BATCH).replace('"ü"'.encode(), bad)
    with pytest.raises(Fault):
        open_object(value, len(value))
    assert template(BATCH).fill(value) is None


@pytest.mark.parametrize(
    "value",
    [
        b'{"events":[],"events":[]}',
        b'{ "events" : [] }',
        b'{"source_request_id":"x","source_request_id":"y"}',
        b'{"\\u0065vents":[]}',
        b'{"environment":"production"}',
    ],
)
def test_a_text_that_is_not_written_as_usual_has_no_template(value):
    assert template_of(value, open_object(value, len(value)), OVER) is None
