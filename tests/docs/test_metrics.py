"""Every metric is documented, and dashboards and rules ask for metrics that exist."""

import json
import re
from typing import get_args

import pytest
import yaml

from processor.identity.decision import KINDS
from processor.kafka.loop.step import Source
from processor.watch.metrics import Metrics
from tests.docs.pages import rows, text

NAME = re.compile(r"\bidstream_[a-z_]+")


def described() -> dict[str, tuple[str, str]]:
    """Return every metric with its type and labels, as the page writes them."""
    found = {}
    for family in Metrics().registry.collect():
        if not family.name.startswith("idstream_"):  # Python's own: process_*, python_gc_*
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = family.type
    return found


def test_every_metric_is_documented_with_its_type_and_nothing_else_is():
    documented = {
        name.strip("`"): kind
        for name, kind, *_ in rows("docs/operations.md")
        if name.startswith("`idstream_")
    }
    assert documented == described()


METRICS = Metrics()


def test_the_documented_labels_are_the_metrics_labels():
    documented = [row for row in rows("docs/operations.md") if row[0].startswith("`idstream_")]
    for name, kind, labels, _ in documented:
        if name == "`idstream_record_latency_seconds`":
            assert (kind, labels) == ("histogram", "")
            continue
        attribute = next(
            metric
            for part in (METRICS, METRICS._computed, METRICS._caches, METRICS.clock)
            for metric in vars(part).values()
            if getattr(metric, "_name", None) == name.strip("`").removesuffix("_total")
        )
        assert [label for label in labels.split(", ") if label] == list(attribute._labelnames)


def meaning(metric: str) -> set[str]:
    """Return the words of a metric's meaning."""
    (row,) = [row for row in rows("docs/operations.md") if row[0] == f"`{metric}`"]
    return set(re.findall(r"\w+", row[3]))


def test_every_kind_of_decision_is_documented():
    assert set(KINDS.values()) <= meaning("idstream_decisions_total")


def test_every_source_of_errors_is_documented():
    assert set(get_args(Source)) <= meaning("idstream_errors_total")


def expressions() -> set[str]:
    rules = yaml.safe_load(text("deploy/prometheus/rules.yml"))
    board = json.loads(text("deploy/grafana/dashboard.json"))
    return {
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in board["panels"] for target in panel["targets"]),
    }


@pytest.mark.parametrize("expression", sorted(expressions()))
def test_rules_and_panels_ask_for_metrics_that_exist(expression):
    known = described()
    for name in NAME.findall(expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in known or known.get(base) == "histogram", name


def test_every_panel_has_an_id_of_its_own():
    ids = re.findall(r'^ *"id": (\d+)', text("deploy/grafana/dashboard.json"), re.MULTILINE)
    assert len(ids) == len(set(ids)) > 40


def test_every_metric_is_on_the_dashboard():
    board = text("deploy/grafana/dashboard.json")
    for name in described():
        assert name in board, name
