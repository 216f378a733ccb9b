"""``profile`` shows what the index holds, by MPID and by identity."""

import json
from pathlib import Path

import pytest

from processor.commands.profile import ProfileQuery, show, show_json
from processor.commands.terminal.failure import Failure
from processor.identity.model import Identifier, Space
from processor.identity.profile import (
    Alias,
    Attribute,
    Attribution,
    Device,
    Identity,
    More,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.identity.view import Effects
from processor.redis.index import RedisIndex

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
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
user_id = {{ priority = 1 }}
[inputs.retail]
workspace = "retail"
[inputs.shop]
workspace = "shop"
"""
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
            devices=(Device({"ios_idfv": "D-1"}, 1, 2),),
            more=WorkspaceMore(Attribution("network", None, None, 4)),
        )
    },
    more=More(
        first_seen_ms=1_700_000_000_000,
        aliases=(Alias("destination", 5, 10, 20, "device", "das-1"),),
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
    index.close()
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.format(url=redis_url, prefix=redis_prefix))
    return path


@pytest.mark.parametrize("key", ["7", "email=ada@example.com", "email=ADA@example.com"])
def test_a_profile_is_found_by_its_mpid_and_by_an_identity(config, capsys, key):
    show(config, {}, ProfileQuery("retail", "production", key))
    shown = capsys.readouterr().out
    for fact in ("2026-01-01 00:00:00", "ada@example.com", "gold", "gdpr", "D-1", "source mpid"):
        assert fact in shown
    for fact in ("2023-11-14 22:13:20", "destination", "das-1", "network"):
        assert fact in shown


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
