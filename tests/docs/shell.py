"""One shell for the commands that a page shows, and the servers that they lead to."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port

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

    def export(self, **variables: str) -> None:
        """Set variables for all commands that follow."""
        for name, value in variables.items():
            self.run(f"export IDSTREAM_{name}={value}")

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


def serve(shell: Shell, kafka: Kafka, redis_url: str, prefix: str) -> dict[str, str]:
    """Lead idstream to servers; return what stands for the names and addresses of a page."""
    port = str(free_port())
    names = {name: kafka.unique(name) for name in TOPICS.values()}
    shell.export(
        KAFKA__BOOTSTRAP_SERVERS=kafka.bootstrap,
        KAFKA__GROUP_ID=prefix,
        REDIS__URL=redis_url,
        REDIS__PREFIX=prefix,
        OBSERVABILITY__PORT=port,
        **{f"KAFKA__TOPICS__{role.upper()}": names[name] for role, name in TOPICS.items()},
    )
    return {"localhost:9464": f"localhost:{port}", "localhost:19092": kafka.bootstrap, **names}


def led(part: str, names: dict[str, str]) -> str:
    """Return *part* with its names and addresses replaced; files keep theirs."""
    for name, own in names.items():
        part = re.sub(rf"(?<![\w-]){name}(?![\w-]|\.jsonl)", own, part)
    return part
