"""What a person is given of their data is all that one workspace has, and nothing of others."""

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from processor.identity.model import Space
from processor.kafka import forward
from processor.kafka.clock import Clock
from processor.profiles.document import from_json
from processor.serve.archive import zipped
from processor.serve.results import Results, in_one_line, wanted_of
from processor.settings import Settings
from tests.serve.happenings import CHANGES, happened
from tests.serve.people import ADA, PEOPLE, settings_of

SPACE = Space("retail", "production")
MOMENT = (2026, 1, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    with happened() as address:
        yield address


def archive(settings: Settings, mpid: int = ADA) -> dict[str, list[bytes]]:
    (profile,) = [from_json(json.dumps(p).encode()) for p in PEOPLE if p["mpid"] == str(mpid)]
    wanted = wanted_of("retail", SPACE, [profile])
    results = Results(settings, wanted, lambda _, value: in_one_line(value), Clock().now)
    data = b"".join(zipped(results.files(0), MOMENT))
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        return {name: found.read(name).splitlines() for name in found.namelist()}


def test_profile_changes_and_batches_are_of_this_workspace_only(kafka):
    files = archive(settings_of(kafka=kafka))

    (profile,) = map(json.loads, files["profile.jsonl"])
    assert set(profile["workspaces"]) == {"retail"}
    changes = [json.loads(line) for line in files["changes.jsonl"]]
    own = [one for one in CHANGES if (one["mpid"], one["workspace"]) == (str(ADA), "retail")]
    assert changes == own
    assert len(files["batches-1.jsonl"]) == 60
    assert not any(b"outlet" in line for line in files["batches-1.jsonl"])
    (manifest,) = map(json.loads, files["manifest.json"])
    assert manifest["files"] == {
        "profile.jsonl": 1,
        "changes.jsonl": len(own),
        "batches-1.jsonl": 60,
    }
    told = {one["topic"]: (one["is_whole"], one["left_out"]) for one in manifest["topics"]}
    assert told["enriched-batches"] == (True, 2)


def test_where_no_batch_is_kept_a_file_says_so(kafka):
    files = archive(settings_of(kafka=kafka), mpid=-77)
    assert "batches-1.jsonl" not in files
    assert files["empty.txt"]


def test_what_could_not_be_had_is_told_in_the_manifest(monkeypatch):
    monkeypatch.setattr(forward, "_ANSWER_S", 0.2)
    (manifest,) = map(json.loads, archive(settings_of(kafka="127.0.0.1:9"))["manifest.json"])
    assert [bool(one["error"]) for one in manifest["topics"]] == [True, True]


def test_a_file_is_made_piece_by_piece():
    made = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield bytes(range(256)) * 4096 + str(number).encode()

    stream = zipped([("a", pieces())], MOMENT)
    first = next(stream)
    assert len(made) < 5
    data = first + b"".join(stream)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert len(found.read("a")) == 100 * 256 * 4096 + 190
