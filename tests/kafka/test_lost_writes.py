"""When the index has lost writes the loop ends; what it had acknowledged before is committed."""

import pytest

from processor.index.errors import LostWrites
from tests.kafka.passing import PassThrough, fill, flow, running

pytestmark = pytest.mark.kafka


class Losing(PassThrough):
    """Its index loses writes after the first poll batch."""

    def process(self, records):
        if self.processed:
            raise LostWrites("played")
        return super().process(records)


def test_what_was_acknowledged_before_the_loss_is_committed_before_the_loop_ends(kafka):
    line = flow(kafka, partitions=1, commit_interval_ms=60_000, max_batch_records=5)
    fill(line, 20)
    step = Losing()

    with running(line, step) as run:
        assert isinstance(run.failure(), LostWrites)

    out = line.offsets_out()
    assert sorted(out) == [(0, n) for n in range(step.processed)]
    assert set(out.values()) == {1}
    (committed,) = kafka.committed(line.group, line.input).values()
    assert committed.offset == step.processed
