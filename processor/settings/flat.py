"""Identifiers of flat matching (docs/configuration.md, "[workspaces.NAME]")."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from processor.codecs.segment import FIRST_PLACES, places_of
from processor.identity.model import IdentifierLimit, IdentityPolicy
from processor.identity.normalize import Blocklist
from processor.identity.strategies import STRATEGIES
from processor.identity.types import IdentityKeys
from processor.rules import Limits
from processor.settings.error import SettingsError
from processor.settings.sections import IdentifierSettings, LimitSettings, WorkspaceSettings

_HOUR_MS: Final = 3_600_000
WINDOWS: Final[Mapping[str, int | None]] = MappingProxyType(
    {
        "ever": None,
        "daily": 24 * _HOUR_MS,
        "weekly": 7 * 24 * _HOUR_MS,
        "monthly": 30 * 24 * _HOUR_MS,
        "annually": 365 * 24 * _HOUR_MS,
    }
)
DEFAULT_ORDER: Final = ("user_id", "email")
"""Strongest first; all others follow in the order of the alphabet."""
KNOWN_BY: Final = frozenset({"user_id"})
"""Types that make a profile known; decisions treat them like any other."""
SEGMENT_IDENTIFIERS: Final = (
    "user_id",
    "email",
    "android.id",
    "android.idfa",
    "android.push_token",
    "anonymous_id",
    "cross_domain_id",
    "ga_client_id",
    "ios.id",
    "ios.idfa",
    "ios.push_token",
)
"""The identifiers of the preset ``segment``: Segment's own defaults."""

_ELSEWHERE: Final = ("priority", "login_ids", "unique_ids", "immutable_ids")
_ONLY_HERE: Final = ("demotion", "max_merges", "max_mappings")
_SWITCHES: Final = (
    "tie_break",
    "unique_conflict",
    "higher_conflict",
    "immutable_protects",
    "search_any_identity",
    "best_match_login",
)
_LONGEST_NAME: Final = 128


def flat_policy(workspace: WorkspaceSettings, limits: Limits, path: str) -> IdentityPolicy:
    """Return the policy of a workspace under flat_matching."""
    _check_keys(workspace, path)
    table = identifiers(workspace)
    if not table:
        raise SettingsError(
            f"{path}.identifiers: flat_matching needs at least one identifier;"
            f' list them, or use preset = "segment"'
        )
    for name in table:
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise SettingsError(f"{path}.identifiers: {name!r} is no name of an identifier")
    return IdentityPolicy(
        strategy="flat_matching",
        traits=STRATEGIES["flat_matching"].traits,
        priority=_order(table, path),
        login_ids=KNOWN_BY & table.keys(),
        unique_ids=frozenset(table),
        max_holders=limits.max_holders,
        max_identities=limits.max_identities,
        activity_resolution_ms=limits.activity_resolution_s * 1000,
        limits={name: _limit(name, one.limit) for name, one in table.items()},
        demotion=workspace.demotion or "lowest_relevant",
        max_merges=100 if workspace.max_merges is None else workspace.max_merges,
        max_mappings=1000 if workspace.max_mappings is None else workspace.max_mappings,
    )


def check_not_flat(workspace: WorkspaceSettings, path: str) -> None:
    """Refuse the keys of flat_matching where the strategy is another."""
    for key in (*_ONLY_HERE, "identifiers"):
        if getattr(workspace, key):
            raise SettingsError(f"{path}.{key}: belongs to the strategy flat_matching alone")


def identifiers(workspace: WorkspaceSettings) -> dict[str, IdentifierSettings]:
    """Return the identifiers by name; what is written adds to the preset's and replaces it."""
    preset = SEGMENT_IDENTIFIERS if workspace.preset == "segment" else ()
    return {**dict.fromkeys(preset, IdentifierSettings()), **workspace.identifiers}


def flat_keys(workspace: WorkspaceSettings) -> IdentityKeys:
    """Return the keys of records: configured names are literal, all others ignored."""
    table = identifiers(workspace)
    names = MappingProxyType({name: name for name in table})
    ordered = (
        *(n for n in FIRST_PLACES if n in table),
        *(n for n in table if n not in FIRST_PLACES),
    )
    places = MappingProxyType({name: places_of(name, table[name].found_in) for name in ordered})
    return IdentityKeys(request=names, batch=names, is_literal=True, places=places)


def segment_normalizers(workspace: WorkspaceSettings) -> dict[str, tuple[str, ...]]:
    """Return the normal forms by type; Segment folds the case of e-mail addresses."""
    preset = {"email": ("lower",)} if workspace.preset == "segment" else {}
    return {**preset, **workspace.normalizers}


def blocklists(workspace: WorkspaceSettings, path: str) -> dict[str, Blocklist]:
    """Return the block lists of single identifiers, by name."""
    found = {}
    for name, one in workspace.identifiers.items():
        if one.blocked or one.blocked_patterns:
            try:
                found[name] = Blocklist.build(False, one.blocked, one.blocked_patterns)  # noqa: FBT003 - the setting's value
            except ValueError as error:
                place = f"{path}.identifiers.{name}.blocked_patterns"
                raise SettingsError(f"{place}: {error}") from None
    return found


def _check_keys(workspace: WorkspaceSettings, path: str) -> None:
    if workspace.preset is not None and workspace.preset != "segment":
        raise SettingsError(f"{path}.preset: fixes the strategy default; remove preset or strategy")
    if workspace.strategy not in (None, "flat_matching"):
        raise SettingsError(
            f"{path}.preset: fixes the strategy flat_matching; remove preset or strategy"
        )
    for key in _ELSEWHERE:
        if getattr(workspace, key) is not None:
            raise SettingsError(
                f"{path}.{key}: flat_matching has none; its identifiers, with their priority and"
                f" limits, are {path}.identifiers"
            )
    defaults = {f.name: f.default for f in msgspec.structs.fields(WorkspaceSettings)}
    for key in _SWITCHES:
        if getattr(workspace, key) != defaults[key]:
            raise SettingsError(f"{path}.{key}: has no meaning under flat_matching; remove it")


def _order(table: Mapping[str, IdentifierSettings], path: str) -> tuple[str, ...]:
    """Return the names, strongest first: explicit priorities, then the default order."""
    explicit: dict[int, str] = {}
    for name, one in table.items():
        if one.priority is None:
            continue
        other = explicit.setdefault(one.priority, name)
        if other != name:
            raise SettingsError(
                f"{path}.identifiers.{name}.priority: {other} has the same; make them differ"
            )
    rest = sorted(name for name, one in table.items() if one.priority is None)
    by_default = [name for name in DEFAULT_ORDER if name in rest]
    ranked = (explicit[rank] for rank in sorted(explicit))
    return (*ranked, *by_default, *(name for name in rest if name not in by_default))


def _limit(name: str, written: int | LimitSettings | None) -> IdentifierLimit:
    count = written.count if isinstance(written, LimitSettings) else written
    window = written.window if isinstance(written, LimitSettings) else "ever"
    if count is None:
        count = 1 if name == "user_id" else 5
    return IdentifierLimit(count, WINDOWS[window])
