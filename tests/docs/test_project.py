"""What others rely on outside of the code: workflows, releases, the package's front page."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import processor
from tests.docs.pages import ROOT, text

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
SOURCE = PROJECT["urls"]["Source"]
IDS = {"ids": lambda path: path.name}


def steps(workflow: Path) -> list[dict]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in (*job.get("steps", []), job)]


@pytest.mark.parametrize("workflow", WORKFLOWS, **IDS)
def test_an_action_of_somebody_else_is_named_by_its_digest_and_told_by_its_version(workflow):
    used = re.findall(r"uses: (?!\./)(.*)$", workflow.read_text(), re.MULTILINE)
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, **IDS)
def test_a_workflow_has_no_right_that_no_job_asked_for(workflow):
    permissions = yaml.safe_load(workflow.read_text())["permissions"]
    assert permissions in ({}, {"contents": "read"})


@pytest.mark.parametrize("workflow", WORKFLOWS, **IDS)
def test_what_a_workflow_runs_is_there(workflow):
    assert steps(workflow)
    for step in steps(workflow):
        for script in re.findall(r"(?<![\w/])((?:\.ci|\./dev)\S*)", step.get("run", "")):
            assert (ROOT / script).stat().st_mode & 0o111, script
        if (local := step.get("uses", "")).startswith("./"):
            assert (ROOT / local).exists()


def test_the_front_page_of_the_package_has_whole_links_only():
    links = re.findall(r"\]\(([^)]+)\)", text(PROJECT["readme"]))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.mark.parametrize(
    "path", ["mkdocs.yml", "SECURITY.md", "CODE_OF_CONDUCT.md", ".github/ISSUE_TEMPLATE/config.yml"]
)
def test_the_project_has_one_address(path):
    addresses = set(re.findall(r"https://github\.com/[\w-]+/[\w-]+", text(path)))
    assert addresses == {SOURCE}


def release(folder: Path, version: str, changelog: str, tag: str) -> subprocess.CompletedProcess:
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/release", folder / ".ci/release")
    (folder / "processor").mkdir()
    (folder / "processor/__init__.py").write_text(f'"""It."""\n\n__version__ = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    return subprocess.run(
        [folder / ".ci/release", tag], check=False, capture_output=True, text=True
    )


CHANGELOG = "# Changelog\n\n## 1.2.3 (2026-12-01)\n\n- New.\n\n## 1.2 (2026-01-01)\n\n- Old.\n"


def test_a_release_whose_tag_version_and_changelog_agree_has_notes(tmp_path):
    done = release(tmp_path, "1.2.3", CHANGELOG, "v1.2.3")
    assert (done.returncode, done.stdout.strip()) == (0, "- New.")


@pytest.mark.parametrize(
    ("version", "changelog", "says"),
    [
        ("1.2.4", CHANGELOG, "the tag says 1.2.3, processor/__init__.py 1.2.4"),
        ("1.2.3", CHANGELOG.replace("2026-12-01", "unreleased"), "needs a section '## 1.2.3"),
        ("1.2.3", CHANGELOG.replace("1.2.3", "1.2.30"), "needs a section '## 1.2.3"),
    ],
)
def test_a_release_that_does_not_fit_is_refused(tmp_path, version, changelog, says):
    done = release(tmp_path, version, changelog, "v1.2.3")
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


def test_the_changelog_tells_of_the_version_at_hand_or_of_the_next():
    sections = re.findall(r"^## (\S+) \((.*)\)$", text("CHANGELOG.md"), re.MULTILINE)
    version, state = sections[0]
    assert Version(version) >= Version(processor.__version__)
    assert state == "unreleased" or version == processor.__version__
