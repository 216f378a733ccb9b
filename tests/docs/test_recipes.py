"""The pages of security and of symptoms say what is so."""

import re
from pathlib import Path
from typing import get_args

import pytest

from processor.records import DeadLetterReason, OutcomeName
from processor.settings import load_text
from processor.watch.api import ApiMetrics
from processor.watch.metrics import Metrics
from tests.docs.pages import ROOT, text
from tests.docs.shell import BLOCK, play

SECURITY, SYMPTOMS = text("docs/security.md"), text("docs/symptoms.md")
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("block", [b for kind, _, b in BLOCK.findall(SECURITY) if kind == "toml"])
def test_a_configuration_whose_secrets_are_files_is_accepted_and_tells_none(block, tmp_path):
    for number, path in enumerate(re.findall(r'"(/run/secrets/[^"]+)"', block)):
        file = tmp_path / f"secret-{number}"
        file.write_text("rediss://u:very-secret@h:1/0" if "url" in path else "very-secret" * 4)
        block = block.replace(path, str(file))
    settings = load_text(block, {})
    assert settings.kafka.client_options()["ssl.ca.location"]
    assert "very-secret" not in repr(settings)


def test_what_turns_a_check_off_is_refused():
    from processor.settings import SettingsError

    said = "Turning off the check of certificates or host names is refused"
    assert said in SECURITY
    for option in (
        '"enable.ssl.certificate.verification" = false',
        '"ssl.endpoint.identification.algorithm" = "none"',
    ):
        block = f'[kafka.client]\n{option}\n[workspaces.a]\npreset = "default"\n'
        with pytest.raises(SettingsError):
            load_text(block, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_that_a_page_names_exists(page: Path):
    known = set()
    for metrics in (Metrics(), ApiMetrics()):
        for family in metrics.registry.collect():
            known |= {family.name, f"{family.name}_total"}
    assert set(re.findall(r"\bidstream_[a-z_]+\b", page.read_text())) <= known


def test_symptoms_name_outcomes_and_reasons_that_exist():
    outcomes = re.findall(r'outcome="(\w+)"', SYMPTOMS)
    assert len(outcomes) > 4
    assert set(outcomes) <= set(get_args(OutcomeName))
    section = SYMPTOMS.partition("## Dead letters\n")[2].partition("\n## ")[0]
    reasons = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", section, re.MULTILINE)))
    assert set(reasons) <= set(get_args(DeadLetterReason))
    assert "unknown_input" in reasons


def test_the_record_that_names_nobody_is_explained_as_shown(shell):
    configuration = text("deploy/compose/idstream.toml")
    (shell.folder / "idstream.toml").write_text(configuration)
    play(shell, SYMPTOMS)
