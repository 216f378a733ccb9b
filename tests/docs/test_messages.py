"""The messages shown are ones that the processor takes and writes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from processor.index.memory import MemoryIndex
from processor.pipeline.pipeline import Parts, Pipeline
from processor.profiles.document import from_json, to_json
from processor.records import Output, Record
from processor.settings import load_offline
from tests.docs.pages import text

CONFIGURATION = """
[workspaces.retail]
strategy = "profile_link"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""


def shown(heading: str) -> list[dict[str, Any]]:
    """Return the JSON objects of the section called *heading*."""
    section = next(
        part
        for part in re.split(r"^## ", text("docs/messages.md"), flags=re.MULTILINE)
        if part.startswith(f"{heading}\n")
    )
    decoder = json.JSONDecoder()
    found = []
    for block in re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        rest = block.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            found.append(value)
            rest = rest[end:].strip()
    assert found
    return found


class Playing:
    """A pipeline that takes what the page shows, one record after the other."""

    def __init__(self, folder: Path) -> None:
        (folder / "idstream.toml").write_text(CONFIGURATION)
        settings = load_offline(folder / "idstream.toml", {})
        self._offset = 0
        self._pipeline = Pipeline(
            Parts(
                rules=settings.rules(),
                spaces=settings.space_rules(),
                index=MemoryIndex(),
                owner="docs",
                with_outcomes=True,
            )
        )
        from processor.index.port import Assignment

        topics = ("batches", "requests")
        self._pipeline.assign([Assignment(topic, 0, topic, None, "") for topic in topics], [])

    def outputs(self, topic: str, value: dict[str, Any]) -> dict[str, list[Output]]:
        """Return what *value* leads to, by role."""
        self._offset += 1
        record = Record(topic, 0, self._offset, 1_782_900_000_000, None, json.dumps(value).encode())
        found: dict[str, list[Output]] = {}
        for output in self._pipeline.process([record]):
            found.setdefault(output.role, []).append(output)
        return found


@pytest.fixture
def playing(tmp_path: Path) -> Playing:
    return Playing(tmp_path)


def keys(value: Any) -> Any:
    """Return the shape of *value*: its keys, and theirs."""
    if isinstance(value, dict):
        return {key: keys(part) for key, part in value.items()}
    return None


def test_the_batch_shown_is_forwarded_with_the_fields_that_the_table_names(playing):
    (batch,) = shown("Event batches")
    (output,) = playing.outputs("batches", batch)["enriched"]
    enriched = json.loads(output.value)
    named = re.findall(r"^\| `([a-z_]+)` \|", text("docs/messages.md"), re.MULTILINE)
    for field in ("mpid", "user_attributes", "user_identities", "consent_state", "schema_version"):
        assert field in named
        assert field in enriched
    assert enriched["events"] == batch["events"]


def test_the_requests_and_responses_shown_are_what_goes_in_and_comes_out(playing):
    login, modify = shown("Identity requests")
    success, refusal = shown("Identity responses")
    (answer,) = playing.outputs("requests", login)["responses"]
    told = json.loads(answer.value)
    assert keys(told) == keys(success)
    (answer,) = playing.outputs("requests", {**modify, "mpid": told["mpid"]})["responses"]
    assert json.loads(answer.value)["status"] == 200
    (answer,) = playing.outputs("requests", {**login, "known_identities": {}})["responses"]
    assert set(json.loads(answer.value)) >= set(refusal)


def test_the_change_shown_has_the_fields_of_a_change(playing):
    (batch,) = shown("Event batches")
    (example,) = shown("Identity changes")
    told = [json.loads(output.value) for output in playing.outputs("batches", batch)["changes"]]
    added = next(change for change in told if change["change"] == example["change"])
    assert keys(added) == keys(example)
    assert len(added["token"]) == len(example["token"])


def test_the_profile_shown_is_one():
    (profile,) = shown("Profiles")
    written = json.loads(to_json(from_json(json.dumps(profile).encode())))
    assert written == profile


def test_the_outcome_shown_has_the_fields_of_an_outcome(playing):
    (batch,) = shown("Event batches")
    (example,) = shown("Outcomes")
    (output,) = playing.outputs("batches", batch)["outcomes"]
    assert keys(json.loads(output.value)) == keys(example)
