"""What the index lost is noticed at every start, however often somebody starts again."""

import pytest

from processor.identity.model import Space
from processor.index.errors import LostWrites
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.settings import load_text

CONFIGURATION = """
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
"""
INPUT = '[inputs.default]\nworkspace = "retail"\n'
OTHERS = CONFIGURATION + CONFIGURATION.replace("retail", "outlet") + INPUT
TOPIC = "event-batches"


def pipeline(index: MemoryIndex, configuration: str = CONFIGURATION) -> Pipeline:
    settings = load_text(configuration, {})
    spaces = settings.space_rules()
    return Pipeline(Parts(rules=settings.rules(), spaces=spaces, index=index, owner="test"))


def batch(partition: int, offset: int, person: int) -> Record:
    value = (
        b'{"environment":"production","user_identities":{"customer_id":"c%d"},'
        b'"events":[{"event_type":"session_start","data":{}}]}' % person
    )
    return Record(TOPIC, partition, offset, 1000 + offset, b"k", value)


def first_life(index: MemoryIndex) -> dict[int, str]:
    """Make people on partition 0, see a known one on 1; return the metadata of both."""
    running = pipeline(index)
    running.assign([Assignment(TOPIC, p, "id", None, "") for p in (0, 1)], [])
    for offset in range(30):
        running.process([batch(0, offset, offset)])
        running.committed()
    running.process([batch(1, 0, 0)])
    running.committed()
    return {partition: running.metadata(TOPIC, partition) for partition in (0, 1)}


def test_starting_again_and_again_does_not_wear_the_loss_off():
    metadata, emptied = first_life(MemoryIndex()), MemoryIndex()
    for _ in range(100):
        with pytest.raises(LostWrites, match="idstream restore"):
            pipeline(emptied).assign(
                [Assignment(TOPIC, 1, "id", 1, metadata[1])],
                [Assignment(TOPIC, 0, "", 30, metadata[0])],
            )
    assert not list(emptied.profiles())


def test_the_witnesses_of_a_workspace_that_is_left_out_for_a_while_are_kept():
    index = MemoryIndex()
    both = pipeline(index, OTHERS)
    both.assign([Assignment(TOPIC, 0, "id", None, "")], [])
    before = both.metadata(TOPIC, 0)
    assert "outlet/production=,1" in before

    one = pipeline(index)
    one.assign([Assignment(TOPIC, 0, "id", 0, before)], [])
    one.process([batch(0, 0, 0)])
    one.committed()
    between = one.metadata(TOPIC, 0)
    assert "outlet/production=,1" in between

    del index._spaces[Space("outlet", "production")]
    with pytest.raises(LostWrites, match="outlet"):
        pipeline(index, OTHERS).assign([Assignment(TOPIC, 0, "id", 1, between)], [])
