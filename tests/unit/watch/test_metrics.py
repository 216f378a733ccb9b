"""Metrics count what a committed transaction tallied, under bounded labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from processor import __version__
from processor.identity.change import Change
from processor.identity.decision import Created, Matched, NotFound, Skip
from processor.pipeline.tally import Tally
from processor.records import Outcome
from processor.settings import Settings
from processor.settings.load import load_text
from processor.watch.distribution import Distribution
from processor.watch.expected import DROPPED, expected
from processor.watch.metrics import Metrics
from tests.docs.pages import text


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"idstream_{name}", labels) or 0.0


def settings(name: str) -> Settings:
    return load_text(
        f"""
        [workspaces.retail]
        preset = "default"
        [inputs.{name}]
        workspace = "retail"
        """,
        {},
    )


def test_a_tally_is_counted_by_topic_workspace_input_outcome_and_reason():
    tally = Tally()
    web = settings("web").rules().inputs["web"]
    forwarded = ("event-batches", web, Outcome("forwarded"))
    unknown = ("event-batches", None, Outcome("dead_letter", "unknown_input"))
    tally.note_records([forwarded, forwarded, unknown])
    metrics = Metrics()
    metrics.count(tally)
    metrics.count(tally)
    found = metrics.registry
    names = {"topic": "event-batches", "workspace": "retail", "input": "web"}
    labels = {**names, "outcome": "forwarded", "reason": ""}
    assert value(found, "records_total", **labels) == 4
    names = {"topic": "event-batches", "workspace": "", "input": ""}
    labels = {**names, "outcome": "dead_letter", "reason": "unknown_input"}
    assert value(found, "records_total", **labels) == 2


def test_decisions_skips_violations_and_new_profiles_are_counted():
    tally = Tally()
    skipped = (Skip("email", "unique_elsewhere"), Skip("email", "blocked"))
    change = Change("violation", None, None, identity_type="email", reason="blocked")
    tally.note_decision("profile_link", Created(1, skipped=skipped), [change], 2)
    tally.note_decision("profile_link", Matched(1), [], 0)
    tally.note_decision("best_match", NotFound(), [], 0)
    tally.note_decision("best_match", None, [], 1)
    metrics = Metrics()
    metrics.count(tally)
    found = metrics.registry
    for strategy, outcome in (
        ("profile_link", "created"),
        ("profile_link", "matched"),
        ("best_match", "not_found"),
    ):
        assert value(found, "decisions_total", strategy=strategy, outcome=outcome) == 1
    for reason in ("unique_elsewhere", "blocked"):
        labels = {"identity_type": "email", "reason": reason}
        assert value(found, "skipped_identities_total", **labels) == 1
    assert value(found, "violations_total", identity_type="email", reason="blocked") == 1
    assert value(found, "profiles_created_total") == 1
    assert value(found, "bounded_values_total") == 3


def test_batches_phases_conflicts_and_redecisions_are_counted():
    tally = Tally(conflicts=2, redecisions=3)
    tally.note_batch(100)
    tally.note_batch(300)
    tally.note_phase("resolve", 0.5)
    tally.note_phase("resolve", 0.25)
    metrics = Metrics()
    metrics.count(tally)
    found = metrics.registry
    assert value(found, "batch_records_count") == 2
    assert value(found, "batch_records_sum") == 400
    assert value(found, "batch_seconds_count", phase="resolve") == 2
    assert value(found, "batch_seconds_sum", phase="resolve") == 0.75
    assert value(found, "commit_conflicts_total") == 2
    assert value(found, "redecisions_total") == 3


def test_transactions_lag_and_errors_are_counted_as_they_happen():
    metrics = Metrics()
    metrics.transaction(0.1, 50, "committed")
    metrics.transaction(0.2, 0, "aborted")
    metrics.partitions(2, 1)
    metrics.lag("event-batches", 3, 17)
    metrics.error("index", "unavailable")
    found = metrics.registry
    assert value(found, "transactions_total", kind="committed") == 1
    assert value(found, "transaction_seconds_count", kind="aborted") == 1
    assert value(found, "transaction_records_total", kind="committed") == 50
    assert value(found, "consumer_lag_records", topic="event-batches", partition="3") == 17
    assert value(found, "errors_total", source="index", kind="unavailable") == 1
    assert value(found, "partitions", state="processed") == 2
    assert value(found, "partitions", state="waiting") == 1


def test_the_lag_of_a_partition_that_was_given_up_is_not_told_any_more():
    metrics = Metrics()
    metrics.lag("event-batches", 3, 17)
    metrics.forget_lags()
    metrics.lag("event-batches", 4, 5)
    labels = {"topic": "event-batches", "partition": "3"}
    assert metrics.registry.get_sample_value("idstream_consumer_lag_records", labels) is None
    assert (
        value(metrics.registry, "consumer_lag_records", topic="event-batches", partition="4") == 5
    )


def test_two_processes_worth_of_metrics_do_not_meet():
    first, second = Metrics(), Metrics()
    first.error("index", "unavailable")
    assert value(second.registry, "errors_total", source="index", kind="unavailable") == 0


def test_what_can_happen_is_there_at_zero_before_it_happens():
    metrics = Metrics()
    metrics.expect(expected(settings("web").rules(), "exactly_once"))
    found = metrics.registry.get_sample_value
    batches = {"topic": "event-batches", "workspace": "retail", "input": "web"}
    for outcome, reason in (
        ("forwarded", ""),
        ("dropped", "no_identity"),
        ("dead_letter", "malformed"),
    ):
        labels = {**batches, "outcome": outcome, "reason": reason}
        assert found("idstream_records_total", labels) == 0, labels
    nobody = {"topic": "event-batches", "workspace": "", "input": ""}
    labels = {**nobody, "outcome": "dead_letter", "reason": "unknown_input"}
    assert found("idstream_records_total", labels) == 0
    assert found("idstream_errors_total", {"source": "index", "kind": "IndexUnavailable"}) == 0
    assert found("idstream_transactions_total", {"kind": "aborted"}) == 0
    assert found("idstream_aliases_total", {"outcome": "applied", "reason": ""}) == 0
    assert found("idstream_info", {"version": __version__, "guarantee": "exactly_once"}) == 1


def test_what_bounds_keep_out_is_counted_from_zero_where_something_is_computed():
    defined = load_text(
        """
        [workspaces.retail]
        preset = "default"
        [workspaces.retail.events]
        order = { type = "custom_event" }
        [workspaces.retail.calculated]
        orders = { type = "count", event = "order" }
        [workspaces.plain]
        preset = "default"
        [inputs.web]
        workspace = "retail"
        [inputs.other]
        workspace = "plain"
        """,
        {},
    )
    metrics = Metrics()
    metrics.expect(expected(defined.rules(), "exactly_once", defined.computed))
    found = metrics.registry.get_sample_value
    for name in ("idstream_computed_bounded_total", "idstream_hidden_attributes_total"):
        assert found(name, {"workspace": "retail"}) == 0
        assert found(name, {"workspace": "plain"}) is None


def test_reasons_of_drops_that_are_expected_are_those_that_the_page_of_strategies_has():
    strategies = text("docs/strategies.md")
    assert all(f"`{reason}`" in strategies for reason in DROPPED)


@given(st.lists(st.lists(st.floats(0, 1e5))))
def test_a_distribution_counts_as_the_librarys_histogram_does(transactions):
    bounds = (0.05, 1, 60)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("d", "text", bounds, ours)
    histogram = Histogram("d", "text", registry=theirs, buckets=bounds)
    for values in transactions:
        distribution.add(values)
        for one in values:
            histogram.observe(one)
    for name, labels in (
        *(("d_bucket", {"le": le}) for le in ("0.05", "1.0", "60.0", "+Inf")),
        ("d_count", {}),
    ):
        assert ours.get_sample_value(name, labels) == theirs.get_sample_value(name, labels)
    assert ours.get_sample_value("d_sum") == pytest.approx(theirs.get_sample_value("d_sum"))


def test_lag_is_told_in_seconds_and_latency_of_each_record():
    metrics = Metrics()
    metrics.age("event-batches", 3, 12.5)
    metrics.latencies([0.01, 0.3, 20])
    found = metrics.registry
    assert value(found, "lag_seconds", topic="event-batches", partition="3") == 12.5
    assert value(found, "record_latency_seconds_bucket", le="0.5") == 2
    assert value(found, "record_latency_seconds_count") == 3
    metrics.forget_lags()
    labels = {"topic": "event-batches", "partition": "3"}
    assert found.get_sample_value("idstream_lag_seconds", labels) is None


def test_the_process_itself_is_measured():
    names = {family.name for family in Metrics().registry.collect()}
    assert {"process_cpu_seconds", "python_gc_collections"} <= names


def test_a_cache_is_told_as_it_is_and_its_evictions_are_counted_once():
    metrics = Metrics()
    found = metrics.registry
    assert value(found, "cache_evictions_total", cache="index") == 0
    for size, evicted in ((500, 3), (400, 7)):
        sizes, evictions = {"index": size, "decisions": 9}, {"index": evicted, "decisions": 0}
        metrics.count(Tally(cache_bytes=sizes, evicted=evictions))
        assert value(found, "cache_bytes", cache="index") == size
        assert value(found, "cache_evictions_total", cache="index") == evicted
    metrics.count(Tally())
    assert value(found, "cache_bytes", cache="index") == 400
    assert value(found, "cache_evictions_total", cache="decisions") == 0
