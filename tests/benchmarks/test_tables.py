"""Tables, plots and the page are right for what little is measured here; nothing is timed."""

from dataclasses import replace

import pytest

from benchmarks.__main__ import MEASURED, arguments, form_of, module
from benchmarks.memory import growth
from benchmarks.outside import BESIDE
from benchmarks.page import asked, draw, text, told
from benchmarks.results import Result, latest
from benchmarks.startup import by_second, reached
from benchmarks.table import Column, Measurement, Table, as_number, points, ratio, table
from benchmarks.workers import reckoned

COST = {"records": 10, "rate": 100.0, "worker_us": 80.0, "redis_us": 20.0, "scripts_us": 30.0}
TINY = {
    "throughput": ["pass-through", "idstream", "by hand"],
    "kinds": ["known", "new user", "merge"],
    "profiles": ["10,000 profiles", "100,000 profiles", "100,000 profiles, everybody comes"],
    "sizes": [
        "50 records a poll batch",
        "500 records a poll batch",
        "10 identities",
        "0.8 KB, 1 e",
    ],
    "computed": ["no definitions", "no batch matches", "a tenth match", "every batch matches"],
    "repeats": ["100 % repeat", "0 % repeat"],
    "latency": ["full load", "25 % of it", "75 % of it"],
    "midnight": ["full load", "nobody is due", "20,000 people are due"],
    "memory": ["0 s", "1 s", "2 s"],
    "startup": ["start", "1 s", "2 s"],
    "workers": ["1 worker", "2 workers"],
}
WAITED = {f"{n}_{p}": 9.0 for n in ("published", "readable") for p in ("p50", "p99")}
MORE = {
    "latency": WAITED,
    "midnight": {**WAITED, "flips": 900.0, "told_first": 70.0, "told_p50": 80.0, "told_last": 90.0},
    "computed": {"profile_bytes": 900.0},
    "memory": {"worker_mib": 100.0, "redis_mib": 50.0},
    "startup": {"ready_s": 1.0, "first_s": 2.0, "full_s": 3.0},
    "workers": reckoned("known", 2, COST) | reckoned("changed", 2, COST),
}


def tiny(name: str) -> list[Measurement]:
    """Return two rounds of each subject, the second at half the rate."""
    return [
        Measurement(subject, number, {**COST, **MORE.get(name, {}), "rate": 100.0 / (number + 1)})
        for number in range(2)
        for subject in TINY[name]
    ]


def result(name: str) -> Result:
    return Result(name, "abc", "2026-01-01", "2 x X", "Python 3", 2, "short", 1.0, 2.0, tiny(name))


@pytest.mark.parametrize("name", MEASURED)
def test_every_subject_of_a_benchmark_has_a_row_of_medians(name):
    first, *_ = module(name).tables(tiny(name))
    wanted = ["start"] if name == "startup" else TINY[name]
    assert [row[0] for row in first.rows if row[0] in TINY[name]] == wanted
    assert all(len(row) == len(first.heads) for row in first.rows)
    if "batches/s" in first.heads:
        assert first.rows[0][first.heads.index("batches/s")] == "75"


@pytest.mark.parametrize("name", MEASURED)
def test_a_benchmark_asks_a_question_and_stands_on_the_page_with_tables_and_plots(name):
    question, explained = asked(module(name))
    page = text({name: result(name)}, {name: module(name)})
    assert question.endswith("?")
    assert f"## {question}\n\n{explained}" in page
    for one in module(name).tables(tiny(name)):
        assert one.markdown() in page
    plots = module(name).plots(tiny(name))
    assert all(f"(performance/{one.name}.png)" in page for one in plots)
    assert any(line for one in plots for line in one.series.values())


@pytest.mark.skipif(not BESIDE.exists(), reason="only ./dev bench installs what draws plots")
def test_every_plot_can_be_drawn(tmp_path):
    plots = [one for name in MEASURED for one in module(name).plots(tiny(name))]
    draw(plots, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {one.name for one in plots}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_a_ratio_compares_within_a_round_and_then_takes_the_median():
    found = [
        Measurement(subject, number, {"rate": rate})
        for number, rates in enumerate([(100.0, 10.0), (10.0, 5.0), (1000.0, 200.0)])
        for subject, rate in zip(("reference", "ours"), rates, strict=True)
    ]
    assert ratio(found, "ours", "reference", "rate") == pytest.approx(0.2)
    assert ratio(found, "ours", "nobody", "rate") is None


def test_a_column_shows_medians_and_a_dash_where_nothing_was_measured():
    found = [Measurement("a", n, {"rate": rate}) for n, rate in enumerate([1.0, 5.0, 100.0])]
    found.append(Measurement("b", 0, {}))
    assert table(found, "what", [Column("rate", "rate")]).rows == [["a", "5"], ["b", "-"]]


def test_markdown_is_aligned():
    assert Table(["what", "rate"], [["a", "1,000"]], "Title").markdown().splitlines() == [
        "Title",
        "",
        "| what |  rate |",
        "| ---- | ----: |",
        "| a    | 1,000 |",
    ]


def test_a_subject_that_begins_with_a_number_is_a_place_on_the_axis():
    assert as_number("10,000 profiles") == 10_000
    assert as_number("known") == "known"
    found = [Measurement("2 of", 0, {"x": 1.0}), Measurement("2 of", 1, {"x": 3.0})]
    assert points(found, "x") == [(2.0, 2.0)]


def test_full_speed_is_reached_when_a_second_brings_nine_tenths_of_the_last_rate():
    samples = [(n / 10, 0 if n < 20 else (n - 20) * 5 if n < 40 else 100 + (n - 40) * 100)
               for n in range(121)]  # fmt: skip
    found = reached(samples)
    assert found["rate"] == pytest.approx(1000)
    assert found["first_s"] == pytest.approx(2.1)
    assert found["full_s"] == pytest.approx(4.0, abs=0.2)


def test_rates_are_counted_second_by_second():
    assert by_second([(0.0, 0), (0.5, 3), (1.0, 4), (2.05, 10), (3.0, 11)]) == [4.0, 6.0, 1.0]


def test_growth_is_that_of_the_second_half():
    found = [Measurement("", 0, {"worker_mib": mib}) for mib in (10.0, 90.0, 100.0, 102.0)]
    assert growth(found, Column("worker", "worker_mib", "{:,.1f}")) == "+2.0"


def test_what_was_measured_is_kept_and_the_long_form_goes_before_the_short(tmp_path):
    assert latest("kinds", tmp_path) is None
    result("kinds").save(tmp_path)
    assert latest("kinds", tmp_path) == result("kinds")
    (tmp_path / "kinds-long.json").write_text(
        (tmp_path / "kinds-short.json").read_text().replace('"short"', '"long"')
    )
    found = latest("kinds", tmp_path)
    assert found is not None
    assert found.form == "long"


def test_a_run_beside_other_work_says_so():
    calm = result("kinds")
    assert "others were at work" not in told(calm)
    assert "others were at work" in told(replace(calm, load_before=7.0))


def test_rounds_and_seconds_can_be_asked_for():
    assert form_of(arguments(["kinds", "--rounds", "7"])).rounds == 7
    assert form_of(arguments(["--long", "--seconds", "1.5"])).seconds == 1.5
    assert form_of(arguments(["--long"])).long


def test_a_benchmark_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        arguments(["knids"])
    assert "there is no benchmark knids" in capsys.readouterr().err
