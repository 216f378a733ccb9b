"""Each alert fires by its fault, is silent otherwise, and names a page that says what to do."""

import re
import subprocess

import pytest
import yaml

from tests.docs.pages import ROOT, anchors, text
from tests.servers.prometheus import program

SOURCE = "https://github.com/idstream/idstream/blob/main/"
RULES = [
    rule
    for group in yaml.safe_load(text("deploy/prometheus/rules.yml"))["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "deploy/prometheus/rules.yml"),
        ("test", "rules", "tests/deploy/rules.yml"),
    ],
)
def test_promtool_finds_each_alert_fired_by_its_fault_and_silent_otherwise(arguments):
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried():
    tried = text("tests/deploy/rules.yml")
    for rule in RULES:
        name = rule["alert"]
        assert f"alertname: {name}}}" in tried, f"{name} is not tried to be silent"
        assert re.search(rf'alertname="{name}"|alertname: {name}\n', tried), f"{name} is not fired"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_a_heading_that_says_what_to_do(rule):
    page, _, anchor = rule["annotations"]["runbook_url"].removeprefix(SOURCE).partition("#")
    assert anchor in anchors(ROOT / page)
