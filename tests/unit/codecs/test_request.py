"""What is read of an identity request, and what is an error before anything is looked up."""

import json

import pytest

from processor.codecs.envelope import open_object
from processor.codecs.request import decode_request
from processor.identity.model import AliasRequest
from processor.identity.types import STANDARD_KEYS, IdentityKeys
from processor.records import DeadLetter, IdentityCall
from processor.rules import Limits

FLAT_KEYS = IdentityKeys(
    request={"user_id": "user_id"}, batch={"user_id": "user_id"}, is_literal=True
)
IDENTIFY = {
    "request_type": "identify",
    "request_id": "r-1",
    "environment": "production",
    "known_identities": {"customerid": "A"},
}
MODIFY = {
    "request_type": "modify",
    "request_id": "r-2",
    "environment": "production",
    "mpid": "2345",
    "identity_changes": [{"identity_type": "email", "old_value": "a", "new_value": "b"}],
}
ALIAS = {
    "request_type": "alias",
    "environment": "production",
    "data": {"source_mpid": "1", "destination_mpid": "2"},
}


def stamp(value):
    return {"device_application_stamp": value}


def decode(request, keys=STANDARD_KEYS):
    return decode_request(json.dumps(request).encode(), keys, Limits(), open_object)


def without(request, *names):
    return {name: value for name, value in request.items() if name not in names}


def test_an_identify_is_read_whole():
    call = decode(
        IDENTIFY
        | {
            "request_timestamp_ms": 5,
            "previous_mpid": "-12",
            "read_only": True,
            "known_identities": {"customer_id": 1, "ios_idfv": "v", "email": None, "other": ""},
            "client_sdk": {"platform": "web"},
            "context": "opaque",
        }
    )
    assert call == IdentityCall(
        request_type="identify",
        environment="production",
        request_id="r-1",
        time_ms=5,
        identifiers=(("customerid", "1"), ("ios_idfv", "v")),
        previous_mpid=-12,
        read_only=True,
    )


def test_a_request_of_empty_values_is_left_to_the_strategy():
    call = decode(IDENTIFY | {"known_identities": {"email": "", "customerid": None}})
    assert (call.error, call.identifiers) == (None, ())
    assert decode(IDENTIFY | {"known_identities": {}}).error is None


def test_every_spelling_is_accepted_in_known_identities():
    known = {"other_id_2": "a", "ios_vendor_id": "b", "google_advertising_id": "c"}
    call = decode(IDENTIFY | {"known_identities": known})
    assert call.identifiers == (("other2", "a"), ("ios_idfv", "b"), ("android_aaid", "c"))


def test_the_previous_mpid_may_be_text_a_number_null_or_missing():
    for given, read in (("12", 12), (12, 12), (None, None), (0, None)):
        assert decode(IDENTIFY | {"previous_mpid": given}).previous_mpid == read
    assert decode(IDENTIFY).previous_mpid is None


BAD_REQUESTS = {
    "no environment": without(IDENTIFY, "environment"),
    "an environment of null": IDENTIFY | {"environment": None},
    "an unknown environment": IDENTIFY | {"environment": "staging"},
    "no known_identities": without(IDENTIFY, "known_identities"),
    "known_identities of null": IDENTIFY | {"known_identities": None},
    "known_identities that are a list": IDENTIFY | {"known_identities": ["a"]},
    "an unknown identity type": IDENTIFY | {"known_identities": {"nickname": "bob"}},
    "an unknown identity type without a value": IDENTIFY | {"known_identities": {"nickname": None}},
    "an identity without identity-API key": IDENTIFY
    | {"known_identities": {"microsoft_advertising_id": "x"}},
    "an identity that is an object": IDENTIFY | {"known_identities": {"email": {}}},
    "an identity that is a list": IDENTIFY | {"known_identities": {"email": ["a"]}},
    "a previous_mpid that is no integer": IDENTIFY | {"previous_mpid": "abc"},
    "a previous_mpid that is empty": IDENTIFY | {"previous_mpid": ""},
    "a previous_mpid of more than 64 bits": IDENTIFY | {"previous_mpid": str(2**63)},
    "a read_only that is text": IDENTIFY | {"read_only": "true"},
    "a modify without mpid": without(MODIFY, "mpid"),
    "a modify whose mpid is no integer": MODIFY | {"mpid": "P1"},
    "a modify without changes": without(MODIFY, "identity_changes"),
    "changes that are an object": MODIFY | {"identity_changes": {}},
    "a change without old_value": MODIFY
    | {"identity_changes": [{"identity_type": "email", "new_value": "a"}]},
    "a change without new_value": MODIFY
    | {"identity_changes": [{"identity_type": "email", "old_value": "a"}]},
    "a change without type": MODIFY | {"identity_changes": [{"old_value": "a", "new_value": "b"}]},
    "a change of null to null": MODIFY
    | {"identity_changes": [{"identity_type": "email", "old_value": None, "new_value": None}]},
    "a change of nothing to nothing": MODIFY
    | {"identity_changes": [{"identity_type": "email", "old_value": "", "new_value": None}]},
    "1001 changes": MODIFY
    | {
        "identity_changes": [{"identity_type": "email", "old_value": None, "new_value": "b"}] * 1001
    },
    "a change of an unknown type": MODIFY
    | {"identity_changes": [{"identity_type": "nickname", "old_value": None, "new_value": "b"}]},
    "a change to an object": MODIFY
    | {"identity_changes": [{"identity_type": "email", "old_value": None, "new_value": {}}]},
}


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_a_request_that_breaks_a_rule_is_answered_with_400(kind):
    call = decode(BAD_REQUESTS[kind])
    assert isinstance(call, IdentityCall)
    assert call.error is not None
    status, code, message = call.error
    assert (status, code) == (400, "BAD_REQUEST")
    assert message
    assert "bob" not in message


def test_an_error_still_names_the_request_it_answers():
    call = decode(IDENTIFY | {"known_identities": None})
    assert (call.request_id, call.environment) == ("r-1", "production")
    assert decode(IDENTIFY | {"environment": "x", "request_id": 7}).request_id == "7"


@pytest.mark.parametrize(
    "request_type", [None, "", "Identify", "delete", 7], ids=["null", "empty", "case", "other", "7"]
)
def test_without_a_known_request_type_there_is_nobody_to_answer(request_type):
    letter = decode(IDENTIFY | {"request_type": request_type})
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "invalid"
    assert isinstance(decode(without(IDENTIFY, "request_type")), DeadLetter)


def test_a_modify_is_read_whole():
    changes = [
        {"identity_type": "email", "old_value": "a", "new_value": "b"},
        {"identity_type": "ios_vendor_id", "old_value": 9876, "new_value": None},
        {"identity_type": "mobile_number", "old_value": "", "new_value": "+47"},
        {"identity_type": "other", "old_value": None, "new_value": "x" * 4097},
    ]
    call = decode(MODIFY | {"identity_changes": changes})
    assert call.error is None
    assert call.mpid == 2345
    assert call.changes == (
        ("email", "a", "b"),
        ("ios_idfv", "9876", None),
        ("mobile_number", None, "+47"),
    )
    assert [(i.identity_type, reason) for i, reason in call.over_limit] == [("other", "bound")]


def test_an_empty_list_of_changes_is_no_error():
    call = decode(MODIFY | {"identity_changes": []})
    assert (call.error, call.changes) == (None, ())


def test_flat_matching_ignores_types_that_are_not_configured():
    known = {"user_id": ["b", "a"], "email": "x"}
    call = decode(IDENTIFY | {"known_identities": known}, FLAT_KEYS)
    assert (call.error, call.identifiers) == (None, (("user_id", "b"), ("user_id", "a")))
    assert decode(MODIFY, FLAT_KEYS).changes == ()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"destination_mpid": "2"},
        {"source_mpid": "1"},
        {"source_mpid": "1", "destination_mpid": 1},
        {"source_mpid": "x", "destination_mpid": "2"},
        {"source_mpid": 0, "destination_mpid": 2},
        {"source_mpid": 2**63, "destination_mpid": 2},
        {"source_mpid": 1, "destination_mpid": 2, "start_unixtime_ms": "x"},
        {"source_mpid": 1, "destination_mpid": 2, "end_unixtime_ms": 1.5},
        {"source_mpid": 1, "destination_mpid": 2, "scope": "session"},
        {"source_mpid": 1, "destination_mpid": 2, "scope": "device"},
        {"source_mpid": 1, "destination_mpid": 2, "scope": "device", **stamp(None)},
        {"source_mpid": 1, "destination_mpid": 2, "scope": "device", **stamp("")},
        {"source_mpid": 1, "destination_mpid": 2, "scope": "device", **stamp(7)},
    ],
)
def test_an_alias_that_cannot_be_is_invalid_data(data):
    status, code, _ = decode(ALIAS | {"data": data}).error
    assert (status, code) == (400, "INVALID_DATA")


def test_whatever_else_is_wrong_with_an_alias_is_invalid_data_too():
    for request in (
        without(ALIAS, "environment"),
        ALIAS | {"read_only": 1},
        ALIAS | {"start_unixtime_ms": "x"},
    ):
        assert decode(request).error[1] == "INVALID_DATA"


def test_a_valid_alias_is_a_call_without_error():
    assert decode(ALIAS).error is None
    assert decode(ALIAS).alias == AliasRequest(1, 2)
    window = {"start_unixtime_ms": 5, "end_unixtime_ms": -5}
    call = decode(ALIAS | {"read_only": True, "data": ALIAS["data"] | window, "api_key": "k"})
    assert call.read_only
    assert call.alias == AliasRequest(1, 2, start_ms=5, end_ms=0)


def test_a_stamp_counts_only_where_the_scope_is_device():
    device = ALIAS["data"] | {"scope": "device", **stamp("d")}
    assert decode(ALIAS | {"data": device}).alias == AliasRequest(1, 2, scope="device", device="d")
    for scope in ({}, {"scope": None}, {"scope": "mpid"}):
        whole = ALIAS["data"] | stamp("d") | scope
        assert decode(ALIAS | {"data": whole}).alias == AliasRequest(1, 2)


def test_times_beside_the_data_count_where_it_has_none():
    beside = ALIAS | {"start_unixtime_ms": 3, "end_unixtime_ms": 4}
    assert decode(beside).alias == AliasRequest(1, 2, start_ms=3, end_ms=4)
    inside = beside | {"data": ALIAS["data"] | {"start_unixtime_ms": 1, "end_unixtime_ms": None}}
    assert decode(inside).alias == AliasRequest(1, 2, start_ms=1, end_ms=4)


def test_a_misspelt_field_is_pointed_at_where_it_is_missed():
    call = decode({**without(IDENTIFY, "known_identities"), "knownIdentites": {"email": "a"}})
    assert call.error[2] == "known_identities: is required (is it meant by the 4th field?)"
    call = decode({**IDENTIFY, "known_identities": None})
    assert call.error[2] == "known_identities: is required"
