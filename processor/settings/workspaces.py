"""The ``[workspaces.*]`` and ``[inputs.*]`` sections, checked against each other."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from processor.identity.model import IdentityPolicy
from processor.identity.normalize import Blocklist, Normalizers
from processor.identity.types import DEVICE_TYPES, STANDARD_KEYS, USER_TYPES, canonical_type
from processor.rules import InputRules, Limits, WorkspaceRules
from processor.settings.conversion import convert
from processor.settings.error import SettingsError, hint
from processor.settings.flat import blocklists, flat_keys, segment_normalizers
from processor.settings.policy import check_strategy, policy_of
from processor.settings.sections import IdentifierSettings, InputSettings, WorkspaceSettings

# Names become parts of Redis keys, hash tags, record keys and offset metadata.
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BLOCKS: Final = (
    "blocked_values",
    "blocked_patterns",
    "default_blocked_values",
    "normalizers",
    "identifiers",
)


def workspaces(
    tables: object, limits: Limits
) -> tuple[dict[str, WorkspaceSettings], dict[str, WorkspaceRules]]:
    """Return the workspaces as written and as rules, by name."""
    written = {name: _workspace(name, table) for name, table in _tables(tables, "workspaces")}
    if not written:
        raise SettingsError("workspaces: configure at least one, as [workspaces.NAME]")
    return written, {name: _rules(name, w, limits) for name, w in written.items()}


def inputs(tables: object, rules: Mapping[str, WorkspaceRules]) -> dict[str, InputRules]:
    """Return the inputs by name; one called ``default`` where the file configures none."""
    found = {name: _input(name, table, rules) for name, table in _tables(tables, "inputs")}
    if found:
        return found
    if len(rules) > 1:
        raise SettingsError("inputs: say which belongs to which workspace, as [inputs.NAME]")
    # Only where no input is configured: beside a bound or protected one, ``default`` would be a
    # way around it.
    return {"default": InputRules(name="default", workspace=next(iter(rules.values())))}


def fingerprints(
    written: Mapping[str, WorkspaceSettings], rules: Mapping[str, WorkspaceRules]
) -> dict[str, str]:
    """Return a hash of the identity settings of each scope, on which its workspaces must agree."""
    said: dict[str, tuple[str, dict[str, object]]] = {}
    for name, workspace in rules.items():
        mine = _identity_settings(written[name], workspace.policy)
        other, theirs = said.setdefault(workspace.scope, (name, mine))
        for key, value in mine.items():
            if value != theirs[key]:
                raise SettingsError(
                    f"workspaces.{name}.{key}: differs from workspace {other} of the same"
                    f" identity_scope {workspace.scope}; make them equal"
                )
    return {
        scope: hashlib.blake2b(msgspec.json.encode(mine, order="sorted"), digest_size=8).hexdigest()
        for scope, (_, mine) in said.items()
    }


def _identity_settings(workspace: WorkspaceSettings, policy: IdentityPolicy) -> dict[str, object]:
    # Traits follow from the strategy; and the fingerprints that rows hold do not have them.
    values = {key: getattr(policy, key) for key in policy.__struct_fields__ if key != "traits"}
    values |= {key: getattr(workspace, key) for key in _BLOCKS}
    values["normalizers"] = segment_normalizers(workspace)
    values["identifiers"] = {
        name: _without_places(one) for name, one in workspace.identifiers.items()
    }
    return {k: sorted(v) if isinstance(v, frozenset) else v for k, v in values.items()}


def _without_places(one: IdentifierSettings) -> dict[str, object]:
    """Return an identifier's settings but where it is read from: that changes no decision taken."""
    return {key: getattr(one, key) for key in one.__struct_fields__ if key != "found_in"}


def _tables(tables: object, section: str) -> list[tuple[str, object]]:
    if not isinstance(tables, dict):
        raise SettingsError(f"{section}: expected tables; write [{section}.NAME]")
    for name in tables:
        _check_name(name, section)
    return list(tables.items())


def _check_name(name: str, path: str) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{path}: {name!r} is no name; use 1 to 64 letters, digits, dots, dashes or underscores"
        )


def _workspace(name: str, table: object) -> WorkspaceSettings:
    path = f"workspaces.{name}"
    check_strategy(table, path)
    workspace = convert(table, WorkspaceSettings, path)
    if workspace.identity_scope is not None:
        _check_name(workspace.identity_scope, f"{path}.identity_scope")
    return workspace


def _rules(name: str, workspace: WorkspaceSettings, limits: Limits) -> WorkspaceRules:
    path = f"workspaces.{name}"
    policy = policy_of(workspace, limits, path)
    literal = frozenset(policy.priority) if policy.traits.is_literal else None
    return WorkspaceRules(
        name=name,
        scope=workspace.identity_scope or name,
        policy=policy,
        keys=flat_keys(workspace) if policy.traits.is_literal else STANDARD_KEYS,
        blocklist=_blocklist(workspace, path),
        normalizers=_normalizers(workspace, path, literal),
        forward_empty_batches=workspace.forward_empty_batches,
        error_envelope=workspace.error_envelope,
        validation=workspace.validation,
        sdk_requires_change_events=workspace.sdk_requires_change_events,
    )


def _blocklist(workspace: WorkspaceSettings, path: str) -> Blocklist:
    by_type = blocklists(workspace, path)
    try:
        return Blocklist.build(
            workspace.default_blocked_values,
            workspace.blocked_values,
            workspace.blocked_patterns,
            by_type,
        )
    except ValueError as error:
        raise SettingsError(f"{path}.blocked_patterns: {error}") from None


def _normalizers(
    workspace: WorkspaceSettings, path: str, literal: frozenset[str] | None
) -> Normalizers:
    """Return the normalizers; *literal* are the configured names where no others are types."""
    steps: dict[str, tuple[str, ...]] = {}
    for name, wanted in segment_normalizers(workspace).items():
        if literal is None:
            identity_type = canonical_type(name)
        else:
            identity_type = name if name in literal else None
        if identity_type is None:
            meant = hint(name, literal or USER_TYPES | DEVICE_TYPES)
            raise SettingsError(f"{path}.normalizers.{name}: is no identity type{meant}")
        steps[identity_type] = wanted
    try:
        return Normalizers.build(steps)
    except ValueError as error:
        raise SettingsError(f"{path}.normalizers: {error}") from None


def _input(name: str, table: object, rules: Mapping[str, WorkspaceRules]) -> InputRules:
    path = f"inputs.{name}"
    if isinstance(table, dict) and isinstance(table.get("topics"), str):
        table = {**table, "topics": [table["topics"]]}
    written = convert(table, InputSettings, path)
    workspace = rules.get(written.workspace)
    if workspace is None:
        raise SettingsError(
            f"{path}.workspace: there is no workspace {written.workspace}; add"
            f" [workspaces.{written.workspace}]{hint(written.workspace, rules)}"
        )
    if written.format == "segment" and not workspace.policy.traits.is_literal:
        raise SettingsError(
            f"{path}.format: segment's identifiers belong to flat_matching; give workspace"
            f" {written.workspace} that strategy"
        )
    return InputRules(
        name=name,
        workspace=workspace,
        source=written.source,
        protection=written.protection,
        dedup_window_ms=written.dedup_window_s * 1000,
        topics=frozenset(written.topics),
        format=written.format,
    )
