"""Generated records are what they say: the good go through, the bad get the reason they are for."""

import io
import json
import random
from collections import Counter

import msgspec
import pytest

from processor.commands.generate.generate import GenerateOptions, line, print_lines
from processor.commands.generate.traffic import Load, NothingToSay, Traffic
from processor.commands.offline.resolve import load_index, resolve
from processor.commands.terminal.failure import Failure
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.settings import load_offline, load_text
from tests.docs.pages import ROOT

SERVERS = '[kafka]\nbootstrap_servers = "none:9092"\n[redis]\nurl = "redis://none"\n'
INPUT = '[inputs.default]\nworkspace = "retail"\nsource = "sdk"\n'
EIGHT = {
    "malformed",
    "invalid",
    "oversize",
    "unknown_input",
    "unknown_identity_type",
    "unsupported_content_type",
    "schema_not_found",
    "undecodable",
}
STRATEGIES = ("default", "profile_conversion", "profile_link", "profile_isolation", "best_match")
LOGINS = ('login_ids = ["customerid"]', 'unique_ids = ["customerid"]')
FLAT = """
[workspaces.retail]
strategy = "flat_matching"
[workspaces.retail.identifiers]
user_id = { limit = 1 }
email = { limit = 5 }
anonymous_id = { limit = 5 }
"""


def retail(strategy, **more):
    lines = [
        f'[workspaces.retail]\nstrategy = "{strategy}"',
        'priority = ["customerid", "email", "ios_idfv", "android_uuid", "roku_aid"]',
        *([] if strategy == "best_match" else LOGINS),
        *(f"{name} = {json.dumps(value)}" for name, value in more.items()),
    ]
    return "\n".join(lines) + "\n"


def settings_of(*parts):
    return load_text(SERVERS + "".join(parts), {})


def made(settings, count=400, seed=1, **load):
    traffic = Traffic(settings.rules(), Load(**load), random.Random(seed).random)
    return [traffic.take(1_767_225_600_000 + n) for n in range(count)]


def played(settings, sent):
    """Return what becomes of *sent*, one after the other, in a pipeline without servers."""
    records = [
        Record(one.topic, 0, n, one.time_ms, one.key, one.value, one.headers)
        for n, one in enumerate(sent)
    ]
    index = load_index(settings, None)
    parts = Parts(rules=settings.rules(), spaces=settings.space_rules(), index=index, owner="tests")
    pipeline = Pipeline(parts)
    inputs = settings.kafka.topics.inputs
    pipeline.assign([Assignment(topic, 0, topic, None, "") for topic in inputs], [])
    return [s.outcome for s in pipeline.settle(records)]


def assert_as_made(settings, sent):
    for one, outcome in zip(sent, played(settings, sent), strict=True):
        if one.wrong is None:
            assert outcome.name in ("forwarded", "stored", "answered"), (one, outcome)
        else:
            assert (outcome.name, outcome.reason) == ("dead_letter", one.wrong)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("validation", ["lenient", "strict"])
def test_good_records_go_through_and_bad_ones_get_their_reason(strategy, validation):
    settings = settings_of(retail(strategy, validation=validation), INPUT)
    sent = made(settings, bad=0.2)
    assert_as_made(settings, sent)
    assert {one.wrong for one in sent} == {None, *EIGHT}
    assert {one.role for one in sent} == {"batches", "requests"}


@pytest.mark.parametrize("form", ["json", "avro", "segment"])
def test_an_input_gets_its_format(form):
    settings = settings_of(FLAT, INPUT, f'format = "{form}"\n')
    sent = made(settings, bad=0.2)
    assert_as_made(settings, sent)
    batches = [one for one in sent if one.role == "batches" and one.wrong is None]
    begins = {"json": b'{"environment"', "avro": b"\xc3\x01", "segment": b'{"'}[form]
    assert batches
    assert all(one.value.startswith(begins) for one in batches)


def test_topics_in_avro_get_requests_in_avro_too():
    formats = '[kafka.formats]\n"event-batches" = "avro"\n"identity-requests" = "avro"\n'
    settings = load_text(
        SERVERS.replace("[redis]", formats + "[redis]") + retail("default") + INPUT, {}
    )
    sent = made(settings)
    assert_as_made(settings, sent)
    assert all(one.value.startswith(b"\xc3\x01") for one in sent if one.wrong is None)
    told = made(settings, as_text=True)
    assert_as_made(settings, told)
    assert all(one.value.startswith(b"{") for one in told if one.wrong is None)


def test_feeds_of_every_tier_speak_of_those_who_have_signed_up():
    tiers = ("calculated", "account", "custom_feed", "csv", "partner_feed")
    feeds = [f'[inputs.{t}]\nworkspace = "retail"\nsource = "{t}"\n' for t in tiers]
    settings = settings_of(retail("profile_conversion"), INPUT, *feeds)
    sent = made(settings, count=2000)
    assert_as_made(settings, sent)
    assert {one.input for one in sent if one.wrong is None} == {"default", *tiers}
    assert {name for name, _ in sent[0].headers} >= {"input"}


def test_devices_are_shared_and_people_have_several():
    settings = settings_of(retail("profile_conversion"), INPUT)
    users, devices = {}, {}
    for one in made(settings, count=4000, people=50):
        body = msgspec.json.decode(one.value) if one.wrong is None else {}
        known = body.get("known_identities", {})
        if body.get("request_type") == "login":
            users.setdefault(one.key, set()).add(known["customerid"])
            devices.setdefault(known["customerid"], set()).add(one.key)
    assert max(map(len, users.values())) > 1
    assert max(map(len, devices.values())) > 1
    assert len(devices) <= 50


def test_the_same_seed_makes_the_same_records_and_another_makes_others():
    settings = settings_of(retail("profile_link"), INPUT)
    assert made(settings) == made(settings)
    assert made(settings) != made(settings, seed=2)


def test_clients_that_were_told_their_profile_name_it_and_alias_and_modify_it():
    settings = settings_of(retail("profile_link"), INPUT)
    traffic = Traffic(settings.rules(), Load(bad=0), random.Random(1).random)
    asked, mpids = Counter(), 0
    for n in range(3000):
        one = traffic.take(n)
        body = msgspec.json.decode(one.value)
        if one.role == "requests":
            asked[body["request_type"]] += 1
            asked["named"] += "previous_mpid" in body
            mpids += 1
            traffic.heard(dict(one.headers)["request-id"].decode(), str(mpids))
    assert asked.keys() == {"identify", "login", "logout", "modify", "alias", "named"}
    traffic.heard("elsewhere/0-0", "1")
    traffic.heard("retail/999999-0", "1")
    traffic.heard("what", "1")


def test_without_identity_types_there_is_nothing_to_say():
    with pytest.raises(NothingToSay):
        made(settings_of(retail("default"), INPUT.replace("default", "a")), inputs={"b"})


def test_what_is_printed_is_read_by_resolve():
    sink, answers = io.BytesIO(), io.BytesIO()
    config = ROOT / "deploy/compose/idstream.toml"
    options = GenerateOptions(Load(bad=0.2), rate=50, seed=3, records=200)
    print_lines(config, {}, options, sink)
    lines = sink.getvalue().splitlines(keepends=True)
    assert len(lines) == 200
    resolve(load_offline(config, {}), lines, answers)
    outcomes = Counter(json.loads(one)["outcome"] for one in answers.getvalue().splitlines())
    assert outcomes.keys() == {"forwarded", "answered", "dead_letter"}


def test_a_line_has_the_value_as_it_is():
    settings = settings_of(retail("default"), INPUT)
    bad = next(one for one in made(settings, bad=1) if one.wrong == "malformed")
    assert line(bad).endswith(b'"value":undefined}')


def test_an_input_that_is_not_there_is_told_with_those_that_are():
    options = GenerateOptions(Load(inputs=frozenset({"defualt"})), rate=50, seed=1)
    with pytest.raises(Failure, match="no input defualt; the configuration has default"):
        print_lines(ROOT / "deploy/compose/idstream.toml", {}, options, io.BytesIO())
