"""Which record a document names that is published again, because the changelog was owed it."""

from collections.abc import Sequence

from processor.index.memory import MemoryIndex
from processor.pipeline.pipeline import Pipeline
from processor.records import Output, Record
from tests.unit.pipeline.stream import Stream
from tests.unit.pipeline.test_conflicts import login, pipeline_over

MINE, THEIRS = ("identity-requests", 0), ("identity-requests", 1)


def elsewhere(record: Record) -> Record:
    """Return *record* as one of the other environment: of another space."""
    value = (record.value or b"").replace(b'"production"', b'"development"')
    return record._replace(value=value)


def on_another_device(record: Record) -> Record:
    return record._replace(value=(record.value or b"").replace(b'"of ', b'"new of '))


def sources(outputs: Sequence[Output]) -> list[int]:
    """Return which records the documents among *outputs* name."""
    said = [dict(one.headers) for one in outputs if one.role == "profiles"]
    assert {one["source-partition"] for one in said} <= {b"0"}
    return [int(one["source-offset"]) for one in said]


def commit(stream: Stream, pipeline: Pipeline, offset: int) -> None:
    stream.offsets[MINE] = offset, pipeline.metadata(*MINE)
    pipeline.committed()


def test_it_is_no_record_of_another_space():
    index = MemoryIndex()
    stream = Stream({MINE: [login(0, 0, "A"), elsewhere(login(0, 1, "B"))]})
    first, second = pipeline_over(index), pipeline_over(index)
    stream.start(first)
    Stream({THEIRS: []}).start(second)
    first.process(stream.records[MINE])
    second.process([on_another_device(login(1, 0, "A"))])
    commit(stream, first, 2)

    assert sources(first.idle()) == [0]


def test_it_is_no_end_of_a_transaction_of_whoever_wrote_the_input():
    index = MemoryIndex()
    stream = Stream({MINE: [login(0, 0, "A")]})
    first, second = pipeline_over(index), pipeline_over(index)
    stream.start(first)
    first.process(stream.records[MINE])
    commit(stream, first, 2)
    stream.start(second)

    assert sources(second.idle()) == [0]


def test_after_a_death_it_is_the_last_one_that_the_index_has_decided():
    index = MemoryIndex()
    records = [login(0, offset, customer) for offset, customer in enumerate("ABC")]
    stream = Stream({MINE: records})
    first, second = pipeline_over(index), pipeline_over(index)
    stream.start(first)
    first.process(records[:1])
    stream.offsets[MINE] = 1, first.metadata(*MINE)
    first.process(records[1:])  # the journal has it, Kafka does not
    stream.start(second)

    assert sources(second.idle()) == [2]
    assert sources(second.process(records[1:])) == [1, 2]
