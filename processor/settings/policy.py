"""Identity policies: from a workspace as written to the checked policy of its scope."""

import json
from typing import Final

from processor.identity.model import IdentityPolicy, StrategyName
from processor.identity.strategies import STRATEGIES
from processor.identity.types import NAMES, PRESETS, canonical_type
from processor.rules import Limits
from processor.settings.error import Mistakes, SettingsError, closest, hint
from processor.settings.flat import check_flat_keys, check_not_flat, flat_policy, is_flat
from processor.settings.sections import WorkspaceSettings

_NEEDS_LOGIN: Final = ("profile_link", "profile_isolation")
_LISTS: Final = ("priority", "login_ids", "unique_ids", "immutable_ids")
DECIDING: Final = (*_LISTS, "strategy", "preset", "identifiers")
"""Keys of a workspace that say together how it decides."""


def with_known_strategy(table: object, path: str, mistakes: Mistakes) -> object:
    """Return a workspace's *table* without a strategy that is none, which is noted."""
    strategy = table.get("strategy") if isinstance(table, dict) else None
    if not (isinstance(table, dict) and isinstance(strategy, str)) or strategy in STRATEGIES:
        return table
    mistakes.tell(
        f"{path}.strategy: unknown strategy; use one of {', '.join(STRATEGIES)}"
        f"{hint(strategy, STRATEGIES)}"
    )
    return {key: value for key, value in table.items() if key != "strategy"}


def check_apart(workspace: WorkspaceSettings, path: str) -> None:
    """Check what stands for itself, where no more of the policy can be judged."""
    if is_flat(workspace):
        check_flat_keys(workspace, path)
        return
    mistakes = Mistakes()
    for key in _LISTS:
        _types(getattr(workspace, key) or (), f"{path}.{key}", mistakes)
    mistakes.check()


def policy_of(workspace: WorkspaceSettings, limits: Limits, path: str) -> IdentityPolicy:
    """Return the identity policy of *workspace*, a table at *path*."""
    mistakes = Mistakes()
    policy: IdentityPolicy | None = None
    with mistakes.noted():
        policy = _policy_of(workspace, limits, path)
    mistakes.check()
    assert policy is not None, "no policy, and nothing was wrong"
    return policy


def _policy_of(workspace: WorkspaceSettings, limits: Limits, path: str) -> IdentityPolicy:
    if is_flat(workspace):
        return flat_policy(workspace, limits, path)
    mistakes = Mistakes()
    with mistakes.noted():
        check_not_flat(workspace, path)
    strategy, lists = _with_preset(workspace, path, mistakes)
    policy = IdentityPolicy(
        strategy=strategy,
        traits=STRATEGIES[strategy].traits,
        priority=lists["priority"],
        login_ids=frozenset(lists["login_ids"]),
        unique_ids=frozenset(lists["unique_ids"]),
        immutable_ids=frozenset(lists["immutable_ids"]),
        max_holders=limits.max_holders,
        max_identities=limits.max_identities,
        activity_resolution_ms=limits.activity_resolution_ms,
        tie_break=workspace.tie_break,
        unique_conflict=workspace.unique_conflict,
        higher_conflict=workspace.higher_conflict,
        immutable_protects=workspace.immutable_protects,
        search_any_identity=workspace.search_any_identity,
        best_match_login=workspace.best_match_login,
    )
    if not policy.priority and not mistakes.are_below(f"{path}.priority"):
        mistakes.tell(f"{path}.priority: list at least one identity type, strongest first")
    with mistakes.noted():
        _check_against_strategy(policy, path)
        _check_lists(policy, path)
    mistakes.check()
    return policy


def _with_preset(
    workspace: WorkspaceSettings, path: str, mistakes: Mistakes
) -> tuple[StrategyName, dict[str, tuple[str, ...]]]:
    """Return strategy and lists; lists that ``default`` leaves out are those of its preset."""
    written = {key: getattr(workspace, key) for key in _LISTS}
    if workspace.preset is not None:
        with mistakes.noted():
            _check_preset_alone(workspace, written, path)
    strategy = next((s for s in STRATEGIES if s == workspace.strategy), None)
    if workspace.preset is not None or strategy == "default":
        preset = PRESETS[workspace.preset or "default"]
        base = {key: tuple(getattr(preset, key)) for key in _LISTS}
        strategy = "default"
    else:
        base = dict.fromkeys(_LISTS, ())
    if strategy is None:
        mistakes.tell(f"{path}: set strategy (one of {', '.join(STRATEGIES)}) or preset")
        mistakes.refuse()
    lists = dict(base)
    for key, value in written.items():
        if value is not None and workspace.preset is None:
            lists[key] = _types(value, f"{path}.{key}", mistakes)
    return strategy, lists


def _check_preset_alone(
    workspace: WorkspaceSettings, written: dict[str, tuple[str, ...] | None], path: str
) -> None:
    mistakes = Mistakes()
    if workspace.strategy not in (None, "default"):
        mistakes.tell(f"{path}.preset: fixes the strategy default; remove preset or strategy")
    for key, value in written.items():
        if value is not None:
            mistakes.tell(f"{path}.{key}: is fixed by preset; remove one of the two")
    mistakes.check()


def _types(names: tuple[str, ...], path: str, mistakes: Mistakes) -> tuple[str, ...]:
    """Return identity types; one that is misspelt, which is noted, is the one that is meant."""
    found: list[str] = []
    for name in names:
        identity_type = canonical_type(name)
        if identity_type is None:
            several = [part.strip() for part in name.split(",")]
            remedy = hint(name, NAMES) or "; `idstream schema` lists them"
            if len(several) > 1:
                remedy = f"; write a list, {json.dumps(several)}"
            mistakes.tell(f"{path}: {name} is no identity type{remedy}")
            found += [t for one in several if (t := canonical_type(closest(one, NAMES)))]
        elif identity_type in found:
            mistakes.tell(f"{path}: {name} is listed twice; list it once")
        else:
            found.append(identity_type)
    return tuple(dict.fromkeys(found))


def _check_lists(policy: IdentityPolicy, path: str) -> None:
    mistakes: list[str] = []
    for key in ("login_ids", "unique_ids", "immutable_ids"):
        outside = sorted(getattr(policy, key) - set(policy.priority))
        if outside:
            mistakes.append(f"{path}.{key}: {', '.join(outside)} must also be in priority")
    weak = sorted(policy.immutable_ids - (policy.login_ids & policy.unique_ids))
    if weak:
        mistakes.append(
            f"{path}.immutable_ids: {', '.join(weak)} must also be in login_ids and unique_ids"
        )
    if mistakes:
        raise SettingsError(*mistakes)


def _check_against_strategy(policy: IdentityPolicy, path: str) -> None:
    mistakes = Mistakes()
    for key in ("login_ids", "unique_ids"):
        found = getattr(policy, key)
        if policy.strategy == "default" and found != {"customerid"}:
            mistakes.tell(
                f"{path}.{key}: the strategy default fixes it to customerid;"
                " use profile_conversion to choose"
            )
        if policy.strategy == "best_match" and found:
            mistakes.tell(f"{path}.{key}: best_match has none; remove it or use profile_conversion")
    if policy.strategy in _NEEDS_LOGIN and not policy.login_ids:
        mistakes.tell(f"{path}.login_ids: {policy.strategy} needs at least one login ID; list it")
    mistakes.check()
