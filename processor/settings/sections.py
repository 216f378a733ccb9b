"""Sections of ``idstream.toml`` as written: one frozen type each, with its defaults."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from processor.rules import INPUT_ROLES, Format, Protection, Role, Source, Validation
from processor.settings.audiences import AudienceSettings
from processor.settings.calculated import CalculatedSettings
from processor.settings.events import SelectorSettings
from processor.settings.secret import Secret

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
NotNegativeDays = Annotated[float, Meta(ge=0, le=36_500)]
PositiveDays = Annotated[float, Meta(gt=0, le=36_500)]
CacheSize = Annotated[int, Meta(ge=0, le=65_536)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
ClientValue = str | int | float | bool

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
# Made by factories, as the library writes all other defaults into the schema.
_NOTHING: Final = Secret("")
_DEFAULT_URL: Final = Secret(DEFAULT_REDIS_URL)
OUTPUT_ROLES: Final = (
    "enriched",
    "responses",
    "changes",
    "profiles",
    "dead_letters",
    "outcomes",
    "audience_changes",
    "receipts",
    "cases",
)


CLOCK_TOPIC: Final = "idstream-clock"


class TopicSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``kafka.topics``: the name of every topic; an empty ``outcomes`` turns that topic off."""

    batches: tuple[str, ...] = ("event-batches",)
    requests: tuple[str, ...] = ("identity-requests",)
    privacy: tuple[str, ...] = ()
    """Of requests under privacy law."""
    enriched: str = "enriched-batches"
    responses: str = "identity-responses"
    changes: str = "identity-changes"
    profiles: str = "profiles"
    dead_letters: str = "dead-letters"
    outcomes: str = ""
    audience_changes: str = "audience-changes"
    """``load`` empties it where no audience is published: then there is no such topic."""
    receipts: str = "privacy-receipts"
    """``load`` empties it, and that of cases, where there is no ``[privacy]``."""
    cases: str = "privacy-cases"

    clock: str = ""
    """Of sweeps: ``load`` names it ``CLOCK_TOPIC`` where anything can be due, and empties it where
    nothing can.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every topic that is consumed."""
        return tuple(self.roles)

    @property
    def fed(self) -> tuple[str, ...]:
        """The topics that producers write to: all that is consumed but sweeps."""
        return tuple(name for role in INPUT_ROLES for name in self.carrying(role))

    @property
    def roles(self) -> dict[str, Role]:
        """What each input topic carries, by its name."""
        roles = {name: role for role in INPUT_ROLES for name in self.carrying(role)}
        return {**roles, self.clock: "clock"} if self.clock else roles

    @property
    def outputs(self) -> dict[str, str]:
        """Topic name by role, for the roles that are on."""
        names = {role: getattr(self, role) for role in OUTPUT_ROLES}
        return {role: name for role, name in names.items() if name}

    @property
    def produced(self) -> dict[str, str]:
        """Topic name by role of all that is written: the outputs, and that of sweeps."""
        return {**self.outputs, "clock": self.clock} if self.clock else self.outputs

    def carrying(self, role: Role) -> tuple[str, ...]:
        """Return the input topics of *role*, as they are listed."""
        names: tuple[str, ...] = getattr(self, role)
        return names


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[kafka]``: the cluster, the group, topics, the size of batches."""

    bootstrap_servers: str = "localhost:9092"
    group_id: str = "idstream"
    guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    instance_id: str | None = None
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processes that one `idstream run` starts and supervises."""
    max_batch_records: Positive = 500
    max_batch_wait_ms: NotNegative = 20
    commit_interval_ms: Annotated[int, Meta(ge=0, le=5000)] = 100
    """Well below the time after which the broker aborts a transaction (10 s)."""
    topics: TopicSettings = TopicSettings()
    formats: dict[str, Format] = {}
    client: dict[str, ClientValue] = {}
    """librdkafka's own settings; ``load`` moves those that hold secrets to ``client_secrets``."""
    client_files: dict[str, str] = {}
    """librdkafka settings whose value is the content of a file."""
    client_secrets: dict[str, Secret] = {}
    """Secrets among the two above, as ``load`` has found them; not a key of the file."""

    def client_options(self) -> dict[str, ClientValue]:
        """Return the settings for librdkafka, secrets revealed. Never log them."""
        return {**self.client, **{k: v.reveal() for k, v in self.client_secrets.items()}}


class ClockSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[clock]``: how far the clock may go, and how fast."""

    grace_s: NotNegative = 10
    """How long records may be under way to Kafka."""
    max_silence_s: NotNegative = 86_400
    """After how long without any record the clock stands still; 0: it never does."""
    max_per_s: Positive = 2000
    """Profiles a second that time changes in one process."""


class RegistrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[schema_registry]``: its address. Without the section schemas are named by fingerprint."""

    url: Secret = field(default_factory=lambda: _NOTHING)
    url_file: str | None = None


class RedisSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[redis]``: the address of the identity index, and the file with the key of its tokens."""

    url: Secret = field(default_factory=lambda: _DEFAULT_URL)
    url_file: str | None = None
    prefix: str = "idstream"
    key_file: str | None = None
    cluster: bool = False
    cache_mb: CacheSize = 256
    """How much of the index, and of decisions over it, one process remembers."""
    request_ids: Literal["short", "long"] | None = None
    """How spaces keep request ids (docs/upgrade.md); None: as each of them does."""

    @property
    def cache_bytes(self) -> int:
        """The same in bytes."""
        return self.cache_mb * 1_048_576


class ObservabilitySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[observability]``: the admin server and the log."""

    host: str = "0.0.0.0"  # noqa: S104 - probes and scrapers come from other hosts; embedded mode binds to localhost
    port: Port = 9464
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class CheckSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[check]``: what ``idstream check`` is not to warn of any more."""

    accept: tuple[str, ...] = ()
    """Names of warnings, as a check shows them."""


class PrivacySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[privacy]``: requests under privacy law (docs/privacy.md); the table switches them on."""

    waiting_days: NotNegativeDays = 7
    record_days: PositiveDays = 365
    results_days: NotNegativeDays = 7
    follow: tuple[Literal["merges", "source", "aliases"], ...] = ("merges", "source", "aliases")
    compare: Literal["record_time", "event_time"] = "record_time"


class ServeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[serve]``: the profile API and its pages (docs/serve.md)."""

    tokens_file: str
    host: str = "127.0.0.1"
    port: Port = 8080
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    timeout_ms: Positive = 1000
    redis_timeout_ms: Positive = 250
    max_concurrent: Positive = 64
    workspace_ids: dict[str, str] = {}
    """Numbers that callers of the published API have in their paths, and our names."""
    ui: bool = True
    session_key_file: str | None = None
    workers: Positive = 1
    """Processes that one command starts and supervises."""
    privacy: bool = False
    """Whether requests under privacy law are taken (docs/privacy.md, "Over HTTP")."""
    signing_key_file: str | None = None
    """Of answers about such requests (docs/privacy.md, "Signatures")."""
    domain: str | None = None
    """Whose key that is, and where such requests are received."""
    certificate_url: str | None = None
    """Where the key's certificate is published."""


class InputSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[inputs.NAME]``: the workspace of its records, and what they may change."""

    workspace: str
    source: Source = "sdk"
    protection: Protection = "create_and_update"
    dedup_window_s: NotNegative = 600
    topics: tuple[str, ...] = ()
    format: Format | None = None
    partner: str | None = None
    """Of a partner feed: whose partner identities it may send."""
    compute: bool = True
    """false: its events count for nothing that is computed, as those of a load of the past."""


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``limit`` of an identifier in full; a number alone is its ``count``."""

    count: NotNegative | None = None
    window: Literal["ever", "daily", "weekly", "monthly", "annually"] = "ever"


class IdentifierSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.identifiers]``: one identifier of flat matching."""

    priority: Positive | None = None
    limit: NotNegative | LimitSettings | None = None
    blocked: tuple[str, ...] = ()
    blocked_patterns: tuple[str, ...] = ()
    found_in: tuple[str, ...] = ()
    """Where calls of Segment's have it; empty: in Segment's places."""


class PartnerIdentitySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.partner_identities]``: an identifier that only a partner understands."""

    forward: bool = False
    requires_consent: str | None = None


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.retention]``: days, fractions allowed; 0: for ever."""

    anonymous_days: float = 0
    known_days: float = 0
    identity_days: float = 0


class WorkspaceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME]`` as written: None where the key is absent."""

    strategy: str | None = None
    preset: Literal["default", "default_2023", "segment"] | None = None
    identity_scope: str | None = None
    priority: tuple[str, ...] | None = None
    login_ids: tuple[str, ...] | None = None
    unique_ids: tuple[str, ...] | None = None
    immutable_ids: tuple[str, ...] | None = None
    tie_break: Literal["last_activity", "newest", "oldest"] = "last_activity"
    unique_conflict: Literal["skip", "move"] = "skip"
    higher_conflict: Literal["attach", "new_profile"] = "attach"
    immutable_protects: Literal["every_request", "search"] = "every_request"
    search_any_identity: bool = False
    best_match_login: Literal["refuse", "as_identify"] = "refuse"
    error_envelope: Literal["documented", "both"] = "documented"
    forward_empty_batches: bool = False
    retention: RetentionSettings = RetentionSettings()
    keep_identity_record: bool = False
    validation: Validation = "lenient"
    sdk_requires_change_events: bool = False
    auto_alias: Literal["off", "on_link"] = "off"
    """on_link: only under profile_link."""
    blocked_values: tuple[str, ...] = ()
    blocked_patterns: tuple[str, ...] = ()
    default_blocked_values: bool = True
    normalizers: dict[str, tuple[str, ...]] = {}
    """Per identity type the steps that bring its values into one form, none by default."""
    identifiers: dict[str, IdentifierSettings] = {}
    """Only for flat_matching, like ``demotion``, ``max_merges`` and ``max_mappings``."""
    demotion: Literal["lowest_relevant", "lowest"] | None = None
    max_merges: NotNegative | None = None
    max_mappings: Positive | None = None
    partner_identities: dict[str, PartnerIdentitySettings] = {}
    """Names that batches may give values to, as PARTNER_IDENTITY."""
    events: dict[str, SelectorSettings] = {}
    """Which events definitions mean, as ``calculated`` and ``audiences`` name them."""
    calculated: dict[str, CalculatedSettings] = {}
    audiences: dict[str, AudienceSettings] = {}
