"""Fields that a user's batches repeat are encoded once, and the record is the same."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.avro.encodings import BESIDE, Encodings
from processor.codecs.avro.reading import REPEATED, AvroWriter
from processor.codecs.avro.schemas import latest
from processor.codecs.formats import Codecs
from processor.records import Output

ROOM = 1_000_000
SCALARS = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.text() | st.just(0.5)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(), SCALARS, max_size=2)
NAMES = st.sampled_from([*sorted(REPEATED), "environment", "timestamp_unixtime_ms", "colour"])
FITTING: dict[str, st.SearchStrategy] = {
    "user_identities": st.dictionaries(st.text(), SCALARS, max_size=2),
    "mp_deviceid": st.text(),
    "device_info": st.dictionaries(st.text(), SCALARS, max_size=2),
    "user_attributes": st.dictionaries(st.text(), SCALARS | st.lists(SCALARS), max_size=2),
    "deleted_user_attributes": st.lists(st.text(), max_size=2),
    "consent_state": st.fixed_dictionaries({"gdpr": st.dictionaries(st.text(), st.none())}),
}
BATCHES = st.dictionaries(NAMES, VALUES) | st.fixed_dictionaries({}, optional=FITTING)


def writers(room: int = ROOM) -> tuple[AvroWriter, AvroWriter, Encodings]:
    """Return a writer that remembers nothing, one that does, and what it remembers."""
    held = Encodings(room)
    return AvroWriter("enriched-batch"), AvroWriter("enriched-batch", encodings=held), held


@given(st.lists(BATCHES, min_size=1, max_size=3), st.sampled_from([0, 2 * BESIDE, ROOM]))
def test_a_batch_is_written_the_same_whatever_was_written_before(batches, room):
    plain, remembering, _ = writers(room)
    for batch in [*batches, *batches]:
        value = msgspec.json.encode(batch)
        assert remembering.write(value) == plain.write(value)


def test_a_field_that_says_the_same_is_encoded_once():
    _, remembering, held = writers()
    value = b'{"user_attributes": {"drink": "Tea"}, "mpid": 7}'
    remembering.write(value)
    known = held.bytes
    assert known > BESIDE
    remembering.write(value)
    assert held.bytes == known
    remembering.write(value.replace(b"Tea", b"Coke"))
    assert held.bytes > known


def test_the_same_words_in_another_field_are_another_field():
    plain, remembering, _ = writers()
    for name in ("deleted_user_attributes", "user_attributes", "deleted_user_attributes"):
        value = b'{"%s": ["drink"]}' % name.encode()  # a list fits only the first
        assert remembering.write(value) == plain.write(value)


def test_a_field_that_does_not_fit_is_not_remembered():
    plain, remembering, held = writers()
    value = b'{"user_attributes": "none"}'
    assert remembering.write(value) == plain.write(value)
    assert held.bytes == 0


def test_what_is_remembered_stays_within_its_bound():
    _, remembering, held = writers(20 * BESIDE)
    for number in range(100):
        remembering.write(b'{"user_attributes": {"n": %d}}' % number)
        assert 0 < held.bytes <= 20 * BESIDE
    assert held.evicted
    none = Encodings(0)
    none.keep(("user_attributes", b"{}"), b"\0")
    assert (none.bytes, none.find(("user_attributes", b"{}"))) == (0, None)


def test_every_repeated_field_may_be_null():
    fields = {one["name"]: one for one in latest("enriched-batch").schema["fields"]}
    assert all("null" in fields[name]["type"] for name in REPEATED)


@pytest.mark.parametrize(
    ("roles", "room", "remembers"),
    [(["enriched"], ROOM, True), (["enriched"], 0, False), (["profiles"], ROOM, False)],
)
def test_only_enriched_batches_are_remembered_and_only_where_there_is_room(roles, room, remembers):
    codecs = Codecs.build(roles, memory_bytes=room)
    assert (codecs.encodings is not None) == remembers
    output = Output("enriched", None, b'{"user_attributes": {"a": "b"}}', ())
    codecs.written([output])
    assert not remembers or codecs.encodings.bytes > 0
