"""What is remembered of known users keeps nobody's data in that is an erased person's."""

import json

import pytest

from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Output, Record
from processor.settings import load_text

ROOM = 10_000_000
START = 1_767_225_600_000
ERASED = START + 60_000
POLICY = """
strategy = "profile_conversion"
identity_scope = "one"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
"""
CONFIG = f"""
[kafka.topics]
batches = ["batches"]
requests = []
privacy = ["privacy"]
[privacy]
waiting_days = 0
[workspaces.shop]{POLICY}
[inputs.default]
workspace = "shop"
topics = ["batches", "privacy"]
"""
SHARED = f"""{CONFIG}
[workspaces.beside]{POLICY}
[inputs.beside]
workspace = "beside"
"""


class Line:
    """One processor with a memory, a record a transaction."""

    def __init__(self, config: str = CONFIG) -> None:
        settings, counted = load_text(config, {}), []
        self.tallies = counted
        self.pipeline = Pipeline(
            Parts(
                rules=settings.rules(),
                spaces=settings.space_rules(),
                index=CachedIndex(MemoryIndex(), ROOM),
                owner="t",
                memory_bytes=ROOM,
                counted=counted.append,
            )
        )
        topics = ("batches", "privacy", "idstream-clock")
        self.pipeline.assign([Assignment(t, 0, t, None, "") for t in topics], [])
        self._offset = 0

    def send(
        self, value: dict, time_ms: int, topic: str = "batches", through: str = "default"
    ) -> list[Output]:
        data, headers = json.dumps(value).encode(), (("input", through.encode()),)
        record = Record(topic, 0, self._offset, time_ms, None, data, headers)
        outputs = self.pipeline.process([record])
        self._offset += 1
        self.pipeline.committed()
        return outputs

    def batch(self, time_ms: int, device: str = "", **value: object) -> dict | None:
        """Send a batch; return the header ``resolution`` and the MPID, None where it is dropped."""
        value |= {"events": [{"event_type": "session_start"}]}
        if device:
            value["device_info"] = {"ios_idfv": device}
        found = [one for one in self.send(value, time_ms) if one.role == "enriched"]
        if not found:
            return None
        return json.loads(found[0].value) | json.loads(dict(found[0].headers)["resolution"])

    def erase(self, time_ms: int, **named: str) -> None:
        value = {
            "subject_request_id": "one",
            "subject_request_type": "erasure",
            "regulation": "gdpr",
            "submitted_time": "2026-01-01T00:00:00Z",
            "subject_identities": {
                kind: {"value": value, "encoding": "raw"} for kind, value in named.items()
            },
            "extensions": {"idstream": {"skip_waiting_period": True}},
        }
        assert json.loads(self.send(value, time_ms, "privacy")[0].value)["status"] == 201

    @property
    def is_recalled(self) -> bool:
        """Whether the last record was decided from memory."""
        return self.tallies[-1].recalled == 1


@pytest.fixture
def line() -> Line:
    """A line on which ada and bob share a device, and bob is remembered."""
    made = Line()
    made.batch(START, "d", user_identities={"customer_id": "ada"})
    for _ in range(3):
        made.batch(START, "d", user_identities={"customer_id": "bob"})
    assert made.is_recalled
    return made


def test_a_remembered_batch_that_names_a_device_of_the_erased_is_decided_anew(line):
    line.erase(ERASED, customerid="ada")
    bob = {"user_identities": {"customer_id": "bob"}}
    device = {"identity_type": "ios_idfv", "reason": "erased"}
    assert [line.batch(ERASED, "d", **bob)["skipped"] for _ in range(3)] == [[device]] * 3
    assert [line.batch(ERASED + 1, "d", **bob)["skipped"] for _ in range(2)] == [[]] * 2


def test_a_batch_under_the_mpid_of_an_erased_profile_is_decided_by_its_own_time(line):
    ada = line.batch(START, user_identities={"customer_id": "ada"})["mpid"]
    line.erase(ERASED, customerid="ada")
    named = {"mpid": ada, "user_identities": {"customer_id": "bob"}}
    for _ in range(3):
        assert line.batch(ERASED + 1, **named)["mpid"] != ada
    assert line.batch(ERASED, **named) is None


@pytest.fixture
def shared() -> Line:
    """A line on which ada is known to two workspaces that share profiles."""
    made = Line(SHARED)
    for through in ("default", "beside"):
        value = {"user_identities": {"customer_id": "ada"}, "user_attributes": {"n": 1}}
        made.send(value, START, through=through)
    return made


def test_where_workspaces_share_profiles_a_batch_that_names_its_mpid_is_remembered(shared):
    ada = shared.batch(START, user_identities={"customer_id": "ada"})["mpid"]
    assert [shared.batch(START, mpid=ada)["mpid"] for _ in range(3)] == [ada] * 3
    assert shared.is_recalled
    shared.erase(ERASED, customerid="ada")
    assert [shared.batch(START, mpid=ada) for _ in range(3)] == [None] * 3
    assert [shared.batch(ERASED + 1, mpid=ada)["mpid"] for _ in range(3)] == [ada] * 3
    assert not shared.is_recalled, "a marker stands there"


def test_an_mpid_is_not_remembered_of_which_an_erasure_would_take_nothing(shared):
    value = {"user_identities": {"customer_id": "bob"}, "user_attributes": {"n": 1}}
    shared.send(value, START, through="beside")
    bob = shared.batch(START, user_identities={"customer_id": "bob"})["mpid"]
    assert [shared.batch(START, mpid=bob)["mpid"] for _ in range(3)] == [bob] * 3
    assert not shared.is_recalled
    shared.erase(ERASED, customerid="bob")
    assert shared.batch(START, mpid=bob) is None
