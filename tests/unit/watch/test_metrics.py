"""Metrics count what a committed transaction tallied, under bounded labels."""

from prometheus_client import CollectorRegistry

from processor.identity.change import Change
from processor.identity.decision import Created, Matched, NotFound, Skip
from processor.pipeline.tally import Tally
from processor.watch.metrics import Metrics


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"idstream_{name}", labels) or 0.0


def test_a_tally_is_counted_by_topic_outcome_and_reason():
    tally = Tally()
    tally.note_record("event-batches", "forwarded", None)
    tally.note_record("event-batches", "forwarded", None)
    tally.note_record("event-batches", "dead_letter", "malformed")
    metrics = Metrics()
    metrics.count(tally)
    metrics.count(tally)
    found = metrics.registry
    labels = {"topic": "event-batches", "outcome": "forwarded", "reason": ""}
    assert value(found, "records_total", **labels) == 4
    labels = {"topic": "event-batches", "outcome": "dead_letter", "reason": "malformed"}
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
