"""The page of the first hour is played as it stands, on a real broker and a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, text
from tests.servers.kafka_node import free_port

PAGE = text("docs/tutorial.md")
BLOCK = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
END = "=== done:"
TOPICS = {
    "batches": "event-batches",
    "requests": "identity-requests",
    "enriched": "enriched-batches",
    "responses": "identity-responses",
    "changes": "identity-changes",
    "profiles": "profiles",
    "dead_letters": "dead-letters",
}


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Return each command of a console block with the lines that come back."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def pattern(lines: list[str]) -> str:
    """Return what *lines* stand for as a regular expression; a line of … is any number of lines."""
    parts = [re.escape(line).replace("…", ".*") + "\n" for line in lines]
    return "".join(
        r"(?:.*\n)*?" if line == "…" else p for line, p in zip(lines, parts, strict=True)
    )


class Shell:
    """One shell for the whole page, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._errors = (folder / "errors").open("w+")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def run(self, command: str) -> str:
        """Return what *command* prints."""
        background = command.endswith("&")
        given = f"{command[:-1]} > /dev/null &" if background else command
        self._process.stdin.write(f"{given}\necho {END} $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(END):
                assert line == f"{END} 0\n", (command, lines, self._told())
                return "".join(lines)
            lines.append(line)
        raise AssertionError((command, lines, self._told()))

    def close(self) -> None:
        self._process.stdin.write("kill $(jobs -p) 2>/dev/null; wait; exit\n")
        self._process.communicate(timeout=40)
        self._errors.close()

    def _told(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]


def written(folder: Path, part: str) -> None:
    """Write the files of *part* that commands use."""
    for _, name, body in BLOCK.findall(part):
        if name:
            (folder / name).write_text(body)


def play(shell: Shell, part: str) -> None:
    """Run the commands of *part*; what they print must be what the page shows."""
    for language, _, body in BLOCK.findall(part):
        if language == "console":
            for command, shown in commands(body):
                printed = shell.run(command)
                assert re.fullmatch(pattern(shown), printed), (command, printed)


PARTS = re.split(r"^## (?=Whose policy|The same on Kafka)", PAGE, flags=re.MULTILINE)


def test_the_parts_of_the_page_are_found():
    assert len(PARTS) == 3
    assert "./dev setup" in PARTS[0]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    yield found
    found.close()


def test_what_needs_no_server_comes_out_as_shown(shell):
    written(shell.folder, PARTS[1])
    play(shell, PARTS[1])


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.timeout(180)
def test_what_needs_servers_comes_out_as_shown(shell, kafka, redis_url, redis_prefix):
    port = free_port()
    part = PARTS[2].replace("localhost:9464", f"localhost:{port}")
    part = part.replace("localhost:19092", kafka.bootstrap)
    shell.run(f"export IDSTREAM_KAFKA__BOOTSTRAP_SERVERS={kafka.bootstrap}")
    shell.run(f"export IDSTREAM_KAFKA__GROUP_ID={redis_prefix}")
    shell.run(f"export IDSTREAM_REDIS__URL={redis_url} IDSTREAM_REDIS__PREFIX={redis_prefix}")
    shell.run(f"export IDSTREAM_OBSERVABILITY__PORT={port}")
    for role, name in TOPICS.items():
        own = kafka.unique(name)
        shell.run(f"export IDSTREAM_KAFKA__TOPICS__{role.upper()}={own}")
        part = re.sub(rf"\b{name}\b(?!\.jsonl)", own, part)
    written(shell.folder, PARTS[1])
    written(shell.folder, part)
    play(shell, part)
