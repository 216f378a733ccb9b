"""How long topics keep what they hold of a person, and what of it is pointed out."""

import pytest

from processor.kafka.keeping import Keeping
from processor.kafka.residues import APPEND_ONLY_FILE, Residues, advice
from processor.privacy.receipt import Residue
from processor.settings import KafkaSettings, TopicSettings

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
KAFKA = KafkaSettings(topics=TopicSettings(privacy=("asks",)))
TOPICS = (
    "event-batches",
    "identity-requests",
    "asks",
    "enriched-batches",
    "identity-responses",
    "dead-letters",
    "audience-changes",
    "profiles",
    "privacy-cases",
    APPEND_ONLY_FILE,
)


def test_receipts_tell_of_every_place_that_may_hold_a_person_and_of_none_else():
    told = Residues(KAFKA).at(5)
    assert {one.where for one in told} == set(TOPICS)
    assert {one.gone_by_ms for one in told} == {None}, "nobody has been asked"


def test_residues_end_as_long_after_the_receipt_as_topics_keep_what_they_hold(monkeypatch):
    found = {
        "asks": Keeping(retention_ms=3 * DAY_MS, segment_ms=DAY_MS),
        "profiles": Keeping(is_compacted=True, compaction_lag_ms=DAY_MS),
    }
    monkeypatch.setattr("processor.kafka.residues.keepings", lambda *_: found)
    known = Residues(KAFKA)
    known.ask()
    assert Residue("asks", 5 + 4 * DAY_MS) in known.at(5)
    assert Residue("profiles", 5 + DAY_MS) in known.at(5)
    assert Residue("enriched-batches", None) in known.at(5)


def days(kept: int) -> Keeping:
    return Keeping(retention_ms=kept * DAY_MS)


def compacted(after_days: int | None) -> Keeping:
    lag = None if after_days is None else after_days * DAY_MS
    return Keeping(is_compacted=True, compaction_lag_ms=lag)


@pytest.mark.parametrize(
    ("role", "found", "said"),
    [
        ("profiles", compacted(None), ["topics.compaction"]),
        ("cases", compacted(8), ["topics.compaction"]),
        ("profiles", compacted(7), []),
        ("enriched", Keeping(), ["topics.erasure"]),
        ("enriched", days(400), []),  # nobody reads it in again
        ("batches", days(400), ["topics.erasure"]),
        ("privacy", Keeping(), ["topics.erasure"]),
        ("dead_letters", days(400), ["topics.erasure"]),
        ("batches", days(365), []),
        ("changes", Keeping(), []),  # tokens and MPIDs
    ],
)
def test_what_would_keep_or_bring_back_the_erased_is_pointed_out(role, found, said):
    assert [one.path for one in advice(role, found, YEAR_MS)] == said
