"""A person is found in whatever form their values have, and nobody else is."""

import json

import msgspec
import pytest

from processor.commands.privacy.ledger import Finding, Ledger
from processor.identity.marker import EVER_MS
from processor.identity.model import Identifier
from processor.privacy.searching import Person, Searcher

ADA = Person(
    identifiers=(Identifier("customerid", "C1"), Identifier("email", "ada@example.com")),
    texts=("Zoë “Ada” Lovelace",),
    tokens={bytes.fromhex("00112233445566778899aabbccddeeff"): "email"},
    mpids=frozenset({7}),
)
SEARCHER = Searcher(ADA)
STRONG = frozenset({"customerid", "email"})


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "ada@example.com"}',
        '{"note": "wrote from Ada@Example.COM yesterday"}',
        '{"url": "https://shop.example/?e=ada%40example.com&x=1"}',
        '{"a": {"b": [1, {"ada@example.com": true}]}}',
        '{"cut off": "ada@example.com',
        "\x02\x1eada@example.comx",
    ],
)
def test_a_value_is_found_however_it_is_written(text):
    assert SEARCHER.in_json(text.encode()) == {"email"}
    assert SEARCHER.suspects(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "nada@example.com"}',
        '{"email": "ada@example.community"}',
        '{"customer_id": "C12"}',
        '{"plan": "C1"}',
        '{"version": 12}',
        "{}",
    ],
)
def test_what_only_looks_like_it_is_not_found(text):
    assert SEARCHER.in_json(text.encode()) == set()


@pytest.mark.parametrize("is_ascii", [True, False])
def test_letters_of_other_alphabets_and_quotes_are_found(is_ascii):
    text = json.dumps({"name": "Zoë “Ada” Lovelace"}, ensure_ascii=is_ascii)
    assert SEARCHER.in_json(text.encode()) == {"text"}


def test_a_short_value_counts_as_an_identity_only():
    stored = msgspec.msgpack.encode([["customerid", "C1", 5], {"plan": "C1"}])
    published = b'{"identities":[{"identity_type":"customerid","value":"C1"}]}'
    assert SEARCHER.in_msgpack(stored) == SEARCHER.in_json(published) == {"customerid"}
    assert SEARCHER.in_msgpack(msgspec.msgpack.encode(["email", "C1"])) == set()


SHORT = Searcher(
    Person(
        identifiers=(
            Identifier("customerid", "c-7"),
            Identifier("ios_idfv", "d1"),
            Identifier("anonymous_id", "a1"),
            Identifier("ios.id", "p/1"),
            Identifier("device_application_stamp", "s1"),
            Identifier("other2", "77"),
        ),
        names={"anonymous_id": ("anonymousId",)},
    )
)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"user_identities": {"customer_id": "c-7"}}', "customerid"),
        ('{"user_identities": {"customerid": ["x", "C-7"]}}', "customerid"),
        ('{"known_identities":{"customerid":"c\\u002d7"}}', "customerid"),
        ('{"user_identities.customer_id": "c-7"}', "customerid"),
        ('{"identity_type": "customer_id", "identity": "c-7"}', "customerid"),
        ('{"old_value":"c-7","identity_type":"customerid","new_value":null}', "customerid"),
        ('{"controller_customer_id": {"value": "c-7", "encoding": "raw"}}', "customerid"),
        ('{"text": "{\\"customer_id\\":\\"c-7\\"}"}', "customerid"),
        ('{"device_info": {"ios_idfv": "d1"}}', "ios_idfv"),
        ('{"device_info": {"ios_vendor_id": "d1"}}', "ios_idfv"),
        ('{"mp_deviceid": "s1"}', "device_application_stamp"),
        ('{"type": "track", "anonymousId": "a1"}', "anonymous_id"),
        ('{"anonymous_id": "a1", "broken": 1}', "anonymous_id"),
        ('{"context": {"externalIds": [{"id": "a1", "type": "anonymous_id"}]}}', "anonymous_id"),
        ('{"context": {"device": {"id": "p\\/1"}}}', "ios.id"),
        ('{"user_identities": {"other_id_2": 77}}', "other2"),
    ],
)
def test_a_short_value_is_found_wherever_its_type_is_named(text, what):
    assert SHORT.may_hold(text.encode())
    assert SHORT.in_json(text.encode(), with_numbers=True) == {what}


@pytest.mark.parametrize(
    "text",
    [
        '{"user_identities": {"email": "c-7"}, "plan": "c-7"}',
        '{"user_identities": {"customer_id": "c-77"}}',
        '{"customer_id": {"plan": "c-7"}}',
        '{"identity_type": "email", "identity": "c-7"}',
        '{"identity_type": "customerid", "plan": "c-7"}',
        '{"device": {"kind": {"id": "p/1"}}}',
        '{"id": "p/1", "other_id_3": 77, "other_id_2": 177}',
        '["c-7", "customerid"]',
    ],
)
def test_a_short_value_under_another_name_is_nobody(text):
    assert SHORT.in_json(text.encode(), with_numbers=True) == set()


def test_a_short_value_is_found_in_key_and_headers():
    assert SHORT.in_wrapping(b"c-7", ()) == SHORT.in_wrapping(b'"c-7"', ()) == {"customerid"}
    assert SHORT.in_wrapping(None, (("customer-id", b"c-7"),)) == {"customerid"}
    assert SHORT.in_wrapping(b"x/c-7", (("trace", b"c-7"),)) == set()
    assert SEARCHER.in_wrapping(b"ada@example.com", ()) == {"email"}
    assert SEARCHER.in_wrapping(None, (("user", b"ada@example.com"),)) == {"email"}


def test_what_cannot_be_read_may_hide_a_short_value_only_where_it_has_its_letters():
    assert SEARCHER.may_hide(b"\x00\x00\x00\x00\x01\x04C1")
    assert SEARCHER.may_hide(b'{"customer_id": "C1')
    assert not SEARCHER.may_hide(b"\x00\x00\x00\x00\x01\x04C2")
    assert not SEARCHER.may_hide(b'{"plan": "C1"}')
    assert not Searcher(Person(texts=("Lovelace",))).may_hide(b"\x00C1")
    assert SHORT.may_hide(b"\x00\x9a\x01")  # 77 is a number there


MPID = 207092597404410218
NUMBERED = Searcher(Person(mpids=frozenset({MPID, 7})))


@pytest.mark.parametrize(
    "data",
    [
        b'{"mpid":207092597404410218}',
        b'{"mpids": ["1", "207092597404410218"]}',
        b'{"from":"207092597404410218","to":"2"}',
        b'{"mpid": 7, "version": 1}',
        b'{"previous_mpid":"7"}',
        b"\x00\x00\x00\x00\x012" + str(MPID).encode() + b"8",
        b"\xc3\x01" + bytes(8) + bytes.fromhex("d485b9fed7e7dedf05"),
    ],
)
def test_an_mpid_is_found_as_a_number_and_as_text(data):
    assert NUMBERED.mpids_in(data) == {"mpid"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"mpid":2070925974044102181}',
        b'{"mpid":"1207092597404410218"}',
        b'{"mpid": 77, "version": 7, "mpid_version": 7}',
        b'{"mpid": 7.5}',
        b"",
    ],
)
def test_a_longer_number_is_no_mpid(data):
    assert NUMBERED.mpids_in(data) == set()


def test_an_mpid_is_found_in_key_and_headers():
    assert NUMBERED.in_wrapping(b"retail/production/7", ()) == {"mpid"}
    assert NUMBERED.in_wrapping(str(MPID).encode(), ()) == {"mpid"}
    assert NUMBERED.in_wrapping(None, (("mpid", b"7"),)) == {"mpid"}
    assert NUMBERED.in_wrapping(b"retail/production/77", (("attempts", b"7"),)) == set()


def test_a_number_counts_only_in_what_was_sent():
    searcher = Searcher(Person(identifiers=(Identifier("customerid", "123456"),)))
    value = b'{"customer_id": 123456}'
    assert searcher.in_json(value, with_numbers=True) == {"customerid"}
    assert searcher.in_json(value) == set()


def test_bytes_within_messagepack_are_looked_into():
    inner = b'{"user_identities":{"email":"ada@example.com"}}'
    assert SEARCHER.in_msgpack(msgspec.msgpack.encode([1, [inner]])) == {"email"}


def test_a_token_is_found_in_hex_also_behind_a_letter_that_says_its_kind():
    assert SEARCHER.tokens_in(b'["d00112233445566778899aabbccddeeff"]') == {"email"}
    assert SEARCHER.tokens_in(b'["d00112233445566778899aabbccddeef0"]') == set()


def test_nothing_told_of_a_search_is_a_value():
    for text in ("ada@example.com", "Zoë “Ada” Lovelace"):
        assert SEARCHER.in_json(json.dumps([text]).encode()) <= {"email", "text"}


def ledger(*findings: Finding, until_ms: int | None = 100) -> list[str]:
    found = Ledger(ADA, STRONG, None)
    if until_ms is not None:
        found.marked(until_ms)
    for one in findings:
        found.find(one)
    return [row.verdict for row in found.rows()]


def document(mpid: int, what: str, created_ms: int) -> Finding:
    return Finding("documents", frozenset({what}), mpid, created_ms)


def test_what_is_of_before_the_erasure_should_be_gone():
    assert ledger(document(1, "email", 99)) == ["left"]
    assert ledger(document(1, "email", 100)) == ["left"]


def test_what_came_after_it_is_a_new_person():
    entry = Finding("identities", frozenset({"email"}), holders=(1,))
    assert ledger(document(1, "email", 101), entry) == ["later", "later"]


def test_who_was_erased_does_not_come_back_later_under_their_own_mpid():
    assert ledger(document(7, "email", 101)) == ["left"]


def test_a_device_may_be_of_somebody_else_too():
    assert ledger(document(1, "ios_idfv", 1)) == ["another"]


def test_of_who_is_suppressed_nothing_is_later_but_the_next_user_of_a_device():
    found = Ledger(ADA, STRONG, None)
    found.marked(100)
    found.marked(EVER_MS)
    found.find(document(1, "email", 101))
    found.find(document(2, "ios_idfv", 101))
    assert [(row.verdict, row.mpids) for row in found.rows()] == [("left", [1]), ("later", [2])]


def test_nothing_is_later_where_no_marker_says_when():
    assert ledger(document(1, "email", 101), until_ms=None) == ["left"]
    assert ledger(document(1, "ios_idfv", 1), until_ms=None) == ["left"]


def test_an_entry_that_leads_to_nobody_should_be_gone():
    assert ledger(Finding("identities", frozenset({"email"}), holders=(5,))) == ["left"]


def test_of_an_entry_with_one_holder_of_before_the_whole_is_told():
    entry = Finding("identities", frozenset({"email"}), holders=(1, 2))
    assert ledger(document(1, "email", 101), document(2, "email", 1), entry)[:2] == ["left", "left"]
