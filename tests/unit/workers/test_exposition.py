from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from processor.workers.exposition import merged


def text_of(count: int) -> str:
    registry = CollectorRegistry()
    Counter("records", "Records, {all} of them", ["topic"], registry=registry).labels("a{b").inc(
        count
    )
    Histogram("seconds", "Seconds", buckets=(1,), registry=registry).observe(count)
    return generate_latest(registry).decode()


def test_samples_of_all_workers_stand_together_each_with_its_number():
    found = merged({1: text_of(3), 2: text_of(5)})
    families = {f.name: f for f in text_string_to_metric_families(found)}
    assert found.count("# TYPE records_total ") == 1
    totals = [s for s in families["records"].samples if s.name == "records_total"]
    assert [(s.labels, s.value) for s in totals] == [
        ({"worker": "1", "topic": "a{b"}, 3),
        ({"worker": "2", "topic": "a{b"}, 5),
    ]
    sums = [s for s in families["seconds"].samples if s.name == "seconds_sum"]
    assert [(s.labels, s.value) for s in sums] == [({"worker": "1"}, 3), ({"worker": "2"}, 5)]


def test_what_only_one_worker_has_is_there():
    one, both = text_of(3), merged({1: "", 2: text_of(3)})
    names = {f.name for f in text_string_to_metric_families(one)}
    assert {f.name for f in text_string_to_metric_families(both)} == names


def test_no_worker_has_no_metrics():
    assert merged({}) == ""
