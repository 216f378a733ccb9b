"""The nouns of identity resolution: identifier, space, policy, request."""

from typing import Literal, NamedTuple

from msgspec import Struct

Environment = Literal["production", "development"]
Action = Literal["identify", "login", "logout", "modify", "search", "batch"]
StrategyName = Literal[
    "default",
    "profile_conversion",
    "profile_link",
    "profile_isolation",
    "best_match",
    "flat_matching",
]


class Identifier(NamedTuple):
    """One thing known of a user, such as ``("email", "ada@example.com")``.

    ``identity_type`` is the canonical (identity API) spelling; values compare exactly.
    """

    identity_type: str
    value: str


Seed = tuple[bytes | str | int, ...]
"""The parts that a new MPID is derived from: hashed only where one is needed."""


class Space(NamedTuple):
    """An identity scope in one environment. Profiles of two spaces never meet."""

    scope: str
    environment: str

    @property
    def name(self) -> str:
        """``scope/environment``, as in profile keys and witnesses."""
        return f"{self.scope}/{self.environment}"


class IdentifierLimit(Struct, frozen=True):
    """How many values of a type a profile may gain within a window."""

    count: int = 5
    window_ms: int | None = None
    """A value counts while less than this has passed since it was added; None: for ever."""


class Traits(Struct, frozen=True):
    """Properties of a strategy on which code outside of it depends.

    Each strategy states its own (``strategies``); the settings copy them into the policy. Only
    settings compare the name of a strategy.
    """

    has_one_owner: bool = False
    """Every identifier has one owner, whatever its type: it moves and is never shared, so that
    profiles never tie.
    """
    is_literal: bool = False
    """Identity types are the configured names, letter by letter, instead of known spellings; an
    identifier of another type is ignored.
    """
    newest_wins: bool = False
    """Attributes go by the time of the event and null deletes; else they go by order of receipt."""
    can_alias: bool = True
    """False where alias requests are always refused."""
    has_logins: bool = True
    """False where logins and logouts are refused, unless ``best_match_login`` takes them."""


class IdentityPolicy(Struct, frozen=True):
    """A scope's identity rules and switches (docs/strategies.md, "What all strategies share").

    Under flat_matching every configured type is unique, as an identifier has one owner there, and
    ``user_id`` is the login ID, by which a profile is called known.
    """

    strategy: StrategyName
    priority: tuple[str, ...] = ()
    """Identity types used as lookups, strongest first. Any other type is data, never a lookup."""
    login_ids: frozenset[str] = frozenset()
    unique_ids: frozenset[str] = frozenset()
    immutable_ids: frozenset[str] = frozenset()
    max_holders: int = 20
    max_identities: int = 200
    activity_resolution_ms: int = 3_600_000
    tie_break: Literal["last_activity", "newest", "oldest"] = "last_activity"
    unique_conflict: Literal["skip", "move"] = "skip"
    higher_conflict: Literal["attach", "new_profile"] = "attach"
    immutable_protects: Literal["every_request", "search"] = "every_request"
    search_any_identity: bool = False
    best_match_login: Literal["refuse", "as_identify"] = "refuse"
    limits: dict[str, IdentifierLimit] = {}
    """Under flat_matching one for each type of ``priority``. The next three are for it alone, too.
    """
    demotion: Literal["lowest_relevant", "lowest"] = "lowest_relevant"
    max_merges: int = 100
    max_mappings: int = 1000
    traits: Traits = Traits()
    """The traits of *strategy*."""


class IdentityChange(NamedTuple):
    """One entry of a modify request: old None adds, new None removes."""

    identity_type: str
    old_value: str | None
    new_value: str | None


AliasRole = Literal["source", "destination"]
AliasScope = Literal["device", "mpid"]


class AliasRequest(Struct, frozen=True, gc=False):
    """A request to count for the destination what the source did in a window of time.

    (docs/aliasing.md)
    """

    source_mpid: int
    destination_mpid: int
    start_ms: int | None = None
    """None: as early as the rules of aliases allow."""
    end_ms: int | None = None
    """The first instant that is not in the window any more; None: the time of the request."""
    scope: AliasScope = "mpid"
    device: str | None = None
    """The ``device_application_stamp``: of the scope device only."""


class IdentityRequest(Struct, frozen=True, gc=False):
    """A request to the identity core: an identity request, or the identity part of a batch."""

    action: Action
    identifiers: tuple[Identifier, ...] = ()
    """Canonical types, payload order, no empty, blocked or over-long values."""
    refused: tuple[tuple[Identifier, str], ...] = ()
    """Identifiers taken out before the core saw them, with the skip reason (blocked, bound)."""
    previous_mpid: int | None = None
    mpid: int | None = None
    """The target of a modify; the MPID a batch came with."""
    past_version: int = 0
    """Versions of an earlier life under the MPID that a batch came with are at most this."""
    changes: tuple[IdentityChange, ...] = ()
    time_ms: int = 0
    """The time of the request, and of all that it creates, adds or marks as seen."""
    input: str = "default"
    seed: Seed = ()
    """The place, time and bytes of the record, and the key: a new MPID is derived from them."""
    may_create: bool = True
    """False for update_only inputs: a decision that would create is NotFound."""
    read_only: bool = False
    """Decide, but change nothing (read_only requests)."""
