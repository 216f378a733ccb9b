"""What two looks at the metrics say of the time between them."""

import re

import click
import pytest

from processor.commands.terminal.failure import Failure
from processor.commands.top.rates import picture
from processor.commands.top.top import TopOptions, redraw, top
from processor.commands.top.view import MOST_REFUSALS, PHASES, fitting, sections
from processor.watch.metrics import Metrics
from processor.watch.scrape import parsed
from tests.docs.pages import ROOT

RECORDS = "idstream_records_total"


def sample(at=0.0, **lines):
    text = "".join(
        f"{name}{{{labels}}} {value}\n" if labels else f"{name} {value}\n"
        for name, series in lines.items()
        for labels, value in series.items()
    )
    return parsed(text, at)


def records(forwarded, invalid=0, dropped=0, name="app"):
    named = f'topic="t",workspace="w",input="{name}"'
    return {
        f'{named},outcome="forwarded",reason=""': forwarded,
        f'{named},outcome="dead_letter",reason="invalid"': invalid,
        f'{named},outcome="dropped",reason="no_identity"': dropped,
    }


def looked(before, after, seconds=2.0, now_s=100.0):
    return picture([(sample(0.0, **before), sample(seconds, **after))], now_s)


def test_rates_are_what_was_added_by_the_second():
    found = looked({RECORDS: records(100, 5)}, {RECORDS: records(300, 6)})
    assert found.per_s == {"forwarded": 100.0, "dead_letter": 0.5, "dropped": 0.0}
    assert found.by_input == {"app": found.per_s}


def test_a_process_that_began_anew_counts_from_nothing():
    found = looked({RECORDS: records(1000)}, {RECORDS: records(50)})
    assert found.per_s["forwarded"] == 25.0


def test_processes_are_added_up_and_one_that_was_not_there_is_none():
    one = sample(0.0, **{RECORDS: records(0)}), sample(1.0, **{RECORDS: records(10)})
    two = sample(0.0, **{RECORDS: records(0)}), sample(2.0, **{RECORDS: records(10)})
    found = picture([one, two], 0.0)
    assert (found.processes, found.per_s["forwarded"]) == (2, 15.0)


def test_refusals_that_grow_come_first_and_those_that_never_were_not_at_all():
    before = {RECORDS: records(0, invalid=900, dropped=1)}
    found = looked(before, {RECORDS: records(0, invalid=900, dropped=3)})
    assert [(r.reason, r.per_s, r.total) for r in found.refusals] == [
        ("no_identity", 1.0, 3),
        ("invalid", 0.0, 900),
    ]
    assert not looked({RECORDS: records(0)}, {RECORDS: records(9)}).refusals


def test_latency_is_read_between_the_bounds_of_the_histogram():
    name = "idstream_record_latency_seconds_bucket"
    none = {'le="0.1"': 0, 'le="0.2"': 0, 'le="+Inf"': 0}
    assert looked({name: none}, {name: none}).latency_ms == {"p50": None, "p99": None}
    found = looked({name: none}, {name: {'le="0.1"': 50, 'le="0.2"': 100, 'le="+Inf"': 100}})
    assert found.latency_ms["p50"] == pytest.approx(100)
    assert found.latency_ms["p99"] == pytest.approx(198)
    found = looked({name: none}, {name: {'le="0.1"': 0, 'le="0.2"': 0, 'le="+Inf"': 9}})
    assert found.latency_ms["p50"] == pytest.approx(200), "at least the last bound"


def test_phases_are_shares_of_the_time_the_longest_first():
    name = "idstream_batch_seconds"
    before = {f"{name}_{part}": {'phase="a"': 0, 'phase="b"': 0} for part in ("sum", "count")}
    after = {
        f"{name}_sum": {'phase="a"': 0.5, 'phase="b"': 1.0},
        f"{name}_count": {'phase="a"': 10, 'phase="b"': 0},
    }
    b, a = looked(before, after).phases
    assert (b.name, b.share, b.mean_ms) == ("b", 0.5, None)
    assert (a.name, a.share, a.mean_ms) == ("a", 0.25, 50.0)


def test_a_server_that_is_away_is_named():
    gauge = "idstream_connected"
    found = looked({}, {gauge: {'to="kafka"': 1, 'to="redis"': 0}})
    assert found.away == ("redis",)
    assert ("servers", "redis away") in next(iter(sections(found)))[2]


def test_everything_shown_stands_in_tables():
    before, after = ({RECORDS: records(n, n, n, "")} for n in (0, 10))
    shown = list(sections(looked(before, after, now_s=3725.0)))
    assert [title for title, _, _ in shown] == [
        "idstream , 1 process, up 1:02:05",
        "Records a second",
        "Refusals, those that grow most first",
        "Time of the loop; what is missing to 100 % is idle",
    ], "what one acts on comes before what one wonders about"
    assert all(len(row) == len(head) for _, head, rows in shown for row in rows)
    assert shown[2][2][0][0] == "(unknown)"


def test_a_list_of_refusals_that_is_cut_says_so():
    counted = {f'input="i{n}",outcome="dropped",reason="r"': 1 for n in range(MOST_REFUSALS + 5)}
    title, _, rows = list(sections(looked({RECORDS: counted}, {RECORDS: counted})))[2]
    assert title == "Refusals, those that grow most first (8 of 13)"
    assert len(rows) == MOST_REFUSALS


def test_phases_stand_in_their_order_and_parts_within_their_whole():
    names = ("commit", "later", "take_in", "consume", "process")
    spent = {f'phase="{name}"': len(name) for name in names}
    after = {f"idstream_batch_seconds_{part}": spent for part in ("sum", "count")}
    before = {name: dict.fromkeys(spent, 0) for name in after}
    *_, (_, _, rows) = sections(looked(before, after))
    shown = [row[0] for row in rows]
    assert shown == ["consume", "process", "  take_in", "commit", "later"]


def test_every_phase_that_is_measured_has_a_word():
    sources = "".join(path.read_text() for path in (ROOT / "processor").rglob("*.py"))
    measured = set(re.findall(r"(?:note_phase|observer\.phase)\(\"([a-z_]+)\"", sources))
    assert measured == set(PHASES)


def test_a_window_that_is_too_low_says_how_much_is_missing():
    lines = [str(n) for n in range(30)]
    assert fitting(lines, 31, "end") == [*lines, "end"]
    cut = fitting(lines, 23, "end")
    assert len(cut) == 23
    assert cut[-3:] == ["20", "… 9 more lines: a taller window shows them", "end"]


def test_a_window_of_24_lines_shows_refusals_and_how_often_it_looks(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    counted = {RECORDS: {k: v for n in range(4) for k, v in records(1, 1, 1, f"i{n}").items()}}
    redraw(looked(counted, counted), 2.0)
    shown = click.unstyle(capsys.readouterr().out).splitlines()
    assert len(shown) == 23, "in the last line stands the cursor"
    assert any("no_identity" in line for line in shown)
    assert "Every 2 s; Ctrl-C ends it." in shown[-1]


def test_the_names_are_those_of_our_metrics():
    from prometheus_client import generate_latest

    said = generate_latest(Metrics().registry).decode()
    for name in (
        "idstream_records_total",
        "idstream_record_latency_seconds",
        "idstream_batch_seconds",
        "idstream_consumer_lag_records",
        "idstream_lag_seconds",
        "idstream_partitions",
        "idstream_connected",
        "idstream_info",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ):
        assert name in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/metrics", "nonsense"])
def test_a_process_that_does_not_answer_is_named(tmp_path, url):
    with pytest.raises(Failure, match=f"no metrics at {url}"):
        top(tmp_path / "none", {}, TopOptions(urls=(url,)))
