"""What goes out has the shapes of docs/messages.md; the examples in schemas/ say which."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from processor.codecs.headers import dead_letter_headers
from processor.codecs.resolution import resolution
from processor.identity.change import AliasChange, Change
from processor.identity.decision import (
    Aliased,
    ChangeResult,
    Created,
    Matched,
    Merged,
    NotFound,
    Refused,
    Skip,
)
from processor.identity.model import Identifier
from processor.pipeline.answers import error_response, response
from processor.pipeline.publish import Cause, identity_change, outcome_record
from processor.records import DeadLetter, IdentityCall, Outcome, Record

SCHEMAS = Path(__file__).parents[3] / "schemas"
LARGE = 2**63 - 1
CHANGE = Change(
    change="identity_added",
    mpid=2345,
    version=4,
    identity_type="email",
    token="9f2b8a4c6d1e0f3758697a4b5c6d7e8f",
)
CAUSE = Cause(
    workspace="retail",
    environment="production",
    timestamp_ms=1782900000000,
    place=("identity-requests", 3, 812),
    request_id="5f0c7d8e-0000-4000-8000-00000000000a",
)


def call(request_type="login", **fields):
    return IdentityCall(
        **{
            "request_type": request_type,
            "environment": "production",
            "request_id": "5f0c7d8e-0000-4000-8000-00000000000a",
            "time_ms": None,
            **fields,
        }
    )


def change(cause=CAUSE, **fields):
    return identity_change(replace(CHANGE, **fields), cause)


REFUSED = Refused(
    400,
    "LOOKUP_ERROR",
    "a login request under profile_isolation needs at least one login ID (customerid, email)",
)
ALIASED = Aliased(
    1234,
    2345,
    start_ms=1782813600000,
    end_ms=1782900000000,
    scope="device",
    device="7d1f4c3e-0000-4000-8000-00000000000d",
    effective_ms=1782986400000,
)
RESPONSES = {
    "login-created": response(
        call(),
        "retail",
        Created(
            2345,
            skipped=(Skip("email", "unique_elsewhere"),),
            source_mpid=1234,
            is_known=True,
            is_logged_in=True,
        ),
        "documented",
    ),
    "identify-matched": response(
        call("identify"),
        "retail",
        Matched(
            LARGE,
            matched_on="ios_idfv",
            candidates=2,
            matched=(Identifier("ios_idfv", "9876"),),
        ),
        "documented",
    ),
    "identify-merged": response(
        call("identify"),
        "shop",
        Merged(
            1111,
            absorbed=(2222,),
            matched_on="user_id",
            candidates=2,
            matched=(Identifier("email", "a@example.com"), Identifier("email", "b@example.com")),
        ),
        "documented",
    ),
    "identify-read-only-not-found": response(
        call("identify", read_only=True), "retail", NotFound(), "documented"
    ),
    "modify": response(
        call("modify"),
        "retail",
        Matched(
            2345,
            is_known=True,
            is_logged_in=True,
            change_results=(ChangeResult("email", 2345), ChangeResult("email", 3456)),
        ),
        "documented",
    ),
    "search-not-found": response(call("search"), "retail", NotFound(), "documented"),
    "login-refused": response(call(), "retail", REFUSED, "documented"),
    "bad-request": error_response(
        call(environment=None, request_id=None),
        "retail",
        (400, "BAD_REQUEST", "environment: is required, production or development"),
        "documented",
    ),
    "login-refused-both-envelopes": response(call(), "retail", REFUSED, "both"),
    "alias-applied": response(call("alias"), "retail", ALIASED, "documented"),
    "alias-ignored": response(
        call("alias"),
        "retail",
        replace(ALIASED, scope="mpid", device=None, reason="source_window_used"),
        "both",
    ),
    "alias-refused-both-envelopes": response(
        call("alias"),
        "retail",
        Refused(
            400,
            "INVALID_DATA",
            "data.source_mpid: no profile of this environment has this MPID",
        ),
        "both",
    ),
}
CHANGES = {
    "identity_added": change(),
    "identity_removed": change(change="identity_removed"),
    "identity_moved": change(change="identity_moved", moved_from=3456, moved_to=2345),
    "profile_created": change(change="profile_created", version=1, identity_type=None, token=None),
    "profile_linked": change(change="profile_linked", source=1234, identity_type=None, token=None),
    "profile_merged": change(
        change="profile_merged", absorbed=(2222, LARGE), identity_type=None, token=None
    ),
    "profile_orphaned": change(change="profile_orphaned", identity_type=None, token=None),
    "profile_aliased": change(
        change="profile_aliased",
        source=1234,
        identity_type=None,
        token=None,
        alias=AliasChange(
            "destination",
            2345,
            1782813600000,
            1782900000000,
            "device",
            "9f2b8a4c6d1e0f3758697a4b5c6d7e8f",
        ),
    ),
    "violation": change(
        cause=replace(CAUSE, request_id=None),
        change="violation",
        reason="blocked",
        token=None,
        mpid=None,
        version=None,
    ),
}
LETTER = dead_letter_headers(
    DeadLetter("invalid", "events[0].event_type: is required"),
    Record("event-batches", 3, 812, 1782900000000, b"key", b"{}"),
    attempts=2,
)


def examples(message):
    return {path.stem: path for path in (SCHEMAS / message / "examples").glob("*.json")}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_as_in_its_example(name):
    assert json.loads(RESPONSES[name]) == json.loads(
        examples("identity-response")[name].read_text()
    )


@pytest.mark.parametrize("name", CHANGES)
def test_an_identity_change_is_as_in_its_example(name):
    assert json.loads(CHANGES[name]) == json.loads(examples("identity-change")[name].read_text())


def test_a_dead_letters_headers_are_as_in_their_example():
    headers = {name: value.decode() for name, value in LETTER}
    assert len(headers) == len(LETTER)
    assert headers == json.loads(examples("dead-letter")["headers"].read_text())


def test_there_is_no_example_that_nothing_writes():
    assert examples("identity-response").keys() == RESPONSES.keys()
    assert examples("identity-change").keys() == CHANGES.keys()


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        (Matched(1), "matched"),
        (Created(1), "created"),
        (Merged(1, ()), "merged"),
        (NotFound(), "not_found"),
        (REFUSED, "refused"),
    ],
)
def test_every_kind_of_decision_has_its_outcome_and_the_same_fields(decision, outcome):
    why = json.loads(resolution(decision))
    assert why["outcome"] == outcome
    assert [*why] == ["outcome", "matched_on", "candidates", "source_mpid", "skipped"]


def test_the_resolution_header_is_the_object_of_the_response():
    decision = Created(1, skipped=(Skip("email", "blocked"),), candidates=3, source_mpid=LARGE)
    answer = json.loads(response(call(), "retail", decision, "documented"))
    assert answer["resolution"] == json.loads(resolution(decision))
    assert answer["resolution"]["source_mpid"] == str(LARGE)


def test_an_outcome_names_where_it_stands_in_the_order_of_decisions():
    record = outcome_record(Outcome("forwarded", None, LARGE, 7, 3))
    assert json.loads(record) == {
        "outcome": "forwarded",
        "reason": None,
        "mpid": str(LARGE),
        "seq": 7,
        "position": 3,
    }
    letter = json.loads(outcome_record(Outcome("dead_letter", "malformed")))
    assert (letter["mpid"], letter["seq"], letter["position"]) == (None, None, None)
