"""What the profile adds to an outgoing batch (docs/messages.md, "Enriched batches")."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.identity.profile import Identity
from processor.identity.types import STANDARD_KEYS
from processor.pipeline.enrichment import enrich
from processor.profiles.document import from_json
from processor.profiles.update import apply_batch
from processor.records import EventBatch
from processor.rules import Limits
from tests.unit.profiles.people import attribute, profile, profiles, rules

SCHEMAS = Path(__file__).parents[3] / "schemas"
LARGE = 2**63 - 1
EVENTS = b'[ {"event_type": "opt_out", "data": {"x": 1.50, "x": 1e400, "y": "\\u0041"}} ]'


def decode(value) -> EventBatch:
    value = value if isinstance(value, bytes) else json.dumps(value).encode()
    batch = decode_batch(value, STANDARD_KEYS, Limits(), open_object)
    assert isinstance(batch, EventBatch), batch
    return batch


def enriched(value, document, notifications=None, workspace="retail"):
    return json.loads(enrich(decode(value), document, workspace, notifications))


def test_the_example_is_what_comes_of_its_batch_and_profile():
    batch = decode((SCHEMAS / "event-batch/examples/full.json").read_bytes())
    before = from_json((SCHEMAS / "profile/examples/before.json").read_bytes())
    after = from_json((SCHEMAS / "profile/examples/known.json").read_bytes())
    now = 1782900000000
    applied = apply_batch(before, rules(), batch, now, now, Limits())
    assert replace(applied.profile, version=4, last_seen_ms=now) == after
    expected = json.loads((SCHEMAS / "enriched-batch/examples/full.json").read_text())
    assert json.loads(enrich(batch, after, "retail", applied.notifications)) == expected


def test_mpid_environment_and_schema_version_are_always_there():
    out = enriched({}, replace(profile(), mpid=LARGE))
    assert out == {
        "environment": "production",
        "mpid": LARGE,
        "user_attributes": {},
        "user_identities": [],
        "schema_version": 2,
    }
    assert b'"mpid":%d' % LARGE in enrich(
        decode({"mpid": "7"}), replace(profile(), mpid=LARGE), "retail", None
    )


def test_the_bytes_of_events_are_untouched():
    out = enrich(decode(b'{"events": ' + EVENTS + b"}"), profile(), "retail", None)
    assert b'"events":' + EVENTS in out


def test_the_stored_winner_is_sent_and_not_what_the_batch_tried():
    document = profile(attributes={"k": attribute("stored"), "tag": attribute(None)})
    out = enriched({"user_attributes": {"k": "tried", "lost": 1}}, document)
    assert out["user_attributes"] == {"k": "stored", "tag": None}


def test_another_workspace_of_the_scope_is_not_told():
    document = profile(attributes={"k": attribute("v")}, consent_state={"gdpr": {"p": {}}})
    out = enriched({"consent_state": {"gdpr": {"p": {}}}}, document, workspace="outlet")
    assert out["user_attributes"] == {}
    assert "consent_state" not in out


def test_user_identities_are_the_current_value_of_each_user_type():
    document = profile(
        [
            Identity("email", "new", 0, 9, "default"),
            Identity("customerid", "A", 0, 1, "default"),
            Identity("email", "old", 0, 5, "default"),
            Identity("ios_idfv", "device", 0, 9, "default"),
            Identity("other2", "first", 0, 4, "default"),
            Identity("other2", "last", 0, 4, "default"),
        ]
    )
    assert enriched({}, document)["user_identities"] == [
        {"identity_type": "email", "identity": "new", "timestamp_unixtime_ms": 9},
        {"identity_type": "customer_id", "identity": "A", "timestamp_unixtime_ms": 1},
        {"identity_type": "other_id_2", "identity": "last", "timestamp_unixtime_ms": 4},
    ]


def test_device_info_is_the_batchs_own_with_each_key_once():
    assert "device_info" not in enriched({}, profile())
    out = enrich(
        decode(b'{"device_info": {"brand": "a", "brand": "b", "x": null}}'), profile(), "r", None
    )
    assert b'"device_info":{"brand":"b","x":null}' in out


def test_unknown_fields_and_deletions_pass_through():
    batch = {"deleted_user_attributes": ["k"], "x": [1], "context": {"data_plan": {}}}
    out = enriched(batch, profile())
    assert {name: out[name] for name in batch} == batch


def test_system_notifications_are_ours_alone():
    notes = b'[{"type":"gdpr_change"}]'
    forged = {"system_notifications": [{"type": "forged"}]}
    assert "system_notifications" not in enriched(forged, profile())
    assert enriched(forged, profile(), notes)["system_notifications"] == json.loads(notes)


def test_the_batch_itself_is_not_changed():
    batch = decode({"mpid": 7, "consent_state": {}, "user_attributes": {"k": 1}})
    before = {name: bytes(raw) for name, raw in batch.fields.items()}
    enrich(batch, profile(), "retail", None)
    assert {name: bytes(raw) for name, raw in batch.fields.items()} == before


@pytest.mark.parametrize("name", ["mpid", "user_attributes", "user_identities", "environment"])
def test_every_key_occurs_once_even_if_the_batch_had_it_twice(name):
    twice = f'{{"{name}": null, "{name}": null}}'.encode()
    out = enrich(decode(twice), profile(), "retail", None)
    assert out.count(f'"{name}":'.encode()) == 1


@given(profiles, st.dictionaries(st.text(max_size=6), st.integers() | st.text(), max_size=4))
def test_an_output_decodes_again_to_the_same_user(document, attributes):
    identities = tuple(i for i in document.identities if i.value)
    document = replace(document, identities=identities, workspaces=document.workspaces)
    workspace = next(iter(document.workspaces), "retail")
    out = enrich(decode({"user_attributes": attributes}), document, workspace, None)
    again = decode(out)
    assert again.mpid == (document.mpid or None)
    data = document.workspaces.get(workspace)
    stored = {name: a.value for name, a in data.attributes.items()} if data else {}
    assert again.user_attributes == stored
    current = {}
    for identity in identities:
        known = current.get(identity.identity_type)
        if known is None or identity.updated_ms >= known.updated_ms:
            current[identity.identity_type] = identity
    assert {*again.identifiers} == {(i.identity_type, i.value) for i in current.values()}
    assert again.consent_state == (data.consent_state if data and data.consent_state else None)
