"""What the settings mean for a record: values that ``settings`` builds and everybody reads."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from processor.identity.model import IdentityPolicy, Space
from processor.identity.normalize import Blocklist, Normalizers
from processor.identity.types import IdentityKeys

Source = Literal["calculated", "account", "custom_feed", "sdk", "csv", "partner_feed"]
Protection = Literal["create_and_update", "update_only", "read_only"]
Validation = Literal["lenient", "strict"]
Format = Literal["json", "avro", "segment"]
Role = Literal["batches", "requests"]
"""What an input topic carries: the key of its name in ``kafka.topics``."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``. What would pass one is not stored, with reason ``bound``."""

    max_record_bytes: int = 262_144
    max_profile_bytes: int = 524_288
    max_identities: int = 200
    max_attributes: int = 1000
    max_devices: int = 50
    max_holders: int = 20
    activity_resolution_s: int = 3600
    max_deaths: int = 3
    """How often a record, alone in hand, may end the process before it is a dead letter."""
    max_future_ms: int = 86_400_000
    """A client's time further ahead of its record is replaced by the record's."""


class WorkspaceRules(Struct, frozen=True):
    """One workspace: its scope's identity policy and what is its own."""

    name: str
    scope: str
    policy: IdentityPolicy
    keys: IdentityKeys
    blocklist: Blocklist
    normalizers: Normalizers
    forward_empty_batches: bool = False
    error_envelope: Literal["documented", "both"] = "documented"
    validation: Validation = "lenient"
    sdk_requires_change_events: bool = False
    """Inputs with the source sdk write an attribute only with its user_attribute_change."""


class InputRules(Struct, frozen=True):
    """One configured input: where its records belong, and what they may change."""

    name: str
    workspace: WorkspaceRules
    source: Source = "sdk"
    protection: Protection = "create_and_update"
    dedup_window_ms: int = 600_000
    topics: frozenset[str] = frozenset()
    """Topics it may come from; empty: every input topic."""
    format: Format | None = None
    """Of its batches; None: as their topic says."""


class SpaceRules(Struct, frozen=True):
    """One space to serve: its scope's policy, and the fingerprint of its identity settings."""

    space: Space
    policy: IdentityPolicy
    fingerprint: str


class Rules(Struct, frozen=True):
    """All rules a record can meet."""

    inputs: Mapping[str, InputRules]
    roles: Mapping[str, Role]
    """What an input topic carries, by its name."""
    limits: Limits
    formats: Mapping[str, Format] = {}
    """The configured format of a topic, by topic name; json where none is named."""
