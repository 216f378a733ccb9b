"""Cases are read from their topic: the highest version of each, in JSON and Avro, of our key."""

import pytest
from msgspec.structs import replace

from processor.codecs.avro.reading import AvroWriter
from processor.commands.restore.cases import CaseReader, of_key
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.privacy.case import Case, case_key, case_number, case_to_json
from processor.records import Record

SPACE = Space("retail", "production")


def a_case(request_id: str, version: int, key: bytes = b"key") -> Case:
    return Case(
        scope="retail",
        environment="production",
        number=case_number(request_id, "retail", key),
        version=version,
        request_id=request_id,
        request_type="erasure",
        workspace="retail",
        state="pending",
        digest=b"",
        about="",
        received_ms=0,
        expected_ms=0,
    )


def record(case: Case, value: bytes | None, *headers: tuple[str, bytes], offset: int = 0) -> Record:
    return Record("cases", 0, offset, 0, case_key(SPACE, case.number), value, headers)


def gone(case: Case) -> Record:
    return record(case, None, ("version", b"%d" % case.version))


def read(*records: Record) -> CaseReader:
    reader = CaseReader()
    reader.read(records)
    return reader


def test_of_each_case_the_highest_version_counts_wherever_it_stands():
    one, other = a_case("one", 3), a_case("other", 1)
    records = [record(c, case_to_json(c)) for c in (one, other, replace(one, version=2))]
    assert read(*records).cases == [one, other]


@pytest.mark.parametrize(("tombstone", "is_there"), [(4, False), (2, True)])
def test_a_case_that_was_taken_away_is_not_there_whatever_comes_behind(tombstone, is_there):
    case = a_case("one", 3)
    away = gone(replace(case, version=tombstone))
    for records in (
        [record(case, case_to_json(case)), away],
        [away, record(case, case_to_json(case))],
    ):
        assert bool(read(*records).cases) is is_there


def test_a_case_in_avro_is_the_same():
    case = a_case("one", 1)
    avro = AvroWriter("subject-case").write(case_to_json(case))
    headers = ("content-type", b"application/vnd.apache.avro+binary")
    assert read(record(case, avro, headers)).cases == [case]


def test_what_cannot_be_read_is_told_until_a_later_record_of_its_key_can():
    case = a_case("one", 1)
    wrong = record(case, b"{}", offset=7)
    assert "cases/0 offset 7" in next(iter(read(wrong).unreadable.values()))
    assert read(wrong, record(case, case_to_json(case))).unreadable == {}


def test_cases_of_another_key_are_refused_as_they_would_keep_nobody_away():
    cases = [a_case("one", 1), a_case("two", 1, b"another")]
    with pytest.raises(Failure, match=r"^cases has 1 cases that were made with another redis\.key"):
        of_key(cases, b"key", "cases", accept_loss=False)
    assert of_key(cases, b"key", "cases", accept_loss=True) == {SPACE: cases[:1]}
    assert of_key(cases[:1], b"key", "cases", accept_loss=False) == {SPACE: cases[:1]}
