"""Partner identities: kept with a person, never a lookup, and sent where the workspace says."""

import json
from typing import Any

import pytest

from processor.identity.profile import PartnerIdentity, WorkspaceMore
from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.profiles.merging import combine
from processor.records import Record
from processor.rules import Limits, PartnerRules
from processor.settings import SettingsError, load_text
from tests.unit.profiles.people import profile

START = 1_767_225_600_000
CONFIG = """
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[workspaces.shop.partner_identities]
Desk_UID = { forward = true, requires_consent = "gdpr.ads" }
Acme_Key = {}
[inputs.default]
workspace = "shop"
source = "custom_feed"
[inputs.acme]
workspace = "shop"
source = "partner_feed"
partner = "Acme"
[inputs.nobody]
workspace = "shop"
source = "partner_feed"
"""


class Shop:
    def __init__(self, config: str = CONFIG) -> None:
        settings = load_text(config, {})
        self.index = MemoryIndex()
        cached = CachedIndex(self.index, 1_000_000)
        rules, spaces = settings.rules(), settings.space_rules()
        self.made = Pipeline(Parts(rules, spaces, cached, "t", memory_bytes=1_000_000))
        self.made.assign([Assignment(t, 0, t, None, "") for t in ("batches", "requests")], [])
        self._offset = 0

    def send(self, said: Any = None, input: str = "default", **fields: Any) -> Settled:  # noqa: A002
        value = {"events": [{"event_type": "session_start", "data": {}}], **fields}
        value.setdefault("user_identities", {"customer_id": "A"})
        if said is not None:
            value["partner_identities"] = said
        headers, data = (("input", input.encode()),), json.dumps(value).encode()
        record = Record("batches", 0, self._offset, START + self._offset, None, data, headers)
        self._offset += 1
        (settled,) = self.made.settle([record])
        self.made.committed()
        return settled

    def kept(self) -> dict[str, str]:
        (one,) = self.index.profiles()
        partners = one.workspaces["shop"].more.partner_identities if one.workspaces else {}
        return {name: its.value for name, its in partners.items()}


def sent(settled: Settled) -> Any:
    assert settled.output is not None
    return json.loads(settled.output.value or b"").get("partner_identities")


def test_what_is_received_last_is_kept_and_null_takes_it_away():
    shop = Shop()
    shop.send({"Desk_UID": "a", "Acme_Key": 7})
    shop.send({"Desk_UID": "b"})
    assert shop.kept() == {"Desk_UID": "b", "Acme_Key": "7"}
    shop.send({"Acme_Key": None})
    assert shop.kept() == {"Desk_UID": "b"}


def test_the_same_value_again_writes_nothing():
    shop = Shop()
    shop.send({"Desk_UID": "a"})
    assert shop.send({"Desk_UID": "a"}).profiles == ()


@pytest.mark.parametrize(
    ("said", "name", "detail"),
    [
        ({"Other_Id": "x"}, "default", "is no name that workspaces.NAME.partner_identities"),
        ({"Desk_UID": "x"}, "acme", "is of another partner than inputs.NAME.partner"),
        ({"Desk_UID": "x"}, "nobody", "is of another partner than inputs.NAME.partner"),
        ({"Desk_UID": ["x"]}, "default", "must be text"),
        ({"Desk_UID": "x" * 4097}, "default", "must have 4096 characters at most"),
        ("x", "default", "must be an object of names and texts"),
    ],
)
def test_what_an_input_must_not_send_is_a_dead_letter_that_names_the_field(said, name, detail):
    letter = Shop().send(said, input=name)
    assert (letter.outcome.name, letter.outcome.reason) == ("dead_letter", "invalid")
    told = dict(letter.output.headers)["detail"].decode()
    assert told.startswith("partner_identities")
    assert detail in told
    assert "Other" not in told


def test_a_stored_value_goes_out_only_where_it_is_forwarded_and_while_the_consent_holds():
    shop = Shop()
    said = {"Desk_UID": "a", "Acme_Key": "k"}
    assert sent(shop.send(said)) == said
    assert sent(shop.send()) is None
    given = {"gdpr": {"ads": {"consented": True}}}
    assert sent(shop.send(consent_state=given)) == {"Desk_UID": "a"}
    for _ in range(3):  # also where the decision is remembered
        assert sent(shop.send()) == {"Desk_UID": "a"}
    assert sent(shop.send({"Desk_UID": "b"})) == {"Desk_UID": "b"}
    assert sent(shop.send()) == {"Desk_UID": "b"}


def test_a_right_that_must_not_be_used_holds_back_where_it_is():
    rules = PartnerRules(forward=True, requires_consent="!ccpa.data_sale_opt_out")
    assert rules.may_forward({})
    assert not rules.may_forward({"ccpa": {"data_sale_opt_out": {"consented": True}}})
    assert rules.may_forward({"ccpa": {"data_sale_opt_out": {"consented": False}}})


def test_a_partner_identity_finds_nobody():
    shop = Shop()
    shop.send({"Desk_UID": "a"})
    other = shop.send({"Desk_UID": "a"}, user_identities={})
    assert (other.outcome.name, other.outcome.reason) == ("dropped", "no_identity")


def test_a_workspace_that_registers_none_passes_the_field_on():
    lines = [
        line for line in CONFIG.splitlines() if "Desk_UID" not in line and "Acme_Key" not in line
    ]
    shop = Shop("\n".join(lines).replace("[workspaces.shop.partner_identities]", ""))
    assert sent(shop.send({"Any_Thing": ["x"]})) == {"Any_Thing": ["x"]}
    assert shop.kept() == {}


def test_of_profiles_that_merge_the_value_received_last_stays():
    def having(value: str, updated_ms: int):
        one = {"Desk_UID": PartnerIdentity(value, updated_ms, "default")}
        return profile(attributes={}, more=WorkspaceMore(partner_identities=one))

    for times, value in (((1, 2), "other"), ((2, 1), "own"), ((1, 1), "own")):
        whole = combine(having("own", times[0]), [having("other", times[1])], Limits())
        assert whole.workspaces["retail"].more.partner_identities["Desk_UID"].value == value


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("Acme_Key = {}", '"Acme" = {}', "workspaces.shop.partner_identities.Acme: is no name"),
        ("gdpr.ads", "gdpr", "workspaces.shop.partner_identities.Desk_UID.requires_consent: must"),
        (
            'source = "partner_feed"\npartner',
            'source = "sdk"\npartner',
            "inputs.acme.partner: only",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(old, new, path):
    with pytest.raises(SettingsError, match=path.replace(".", r"\.")):
        load_text(CONFIG.replace(old, new), {})
