"""Requests, receipts and cases have the shapes of their schemas; the examples there say which."""

import json
from pathlib import Path
from typing import Any

import pytest

from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.index.memory import MemoryIndex
from processor.pipeline.work import Settled
from processor.privacy.receipt import is_proved
from processor.records import Output, Record
from tests.contract.test_erasure import ADA, DAY_MS, START_MS
from tests.contract.test_waiting_cases import Life

SCHEMAS = Path(__file__).parents[3] / "schemas"
AT = START_MS + DAY_MS
AFTER = AT + 7 * DAY_MS + 60_000
DEVICE = {"ios_idfv": "D", "brand": "Pear"}


def request(name: str) -> bytes:
    return (SCHEMAS / "subject-request" / "examples" / f"{name}.json").read_bytes()


def example(message: str, name: str) -> Any:
    return json.loads((SCHEMAS / message / "examples" / f"{name}.json").read_text())


def outputs_of(settled: list[Settled]) -> list[Output]:
    outputs: list[Output] = []
    for one in settled:
        one.add_outputs(outputs)
    return [one for one in outputs if one.role in ("receipts", "cases")]


class Office(Life):
    """A life with one person in it, and requests about her as the examples have them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(MemoryIndex(), folder)
        self.batch(START_MS, **ADA, device_info=DEVICE, user_attributes={"seat": "4A"})

    def told(self, name: str, time_ms: int = AT, *, as_avro: bool = False) -> list[Output]:
        value, headers = request(name), ()
        if as_avro:
            value = AvroWriter("subject-request").write(value)
            headers = (("content-type", b"application/vnd.apache.avro+binary"),)
        record = Record("privacy", 0, self.next_offset(), time_ms, b"k", value, headers)
        settled = self.pipeline.settle([record])
        self.pipeline.committed()
        return outputs_of(settled)


def story(folder: Path) -> dict[str, list[Output]]:
    """Return what is published for each step of the examples."""
    office = Office(folder)
    found = {"dry-run": office.told("dry-run"), "pending": office.told("erasure")}
    found["refused"] = office.told("again")
    found["in-progress"] = outputs_of(office.sweep(AFTER))
    found["completed"] = outputs_of(
        [s for n in range(1, 9) for s in office.sweep(AFTER + n * 120_000)]
    )
    found["access"] = office.told("access", AFTER + DAY_MS)
    found["deleted"] = office.told("delete", AFTER + DAY_MS)
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, list[Output]]:
    return story(tmp_path_factory.mktemp("office"))


STEPS = ["dry-run", "pending", "refused", "in-progress", "completed", "access", "deleted"]


@pytest.mark.parametrize("name", STEPS)
def test_a_receipt_is_as_its_example_says_and_proves_itself_after_a_trip_through_avro(told, name):
    (receipt,) = (one.value or b"" for one in told[name] if one.role == "receipts")
    assert json.loads(receipt) == example("subject-receipt", name)
    avro = AvroWriter("subject-receipt").write(receipt)
    assert AvroReader("subject-receipt").record(avro)["other_fields"] == {}, "all of it is typed"
    assert is_proved(AvroReader("subject-receipt").to_json(avro), b"key")


@pytest.mark.parametrize("name", ["pending", "in-progress"])
def test_a_case_is_as_its_example_says_and_the_same_after_a_trip_through_avro(told, name):
    (case,) = (one.value or b"" for one in told[name] if one.role == "cases")
    assert json.loads(case) == example("subject-case", name)
    avro = AvroWriter("subject-case").write(case)
    assert AvroReader("subject-case").to_json(avro) == case


REQUESTS = sorted(p.stem for p in (SCHEMAS / "subject-request" / "examples").glob("*.json"))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_in_avro_gets_the_receipt_that_it_gets_in_json(name, tmp_path):
    as_json, as_avro = Office(tmp_path).told(name), Office(tmp_path).told(name, as_avro=True)
    (one, other) = (json.loads(o[0].value or b"") for o in (as_json, as_avro))
    assert one == other
    codes = [error["code"] for error in one["errors"]]
    assert codes == {"cancel": ["NOT_FOUND_ERROR"], "lift": ["NOT_FOUND_ERROR"]}.get(name, [])
