"""The file of rejected rows has every row that was committed, whatever ends an import."""

import subprocess
import sys
from pathlib import Path

import pytest

from processor.commands.imports.opening import Rejects
from processor.imports.verdict import Rejected

NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from processor.commands.imports.opening import Rejects
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
Rejects(Path(sys.argv[1]), 20)
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of which rows 10, 20, 30 and 40 were rejected; the last line is cut off."""
    path = tmp_path / "people.csv"
    rejects = Rejects(path, 0)
    for row in (10, 20, 30, 40):
        rejects.add(Rejected(row, row, "email", "type"))
    rejects.close()
    told(path).write_bytes(told(path).read_bytes()[:-5])
    return path


def told(path: Path) -> Path:
    return path.with_name("people.csv.rejected.jsonl")


def rows(path: Path) -> list[int]:
    lines = told(path).read_text().splitlines() if told(path).exists() else []
    return [int(line.partition('"row":')[2].partition(",")[0]) for line in lines]


@pytest.mark.parametrize(
    ("after", "kept"), [(0, []), (9, []), (10, [10]), (29, [10, 20]), (35, [10, 20, 30])]
)
def test_an_import_goes_on_behind_the_rows_that_were_committed(people, after, kept):
    rejects = Rejects(people, after)
    assert rows(people) == kept
    rejects.add(Rejected(50, 50, "email", "type"))
    rejects.flush()
    assert rows(people) == [*kept, 50]
    rejects.close()


def test_going_on_writes_none_of_them_again(people):
    """Whoever wrote them again could die, or find no room, between emptying and writing."""
    subprocess.run([sys.executable, "-c", NO_ROOM, str(people)], check=True)
    assert rows(people) == [10, 20]
