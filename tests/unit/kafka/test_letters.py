"""Dead letters as they go back, and where a replay stands by reason."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from processor.codecs.headers import RESERVED, attempts, first_place, first_received
from processor.kafka.letters import (
    REASONS,
    ReplayTally,
    Selection,
    first_of,
    moved,
    pack,
    put_back,
    read_positions,
    reason_of,
    write_positions,
)
from processor.pipeline.publish import dead_letter
from processor.records import DeadLetter, Record

WANTED = Selection(frozenset(REASONS), frozenset({"batches"}), RESERVED)
RECORD = Record("batches", 2, 40, 7, b"k", b"{", (("input", b"web"), ("traceparent", b"t")))


def letter_of(record: Record, reason: str = "malformed") -> Record:
    """Return *record* as the dead letter that the processor makes of it."""
    output = dead_letter(record, DeadLetter(reason, "why")).output
    return Record("dead-letters", 0, 3, 9, output.key, output.value, output.headers)


def sent_back(letter: Record, offset: int) -> Record:
    back = put_back(letter, WANTED)
    return Record(back.topic, back.partition, offset, 11, back.key, back.value, back.headers)


def test_a_letter_goes_back_as_it_came_with_its_first_place():
    back = sent_back(letter_of(RECORD), 90)
    assert back[:3] == ("batches", 2, 90)
    assert (back.key, back.value) == (RECORD.key, RECORD.value)
    headers = dict(back.headers)
    assert headers["replay-of"] == b"batches/2/40"
    assert headers.keys() == {"input", "traceparent", "replay-of", "attempts", "replay-time"}
    assert first_place(back) == "batches/2/40"


def test_the_first_place_and_the_attempts_survive_every_further_round():
    record = RECORD
    for n in range(1, 5):
        letter = letter_of(record)
        headers = dict(letter.headers)
        assert headers["attempts"] == b"%d" % n
        assert headers["source-offset"] == b"%d" % record.offset
        assert len(headers) == len(letter.headers), "each header once"
        record = sent_back(letter, 100 + n)
        assert first_place(record) == "batches/2/40"
        assert attempts(record) == n
        assert first_received(record) == RECORD.timestamp_ms


@pytest.mark.parametrize(("said", "counts"), [(b"5", 5), (b"12", 11), (b"-1", 11), (b"x", 11)])
def test_a_record_can_be_older_than_its_timestamp_and_never_younger(said, counts):
    record = RECORD._replace(timestamp_ms=11, headers=(("replay-time", said),))
    assert first_received(record) == counts


def test_forged_headers_are_not_believed():
    for value in (b"", b"other/2/40", b"batches/x/1", b"batches/1/1/1", b"batches/1/1\n", b"\xff"):
        forged = RECORD._replace(headers=(("replay-of", value), ("attempts", b"9")))
        assert first_place(forged) == "batches/2/40"
        assert attempts(forged) == 0
        assert dict(letter_of(forged).headers)["attempts"] == b"1"
        assert "replay-of" not in dict(letter_of(forged).headers)
    for value in (b"", b"-1", b"1e9", b"9" * 30):
        forged = RECORD._replace(headers=(("replay-of", b"batches/2/1"), ("attempts", value)))
        assert attempts(forged) == 0


def test_letters_of_topics_that_are_no_inputs_and_letters_without_a_place_stay():
    foreign = letter_of(RECORD._replace(topic="elsewhere"))
    assert put_back(foreign, WANTED) is None
    bare = letter_of(RECORD)._replace(headers=(("reason", b"malformed"),))
    assert put_back(bare, WANTED) is None


def test_reasons_that_are_not_known_are_one():
    assert reason_of(letter_of(RECORD, "poison")) == "poison"
    assert reason_of(RECORD) == "other"
    assert reason_of(RECORD._replace(headers=(("reason", b"\xff"),))) == "other"


@given(st.fixed_dictionaries({reason: st.integers(0, 2**63 - 1) for reason in REASONS}))
def test_positions_by_reason_fit_an_offset_and_come_back(positions):
    offset, metadata = write_positions(positions)
    assert offset == min(positions.values())
    assert len(metadata) < 1000
    assert read_positions(offset, metadata) == positions


def test_without_an_offset_of_ours_everything_is_to_be_done_from_there():
    assert set(read_positions(-1001, "").values()) == {0}
    assert set(read_positions(50, "by hand").values()) == {50}
    assert read_positions(50, "idstream-replay1 malformed=70 gone=9")["malformed"] == 70


# ---- what one transaction puts back --------------------------------------------------------------

SOME = Selection(frozenset({"malformed"}), frozenset({"batches"}), RESERVED)
NOTHING_DONE = {0: dict.fromkeys(REASONS, 0)}


def letters(*reasons: str) -> list[Record]:
    """Return letters of these reasons, in the order of their offsets."""
    return [letter_of(RECORD, why)._replace(offset=at) for at, why in enumerate(reasons)]


def test_letters_of_other_reasons_stay_and_are_behind_the_reader_all_the_same():
    parcel = pack(letters("poison", "malformed", "poison"), NOTHING_DONE, SOME, ReplayTally(), ())
    assert [letter.place for letter in parcel.letters] == [(0, 1)]
    assert parcel.after == {0: 3}
    assert parcel.tally.replayed == {"malformed": 1}


def test_letters_that_an_earlier_replay_is_done_with_stay():
    done = {0: {**NOTHING_DONE[0], "malformed": 2, "poison": 3}}
    parcel = pack(letters(*["malformed"] * 4), done, SOME, ReplayTally(), ())
    assert [letter.place for letter in parcel.letters] == [(0, 2), (0, 3)]


def test_no_more_letters_are_looked_at_than_are_asked_for():
    three = Selection(SOME.reasons, SOME.inputs, RESERVED, most=3)
    earlier = ReplayTally({"malformed": 1})
    parcel = pack(letters(*["malformed"] * 9), NOTHING_DONE, three, earlier, ())
    assert len(parcel.letters) == 2
    assert parcel.after == {0: 2}
    assert parcel.tally.total() == 3
    assert earlier.total() == 1, "counted once its transaction has committed"


def test_letters_that_their_topic_refuses_are_passed_over_and_counted():
    parcel = pack(letters("malformed", "malformed"), NOTHING_DONE, SOME, ReplayTally(), {(0, 0)})
    assert [letter.place for letter in parcel.letters] == [(0, 1)]
    assert (parcel.tally.too_large, parcel.tally.total()) == (1, 1)
    assert parcel.after == {0: 2}


@given(
    st.fixed_dictionaries({reason: st.integers(0, 50) for reason in REASONS}),
    st.frozensets(st.sampled_from(REASONS), min_size=1),
    st.lists(st.sampled_from(REASONS), max_size=30),
)
def test_a_replay_of_the_same_reasons_finds_nothing_more(held, reasons, lying):
    selection = Selection(reasons, frozenset({"batches"}), RESERVED)
    lies = letters(*lying)
    after = pack(lies, {0: held}, selection, ReplayTally(), ()).after
    done = moved(held, selection, after.get(0, 0))
    assert pack(lies, {0: done}, selection, ReplayTally(), ()).letters == ()
    assert all(done[reason] >= at for reason, at in held.items())
    assert all(done[reason] == held[reason] for reason in set(REASONS) - reasons)
    assert first_of(done, selection.reasons) >= first_of(held, selection.reasons)
