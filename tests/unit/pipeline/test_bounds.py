"""No record makes a document that its topic would refuse."""

import json

from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.profiles.document import to_json
from processor.records import Record
from processor.settings import load_text

MOST = 20_000
CONFIGURATION = f"""
[limits]
max_profile_bytes = {MOST}
[workspaces.retail]
strategy = "best_match"
priority = ["email", "ios_idfv"]
[inputs.default]
workspace = "retail"
source = "custom_feed"
"""


def test_identities_and_attributes_together_stay_within_the_bytes_of_a_profile():
    settings = load_text(CONFIGURATION, {})
    index = MemoryIndex()
    spaces = settings.space_rules()
    pipeline = Pipeline(Parts(settings.rules(), spaces, index, "test"))
    pipeline.assign([Assignment("event-batches", 0, "id", None, "")], [])
    outcomes, reasons = [], set()
    for number in range(12):
        body = {
            "environment": "production",
            "user_identities": {"email": f"{number}".ljust(4000, "x")},
            "device_info": {"ios_idfv": "D"},
            "user_attributes": {f"a{number}": "y" * 3000},
            "events": [{"event_type": "session_start", "data": {}}],
        }
        record = Record("event-batches", 0, number, number, b"k", json.dumps(body).encode())
        (settled,) = pipeline.settle([record])
        outcomes.append(settled.outcome.name)
        reasons |= {s["reason"] for s in json.loads(bytes(settled.resolution))["skipped"]}

    (profile,) = index.profiles()
    assert outcomes == ["forwarded"] * 12
    assert reasons == {"bound"}
    assert MOST * 0.7 < len(to_json(profile)) <= MOST
