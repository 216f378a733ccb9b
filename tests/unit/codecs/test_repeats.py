"""What users' batches repeat in Avro is read and written once, and means the same."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.codecs.avro.repeats import BESIDE, PASSAGE_BYTES, REPEATED, Repeats
from processor.codecs.avro.schemas import MESSAGES, latest
from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault
from processor.codecs.formats import Codecs
from processor.records import Output

SCHEMAS = Path(__file__).parents[3] / "schemas"
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


def writers(room: int = ROOM) -> tuple[AvroWriter, AvroWriter, Repeats]:
    """Return a writer that remembers nothing, one that does, and what it remembers."""
    held = Repeats(room)
    return AvroWriter("enriched-batch"), AvroWriter("enriched-batch", repeats=held), held


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
    none = Repeats(0)
    none.keep_encoding(("user_attributes", b"{}"), b"\0")
    assert (none.bytes, none.encoding(("user_attributes", b"{}"))) == (0, None)


def test_what_would_take_much_of_the_room_is_not_remembered_and_leaves_the_others():
    room = 8 * PASSAGE_BYTES
    _, remembering, held = writers(room)
    one, large = reader(held=held), {"user_attributes": {"text": "t" * (room // 4)}}
    remembering.write(b'{"user_attributes": {"drink": "Tea"}}')
    one.open_object(avro(user_attributes={"drink": "Tea"}), 999)
    known = held.bytes
    for _ in range(3):
        remembering.write(msgspec.json.encode(large))
        one.open_object(avro(**large), 2 * room)
    assert (held.bytes, held.evicted) == (known, 0)


def test_every_repeated_field_may_be_null():
    fields = {one["name"]: one for one in latest("enriched-batch").schema["fields"]}
    assert all("null" in fields[name]["type"] for name in REPEATED)


# ---- reading --------------------------------------------------------------------------------


def opened(reader: AvroReader, value: bytes, most: int) -> Fields | tuple[str, str]:
    """Return the fields in their order, or what is wrong."""
    try:
        return list(reader.open_object(value, most).items())
    except Fault as fault:
        return fault.reason, fault.detail


ENDED, CONTINUED = 256, 257


def damaged(value: bytes, at: int, how: int) -> bytes:
    """Return *value* with one byte changed, ended there, or with something behind it."""
    at %= len(value)
    if how < 256:
        return value[:at] + bytes([how]) + value[at + 1 :]
    return value[:at] if how == ENDED else value + value[at:]


@given(
    st.lists(BATCHES, min_size=1, max_size=3),
    st.integers(0, 999),
    st.integers(0, 255) | st.sampled_from([ENDED, CONTINUED]),
    st.sampled_from([0, 4 * PASSAGE_BYTES, ROOM]),
    st.sampled_from([40, 80, 10_000]),
)
def test_a_batch_is_read_the_same_whatever_was_read_before(batches, at, how, room, most):
    plain, remembering = AvroReader("event-batch"), reader(room)
    values = [AvroWriter("event-batch").write(msgspec.json.encode(one)) for one in batches]
    for value in [*values, *(damaged(one, at, how) for one in values), *values]:
        for size in (most, 10_000):
            assert opened(remembering, value, size) == opened(plain, value, size)


def reader(room: int = ROOM, held: Repeats | None = None) -> AvroReader:
    return AvroReader("event-batch", repeats=held or Repeats(room))


def avro(**fields: object) -> bytes:
    return AvroWriter("event-batch").write(msgspec.json.encode(fields))


def test_a_passage_that_says_the_same_is_read_once():
    held = Repeats(ROOM)
    one = reader(held=held)
    first = one.open_object(avro(source_request_id="1", user_attributes={"drink": "Tea"}), 999)
    known = held.bytes
    assert known > PASSAGE_BYTES
    again = one.open_object(avro(source_request_id="2", user_attributes={"drink": "Tea"}), 999)
    assert held.bytes == known
    assert again["user_attributes"] is first["user_attributes"]
    assert again["source_request_id"] != first["source_request_id"]


def test_a_passage_that_begins_alike_takes_the_place_of_the_other():
    held = Repeats(ROOM)
    one, begins = reader(held=held), {"email": "a@b.example", "other": "o" * 64}
    for drink in ("Tea", "Mate", "Tea"):
        fields = one.open_object(avro(user_identities=begins, device_info={"d": drink}), 999)
        assert bytes(fields["device_info"]) == b'{"d":"%s"}' % drink.encode()
        assert PASSAGE_BYTES < held.bytes < 2 * PASSAGE_BYTES


def test_a_batch_whose_json_is_too_long_is_refused_also_where_its_passage_is_known():
    one, value = reader(), avro(user_attributes=dict.fromkeys("abcdefghijkl", False))
    assert len(value) < 100
    assert one.open_object(value, 200)
    assert opened(one, value, 100) == opened(AvroReader("event-batch"), value, 100)
    assert opened(one, value, 100)[0] == "oversize"


def test_what_a_batch_is_given_later_does_not_come_into_the_next():
    one = reader()
    one.open_object(avro(user_attributes={"drink": "Tea"}), 999)["environment"] = msgspec.Raw(b"7")
    assert list(one.open_object(avro(user_attributes={"drink": "Tea"}), 999)) == ["user_attributes"]


def test_passages_stay_within_their_bound():
    held = Repeats(5 * PASSAGE_BYTES)
    one = reader(held=held)
    for number in range(100):
        one.open_object(avro(user_attributes={"n": number}), 999)
        assert 0 < held.bytes <= 5 * PASSAGE_BYTES
    assert held.evicted > 90


def test_a_schema_of_somebody_else_is_resolved_as_a_whole():
    held = Repeats(ROOM)
    enriched = AvroWriter("enriched-batch").write(b'{"user_attributes": {"drink": "Tea"}}')
    fields = reader(held=held).open_object(enriched, 999)
    assert bytes(fields["user_attributes"]) == b'{"drink":"Tea"}'
    assert held.bytes == 0


# ---- where it is remembered -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "room", "remembers"),
    [("enriched", ROOM, True), ("enriched", 0, False), ("audience_changes", ROOM, False)],
)
def test_only_enriched_batches_are_remembered_and_only_where_there_is_room(role, room, remembers):
    codecs = Codecs.build([role], memory_bytes=room)
    example = next((SCHEMAS / MESSAGES[role] / "examples").glob("*.json")).read_bytes()
    codecs.written([Output(role, None, example, ())])
    assert bool(codecs.repeats and codecs.repeats.bytes) == remembers
