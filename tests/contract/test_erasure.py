"""Whoever was erased stays away, whatever is read again: the pipeline over either index."""

import json
from typing import Any

from processor.commands.offline.resolve import offline_pipeline
from processor.index.port import Index
from processor.pipeline.pipeline import Pipeline
from processor.pipeline.work import Settled
from processor.records import Record
from processor.settings import Settings
from processor.settings.load import load_offline

CONFIGURATION = """
[privacy]
waiting_days = 0
[workspaces.retail]
strategy = "profile_conversion"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
immutable_ids = []
"""
ADA = {"user_identities": {"customer_id": "A", "email": "ada@example.com"}}
DEVICE = {"ios_idfv": "D"}
START_MS, DAY_MS = 1_767_225_600_000, 86_400_000


def settings_in(folder: Any, configuration: str = CONFIGURATION) -> Settings:
    path = folder / "idstream.toml"
    path.write_text(configuration)
    return load_offline(path, {})


class Stream:
    """Records one after the other into a pipeline, each committed before the next."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._offset = 0
        self.headers: list[tuple[str, bytes]] = []

    def send(self, topic: str, time_ms: int, **value: Any) -> Settled:
        body = json.dumps(value).encode()
        record = Record(topic, 0, self.next_offset(), time_ms, None, body, self.headers)
        (settled,) = self._pipeline.settle([record])
        self._pipeline.committed()
        return settled

    def next_offset(self) -> int:
        self._offset += 1
        return self._offset - 1

    def batch(self, time_ms: int, **value: Any) -> Settled:
        events = [{"event_type": "session_start", "data": {}}]
        return self.send("batches", time_ms, events=events, **value)

    def ask(self, time_ms: int, **value: Any) -> dict[str, Any]:
        body = {"regulation": "gdpr", "submitted_time": "2026-01-01T00:00:00Z", **value}
        settled = self.send("privacy", time_ms, **body)
        assert settled.output is not None
        assert settled.output.value is not None
        return json.loads(settled.output.value)


def test_an_erasure_outlives_a_history_that_is_read_again(index: Index, tmp_path):
    stream = Stream(offline_pipeline(settings_in(tmp_path), index))
    ada = stream.batch(START_MS, **ADA, device_info=DEVICE)
    bob = stream.batch(START_MS + 1, user_identities={"customer_id": "B"}, device_info=DEVICE)

    named = {"customerid": "A"}
    told = stream.ask(
        START_MS + DAY_MS,
        subject_request_id="one",
        subject_request_type="erasure",
        subject_identities=named,
    )

    assert (told["state"], told["mpids"]) == ("in_progress", [str(ada.outcome.mpid)])
    again = stream.batch(START_MS, **ADA, device_info=DEVICE)
    assert (again.outcome.name, again.outcome.reason) == ("dropped", "erased")
    other = stream.batch(START_MS + 1, user_identities={"customer_id": "B"}, device_info=DEVICE)
    assert other.outcome.mpid == bob.outcome.mpid
    named_only = stream.batch(START_MS + 2 * DAY_MS, mpid=ada.outcome.mpid)
    assert (named_only.outcome.name, named_only.outcome.reason) == ("dropped", "erased")
    later = stream.batch(START_MS + 2 * DAY_MS, **ADA)
    assert later.outcome.name == "forwarded"
    assert later.outcome.mpid != ada.outcome.mpid


def test_a_request_that_comes_before_its_person_keeps_the_late_history_out(index: Index, tmp_path):
    stream = Stream(offline_pipeline(settings_in(tmp_path), index))
    told = stream.ask(
        START_MS + DAY_MS,
        subject_request_id="one",
        subject_request_type="erasure",
        subject_identities={"customerid": "A", "email": "ada@example.com", "ios_vendor_id": "D"},
    )
    assert (told["state"], told["found"], told["marked"]) == ("completed", 0, 3)

    late = stream.batch(START_MS, **ADA)
    assert (late.outcome.name, late.outcome.reason) == ("dropped", "erased")
    only = stream.batch(START_MS, device_info=DEVICE)
    assert (only.outcome.name, only.outcome.reason) == ("dropped", "erased")
    bob = {"user_identities": {"customer_id": "B"}, "device_info": DEVICE}
    other = stream.batch(START_MS, **bob)
    assert other.outcome.name == "forwarded"
    assert stream.batch(START_MS + 2 * DAY_MS, **ADA).outcome.name == "forwarded"


def test_an_erasure_is_told_with_a_tombstone_and_the_case_in_one_step(index: Index, tmp_path):
    stream = Stream(offline_pipeline(settings_in(tmp_path), index))
    ada = stream.batch(START_MS, **ADA)
    body = {"regulation": "gdpr", "submitted_time": "2026-01-01T00:00:00Z"}
    settled = stream.send(
        "privacy",
        START_MS + DAY_MS,
        subject_request_id="one",
        subject_request_type="erasure",
        subject_identities={"mpid": str(ada.outcome.mpid)},
        **body,
    )

    assert [one.role for one in settled.profiles] == ["profiles", "cases"]
    tombstone, case = settled.profiles
    assert (tombstone.value, dict(tombstone.headers)["reason"]) == (None, b"erased")
    assert b"ada@" not in (case.value or b"")
    (change,) = [json.loads(one.value or b"") for one in settled.changes]
    assert (change["change"], change["reason"]) == ("profile_erased", "erased")
    again = stream.ask(
        START_MS + DAY_MS,
        subject_request_id="two",
        subject_request_type="access",
        subject_identities={"mpid": str(ada.outcome.mpid)},
    )
    assert (again["state"], again["found"]) == ("completed", 0)


def test_a_receipt_comes_without_a_resolution(index: Index, tmp_path):
    stream = Stream(offline_pipeline(settings_in(tmp_path), index))
    settled = stream.send("privacy", START_MS, subject_request_id="one")
    assert settled.output is not None
    assert (settled.output.role, settled.resolution) == ("receipts", None)
