"""``profile`` shows what the index holds, by MPID and by identity."""

import json
import re
from pathlib import Path

import pytest

from processor.commands.offline.explain import explain
from processor.commands.offline.over import index_for
from processor.commands.profile import ProfileQuery, show, show_json
from processor.commands.terminal.failure import Failure
from processor.computed.state import Memory, pack_memory
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import (
    Alias,
    Attribute,
    Attribution,
    Computed,
    Device,
    Identity,
    Membership,
    More,
    PartnerIdentity,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.identity.view import Effects
from processor.redis.index import RedisIndex
from processor.settings import load_offline

pytestmark = pytest.mark.redis

CONFIG = """
[redis]
url = "{url}"
prefix = "{prefix}"
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
normalizers = {{ email = ["lower"] }}
[workspaces.retail.retention]
known_days = 30
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
user_id = {{ priority = 1 }}
[inputs.retail]
workspace = "retail"
[inputs.shop]
workspace = "shop"
"""
COMPUTED = Computed(
    calculated={"orders_30d": 3, "last_shop": "Ulm"},
    fresh_until_ms=1_767_312_000_000,
    audiences={"buyers": Membership(2, 1_767_139_200_000, 1_767_830_400_000)},
    state=pack_memory(Memory(dues={"lapsed": 1_768_435_200_000})),
)
SPACE = Space("retail", "production")
EMAIL = Identifier("email", "ada@example.com")
ADA = Profile(
    scope="retail",
    environment="production",
    mpid=7,
    version=3,
    created_ms=0,
    last_seen_ms=1_767_225_600_000,
    source_mpid=5,
    identities=(Identity("email", "ada@example.com", 1, 2, "default"),),
    workspaces={
        "retail": WorkspaceData(
            attributes={"tier": Attribute("gold", "sdk", "default", 3)},
            consent_state={"gdpr": {"ads": {"consented": True}}},
            devices=(Device({"ios_idfv": "D-1", "ios_idfa": "D-2"}, 1, 2, {"platform": "iOS"}),),
            more=WorkspaceMore(
                Attribution("network", None, None, 4),
                computed=COMPUTED,
                partner_identities={"uid2": PartnerIdentity("AdvId", 1_767_225_600_000, "ops")},
            ),
        )
    },
    more=More(
        first_seen_ms=1_700_000_000_000,
        aliases=(Alias("destination", 5, 10, 20, "device", "das-1"),),
        clock_ms=1_767_225_600_000,
        due_ms=1_767_830_400_000,
        stamp=b"stamp",
    ),
)
USER = Identifier("user_id", "u1")
CUSTOMER = Profile(
    scope="shop",
    environment="production",
    mpid=9,
    version=1,
    created_ms=0,
    last_seen_ms=0,
    identities=(Identity("user_id", "u1", 1, 2, "default"),),
)
MERGED = Profile("retail", "production", 8, 1, 0, 0, merged_into=7)


@pytest.fixture
def config(redis_url: str, redis_prefix: str, tmp_path: Path) -> Path:
    index = RedisIndex.connect(redis_url, redis_prefix)
    effects = Effects({}, {}, {EMAIL: (7,)}, {7: ADA, 8: MERGED})
    index.commit(SPACE, effects, [])
    effects = Effects({}, {}, {USER: (9,)}, {9: CUSTOMER})
    index.commit(Space("shop", "production"), effects, [])
    emptied = Profile("retail", "production", 12, 1, 0, 0, more=More(emptied_ms=1_767_225_600_000))
    grave = Grave(11, 4, 1_767_225_600_000, "aged_out")
    index.commit(SPACE, Effects({}, {}, {}, {12: emptied}, graves={11: grave}), [])
    index.close()
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.format(url=redis_url, prefix=redis_prefix))
    return path


@pytest.mark.parametrize("key", ["7", "email=ada@example.com", "email=ADA@example.com"])
def test_a_profile_is_found_by_its_mpid_and_by_an_identity(config, capsys, key):
    show(config, {}, ProfileQuery("retail", "production", key))
    shown = capsys.readouterr().out
    for fact in ("2026-01-01 00:00:00", "ada@example.com", "gold", "gdpr", "D-1", "arose from"):
        assert fact in shown
    for fact in ("2023-11-14 22:13:20", "destination", "das-1", "network"):
        assert fact in shown


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_what_is_computed_is_shown_with_what_is_due_next(config, capsys):
    show(config, {}, ProfileQuery("retail", "production", "7"))
    shown = lines(capsys.readouterr().out)
    for line in (
        "computed 2026-01-01 00:00:00",
        "due next 2026-01-08 00:00:00",
        "Calculated in retail, until 2026-01-02 00:00:00",
        "orders_30d 3",
        "last_shop Ulm",
        "buyers 2 2025-12-31 00:00:00 2026-01-08 00:00:00",
        "uid2 AdvId 2026-01-01 00:00:00 ops",
    ):
        assert line in shown
    due = shown.index("Due in retail")
    assert shown[due + 3 : due + 5] == [
        "2026-01-08 00:00:00 leaves buyers",
        "2026-01-15 00:00:00 may enter lapsed",
    ]


def test_of_whom_nothing_is_computed_nothing_is_said_of_it(config, capsys):
    show(config, {}, ProfileQuery("shop", "production", "user_id=u1"))
    shown = capsys.readouterr().out
    assert not any(word in shown for word in ("computed", "due next", "Calculated", "Audiences"))


def test_times_stand_in_their_order_and_devices_with_all_that_is_known_of_them(config, capsys):
    show(config, {}, ProfileQuery("retail", "production", "7"))
    shown = capsys.readouterr()
    names = [line.split("  ")[0] for line in shown.out.splitlines()]
    assert names.index("first seen") < names.index("created") < names.index("last seen")
    assert re.search(r"^ios_idfv +D-1 +1970-01-01 ", shown.out, re.MULTILINE)
    assert re.search(r"^  ios_idfa +D-2$", shown.out, re.MULTILINE)
    assert re.search(r"^  platform +iOS$", shown.out, re.MULTILINE)


def test_what_to_look_at_next_can_be_copied(config, capsys):
    show(config, {}, ProfileQuery("retail", "production", "email=ada@example.com"))
    told = capsys.readouterr().err
    assert f"idstream profile -c {config} --history retail 7\n" in told
    assert f"idstream explain -c {config} --live\n" in told
    assert "ada@" not in told


def test_a_profile_that_ages_says_when_it_ends_and_one_of_whom_little_was_kept_since_when(
    config, capsys
):
    show(config, {}, ProfileQuery("retail", "production", "7"))
    assert "lifetime ends 2026-01-31 00:00:00" in lines(capsys.readouterr().out)
    show(config, {}, ProfileQuery("retail", "production", "12"))
    shown = lines(capsys.readouterr().out)
    assert "emptied 2026-01-01 00:00:00 (only who it is was kept)" in shown
    assert "lifetime ends never" in shown
    show(config, {}, ProfileQuery("shop", "production", "9"))
    assert "lifetime" not in capsys.readouterr().out


def test_a_record_that_names_somebody_who_has_ended_is_explained_with_how_that_was(config):
    value = {"mpid": 11, "user_identities": {}, "events": []}
    line = {"topic": "batches", "input": "retail", "timestamp_ms": 10, "value": value}
    with index_for(config, {}, None, live=True) as index:
        found = explain(load_offline(config, {}), [json.dumps(line).encode()], index)
    told = "- it names the MPID 11, which belonged to nobody: its profile aged out on 2026-01-01"
    assert any(words.startswith(told) for words in found.words), found.words


def test_flat_matching_identifiers_are_looked_up_by_their_configured_names(config, capsys):
    show_json(config, {}, ProfileQuery("shop", "production", "user_id=u1"))
    assert json.loads(capsys.readouterr().out)["mpid"] == "9"


def test_as_json_it_is_the_published_profile(config, capsys):
    show_json(config, {}, ProfileQuery("retail", "production", "7"))
    assert json.loads(capsys.readouterr().out)["mpid"] == "7"


def test_a_merged_profile_is_shown_with_its_survivor(config, capsys):
    show_json(config, {}, ProfileQuery("retail", "production", "8"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["mpid"] for line in lines] == ["8", "7"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            ("retail", "production", "9"),
            r"no profile of retail/production has this key \(another --environment\?\)",
        ),
        (
            ("retail", "production", "11"),
            "the profile 11 of retail/production aged out on 2026-01-01 00:00:00",
        ),
        (("retail", "development", "7"), "no profile of retail/development"),
        (("retail", "production", "email=bob@example.com"), "no profile"),
        (("toys", "production", "7"), "no workspace toys; the configuration has retail, shop"),
        (("shop", "production", "email=ada"), "email is not in the priority of shop"),
        (("retail", "production", "ada"), "name an MPID, or an identity as type=value"),
        (("retail", "production", "mail=ada"), "mail is no identity type"),
        (("retail", "production", "ios_idfv=1"), "ios_idfv is not in the priority"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(config, wanted, message):
    with pytest.raises(Failure, match=message) as caught:
        show(config, {}, ProfileQuery(*wanted))
    assert "bob@" not in str(caught.value)
