"""Rules of records: what the settings mean for them, built by ``settings``."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from processor.identity.model import IdentityPolicy, Space
from processor.identity.normalize import Blocklist, Normalizers
from processor.identity.types import IdentityKeys

Source = Literal["calculated", "account", "custom_feed", "sdk", "csv", "partner_feed"]
Protection = Literal["create_and_update", "update_only", "read_only"]
Validation = Literal["lenient", "strict"]
Format = Literal["json", "avro", "segment"]
Role = Literal["batches", "requests", "privacy", "clock"]
"""What an input topic carries: the key of its name in ``kafka.topics``."""
INPUT_ROLES: Final[tuple[Role, ...]] = ("batches", "requests", "privacy")
"""Those that come from outside; sweeps are processors' own."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]`` (docs/configuration.md, "[limits]"). What would exceed one is not stored."""

    max_record_bytes: int = 262_144
    max_profile_bytes: int = 524_288
    max_identities: int = 200
    max_attributes: int = 1000
    max_devices: int = 50
    max_holders: int = 20
    activity_resolution_s: int = 3600
    max_deaths: int = 3
    """How often a record, as the only one in hand, may end the process until it is set aside."""
    max_computed_bytes: int = 16_384
    """Values, memberships and state of a person in one workspace, packed (docs/computed.md)."""
    max_future_ms: int = 86_400_000
    """How far a client's time may be ahead of its record's; beyond it the record's counts."""
    max_past_ms: int = 631_152_000_000
    """How far it may be behind (20 years): a clock that was never set says 1970, or the year 1."""

    max_aliases: int = 50
    max_alias_window_days: int = 90
    """How far the window of an alias may reach back from the time of its request."""
    grave_days: int = 7
    """For how long the version of a profile that has ended is kept (docs/lifetimes.md)."""

    @property
    def activity_resolution_ms(self) -> int:
        """How much later activity must be to be noted."""
        return self.activity_resolution_s * 1000

    @property
    def receipt_resolution_ms(self) -> int:
        """How much later a receipt must be to be noted, under a lifetime: a day at most."""
        return min(self.activity_resolution_ms, 86_400_000)


class PartnerRules(Struct, frozen=True):
    """What becomes of one partner identity of a workspace."""

    forward: bool = False
    """Whether enriched batches get the value that is stored."""
    requires_consent: str | None = None
    """``gdpr.PURPOSE`` or ``!ccpa.data_sale_opt_out``: only while that holds."""

    def may_forward(self, consent_state: Mapping[str, Any]) -> bool:
        """Whether the stored value may go out, where *consent_state* is what the user said."""
        if not self.forward or self.requires_consent is None:
            return self.forward
        path = self.requires_consent.removeprefix("!")
        regulation, _, purpose = path.partition(".")
        entry = (consent_state.get(regulation) or {}).get(purpose) or {}
        is_given = entry.get("consented") is True
        return is_given if path == self.requires_consent else not is_given


class PrivacyRules(Struct, frozen=True):
    """``[privacy]``, as it is for one workspace (docs/privacy.md)."""

    waiting_ms: int = 604_800_000
    """How long an erasure waits, unless it says otherwise."""
    record_ms: int = 31_536_000_000
    """For how long a case, its markers and its graves are kept after it was completed."""
    results_ms: int = 604_800_000
    """For how long results of an access can be fetched."""
    follow: tuple[str, ...] = ("merges", "source", "aliases")
    compare: Literal["record_time", "event_time"] = "record_time"
    """event_time: a record is an erased person's too where its client's time says so."""
    mark: bytes = b""
    """What stands for the workspace in markers."""
    is_shared: bool = False
    """Whether other workspaces have the same profiles."""


class Lifetimes(Struct, frozen=True):
    """How long profiles live that nothing is received of; 0: for ever (docs/lifetimes.md)."""

    anonymous_ms: int = 0
    known_ms: int = 0
    identity_ms: int = 0
    """After it a profile ends whose data was forgotten before."""
    keeps_identity: bool = False
    """At the end of its lifetime a profile is emptied, and does not end."""


class WorkspaceRules(Struct, frozen=True):
    """One workspace: the identity policy of its scope, and settings of its own."""

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
    """Inputs with the source sdk write an attribute only with its user_attribute_change event."""
    auto_alias: Literal["off", "on_link"] = "off"
    """on_link: the anonymous profile that a new known one arose from is aliased to it."""
    partner_identities: Mapping[str, PartnerRules] = {}
    """By the names that batches may use."""
    privacy: PrivacyRules | None = None
    """None: there are no requests under privacy law, and no markers."""
    lifetimes: Lifetimes | None = None
    """Those of its scope; None: nobody ages."""

    @property
    def may_end(self) -> bool:
        """Whether profiles of it may end."""
        return self.lifetimes is not None or self.privacy is not None


class InputRules(Struct, frozen=True):
    """One configured input: the workspace of its records, and what they may change."""

    name: str
    workspace: WorkspaceRules
    source: Source = "sdk"
    protection: Protection = "create_and_update"
    dedup_window_ms: int = 600_000
    topics: frozenset[str] = frozenset()
    """Topics that its records may come from; empty: every input topic."""
    format: Format | None = None
    """The format of its batches; None: that of their topic."""
    partner: str | None = None
    """Of a partner feed: whose identities it may send."""
    compute: bool = True
    """Whether its events count for calculated attributes and audiences."""

    def may_come_by(self, topic: str, role: Role | None) -> bool:
        """Whether its records may come by *topic*, which carries *role*.

        Requests under privacy law only where the input says so: who may erase is named.
        """
        return topic in self.topics if self.topics else role != "privacy"


class SpaceRules(Struct, frozen=True):
    """One space: the identity policy of its scope, and the fingerprint of its identity settings."""

    space: Space
    policy: IdentityPolicy
    fingerprint: str
    lifetimes: Lifetimes | None = None


class Rules(Struct, frozen=True):
    """The rules of all records."""

    inputs: Mapping[str, InputRules]
    roles: Mapping[str, Role]
    """What an input topic carries, by its name."""
    limits: Limits
    formats: Mapping[str, Format] = {}
    """The configured format of a topic, by its name; without one it is JSON."""
