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
[workspaces.mortal]
preset = "default"
[workspaces.mortal.retention]
anonymous_days = 30
[inputs.mortal]
workspace = "mortal"
[inputs.default]
workspace = "shop"
[inputs.linked]
workspace = "linked"
[inputs.retail]
workspace = "retail"
protection = "update_only"
[inputs.computed]
workspace = "computed"
[inputs.history]
workspace = "computed"
compute = false
"""
COMPUTED = """
[workspaces.computed]
preset = "default"
[workspaces.computed.events.order]
type = "custom_event"
name = "Order"
[workspaces.computed.events.large]
type = "custom_event"
name = "Order"
where = [{ attribute = "amount", op = "greater", value = 100 }]
[workspaces.computed.calculated.orders]
type = "count"
event = "order"
[workspaces.computed.calculated.largest]
type = "maximum"
event = "large"
attribute = "amount"
[workspaces.computed.audiences.buyers]
all = [
  { event = "order", within = "7d", at_least = 2 },
  { not = { attribute = "largest", op = "at_least", value = 100 } },
]
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
    profile("mortal", "10", other="lives"),
]


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "idstream.toml").write_text(SHOP + COMPUTED)
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
    assert (told["supplied"], told["mpid"]) == (
        {"mpid": "7", "is_known": True, "ended": None},
        "7",
    )
    assert told["protection"] == "update_only"


def test_it_tells_until_when_the_profile_lives_where_profiles_age(asked):
    shown = asked(batch(10, "mortal")).stdout
    assert shown.endswith(
        "Its lifetime ends at 1970-01-31 00:00:00, unless something is received.\n"
    )
    told = json.loads(asked(batch(10, "mortal"), "--json").stdout)
    assert told["lifetime"] == {"ends_ms": 30 * DAY + 10, "is_emptied": False}
    assert json.loads(asked(batch(7, "retail"), "--json").stdout)["lifetime"] is None


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


START = 1_767_225_600_000
DAY = 86_400_000


def order(time_ms, name="computed", **attributes):
    data = {"event_name": "Order", "custom_attributes": attributes}
    value = {
        "user_identities": {"email": "ada@example.com"},
        "events": [{"event_type": "custom_event", "data": data}, EVENT],
    }
    return json.dumps({"topic": "batches", "input": name, "timestamp_ms": time_ms, "value": value})


@pytest.fixture
def customer(asked, tmp_path):
    """Explain over a person who ordered once, on the first of January."""
    subprocess.run(
        [sys.executable, "-m", "processor", "resolve", "--dump", "profiles.jsonl"],
        input=order(START, amount=5),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return asked


def test_it_tells_which_selectors_match_each_event_and_why_the_others_do_not(customer):
    shown = customer(order(START + DAY, amount=7)).stdout
    assert (
        "- event 1, custom_event, matches order; does not match large (custom.amount).\n" in shown
    )
    assert "- event 2, session_start, does not match order (its type), large (its type).\n" in shown


def test_it_tells_values_before_and_after(customer):
    told = json.loads(customer(order(START + DAY, amount=700), "--json").stdout)["computed"]
    assert told["values"] == [
        {"name": "orders", "before": 1, "after": 2},
        {"name": "largest", "before": None, "after": 700},
    ]
    shown = customer(order(START + DAY, amount=7)).stdout
    assert "- orders is 2, was 1.\n- largest is nothing, as before.\n" in shown


def test_it_tells_who_enters_why_and_when_time_alone_ends_it(customer):
    line = order(START + DAY, amount=7)
    shown = customer(line).stdout
    end = "2026-01-08 00:00:00"
    assert (
        f"- enters buyers (version 1), until {end}.\n"
        f"  ✓ all of; next change {end}\n"
        f"    ✓ event order at_least 2 within 7d: 2 or more; next change {end}\n"
        "    ✓ not\n"
        "      ✗ attribute largest at_least 100\n"
    ) in shown
    assert f"time alone changes something next at {end}.\n" in shown
    (message,) = json.loads(customer(line, "--json").stdout)["computed"]["messages"]
    assert (message["change"], message["audience"]) == ("entered", "buyers")


def test_it_tells_why_somebody_is_not_in_an_audience(customer):
    shown = customer(order(START + 8 * DAY, amount=700)).stdout
    assert (
        "- is not in buyers (version 1).\n"
        "  ✗ all of\n"
        "    ✗ event order at_least 2 within 7d: 1\n"
        "    ✗ not\n"
        "      ✓ attribute largest at_least 100: 700\n"
    ) in shown
    assert "time alone changes nothing.\n" in shown


def test_events_that_count_for_nothing_say_so(customer):
    shown = customer(order(START + DAY, "history", amount=7)).stdout
    assert "Its events count for nothing: the input history has compute = false.\n" in shown
    assert "- orders is 1, as before.\n" in shown


def test_where_nothing_is_defined_nothing_is_told_of_it(asked):
    told = json.loads(asked(batch(7, "retail"), "--json").stdout)
    assert told["computed"] is None
