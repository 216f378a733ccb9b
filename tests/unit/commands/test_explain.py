"""explain: what would become of one record, and why."""

import json
import subprocess
import sys

import pytest

SHOP = """
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
user_id = { limit = 1 }
email = { limit = 5, blocked = ["void"] }
anonymous_id = {}
phone = { limit = { count = 2, window = "weekly" } }
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
[workspaces.linked]
strategy = "profile_link"
priority = ["customerid", "email"]
login_ids = ["customerid"]
[inputs.default]
workspace = "shop"
[inputs.linked]
workspace = "linked"
[inputs.retail]
workspace = "retail"
protection = "update_only"
"""
EVENT = {"event_type": "session_start", "data": {}}


def profile(scope, mpid, **known):
    identities = [{"identity_type": kind, "value": value} for kind, value in known.items()]
    head = {"scope": scope, "environment": "production", "mpid": mpid, "created_ms": int(mpid)}
    return json.dumps({**head, "identities": identities})


PROFILES = [
    profile("shop", "1", user_id="abc123", email="jane@example1.com"),
    profile("shop", "2", anonymous_id="a1"),
    profile("retail", "7", customerid="C1", email="jane@example1.com"),
    profile("linked", "8", email="jane@example1.com"),
    profile("linked", "9", customerid="C1"),
]


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "idstream.toml").write_text(SHOP)
    (tmp_path / "profiles.jsonl").write_text("\n".join(PROFILES))

    def run(line, *options):
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "processor",
                "explain",
                "--profiles",
                "profiles.jsonl",
                *options,
            ],
            input=line,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def identify(name="default", **known):
    value = {"request_type": "identify", "environment": "production", "known_identities": known}
    return json.dumps({"topic": "requests", "input": name, "timestamp_ms": 10, "value": value})


def test_it_tells_what_was_blocked_demoted_and_added_and_for_which_limit(asked):
    known = {"user_id": "abc456", "email": ["jane@example1.com", "void"]}
    told = json.loads(asked(identify(**known), "--json").stdout)
    fates = {fate["value"]: fate for fate in told["identifiers"]}
    assert fates["void"]["became"] == "blocked"
    assert fates["abc456"]["became"] == "added"
    jane = fates["jane@example1.com"]
    assert (jane["became"], jane["owners"], jane["violation"]) == ("demoted", ["1"], "limit")
    assert jane["exceeded"] == [{"identity_type": "user_id", "limit": 1, "window_s": None}]
    assert told["resolution"]["outcome"] == "created"


def test_it_says_it_in_words_too(asked):
    done = asked(identify(user_id="abc456", email="jane@example1.com"))
    assert (
        "- email jane@example1.com belonged to 1; it is left out:"
        " the final profile would have more than 1 of user_id.\n"
    ) in done.stdout


def batch(mpid, name="default"):
    value = {"mpid": mpid, "user_identities": {}, "events": [EVENT]}
    return json.dumps({"topic": "batches", "input": name, "timestamp_ms": 10, "value": value})


def test_the_mpid_that_a_record_names_and_the_protection_of_its_input_are_told(asked):
    known = asked(batch(7, "retail")).stdout
    assert "came through the input retail (update_only), decided by profile_isolation" in known
    assert "- it names the MPID 7, which belonged to a profile.\n" in known
    assert "which belonged to nobody" in asked(batch(8, "retail")).stdout
    told = json.loads(asked(batch(7, "retail"), "--json").stdout)
    assert (told["supplied"], told["mpid"]) == ({"mpid": "7", "is_known": True}, "7")
    assert told["protection"] == "update_only"


def test_a_window_is_told_with_its_seconds(asked):
    shown = asked(identify(user_id="abc123", email="x@y", phone=["1", "2", "3"])).stdout
    assert "would have more than 2 of phone within 7 days" in shown


def test_a_merge_names_who_was_absorbed(asked):
    shown = asked(identify(user_id="abc123", anonymous_id="a1")).stdout
    assert "- anonymous_id a1 belonged to 2; it comes along to the profile.\n" in shown
    assert "profile 1, one profile of several.\n" in shown
    assert "profile merged absorbed 2 (profile 1, version 2)\n" in shown


def test_other_strategies_are_explained_by_their_reasons(asked):
    told = json.loads(
        asked(identify("retail", customerid="C2", email="jane@example1.com"), "--json").stdout
    )
    fates = {fate["identity_type"]: fate["became"] for fate in told["identifiers"]}
    assert fates == {"customerid": "stronger_kept", "email": "matched"}
    assert told["mpid"] == "7"


def alias(**window):
    data = {"source_mpid": "8", "destination_mpid": "9", **window}
    value = {"request_type": "alias", "environment": "production", "data": data}
    return json.dumps({"topic": "requests", "input": "linked", "timestamp_ms": 10, "value": value})


def test_an_alias_is_explained_by_what_became_of_it_and_why(asked):
    told = asked(alias()).stdout
    assert "Outcome answered: the alias of 8 to 9 is applied." in told
    assert told.count("profile aliased") == 2
    told = asked(alias(start_unixtime_ms=5, end_unixtime_ms=5)).stdout
    assert "the alias of 8 to 9 is ignored, as its window has no instant in it." in told


def test_a_record_that_is_no_record_is_explained_too(asked):
    line = json.dumps({"topic": "batches", "timestamp_ms": 1, "value": {"user_identities": 3}})
    assert "Outcome dead_letter (invalid): user_identities: must be an object" in asked(line).stdout


def test_no_record_at_all_is_a_failure_of_one_line(asked):
    done = asked("")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_it_tells_where_it_looked_and_what_it_left_out(asked):
    value = {"user_identities": {}, "user_attributes": {"k": {"x": 1}}, "device_info": []}
    told = asked(json.dumps({"topic": "batches", "timestamp_ms": 1, "value": value})).stdout
    assert "It looked for identifiers in user_identities: of its names user_id, " in told
    assert "; device_info (missing); mp_deviceid (missing); mpid (missing), and found none." in told
    assert "- user_attributes.k is of another type than it should be: it is left out." in told
    assert "- device_info is of another type than it should be: it is left out." in told


def test_a_time_that_cannot_be_is_told(asked):
    value = {"user_identities": {"email": "a"}, "timestamp_unixtime_ms": 5}
    line = json.dumps({"topic": "batches", "timestamp_ms": 1_700_000_000_000, "value": value})
    assert "- time is too long before the record's own time" in asked(line).stdout
