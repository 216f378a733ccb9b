"""Records that an erasure leaves on topics are found, with what they are; nothing else is."""

import json

import pytest

from processor.codecs.avro.reading import AvroWriter
from processor.commands.privacy.ledger import Ledger
from processor.commands.privacy.logs import LogSearch, Source
from processor.identity.model import Identifier, Space
from processor.kafka.keeping import Keeping
from processor.privacy.searching import Person, Searcher
from processor.records import Record
from processor.settings import load
from tests.unit.commands.test_privacy import CONFIG

MPID = 207092597404410218
ADA = Person(identifiers=(Identifier("customerid", "c-7"),), mpids=frozenset({MPID}))
BATCH = json.dumps({"user_identities": {"customer_id": "c-7"}}).encode()
Rows = list[tuple[str, set[str]]]


@pytest.fixture
def found(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG)
    settings = load(path, {})

    def search(role: str, topic: str, value: bytes | None, key=None, headers=()) -> Rows:
        ledger = Ledger(ADA, frozenset({"customerid"}), None)
        run = LogSearch(settings, Searcher(ADA), ledger, Space("retail", "production"))
        source = Source(role, topic, Keeping(retention_ms=1))
        run.look(source, [Record(topic, 0, 0, 0, key, value, headers)])
        return [(row.verdict, row.whats) for row in ledger.rows()]

    return search


def test_a_batch_and_a_dead_letter_with_a_short_value_are_residues(found):
    residue = [("residue", {"customerid"})]
    assert found("", "event-batches", BATCH) == found("dead_letters", "dead", BATCH) == residue


def test_avro_is_read_as_what_its_topic_carries_and_a_dead_letter_as_where_it_was(found):
    data = AvroWriter("event-batch").write(BATCH)
    was = (("source-topic", b"event-batches"),)
    residue = [("residue", {"customerid"})]
    assert found("", "event-batches", data) == residue
    assert found("dead_letters", "dead", data, headers=was) == residue


def test_what_cannot_be_read_is_told(found):
    assert found("", "of-others", AvroWriter("event-batch").write(BATCH)) == [("unread", set())]
    assert found("dead_letters", "dead", BATCH[:-3]) == [("unread", set())]
    assert found("dead_letters", "dead", b'{"cut off') == found("", "of-others", None) == []


def test_an_mpid_is_told_in_changes_and_a_residue_elsewhere(found):
    body = json.dumps({"mpid": str(MPID)}).encode()
    key = f"retail/production/{MPID}".encode()
    assert found("changes", "changes", body) == [("told", {"mpid"})]
    assert found("changes", "changes", b'{"mpid":"1"}', key) == [("told", {"mpid"})]
    residue = [("residue", {"mpid"})]
    assert found("", "enriched", None, key) == found("dead_letters", "dead", body) == residue
    assert found("", "enriched", b"{}", None, (("mpid", str(MPID).encode()),)) == residue
    assert found("changes", "changes", b'{"mpid":"%d1"}' % MPID) == []


def test_a_value_in_changes_is_wrong_beside_an_mpid(found):
    body = json.dumps({"mpid": str(MPID), "customerid": "c-7"}).encode()
    assert found("changes", "changes", body) == [("left", {"customerid"})]
