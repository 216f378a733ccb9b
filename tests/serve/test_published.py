"""The published Profile API: its examples, and what it refuses."""

import json

import pytest

from tests.serve.people import ADA, ALIEN, BEN, MERGED, SURVIVOR, Service

EVERY = "device_identities,user_identities,user_attributes,audience_memberships,attribution"
PATH = f"/userprofile/v1/org/account/3622/{ADA}"
RESOLVE = "/userprofile/v1/resolve/org/account/3622"


def resolve(kind: str, value: object, environment: str = "production"):
    return {"environment_type": environment, "identity": {"type": kind, "value": value}}


def test_a_profile_has_the_published_form(service: Service):
    answer = service.get(f"{PATH}?fields={EVERY}")
    assert answer.status_code == 200
    assert f'"mpid":{ADA},'.encode() in answer.content
    body = answer.json()
    assert body == {
        "mpid": ADA,
        "created_timestamp_ms": 1574704283462,
        "last_stored_timestamp_ms": 1575301484215,
        "is_opted_out": None,
        "limit_ad_tracking": True,
        "device_identities": [
            published("android_id", "a5d934n0-232f-4afc-2e9a-3832d95zc702"),
            published("unknown", "stamp-1"),
            published("ios_vendor_id", "V-OLD"),
        ],
        "user_identities": [
            published("customer_id", "12345"),
            published("email", "a.lovelace@example.com"),
        ],
        "account_userattributes": {"tier": "gold"},
        "user_attributes": {
            "ltv": "342.1",
            "ml_product_recs": ["1", "2"],
            "$city": "New York",
            "favorite_drink": "<script>alert('x')</script>",
            "tag": None,
            "orders_30d": "0",  # calculated ones, at the instant of the request
            "favorite_hour": "9",
        },
        "audience_memberships": [
            {"audience_id": None, "audience_name": "big_spenders", "expiration_timestamp_ms": None}
        ],
        "attribution": {"publisher": "P", "campaign": "C", "service_provider": None, "time_ms": 5},
    }


def published(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "encoding": "none", "value": value}


def test_only_the_fields_that_are_asked_for_are_there(service: Service):
    body = service.get(f"{PATH}?fields=user_attributes").json()
    assert "user_attributes" in body
    assert not {"user_identities", "device_identities", "attribution"} & body.keys()


def test_a_post_is_answered_like_a_get_and_a_name_like_its_number(service: Service):
    got = service.get(f"{PATH}?fields={EVERY}")
    assert service.call("POST", f"{PATH}?fields={EVERY}").content == got.content
    named = PATH.replace("3622", "retail")
    assert service.get(f"{named}?fields={EVERY}").content == got.content


def test_the_mpid_is_text_where_that_is_asked_for(service: Service):
    body = service.get(f"{PATH}?fields=attribution&mpid=text").json()
    assert body["mpid"] == str(ADA)


def test_an_immutable_identity_resolves_to_its_profile(service: Service):
    for value in ("12345", 12345):
        answer = service.post(f"{RESOLVE}?fields={EVERY}", resolve("customer_id", value))
        assert answer.status_code == 200
        assert answer.json()["mpid"] == ADA


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (resolve("email", "ada@example.com"), "identity.type: is no immutable identity"),
        (resolve("device_application_stamp", "x"), "is no lookup"),
        (resolve("shoe_size", "44"), "is no identity type"),
        (resolve("customer_id", "nobody"), "requested profile is invalid"),
        (resolve("customer_id", "guest"), "requested profile is invalid"),
        (resolve("customer_id", "12345", "development"), "may not do that"),
        (resolve("customer_id", "12345", "staging"), "environment_type"),
        ({"identity": {"type": "customer_id", "value": "12345"}}, "environment_type"),
        ({"environment_type": "production"}, "identity"),
        (resolve("customer_id", {"no": "value"}), "customer_id"),
        ([], "body"),
    ],
)
def test_what_cannot_be_resolved_is_refused(service: Service, body, told):
    answer = service.post(f"{RESOLVE}?fields={EVERY}", body)
    assert answer.status_code in (400, 403)
    (error,) = answer.json()["errors"]
    assert told in error["message"]
    for value in ("12345", "ada@example.com", "44", "nobody"):
        assert value not in json.dumps(error)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (PATH, "fields: is required"),
        (f"{PATH}?fields=", "fields: is required"),
        (f"{PATH}?fields=everything", "fields: is required"),
        (f"{PATH}?fields={EVERY}&color=red", "the query takes"),
        (f"{PATH}?fields={EVERY}&fields={EVERY}", "is there twice"),
        (f"{PATH}0000?fields={EVERY}", "is no MPID"),
        (f"{PATH}?fields={EVERY}&mpid=hex", "mpid: takes text"),
        (f"{PATH}?fields={EVERY}&environment=staging", "environment: is production"),
        (f"/userprofile/v1/o/a/retail/99?fields={EVERY}", "requested profile is invalid"),
        (f"/userprofile/v1/o/a/retail/{ALIEN}?fields={EVERY}", "requested profile is invalid"),
    ],
)
def test_what_is_not_as_published_is_answered_with_400(service: Service, path, told):
    answer = service.get(path)
    assert answer.status_code == 400
    assert told in answer.json()["errors"][0]["message"]


def test_a_merged_profile_is_its_survivor(service: Service):
    body = service.get(f"/userprofile/v1/o/a/retail/{MERGED}?fields=user_identities").json()
    assert body["mpid"] == SURVIVOR


def test_a_negative_mpid_is_one(service: Service):
    body = service.get(f"/userprofile/v1/o/a/retail/{BEN}?fields=user_identities").json()
    assert body["mpid"] == BEN


def test_without_the_right_values_of_identities_are_tokens_and_attributes_are_left_out(service):
    answer = service.get(f"{PATH}?fields={EVERY}", "reader")
    body = answer.json()
    assert {one["encoding"] for one in body["user_identities"]} == {"token"}
    drink = "<script>alert('x')</script>"
    assert body["user_attributes"] == {"favorite_drink": drink, "favorite_hour": "9"}
    assert body["account_userattributes"] is None
    for value in ("12345", "lovelace", "a5d934n0", "stamp-1", "V-OLD", "New York"):
        assert value not in answer.text


def test_names_of_flat_matching_are_their_own_spelling(service: Service):
    path = "/userprofile/v1/o/a/flat/88?fields=user_identities"
    kinds = [one["type"] for one in service.get(path, "flat").json()["user_identities"]]
    assert kinds == ["user_id", "email"]
