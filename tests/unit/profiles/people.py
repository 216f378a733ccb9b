"""Profiles, inputs and batches for the tests of this folder, and Hypothesis strategies for them."""

from typing import get_args

from hypothesis import strategies as st

from processor.codecs.nearness import likely_meant
from processor.identity.model import IdentityPolicy
from processor.identity.normalize import Blocklist, Normalizers
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
    PartnerIdentity,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.identity.types import STANDARD_KEYS
from processor.records import EventBatch
from processor.rules import InputRules, Source, WorkspaceRules

HOUR = 3_600_000
SOURCES = get_args(Source)


def rules(source="sdk", name="default", workspace="retail") -> InputRules:
    return InputRules(
        name=name,
        workspace=WorkspaceRules(
            name=workspace,
            scope="retail",
            policy=IdentityPolicy("default"),
            keys=STANDARD_KEYS,
            blocklist=Blocklist.build(),
            normalizers=Normalizers(),
        ),
        source=source,
    )


def batch(**fields) -> EventBatch:
    empty = {
        "fields": {},
        "environment": "production",
        "mpid": None,
        "identifiers": (),
        "has_events": False,
        "time_ms": None,
        "source_request_id": None,
        "user_attributes": {},
        "deleted_user_attributes": (),
        "consent_state": None,
        "device_info": None,
    }
    return EventBatch(**{**empty, **fields})


def profile(identities=(), **workspace) -> Profile:
    return Profile(
        scope="retail",
        environment="production",
        mpid=2345,
        version=1,
        created_ms=0,
        last_seen_ms=0,
        identities=tuple(identities),
        workspaces={"retail": WorkspaceData(**workspace)} if workspace else {},
    )


def attribute(value, source="sdk", input_name="default", updated_ms=0) -> Attribute:
    return Attribute(value, source, input_name, updated_ms)


int64 = st.integers(-(2**63), 2**63 - 1)
times = st.integers(0, 2**45)
words = st.text(max_size=12)
scalars = (
    st.none() | st.booleans() | int64 | st.floats(allow_nan=False, allow_infinity=False) | words
)
values = scalars | st.lists(scalars, max_size=4)
attributes = st.builds(Attribute, values, st.sampled_from(SOURCES), words, times)
identities = st.builds(
    Identity, st.sampled_from(["email", "customerid"]), words.filter(bool), times, times, words
)
devices = st.builds(
    Device, st.dictionaries(words, words, max_size=3), times, times, st.dictionaries(words, scalars)
)
consent_names = words.filter(
    lambda name: not likely_meant(name, ("consented", "consent", "data_sale_opt_out"))
)
"""No codec lets a field through that is nearly an answer, so no document has one."""
consent = st.dictionaries(
    st.sampled_from(["gdpr", "ccpa"]),
    st.dictionaries(consent_names, st.dictionaries(consent_names, scalars, max_size=3), max_size=3),
)
attributions = st.builds(Attribution, *[st.none() | words] * 3, times)
memberships = st.builds(Membership, st.integers(1, 99), times, st.none() | times)
computed = st.builds(
    Computed,
    st.dictionaries(words, scalars.filter(lambda one: one is not None) | st.lists(words)),
    st.none() | times,
    st.dictionaries(words, memberships, max_size=3),
    st.binary(max_size=20),
)
workspace_mores = st.just(NO_WORKSPACE_MORE) | st.builds(
    WorkspaceMore,
    st.none() | attributions,
    st.none() | computed,
    st.dictionaries(words, st.builds(PartnerIdentity, words, times, words), max_size=2),
)
aliases = st.builds(
    Alias,
    st.sampled_from(["source", "destination"]),
    int64,
    times,
    times,
    st.sampled_from(["device", "mpid"]),
    st.none() | words,
)
mores = st.just(NO_MORE) | st.builds(
    More,
    first_seen_ms=st.none() | times,
    aliases=st.lists(aliases, max_size=3).map(tuple),
    clock_ms=times,
    due_ms=st.none() | times,
    bucket=st.none() | words,
    stamp=st.binary(max_size=4),
    stored_ms=st.none() | times,
    emptied_ms=st.none() | times,
)
workspaces = st.builds(
    WorkspaceData,
    st.dictionaries(words, attributes, max_size=5),
    consent,
    st.lists(devices, max_size=3).map(tuple),
    workspace_mores,
)
profiles = st.builds(
    Profile,
    scope=words.filter(bool),
    environment=st.sampled_from(["production", "development"]),
    mpid=int64,
    version=st.integers(1, 2**62),
    created_ms=times,
    last_seen_ms=times,
    source_mpid=st.none() | int64,
    merged_into=st.none(),
    contested=st.booleans(),
    merges=st.integers(0, 200),
    identities=st.lists(identities, max_size=5).map(tuple),
    workspaces=st.dictionaries(words, workspaces, max_size=3),
    more=mores,
)
