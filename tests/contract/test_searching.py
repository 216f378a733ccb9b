"""The search through the index finds whatever an erasure has left, and says where."""

import pytest
import redis
from msgspec.structs import replace

from processor.commands.offline.resolve import offline_pipeline
from processor.commands.privacy.ledger import Ledger
from processor.commands.privacy.stores import StoreSearch
from processor.commands.privacy.verify import VerifyOptions, quest_of
from processor.identity.model import Identifier
from processor.identity.view import Effects
from processor.index.port import RowAdvance, RowClaim
from processor.index.tokens import tokens
from processor.pipeline.journal import Entry, pack_entries
from processor.privacy.searching import Person, Searcher
from processor.records import RowKey
from processor.redis import keys
from processor.redis.connection import Connection, Timeouts
from processor.redis.contents import Contents
from tests.contract.people import SPACE
from tests.contract.test_erasure import (
    ADA,
    CONFIGURATION,
    DAY_MS,
    DEVICE,
    START_MS,
    Stream,
    settings_in,
)

pytestmark = pytest.mark.redis
EMAIL, CUSTOMER = Identifier("email", "ada@example.com"), Identifier("customerid", "A")


class Erased:
    """An index out of which Ada was erased, and the search for her."""

    def __init__(self, open_redis, redis_url: str, prefix: str, folder) -> None:
        self.index = open_redis()
        server = f'[redis]\nurl = "{redis_url}"\nprefix = "{prefix}"\n'
        self.settings = settings_in(folder, server + CONFIGURATION)
        self._pipeline = offline_pipeline(self.settings, self.index)
        self.stream = Stream(self._pipeline)
        self.ada = self.stream.batch(START_MS, **ADA, device_info=DEVICE).outcome.mpid
        self.stream.batch(START_MS, user_identities={"customer_id": "B"})
        self.client = redis.Redis.from_url(redis_url, protocol=2)
        self.base = keys.control_key(prefix, SPACE).encode() + b":1:"
        self._contents = Contents(Connection(redis_url, Timeouts(), is_cluster=False), prefix)

    def erase(self, request_id: str = "one", **named: str) -> None:
        self.stream.ask(
            START_MS + DAY_MS,
            subject_request_id=request_id,
            subject_request_type="erasure",
            subject_identities=named or {"customerid": "A"},
            extensions={"idstream": {"suppress": request_id != "one"}},
        )
        self.idle()

    def idle(self) -> None:
        """Let the journal of what was committed be trimmed."""
        for _ in range(2):
            self._pipeline.idle()
            self._pipeline.committed()

    def found(self, mpids: frozenset[int] = frozenset()) -> dict[str, str]:
        token = tokens(b"key")
        device = Identifier("ios_idfv", "D")
        by_token = {token(i): i.identity_type for i in (EMAIL, CUSTOMER, device)}
        person = Person((EMAIL, CUSTOMER), (), by_token, mpids)
        ledger = Ledger(person, frozenset({"customerid", "email"}), None)
        StoreSearch(Searcher(person), ledger).run(self._contents, SPACE, lambda _: None)
        return {row.where: row.verdict for row in ledger.rows()}


@pytest.fixture
def erased(open_redis, redis_url, redis_prefix, tmp_path) -> Erased:
    return Erased(open_redis, redis_url, redis_prefix, tmp_path)


def left(found: dict[str, str]) -> set[str]:
    return {where for where, verdict in found.items() if verdict == "left"}


def test_who_lives_is_found_in_documents_and_identities(erased):
    assert left(erased.found()) >= {"Redis: documents", "Redis: identities"}


def test_of_the_erased_only_what_keeps_them_away_is_found(erased):
    erased.erase()
    assert set(erased.found(frozenset({erased.ada})).items()) == {
        ("Redis: markers", "kept"),
        ("Redis: graves", "kept"),
    }


def test_who_comes_back_later_is_a_new_person(erased):
    erased.erase()
    erased.stream.batch(START_MS + 3 * DAY_MS, **ADA)
    erased.idle()
    found = erased.found(frozenset({erased.ada}))
    assert (left(found), found["Redis: documents"]) == (set(), "later")


@pytest.mark.parametrize("kind", ["p", "i", "o"])
def test_what_was_left_is_told(erased, kind):
    before = {
        key: erased.client.dump(key) for key in erased.client.scan_iter(erased.base + b"[pi]:*")
    }
    erased.erase()
    if kind == "p":
        name = erased.base + b"p:" + keys.mpid_digits(erased.ada).encode()
    elif kind == "i":
        name = erased.base + b"i:" + erased.index.token(EMAIL)
    else:
        name = erased.base + b"o:batches:0"
        erased.client.sadd(name, keys.mpid_digits(erased.ada))
    if kind != "o":
        erased.client.restore(name, 0, before[name], replace=True)
    where = {"p": "documents", "i": "identities", "o": "debts"}[kind]
    assert left(erased.found(frozenset({erased.ada}))) == {f"Redis: {where}"}


@pytest.mark.parametrize("notifications", [b'{"email":"ada@example.com"}', None])
def test_a_journal_that_was_left_is_told_by_value_or_mpid(erased, notifications):
    erased.erase()
    slow = RowKey("batches", 1)
    (row,) = erased.index.claim(SPACE, "resolve", "", [RowClaim(slow, "batches")], "").rows
    entry = Entry(4, "forwarded", None, None, None, (), (), notifications, 0, 0)
    if notifications is None:
        entry = replace(entry, mpid=erased.ada)
    advance = RowAdvance(slow, row.epoch, None, 5, pack_entries((entry,)))
    erased.index.commit(SPACE, Effects({}, {}, {}, {}), [advance])
    assert left(erased.found(frozenset({erased.ada}))) == {"Redis: journals"}


def test_whom_another_request_has_erased_is_searched_for_too(erased):
    erased.erase()
    erased.erase("two", mpid=str(erased.ada))
    quest = quest_of(erased.settings, VerifyOptions(request_id="two"))
    assert quest.case is not None
    assert (quest.case.found.mpids, quest.person.mpids) == ((), {erased.ada})
