"""The two written forms of a profile."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.profiles.document import (
    FORMAT,
    from_json,
    pack,
    profile_key,
    to_json,
    unpack,
)
from tests.unit.profiles.people import int64, profile, profiles

EXAMPLES = Path(__file__).parents[3] / "schemas" / "profile" / "examples"
VERSION, MERGED_FLAG, MERGED_INTO = slice(1, 9), 9, slice(10, 18)
"""Where the scripts look in a document (shared.lua, commit.lua)."""
MINIMAL = {"scope": "retail", "environment": "production", "mpid": "1"}


@given(profiles, st.none() | int64)
def test_what_is_packed_is_unpacked_the_same(document, merged_into):
    document = replace(document, merged_into=merged_into)
    assert unpack(pack(document)) == document


@given(profiles, st.none() | int64)
def test_the_header_tells_version_and_merge_without_the_body(document, merged_into):
    data = pack(replace(document, merged_into=merged_into))
    assert data[0] == FORMAT
    assert int.from_bytes(data[VERSION], "big") == document.version
    assert data[MERGED_FLAG] == (merged_into is not None)
    pointer = int.from_bytes(data[MERGED_INTO], "big", signed=True)
    assert pointer == (merged_into or 0)


@given(profiles)
def test_what_is_published_is_read_the_same(document):
    assert from_json(to_json(document)) == document


@given(profiles, int64)
def test_of_a_merged_profile_only_where_it_went_is_published(document, merged_into):
    merged = replace(document, merged_into=merged_into)
    published = json.loads(to_json(merged))
    assert published["merged_into"] == str(merged_into)
    assert published["is_orphaned"] is False
    assert not {"identities", "workspaces"} & published.keys()
    assert from_json(to_json(merged)) == replace(merged, identities=(), workspaces={})


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
