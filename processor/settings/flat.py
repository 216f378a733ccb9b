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
from processor.settings.error import Mistakes, SettingsError, closest
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
_ROOTS: Final = ("traits", "properties", "context")


def flat_policy(workspace: WorkspaceSettings, limits: Limits, path: str) -> IdentityPolicy:
    """Return the policy of a workspace under flat_matching."""
    mistakes = Mistakes()
    with mistakes.noted():
        check_flat_keys(workspace, path)
    table = identifiers(workspace)
    if not table:
        mistakes.tell(
            f"{path}.identifiers: flat_matching needs at least one identifier;"
            f' list them, or use preset = "segment"'
        )
    for name in table:
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            mistakes.tell(
                f"{path}.identifiers: {name!r} is no name of an identifier; use 1 to"
                f" {_LONGEST_NAME} characters that can be printed"
            )
        for place in table[name].found_in:
            if (remedy := _misplaced(place)) is not None:
                where = f"{path}.identifiers.{name}.found_in"
                mistakes.tell(f"{where}: {place!r} is no place in a call; {remedy}")
    with mistakes.noted():
        order = _order(table, path)
    mistakes.check()
    return IdentityPolicy(
        strategy="flat_matching",
        traits=STRATEGIES["flat_matching"].traits,
        priority=order,
        login_ids=KNOWN_BY & table.keys(),
        unique_ids=frozenset(table),
        max_holders=limits.max_holders,
        max_identities=limits.max_identities,
        activity_resolution_ms=limits.activity_resolution_ms,
        limits={name: _limit(name, one.limit) for name, one in table.items()},
        demotion=workspace.demotion or "lowest_relevant",
        max_merges=100 if workspace.max_merges is None else workspace.max_merges,
        max_mappings=1000 if workspace.max_mappings is None else workspace.max_mappings,
    )


def is_flat(workspace: WorkspaceSettings) -> bool:
    """Return whether *workspace* is meant to be under flat_matching."""
    return workspace.strategy == "flat_matching" or workspace.preset == "segment"


def check_flat_keys(workspace: WorkspaceSettings, path: str) -> None:
    """Refuse the keys of other strategies under flat_matching."""
    mistakes = Mistakes()
    if workspace.preset is not None and workspace.preset != "segment":
        mistakes.tell(f"{path}.preset: fixes the strategy default; remove preset or strategy")
    if workspace.strategy not in (None, "flat_matching"):
        mistakes.tell(f"{path}.preset: fixes the strategy flat_matching; remove preset or strategy")
    for key in _ELSEWHERE:
        if getattr(workspace, key) is not None:
            mistakes.tell(
                f"{path}.{key}: flat_matching has none; its identifiers, with their priority and"
                f" limits, are {path}.identifiers"
            )
    defaults = {f.name: f.default for f in msgspec.structs.fields(WorkspaceSettings)}
    for key in _SWITCHES:
        if getattr(workspace, key) != defaults[key]:
            mistakes.tell(f"{path}.{key}: has no meaning under flat_matching; remove it")
    mistakes.check()


def check_not_flat(workspace: WorkspaceSettings, path: str) -> None:
    """Refuse the keys of flat_matching where the strategy is another."""
    mistakes = Mistakes()
    for key in (*_ONLY_HERE, "identifiers"):
        if getattr(workspace, key):
            mistakes.tell(
                f"{path}.{key}: belongs to the strategy flat_matching alone; remove it, or choose"
                " that strategy"
            )
    mistakes.check()


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
    mistakes = Mistakes()
    for name, one in workspace.identifiers.items():
        if one.blocked or one.blocked_patterns:
            try:
                found[name] = Blocklist.build(False, one.blocked, one.blocked_patterns)  # noqa: FBT003 - the setting's value
            except ValueError as error:
                place = f"{path}.identifiers.{name}.blocked_patterns"
                mistakes.add(SettingsError(*(f"{place}: {one}" for one in error.args)))
    mistakes.check()
    return found


def _misplaced(place: str) -> str | None:
    """Return what to write in place of *place*, None where it can be one."""
    root, *below = place.split(".")
    if not all((root, *below)):
        return "write such as traits.phone or context.externalIds.phone"
    if below and root not in _ROOTS and (meant := closest(root, _ROOTS)):
        return f"did you mean {'.'.join((meant, *below))}?"
    if root in _ROOTS and not below:
        return f"say which of {root}, such as {root}.phone"
    return None


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
