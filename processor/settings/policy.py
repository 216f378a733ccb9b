"""Identity policies: from a workspace as written to the checked policy of its scope."""

from typing import Final

from processor.identity.model import IdentityPolicy, StrategyName
from processor.identity.strategies import STRATEGIES
from processor.identity.types import NAMES, PRESETS, canonical_type
from processor.rules import Limits
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.flat import check_not_flat, flat_policy
from processor.settings.sections import WorkspaceSettings

_NEEDS_LOGIN: Final = ("profile_link", "profile_isolation")
_LISTS: Final = ("priority", "login_ids", "unique_ids", "immutable_ids")


def check_strategy(table: object, path: str) -> None:
    """Refuse an unknown strategy. It comes first: the keys that are allowed depend on it."""
    strategy = table.get("strategy") if isinstance(table, dict) else None
    if isinstance(strategy, str) and strategy not in STRATEGIES:
        raise SettingsError(
            f"{path}.strategy: unknown strategy; use one of {', '.join(STRATEGIES)}"
            f"{hint(strategy, STRATEGIES)}"
        )


def policy_of(workspace: WorkspaceSettings, limits: Limits, path: str) -> IdentityPolicy:
    """Return the identity policy of *workspace*, a table at *path*."""
    if workspace.keep_identity_record:
        raise SettingsError(
            f"{path}.keep_identity_record: profiles do not age out yet; remove the key"
        )
    if workspace.strategy == "flat_matching" or workspace.preset == "segment":
        return flat_policy(workspace, limits, path)
    check_not_flat(workspace, path)
    strategy, lists = _with_preset(workspace, path)
    policy = IdentityPolicy(
        strategy=strategy,
        traits=STRATEGIES[strategy].traits,
        priority=lists["priority"],
        login_ids=frozenset(lists["login_ids"]),
        unique_ids=frozenset(lists["unique_ids"]),
        immutable_ids=frozenset(lists["immutable_ids"]),
        max_holders=limits.max_holders,
        max_identities=limits.max_identities,
        activity_resolution_ms=limits.activity_resolution_s * 1000,
        tie_break=workspace.tie_break,
        unique_conflict=workspace.unique_conflict,
        higher_conflict=workspace.higher_conflict,
        immutable_protects=workspace.immutable_protects,
        search_any_identity=workspace.search_any_identity,
        best_match_login=workspace.best_match_login,
    )
    if not policy.priority:
        raise SettingsError(f"{path}.priority: list at least one identity type, strongest first")
    _check_against_strategy(policy, path)
    _check_lists(policy, path)
    return policy


def _with_preset(
    workspace: WorkspaceSettings, path: str
) -> tuple[StrategyName, dict[str, tuple[str, ...]]]:
    """Return strategy and lists; lists that ``default`` leaves out are those of its preset."""
    written = {key: getattr(workspace, key) for key in _LISTS}
    if workspace.preset is not None:
        _check_preset_alone(workspace, written, path)
    strategy = next((s for s in STRATEGIES if s == workspace.strategy), None)
    if workspace.preset is not None or strategy == "default":
        preset = PRESETS[workspace.preset or "default"]
        base = {key: tuple(getattr(preset, key)) for key in _LISTS}
        strategy = "default"
    else:
        base = dict.fromkeys(_LISTS, ())
    if strategy is None:
        raise SettingsError(f"{path}: set strategy (one of {', '.join(STRATEGIES)}) or preset")
    mistakes = Mistakes()
    lists = dict(base)
    for key, value in written.items():
        if value is not None:
            with mistakes.noted():
                lists[key] = _types(value, f"{path}.{key}")
    mistakes.check()
    return strategy, lists


def _check_preset_alone(
    workspace: WorkspaceSettings, written: dict[str, tuple[str, ...] | None], path: str
) -> None:
    if workspace.strategy not in (None, "default"):
        raise SettingsError(f"{path}.preset: fixes the strategy default; remove preset or strategy")
    for key, value in written.items():
        if value is not None:
            raise SettingsError(f"{path}.{key}: is fixed by preset; remove one of the two")


def _types(names: tuple[str, ...], path: str) -> tuple[str, ...]:
    found: list[str] = []
    mistakes: list[str] = []
    for name in names:
        identity_type = canonical_type(name)
        if identity_type is None:
            remedy = hint(name, NAMES) or "; `idstream schema` lists them"
            mistakes.append(f"{path}: {name} is no identity type{remedy}")
        elif identity_type in found:
            mistakes.append(f"{path}: {name} is listed twice; list it once")
        else:
            found.append(identity_type)
    if mistakes:
        raise SettingsError(*mistakes)
    return tuple(found)


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
    if policy.strategy == "default":
        for key in ("login_ids", "unique_ids"):
            if getattr(policy, key) != {"customerid"}:
                raise SettingsError(
                    f"{path}.{key}: the strategy default fixes it to customerid;"
                    " use profile_conversion to choose"
                )
    if policy.strategy == "best_match":
        for key in ("login_ids", "unique_ids"):
            if getattr(policy, key):
                raise SettingsError(
                    f"{path}.{key}: best_match has none; remove it or use profile_conversion"
                )
    if policy.strategy in _NEEDS_LOGIN and not policy.login_ids:
        raise SettingsError(f"{path}.login_ids: {policy.strategy} needs at least one login ID")
