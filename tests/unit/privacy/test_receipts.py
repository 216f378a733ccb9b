"""Receipts tell of a case without a value, and prove that we told them."""

import json

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from processor.codecs.envelope import open_object
from processor.codecs.subject_request import SubjectRequest, read_subject_request
from processor.identity.model import Identifier, IdentityPolicy
from processor.privacy.case import (
    Case,
    Marked,
    case_from_json,
    case_to_json,
    pack_case,
    unpack_case,
)
from processor.privacy.receipt import Told, is_proved, receipt_of
from processor.records import DeadLetter

POLICY = IdentityPolicy("profile_conversion", ("customerid", "email"), frozenset({"customerid"}))
KEY = b"k" * 32
CASE = Case(
    scope="retail",
    environment="production",
    number=-7,
    version=3,
    request_id="one",
    request_type="erasure",
    workspace="retail",
    state="pending",
    digest=b"d",
    about="a",
    received_ms=0,
    expected_ms=86_400_000,
    identifiers=(Identifier("email", "ada@example.com"),),
)


def read(**fields: object) -> SubjectRequest:
    body = {
        "subject_request_id": "one",
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {"email": {"value": "ada@example.com", "encoding": "raw"}},
        **fields,
    }
    found = read_subject_request(json.dumps(body).encode(), POLICY, 10_000, open_object, KEY)
    assert isinstance(found, SubjectRequest)
    return found


def test_a_case_comes_back_as_it_was_packed_and_as_it_was_published():
    assert unpack_case(pack_case(CASE)) == CASE
    assert case_from_json(case_to_json(CASE)) == CASE


def test_a_receipt_has_no_value_and_proves_itself_until_a_field_of_it_is_another():
    receipt = receipt_of(CASE, Told(201, "pending"), KEY)
    assert b"ada@" not in receipt
    assert is_proved(receipt, KEY)
    assert not is_proved(receipt, b"another")
    assert not is_proved(receipt.replace(b'"found":0', b'"found":1'), KEY)
    assert is_proved(json.dumps(json.loads(receipt), indent=1).encode(), KEY)


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"subject_request_id": ""}', b"\xff"])
def test_what_cannot_be_decoded_or_has_no_id_is_a_dead_letter(value):
    found = read_subject_request(value, POLICY, 10_000, open_object, KEY)
    assert isinstance(found, DeadLetter)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"subject_request_type": "forget"}, "subject_request_type"),
        ({"submitted_time": "soon"}, "submitted_time"),
        ({"regulation": None}, "regulation"),
        ({"subject_identities": {}}, "names nobody"),
        ({"subject_identities": {"email": {"value": "a" * 64, "encoding": "sha256"}}}, "raw"),
        ({"subject_identities": {"shoe_size": {"value": "44"}}}, "no known type"),
        ({"subject_identities": {"ios_vendor_id": {"value": "1"}}}, "finds nobody"),
        ({"subject_identities": {"email": ["a"] * 51}}, "more than 50"),
        ({"subject_identities": {"email": "a", "mpid": "1"}}, "mpid must be the only"),
        ({"subject_identities": 7}, "subject_identities: must be an object"),
        ({"subject_identities": [7]}, "subject_identities[0]: must be an object"),
        ({"status_callback_urls": "44"}, "status_callback_urls: must be a list"),
        ({"environment": "moon"}, "environment"),
        ({"subject_request_type": "delete"}, "mpids"),
    ],
)
def test_a_request_that_breaks_a_rule_says_which_and_shows_no_value(fields, word):
    error = read(**fields).error
    assert error is not None
    assert error[:2] == (400, "INVALID_DATA")
    assert word in error[2]
    assert "44" not in error[2]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"dryrun": True}, "its 1st field is none that is known (did you mean dry_run?)"),
        ({"suppress": True, "folow": []}, "its 2nd field is none that is known (did you mean fol"),
        ({"skip_waiting": True}, "did you mean skip_waiting_period?"),
        ({"dry-run": None}, "did you mean dry_run?"),
        ({"ada@example.com": True}, "its 1st field is none that is known (these are: skip_wait"),
    ],
)
@pytest.mark.parametrize("kind", ["erasure", "access", "cancel", "delete"])
def test_a_wish_of_a_name_that_is_not_known_is_refused_and_the_nearest_is_told(kind, wish, said):
    error = read(subject_request_type=kind, extensions={"idstream": wish}).error
    assert error is not None
    assert error[:2] == (400, "INVALID_DATA")
    assert error[2].startswith("extensions.idstream: ")
    assert said in error[2]
    assert "ada@" not in error[2]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"extentions": {"idstream": {"dry_run": True}}},
            "a request: its 6th field is not read (did you mean extensions?)",
        ),
        (
            {"extensions": {"acme": 1, "id_stream": {"dry_run": True}}},
            "extensions: its 2nd field is not read (did you mean idstream?)",
        ),
    ],
)
def test_wishes_under_a_name_that_is_nearly_ours_are_not_passed_over(fields, said):
    assert read(**fields).error == (400, "INVALID_DATA", said)


def test_extensions_of_others_hold_what_they_like():
    theirs = {"dryrun": True, "skip_waiting_period": True}
    found = read(extensions={"opendsr.mparticle.com": theirs, "acme": 7, "streams": {"a": 1}})
    assert (found.error, found.wishes.skip_waiting) == (None, True)


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        (7, "extensions: must be an object, not an integer"),
        ({"idstream": []}, "extensions.idstream: must be an object, not a list"),
        ({"idstream": {"dry_run": "44"}}, "idstream.dry_run: must be true or false, not text"),
        ({"idstream": {"follow": "44"}}, "idstream.follow: must be a list, not text"),
        ({"idstream": {"follow": ["44"]}}, "follow[0]: is none of merges, source, aliases"),
        ({"idstream": {"subject_identities": 44}}, "idstream.subject_identities: must be an"),
        (
            {"opendsr.mparticle.com": {"skip_waiting_period": 44}},
            "extensions.opendsr.mparticle.com.skip_waiting_period: must be true or false",
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_named_and_its_value_is_not(extensions, said):
    error = read(extensions=extensions).error
    assert error is not None
    assert error[:2] == (400, "INVALID_DATA")
    assert said in error[2]
    assert "44" not in error[2]


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 5000])
@pytest.mark.parametrize("field", ["subject_request_type", "submitted_time", "regulation", "odd"])
def test_a_number_that_cannot_be_held_ends_no_process(field, number):
    body = {
        "subject_request_id": "one",
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {"email": "ada@example.com"},
        field: Raw(number),
    }
    value = msgspec.json.encode(body)
    found = read_subject_request(value, POLICY, 10_000, open_object, KEY)
    assert isinstance(found, SubjectRequest)
    assert (found.error is None) == (field == "odd")


@pytest.mark.parametrize(
    "named",
    [
        {"controller_customer_id": {"value": "C1", "encoding": "raw"}},
        {"customer_id": "C1"},
        {"customerid": ["C1"]},
        [{"identity_type": "customerid", "identity_value": "C1", "identity_format": "raw"}],
    ],
)
def test_identities_are_read_in_either_form_and_in_every_spelling(named):
    assert read(subject_identities=named).identifiers == (Identifier("customerid", "C1"),)


def test_the_same_body_has_the_same_digest_however_it_is_written():
    assert read(group_id="g").digest == read(group_id="g").digest
    assert read(group_id="g").digest != read(group_id="h").digest


def test_a_receipt_counts_identities_that_have_a_marker_and_no_mpids():
    tokens = tuple(bytes([n]) * 16 for n in range(4))
    marked = Marked(1, strong=tokens[:3], devices=tokens[2:], mpids=1)
    told = receipt_of(replace(CASE, marked=marked), Told(201, "in_progress"), KEY)
    assert json.loads(told)["marked"] == 3
