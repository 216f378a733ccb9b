"""What workers carry is reckoned as queueing theory has it."""

from math import perm

import pytest

from benchmarks.workers import NODES, WORKERS, carried

COSTS = [(40.0, 4.0), (180.0, 27.0), (10.0, 10.0)]


def theory(workers: int, work_us: float, redis_us: float) -> float:
    """Return what a closed queue of one server carries: the machine-repairman model."""
    waiting = [perm(workers, k) * (redis_us / work_us) ** k for k in range(workers + 1)]
    return (1 - 1 / sum(waiting)) * 1e6 / redis_us


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(("work_us", "redis_us"), COSTS)
def test_one_redis_carries_what_the_closed_form_says(workers, work_us, redis_us):
    assert carried(workers, work_us, redis_us) == pytest.approx(
        theory(workers, work_us, redis_us), rel=0.02
    )


@pytest.mark.parametrize(("work_us", "redis_us"), COSTS)
def test_more_nodes_carry_more_and_no_worker_more_than_alone(work_us, redis_us):
    alone = 1e6 / (work_us + redis_us)
    for workers in WORKERS[1:]:
        one, several = (carried(workers, work_us, redis_us, n) for n in (1, NODES))
        assert one < several < workers * alone * 1.02
        assert several < NODES * 1e6 / redis_us
