"""A start from offsets that the operator accepts goes on like any other, whatever rows know."""

import pytest
from msgspec.structs import replace

from processor.index.errors import LostWrites, NoStart
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment, Mark
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import RowKey
from processor.settings import load_text
from tests.unit.pipeline.test_lost_writes import CONFIGURATION, INPUT, TOPIC, batch

RECORDS = [batch(0, offset, offset) for offset in range(30)]
BY_HAND = [
    Assignment(TOPIC, 0, "id", 10, ""),
    Assignment(TOPIC, 0, "id", 10, "somebody else's"),
    Assignment(TOPIC, 0, "id", None, ""),
]


def pipeline(
    index: MemoryIndex, configuration: str = CONFIGURATION, *, accept: bool = False
) -> Pipeline:
    settings = load_text(configuration + INPUT, {})
    return Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=index,
            owner="test",
            accept_offsets=accept,
        )
    )


def life(index: MemoryIndex, given: Assignment, upto: int, *, accept: bool = False) -> Assignment:
    """Process up to an offset, record by record; return what the group has committed then."""
    one = pipeline(index, accept=accept)
    one.assign([given], [])
    begin = given.committed or 0
    if given.committed is None:  # as the loop does, before anything is taken
        one.committed()
    for record in RECORDS[begin:upto]:
        outputs = one.process([record])
        assert [output.role for output in outputs].count("enriched") == 1
        one.committed()
    return Assignment(TOPIC, 0, "id", upto, one.metadata(TOPIC, 0))


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


@pytest.fixture
def done(index: MemoryIndex) -> Assignment:
    """What is committed after all records were processed once."""
    return life(index, Assignment(TOPIC, 0, "id", None, ""), 30)


@pytest.mark.parametrize("given", BY_HAND)
def test_a_start_by_hand_is_refused_until_it_is_accepted_and_goes_on_without(index, done, given):
    people = len(list(index.profiles()))
    for _ in range(2):
        with pytest.raises(NoStart, match="--accept-offsets"):
            life(index, given, 15)

    between = life(index, given, 15, accept=True)

    plain = life(index, between, 20)
    assert life(index, plain, 30, accept=True).committed == 30
    assert len(list(index.profiles())) == people


@pytest.mark.parametrize("given", BY_HAND)
def test_a_rewind_after_a_start_by_hand_begins_where_that_began(index, done, given):
    one = pipeline(index, accept=True)
    one.assign([given], [])
    ours = one.metadata(TOPIC, 0)
    for _ in range(3):
        one.forget()
        one.assign([Assignment(TOPIC, 0, "id", given.committed or 0, ours)], [])
        one.process(RECORDS[given.committed or 0 : 12])


def test_a_start_inside_of_the_log_where_the_group_was_outside_is_accepted_too(index, done):
    # The log was cut below what the group had committed: an unclean election.
    between = life(index, replace(done, committed=10, is_moved=True), 15, accept=True)
    assert life(index, between, 30).committed == 30


def test_a_second_claim_before_the_first_commit_is_no_loss(index, done):
    moved = replace(done, committed=10, is_moved=True)
    one = pipeline(index, accept=True)
    one.assign([moved], [])
    one.forget()
    one.assign([moved], [])
    life(index, moved, 15, accept=True)


def test_what_was_before_an_accepted_start_is_trimmed_and_leaves_no_suspects(index, done):
    row = next(iter(index._spaces.values())).rows[RowKey(TOPIC, 0)]
    row.mark = Mark(RowKey(TOPIC, 0), taken=29)
    assert row.chunks, "the last ones of the first life"
    one = pipeline(index, accept=True)
    one.assign([Assignment(TOPIC, 0, "id", None, "")], [])
    one.committed()
    assert one.lots(RECORDS[:20]) == [RECORDS[:20]]
    for record in RECORDS[:20]:
        one.process([record._replace(value=record.value.replace(b'"c', b'"d'))])
        one.committed()
    one.idle()
    assert not row.chunks


def test_a_start_that_is_refused_forgets_nothing(index, done):
    other = CONFIGURATION.replace('unique_ids = ["customerid"]', "")
    refused = pipeline(index, other, accept=True)
    given = Assignment(TOPIC, 0, "id", None, "")
    with pytest.raises(NoStart, match="--reindex"):
        refused.assign([given], [])
    with pytest.raises(NoStart, match="--accept-offsets"):
        life(index, given, 15)


def test_accepting_offsets_does_not_pass_the_loss_detector(index, done):
    emptied = MemoryIndex()
    for is_moved in (False, True):
        with pytest.raises(LostWrites, match="idstream restore"):
            life(emptied, replace(done, committed=10, is_moved=is_moved), 15, accept=True)
