"""The two written forms of a profile."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.identity.profile import (
    NO_MORE,
    NO_WORKSPACE_MORE,
    Alias,
    Attribute,
    Attribution,
    Computed,
    Device,
    Identity,
    Membership,
    More,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.profiles.document import (
    FORMAT,
    from_json,
    pack,
    packed_bytes,
    profile_key,
    to_json,
    unpack,
)
from tests.unit.profiles.people import int64, profile, profiles

EXAMPLES = Path(__file__).parents[3] / "schemas" / "profile" / "examples"
VERSION, MERGED_FLAG, MERGED_INTO = slice(1, 9), 9, slice(10, 18)
"""Where the scripts look in a document (shared.lua, commit.lua)."""
BEFORE_MORE = Profile(
    scope="retail",
    environment="production",
    mpid=-2345,
    version=7,
    created_ms=1_782_900_000_000,
    last_seen_ms=1_782_900_060_000,
    source_mpid=1234,
    contested=True,
    merges=1,
    identities=(Identity("email", "ada@example.com", 1, 2, "default"),),
    workspaces={
        "retail": WorkspaceData(
            {"colour": Attribute("red", "sdk", "default", 3)},
            {"gdpr": {"ads": {"consented": True}}},
            (Device({"ios_idfv": "D"}, 1, 2, {"platform": "iOS"}),),
        ),
        "other": WorkspaceData(),
    },
    absorbed=(99,),
)
PACKED_BEFORE_MORE = bytes.fromhex(
    "0100000000000000070000000000000000009da672657461696caa70726f64756374696f6ed1f6d707cf0000019f1d1f"
    "0500cf0000019f1d1fef60cd04d2c0c3019195a5656d61696caf616461406578616d706c652e636f6d0102a764656661"
    "756c7482a672657461696c9381a6636f6c6f757294a3726564a373646ba764656661756c740381a46764707281a36164"
    "7381a9636f6e73656e746564c3919481a8696f735f69646676a144010281a8706c6174666f726da3694f53a56f746865"
    "72938080909163"
)
"""What the release before ``more`` stored of that profile."""
MINIMAL = {"scope": "retail", "environment": "production", "mpid": "1"}


@given(profiles, st.none() | int64)
def test_what_is_packed_is_unpacked_the_same(document, merged_into):
    document = replace(document, merged_into=merged_into)
    assert unpack(pack(document)) == document


@given(profiles)
def test_no_profile_takes_more_than_its_quick_measure_says(document):
    assert len(pack(document)) <= packed_bytes(document) <= len(pack(document)) + 8


@given(profiles, st.none() | int64)
def test_the_header_tells_version_and_merge_without_the_body(document, merged_into):
    data = pack(replace(document, merged_into=merged_into))
    assert data[0] == FORMAT
    assert int.from_bytes(data[VERSION], "big") == document.version
    assert data[MERGED_FLAG] == (merged_into is not None)
    pointer = int.from_bytes(data[MERGED_INTO], "big", signed=True)
    assert pointer == (merged_into or 0)


def test_a_profile_without_more_is_packed_byte_for_byte_as_before_there_was_any():
    assert pack(BEFORE_MORE) == PACKED_BEFORE_MORE
    assert unpack(PACKED_BEFORE_MORE) == BEFORE_MORE


@given(profiles)
def test_what_a_profile_has_no_more_of_is_not_in_its_documents(document):
    bare = replace(
        document,
        more=NO_MORE,
        workspaces={n: replace(w, more=NO_WORKSPACE_MORE) for n, w in document.workspaces.items()},
    )
    told = json.loads(to_json(bare))
    assert told.keys().isdisjoint(More.__struct_fields__)
    for its in told["workspaces"].values():
        assert its.keys().isdisjoint(WorkspaceMore.__struct_fields__)
    assert len(pack(bare)) < len(pack(document)) or bare == document


def test_more_is_published_under_its_own_names():
    device = Alias("destination", 2**62, 1, 2, "device", "das-1")
    whole = Alias("source", -7, 3, 4, "mpid")
    document = replace(
        profile(attributes={}, more=WorkspaceMore(Attribution("p", None, "s", 5))),
        more=More(first_seen_ms=0, aliases=(device, whole)),
    )
    told = json.loads(to_json(document))
    assert told["first_seen_ms"] == 0
    assert told["aliases"] == [
        {
            "role": "destination",
            "mpid": str(2**62),
            "start_ms": 1,
            "end_ms": 2,
            "scope": "device",
            "device": "das-1",
        },
        {
            "role": "source",
            "mpid": "-7",
            "start_ms": 3,
            "end_ms": 4,
            "scope": "mpid",
            "device": None,
        },
    ]
    assert told["workspaces"]["retail"]["attribution"] == {
        "publisher": "p",
        "campaign": None,
        "service_provider": "s",
        "time_ms": 5,
    }
    assert from_json(to_json(document)) == document


@given(profiles)
def test_what_is_published_is_read_the_same(document):
    assert from_json(to_json(document)) == document


@given(profiles)
def test_what_is_published_in_avro_is_read_the_same(document):
    avro = AvroWriter("profile").write(to_json(document))
    assert from_json(AvroReader("profile").to_json(avro)) == document


def test_what_definitions_remember_is_bytes_in_avro_and_base64_in_json():
    state = bytes(range(256)) * 4
    computed = Computed({"orders": 2}, None, {"vip": Membership(1, 5, None)}, state)
    document = replace(
        profile(attributes={}, more=WorkspaceMore(computed=computed)),
        more=More(clock_ms=5, due_ms=9, stamp=b"\x00\xff\x10\x01"),
    )
    told = json.loads(to_json(document))
    assert told["stamp"] == "00ff1001"
    assert told["workspaces"]["retail"]["computed"] == {
        "calculated": {"orders": 2},
        "audiences": {"vip": {"version": 1, "entered_ms": 5, "expires_ms": None}},
        "state": base64.b64encode(state).decode(),
    }
    assert state in AvroWriter("profile").write(to_json(document))


def test_a_person_of_whom_nothing_is_computed_yet_is_published_as_evaluated():
    document = profile(attributes={}, more=WorkspaceMore(computed=Computed()))
    assert json.loads(to_json(document))["workspaces"]["retail"]["computed"] == {}
    assert unpack(pack(document)) == document


def test_a_stamp_that_is_not_hex_is_refused_by_its_field():
    with pytest.raises(ValueError, match=r"^stamp: must be hex digits$"):
        from_json(json.dumps({**MINIMAL, "stamp": "xyz"}).encode())


@given(profiles, int64)
def test_of_a_merged_profile_only_where_it_went_is_published(document, merged_into):
    merged = replace(document, merged_into=merged_into)
    published = json.loads(to_json(merged))
    assert published["merged_into"] == str(merged_into)
    assert published["is_orphaned"] is False
    assert not {"identities", "workspaces"} & published.keys()
    assert from_json(to_json(merged)) == replace(merged, identities=(), workspaces={}, more=NO_MORE)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda p: p.stem)
def test_the_examples_are_what_is_published(path):
    example = json.loads(path.read_text())
    published = json.loads(to_json(from_json(path.read_bytes())))
    assert published == example
    assert [*published] == [*example]


def test_there_are_examples_of_a_known_and_of_a_merged_profile():
    assert {path.stem for path in EXAMPLES.glob("*.json")} >= {"known", "merged"}


def test_a_profile_without_identities_is_orphaned():
    assert json.loads(to_json(profile()))["is_orphaned"] is True


def test_contested_and_merges_show_only_where_they_are_set():
    assert not {"contested", "merges"} & json.loads(to_json(profile())).keys()
    published = json.loads(to_json(replace(profile(), contested=True, merges=3)))
    assert (published["contested"], published["merges"]) == (True, 3)


def test_a_hand_written_profile_may_leave_out_what_follows_from_the_rest():
    written = {
        **MINIMAL,
        "mpid": -7,
        "created_ms": 5,
        "identities": [{"identity_type": "email", "value": "a"}],
        "workspaces": {"retail": {"attributes": {"k": {"value": 1}}, "devices": [{"ids": {}}]}},
    }
    read = from_json(json.dumps(written).encode())
    assert (read.mpid, read.version, read.last_seen_ms) == (-7, 1, 5)
    assert (read.identities[0].added_ms, read.identities[0].updated_ms) == (5, 5)
    data = read.workspaces["retail"]
    assert data.attributes["k"].updated_ms == 5
    assert (data.devices[0].first_seen_ms, data.devices[0].last_seen_ms) == (5, 5)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": 2}, "format"),
        ({"environment": "staging"}, "environment"),
        ({"scope": ""}, "scope"),
        ({"mpid": "P1"}, "mpid"),
        ({"mpid": 2**63}, "mpid"),
        ({"mpid": None}, "mpid"),
        ({"version": 0}, "version"),
        ({"merged_into": "x"}, "merged_into"),
        ({"source_mpid": str(2**64)}, "source_mpid"),
        ({"identities": [{"identity_type": "email"}]}, "identities"),
        ({"identities": [{"identity_type": "email", "value": 7}]}, "identities"),
        ({"identities": [{"identity_type": "email", "value": ""}]}, "identities"),
        ({"workspaces": {"retail": {"attributes": {"k": 1}}}}, "workspaces"),
        ({"workspaces": {"r": {"attributes": {"k": {"value": 1, "source": "x"}}}}}, "workspaces"),
        ({"workspaces": {"r": {"attributes": {"k": {"value": 2**70}}}}}, "workspaces"),
        ({"workspaces": {"r": {"consent_state": {"gdpr": {"p": True}}}}}, "workspaces"),
    ],
)
def test_a_wrong_field_is_named(change, field):
    with pytest.raises(ValueError, match=field):
        from_json(json.dumps({**MINIMAL, **change}).encode())


@pytest.mark.parametrize("name", MINIMAL)
def test_a_missing_field_is_named(name):
    written = {key: value for key, value in MINIMAL.items() if key != name}
    with pytest.raises(ValueError, match=name):
        from_json(json.dumps(written).encode())


@given(st.binary())
def test_arbitrary_bytes_are_a_value_error_and_nothing_else(data):
    for read in (from_json, unpack):
        with pytest.raises(ValueError, match="profile"):
            read(data)


def test_a_document_of_another_format_is_refused():
    data = pack(profile())
    with pytest.raises(ValueError, match="format"):
        unpack(b"\x02" + data[1:])
    with pytest.raises(ValueError, match="damaged"):
        unpack(data[:-3])


def test_the_key_names_scope_environment_and_mpid():
    assert profile_key("retail", "production", -5) == b"retail/production/-5"
