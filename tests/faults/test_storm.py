"""Three processors under every kind of fault, once each: nothing lost, nothing doubled.

With audiences and the clock in the load, but for deaths with a sweep in hand: there is one a
minute. ``IDSTREAM_TEST_SEED`` repeats a run; ``./dev faults`` is the whole of it.
"""

import os
from pathlib import Path

import pytest

from tests.faults.load import BAD
from tests.faults.stage import Servers, Stage
from tests.faults.storm import Weather, storm
from tests.faults.strikes import EVERY, SLOW
from tests.faults.table import table

pytestmark = [pytest.mark.kafka, pytest.mark.redis]
SEED = int(os.environ.get("IDSTREAM_TEST_SEED", "1"))


@pytest.mark.timeout(900)
def test_no_fault_loses_or_doubles_a_record(servers: Servers, tmp_path: Path, capsys):
    stage = Stage(servers, tmp_path, ("anna", "bert", "cleo"), is_timed=True, dies_in_sweeps=False)
    everything = [name for name in EVERY if name not in SLOW]
    # Five minutes: on a busy machine the tests ask whether a processor comes back, not how soon.
    weather = Weather(SEED, 2_000, 400, rate=100, bad=0.1, strikes=everything, back_s=300)
    try:
        report = storm(stage, weather)
    finally:
        stage.close()
    with capsys.disabled():
        print(f"\n{table(report)}")
    assert report.is_clean, table(report)
    assert report.faults.total() == len(everything)
    assert report.classes.keys() == BAD.keys()
    # On an idle machine the storm is over before the first of them can be swept.
    assert report.flips["left by time"] or report.seconds < 150
