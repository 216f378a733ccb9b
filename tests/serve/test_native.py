"""Our own routes: what they show, to whom, and what they refuse."""

import json

import pytest

from processor.identity.model import Identifier
from processor.index.tokens import tokens
from processor.kafka.clock import Clock
from tests.serve.people import (
    ADA,
    ALIEN,
    ANONYMOUS,
    BEN,
    ENDED,
    FILED,
    MERGED,
    ORDER_ENDS_MS,
    SURVIVOR,
    Service,
    serving,
)

PATH = f"/v1/retail/profiles/{ADA}"
LOOKUP = "/v1/retail/profiles/lookup"
BATCH = "/v1/retail/profiles/batch"
VALUES = (
    "12345",
    "lovelace",
    "ada@example.com",
    "a5d934n0",
    "stamp-1",
    "V-OLD",
    "Android",
    "IDFA-1",
    "Cherry Tree",
    "uid2-of-ada",
)


def test_a_profile_is_shown_with_who_wrote_what(service: Service):
    body = service.get(PATH).json()
    assert body["mpid"] == str(ADA)
    assert body["version"] == 3
    assert body["is_known"]
    assert body["attributes"]["$city"] == {
        "value": "New York",
        "source": "custom_feed",
        "input": "default",
        "updated_ms": 1575301484215,
    }
    emails = [one for one in body["identities"] if one["identity_type"] == "email"]
    assert [(one["value"], one["is_current"]) for one in emails] == [
        ("ada@example.com", False),
        ("a.lovelace@example.com", True),
    ]
    assert [one["ids"][0]["value"] for one in body["devices"]][1] == "V-OLD"
    assert body["aliases"][0]["device"]["value"] == "stamp-1"
    assert body["links"] == {"source_mpid": str(ANONYMOUS), "absorbed": []}
    assert body["consent"]["gdpr"]["ads"]["consented"]
    assert body["consent"]["gdpr"]["ads"]["hardware_id"] == "IDFA-1"
    assert body["attribution"]["publisher"] == "P"
    assert body["partner_identities"]["TradeDesk_UID2"] == {
        "encoding": "none",
        "value": "uid2-of-ada",
        "updated_ms": 5,
        "input": "uid2",
    }


def test_what_is_computed_is_shown_as_far_as_attributes_may_be_read(service: Service):
    body = service.get(f"{PATH}?fields=calculated,audiences").json()
    assert body["calculated"] == {"orders_30d": 0, "favorite_hour": "9"}
    assert body["calculated_fresh_until_ms"] == ORDER_ENDS_MS
    entered = {"version": 2, "entered_ms": 1575301484215, "expires_ms": None}
    assert body["audiences"]["big_spenders"] == entered
    assert body["audiences"].keys() == {"big_spenders", "watched", "forgotten"}
    assert service.get(PATH, "reader").json()["calculated"] == {"favorite_hour": "9"}
    assert "calculated" not in service.get(f"/v1/retail/profiles/{BEN}").json()


def test_what_time_changes_is_shown_as_of_the_request_under_another_tag(tmp_path):
    published = f"/userprofile/v1/o/a/retail/{ADA}?fields=user_attributes"
    at_s = [0.0]
    with serving(tmp_path, clock=Clock(wall=lambda: at_s[0])) as service:
        for path, field in ((PATH, "calculated"), (published, "user_attributes")):
            at_s[0] = ORDER_ENDS_MS / 1000 - 1
            counted = service.get(path)
            tag = {"If-None-Match": counted.headers["ETag"]}
            assert str(counted.json()[field]["orders_30d"]) == "1"
            assert service.get(path, headers=tag).status_code == 304
            at_s[0] += 1
            ended = service.get(path, headers=tag)
            assert ended.status_code == 200
            assert ended.headers["ETag"] != counted.headers["ETag"]
            assert str(ended.json()[field]["orders_30d"]) == "0"
        timeless = "/userprofile/v1/o/a/retail/{}?fields=user_identities"
        tag = {"If-None-Match": service.get(timeless.format(MERGED)).headers["ETag"]}
        assert service.get(timeless.format(MERGED), headers=tag).status_code == 304
        assert service.get(timeless.format(ADA), headers=tag).status_code == 200


def test_only_the_right_to_know_tells_a_profile_that_has_ended_from_nobody(service: Service):
    ended, nobody = f"/v1/retail/profiles/{ENDED}", "/v1/retail/profiles/987654321"
    for path in (ended, nobody):
        found = service.get(path, headers={"If-None-Match": "*"})
        assert (found.status_code, found.json()["errors"][0]["code"]) == (404, "NOT_FOUND")
    gone = service.get(ended, "officer")
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (410, "GONE")
    assert "deleted" in gone.text
    assert service.get(nobody, "officer").status_code == 404


@pytest.mark.parametrize("mpid", [ENDED, FILED])
def test_a_grave_and_a_case_are_nobody_on_every_route(service: Service, mpid):
    def asked(whom: int) -> list[tuple[int, bytes]]:
        published = f"/userprofile/v1/o/a/retail/{whom}?fields=user_attributes"
        found = [
            service.get(f"/v1/retail/profiles/{whom}", headers={"If-None-Match": "*"}),
            service.get(f"/v1/retail/profiles/{whom}?min_version=1"),
            service.get(f"/v1/retail/profiles/{whom}/changes"),
            service.get(published, headers={"If-None-Match": "*"}),
            service.call("POST", published),
            service.post(BATCH, {"profiles": [{"mpid": whom}]}),
        ]
        return [(one.status_code, one.content) for one in found]

    nobody = asked(987654321)
    assert [status for status, _ in nobody] == [404, 409, 404, 400, 400, 200]
    assert asked(mpid) == nobody


def test_what_another_workspace_knows_is_not_shown(service: Service):
    assert "secret_of_shop" not in service.get(PATH).text


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ("identities", {"identities"}),
        ("attributes.ltv,attributes.tag", {"attributes"}),
        ("consent,devices", {"consent", "devices"}),
        ("", set()),
    ],
)
def test_only_the_parts_that_are_asked_for_are_there(service: Service, fields, parts):
    body = service.get(f"{PATH}?fields={fields}").json()
    every = {"identities", "attributes", "consent", "devices", "aliases", "attribution", "links"}
    assert body.keys() & every == parts
    if fields.startswith("attributes."):
        assert body["attributes"].keys() == {"ltv", "tag"}


def test_single_attributes_leave_calculated_ones_whole(service: Service):
    body = service.get(f"{PATH}?fields=attributes.ltv,calculated").json()
    assert body["attributes"].keys() == {"ltv"}
    assert body["calculated"].keys() == {"orders_30d", "favorite_hour"}


def test_without_the_right_nobody_sees_a_value_of_an_identity(service: Service):
    answer = service.get(PATH, "reader")
    assert not [value for value in VALUES if value in answer.text]
    body = answer.json()
    token = tokens(b"key")(Identifier("email", "ada@example.com")).hex()
    assert token in [one["value"] for one in body["identities"]]
    assert body["attributes"].keys() == {"favorite_drink"}
    assert body["consent"]["gdpr"]["ads"] == {"consented": True, "timestamp_unixtime_ms": 1}


def test_a_merged_mpid_answers_with_its_survivor(service: Service):
    body = service.get(f"/v1/retail/profiles/{MERGED}").json()
    assert body["mpid"] == str(SURVIVOR)
    assert body["requested_mpid"] == str(MERGED)
    assert body["merged"] is True
    assert "merged" not in service.get(PATH).json()


@pytest.mark.parametrize("mpid", [99, ALIEN, -(2**63), 2**63 - 1])
def test_nobody_is_answered_with_404(service: Service, mpid):
    answer = service.get(f"/v1/retail/profiles/{mpid}")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("mpid", ["0x10", "1e3", str(2**63), "--1", "٣", "1" * 30, "%00"])
def test_what_is_no_mpid_is_answered_with_400(service: Service, mpid):
    assert service.get(f"/v1/retail/profiles/{mpid}").status_code == 400


def test_a_tag_that_is_known_is_answered_with_304_and_another_look_has_another(service: Service):
    first = service.get(PATH)
    tag = first.headers["ETag"]
    assert tag.startswith(f'"{ADA}-3-')
    for header in (tag, f'"other", W/{tag}', "*"):
        again = service.get(PATH, headers={"If-None-Match": header})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    assert service.get(PATH, headers={"If-None-Match": '"1-3-00000000"'}).status_code == 200
    others = [
        service.get(f"{PATH}?fields=identities"),
        service.get(PATH, "reader"),
        service.get(f"/v1/retail/profiles/{MERGED}"),
    ]
    tags = {tag, *(one.headers["ETag"] for one in others)}
    assert len(tags) == 4
    assert service.get(PATH).content == first.content


def test_a_version_that_is_not_there_yet_is_told(service: Service):
    assert service.get(f"{PATH}?min_version=3").status_code == 200
    later = service.get(f"{PATH}?min_version=4")
    assert (later.status_code, later.headers["Retry-After"]) == (409, "1")
    assert service.get("/v1/retail/profiles/99?min_version=1").status_code == 409
    assert service.get(f"{PATH}?min_version=-1").status_code == 400


def test_holders_of_an_identity_are_found_the_most_recently_active_first(service: Service):
    answer = service.post(LOOKUP, {"identity": {"type": "ios_idfv", "value": "V-1"}})
    body = answer.json()
    assert [one["mpid"] for one in body["profiles"]] == [str(BEN), str(ANONYMOUS)]
    assert body["truncated"] is False
    assert int(answer.headers["X-Idstream-Seq"]) >= 0
    nobody = service.post(LOOKUP, {"identity": {"type": "email", "value": "nobody@x.de"}})
    assert (nobody.status_code, nobody.json()["profiles"]) == (200, [])


def test_a_search_says_why(service: Service):
    body = service.post(
        LOOKUP, {"identities": {"customer_id": "12345", "email": "s@x.de"}, "as": "search"}
    ).json()
    assert [one["mpid"] for one in body["profiles"]] == [str(ADA)]
    assert body["resolution"]["matched_on"] == "customerid"
    none = service.post(LOOKUP, {"identities": {"email": "s@x.de"}, "as": "search"}).json()
    assert none["profiles"] == []
    assert none["resolution"]["outcome"] == "not_found"


def test_a_batch_is_answered_in_order_null_where_there_is_nobody(service: Service):
    asked = [
        {"mpid": str(ADA)},
        {"mpid": 99},
        {"identity": {"type": "email", "value": "ben@example.com"}},
        {"identity": {"type": "email", "value": "nobody@example.com"}},
        {"mpid": MERGED},
    ]
    body = service.post(f"{BATCH}?fields=links", {"profiles": asked}).json()
    found = [one and one["mpid"] for one in body["profiles"]]
    assert found == [str(ADA), None, str(BEN), None, str(SURVIVOR)]
    assert service.post(BATCH, {"profiles": [{"mpid": 1}] * 100}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BATCH, {"profiles": []}),
        (BATCH, {"profiles": [{"mpid": 1}] * 101}),
        (BATCH, {"profiles": [{}]}),
        (BATCH, {"profiles": [{"mpid": 1, "identity": {"type": "email", "value": "x"}}]}),
        (BATCH, {"profiles": [{"mpid": 2**63}]}),
        (LOOKUP, {}),
        (LOOKUP, {"identity": {"type": "email", "value": "x"}, "identities": {"email": "x"}}),
        (LOOKUP, {"identity": {"type": "email", "value": "x"}, "as": "search"}),
        (LOOKUP, {"identities": {"email": "x"}}),
        (LOOKUP, {"identities": {"email": "x"}, "as": "login"}),
        (LOOKUP, {"identities": {"shoe_size": "x"}, "as": "search"}),
        (LOOKUP, {"identity": {"type": "other", "value": "x"}}),
        (LOOKUP, {"identity": {"type": "email"}}),
        (LOOKUP, {"identity": {"type": "email", "value": ["x"]}}),
        (f"{LOOKUP}?fields=everything", {"identity": {"type": "email", "value": "x"}}),
    ],
)
def test_a_question_that_is_not_as_it_should_be_is_answered_with_400(service: Service, path, body):
    answer = service.post(path, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] in ("BAD_REQUEST", "NOT_A_LOOKUP")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_json_is_answered_with_400(service: Service, body):
    assert service.call("POST", BATCH, data=body).status_code == 400


def test_a_large_body_is_answered_with_413(service: Service):
    assert service.call("POST", BATCH, data=b" " * 70_000).status_code == 413


def test_answers_are_never_kept_by_others(service: Service):
    for answer in (service.get(PATH), service.get(PATH, None), service.get("/nowhere")):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_has_no_route_or_another_method_is_told(service: Service):
    assert service.get("/nowhere").status_code == 404
    wrong = service.call("DELETE", PATH)
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["Allow"]
    assert service.get("/userprofile/v1/resolve/o/a/retail").status_code == 405
    slashed = service.get(f"{PATH}/", headers={"Host": "elsewhere.example"})
    assert slashed.status_code == 404
    assert "Location" not in slashed.headers


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer \xe9"])
def test_nobody_without_a_valid_token_gets_in(service: Service, header):
    headers = {} if header is None else {"Authorization": header}
    answer = service.get(PATH, None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_beyond_its_rate_waits(tmp_path):
    now = [0.0]
    with serving(tmp_path, clock=Clock(now=lambda: now[0]), rate=2) as service:
        answers = [service.get(PATH).status_code for _ in range(5)]
        assert answers == [200, 200, 200, 200, 429]
        assert int(service.get(PATH).headers["Retry-After"]) >= 1
        assert service.get(PATH, "reader").status_code == 200
        now[0] = 0.5
        assert [service.get(PATH).status_code for _ in range(2)] == [200, 429]
        text = json.dumps([m.name for m in service.parts.metrics.registry.collect()])
        assert "idstream_api_throttled" in text
