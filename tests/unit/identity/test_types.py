"""Identity types, their spellings, and derived MPIDs (docs/configuration.md, "Identity types")."""

import pytest

from processor.identity.mpid import derive_mpid
from processor.identity.types import (
    DEVICE_INFO_KEYS,
    DEVICE_TYPES,
    MP_DEVICEID_TYPE,
    PRESETS,
    STANDARD_KEYS,
    USER_TYPES,
    batch_spelling,
    canonical_type,
)


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("customerid", "customerid"),
        ("customer_id", "customerid"),
        ("other_id_2", "other2"),
        ("other2", "other2"),
        ("other_id_10", "other10"),
        ("email_sha256", "other"),
        ("mobile_sha256", "other2"),
        ("facebook_id", "facebook"),
        ("facebook_custom_audience_id", "facebookcustomaudienceid"),
    ],
)
def test_user_identities_have_one_type_in_every_spelling_and_everywhere(spelling, canonical):
    assert STANDARD_KEYS.request[spelling] == canonical
    assert STANDARD_KEYS.batch[spelling] == canonical
    assert canonical_type(spelling) == canonical


def test_device_ids_are_no_user_identities():
    assert not DEVICE_TYPES & set(STANDARD_KEYS.batch.values())
    assert STANDARD_KEYS.request["ios_advertising_id"] == "ios_idfa"
    assert STANDARD_KEYS.request["device_application_stamp"] == MP_DEVICEID_TYPE
    assert DEVICE_INFO_KEYS["android_advertising_id"] == "android_aaid"
    assert MP_DEVICEID_TYPE not in DEVICE_INFO_KEYS


def test_microsoft_device_ids_have_no_identity_api_key():
    for name in ("microsoft_advertising_id", "microsoft_publisher_id"):
        assert name not in STANDARD_KEYS.request
        assert DEVICE_INFO_KEYS[name] == canonical_type(name) == name


def test_no_spelling_stands_for_two_types():
    assert len(USER_TYPES) == 22
    assert len(DEVICE_TYPES) == 12
    assert not USER_TYPES & DEVICE_TYPES
    assert all(canonical_type(t) == t for t in USER_TYPES | DEVICE_TYPES)
    assert canonical_type("nickname") is None


def test_outgoing_batches_spell_types_as_batches_do_and_read_them_back():
    assert batch_spelling("customerid") == "customer_id"
    assert batch_spelling("other2") == "other_id_2"
    assert batch_spelling("loyalty_number") == "loyalty_number"
    assert all(STANDARD_KEYS.batch[batch_spelling(t)] == t for t in USER_TYPES)


def test_presets_are_valid_configurations():
    assert PRESETS.keys() == {"default", "default_2023"}
    assert len(PRESETS["default"].priority) == 8
    assert len(PRESETS["default_2023"].priority) == 18
    for preset in PRESETS.values():
        assert set(preset.priority) <= USER_TYPES | DEVICE_TYPES
        assert preset.login_ids == preset.unique_ids == {"customerid"}
        assert preset.immutable_ids <= preset.login_ids


def test_an_mpid_follows_from_seed_and_attempt():
    drawn = {
        derive_mpid(seed, attempt)
        for seed in ((), (b"a",), (b"a", b""), (b"b" * 5000,))
        for attempt in range(50)
    }
    assert len(drawn) == 200
    assert all(0 < mpid < 1 << 63 for mpid in drawn)
    assert derive_mpid((b"record", 7), 0) == derive_mpid((b"record", 7), 0)
    assert derive_mpid((b"record", 7), 0) == 5917036540117932883
