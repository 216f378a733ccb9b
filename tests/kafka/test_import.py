"""``idstream import`` on a real Kafka: every row once, whatever ends it and however often."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.servers.kafka import ANSWER_S
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

ROWS = 25_000
BAD = {7, 12_000, ROWS}
"""Rows that identify nobody."""
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
[kafka.topics]
batches = ["{topic}"]
[redis]
url = "redis://127.0.0.1:1"
[workspaces.retail]
strategy = "default"
priority = ["customerid", "email"]
[inputs.file]
workspace = "retail"
source = "csv"
"""


@pytest.fixture
def crm(kafka, tmp_path):
    """Give a file of people, and the configuration of the input that it is for."""
    topic = kafka.create_topic("batches", 3)
    group = kafka.unique("group")
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.format(bootstrap=kafka.bootstrap, group=group, topic=topic))
    write(tmp_path / "people.csv", ROWS)
    return tmp_path, topic, group


def write(file: Path, rows: int) -> None:
    lines = (f"{'' if n in BAD else f'C-{n}'},{n % 90}\n" for n in range(1, rows + 1))
    file.write_text("user_identities.customer_id,user_attributes.age:number\n" + "".join(lines))


def started(folder: Path, *more: str, **environ: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "processor", "import", "-c", "idstream.toml"]
    return subprocess.Popen(
        [*command, "--input", "file", *more],
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(folder: Path, *more: str, **environ: str) -> tuple[int, str, str]:
    process = started(folder, *more, **environ)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def sent(kafka, topic: str) -> Counter[int]:
    """Return how often each row is in the topic, by the id that it was stamped with."""
    batches = [json.loads(m.value()) for m in kafka.read(topic)]
    return Counter(int(one["source_request_id"].rpartition(":")[2]) for one in batches)


def rejected(folder: Path, name: str = "people.csv") -> list[int]:
    lines = (folder / f"{name}.rejected.jsonl").read_text().splitlines()
    return [json.loads(line)["row"] for line in lines]


def test_every_row_is_in_once_though_the_import_is_killed_at_every_point(kafka, crm):
    folder, topic, group = crm
    for point in ("before_import_commit:3", "import_produced:2"):
        status, *told = ended(folder, "people.csv", IDSTREAM_CRASH_AT=point)
        assert status == -signal.SIGKILL, told
    status, out, err = ended(folder, "people.csv")
    assert (status, out) == (0, "people.csv: 24,997 rows imported, 3 rejected\n"), err
    assert "going on behind row" in err
    assert sent(kafka, topic) == Counter(set(range(1, ROWS + 1)) - BAD)
    assert rejected(folder) == sorted(BAD)
    (import_id,) = {
        json.loads(m.value())["source_request_id"].split(":")[1] for m in kafka.read(topic)
    }
    (position,) = kafka.committed(f"{group}-import-{import_id}", topic).values()
    assert (position.partition, position.offset) == (0, ROWS)
    again = ended(folder, "people.csv")
    assert again[0] == 0
    assert "is finished, all 25,000 rows are in" in again[1]
    assert sent(kafka, topic).total() == ROWS - len(BAD)


def test_a_signal_ends_it_behind_a_transaction_and_a_file_changed_meanwhile_is_refused(kafka, crm):
    folder, topic, _ = crm
    process = started(folder, "--rate", "200", "--id", "crm", "people.csv")
    eventually(lambda: sent(kafka, topic), 40, every=0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 1
    went_on = "go on with: idstream import --input file --id crm --rate 200 people.csv"
    assert went_on in err
    before = sent(kafka, topic)
    assert before == Counter(set(range(1, max(before) + 1)) - BAD)
    file = folder / "people.csv"
    content = file.read_text()
    file.write_text(content.replace("C-5,", "C-X,", 1))
    status, _, err = ended(folder, "--id", "crm", "people.csv")
    assert status == 1
    assert "is not the file that import crm was begun with" in err
    file.write_text(content)
    (folder / "manifest.json").write_text('{"columns": []}')
    status, _, err = ended(folder, "--id", "crm", "--environment", "development", "people.csv")
    assert status == 1
    assert "was begun with another input, manifest, format or environment" in err
    write(file, 300)
    status, out, _ = ended(folder, "--id", "crm", "--again", "people.csv")
    assert (status, out) == (0, "people.csv: 299 rows imported, 1 rejected\n")
    status, _, err = ended(folder, "people.csv")
    assert status == 0
    assert "people.csv was imported before, as crm, and is another file since" in err


def test_records_go_where_their_person_is_and_a_position_that_has_expired_is_noticed(kafka, crm):
    folder, topic, group = crm
    write(folder / "people.csv", 3)
    content = (folder / "people.csv").read_text() + "C-1,5\n"
    (folder / "people.csv").write_text(content)
    assert ended(folder, "--id", "crm", "people.csv")[0] == 0
    records = kafka.read(topic)
    assert {m.key() for m in records} == {b"C-1", b"C-2", b"C-3"}
    assert {tuple(m.headers()) for m in records} == {(("input", b"file"),)}
    mine = [m for m in records if m.key() == b"C-1"]
    assert len({m.partition() for m in mine}) == 1
    ages = [json.loads(m.value())["user_attributes"]["age"] for m in mine]
    assert ages == [1, 5]
    mine = f"{group}-import-crm"
    kafka.admin.delete_consumer_groups([mine])[mine].result(ANSWER_S)
    status, _, err = ended(folder, "--id", "crm", "people.csv")
    assert status == 1
    assert "its position is gone" in err
    assert sent(kafka, topic).total() == 4


def test_too_many_bad_rows_end_it_with_what_was_good_before_in(kafka, crm):
    folder, topic, _ = crm
    status, _, err = ended(folder, "--max-errors", "1", "people.csv")
    assert status == 1
    assert "more than 1 rows are rejected" in err
    assert set(sent(kafka, topic)) == set(range(1, 12_000)) - BAD
