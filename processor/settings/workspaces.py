"""The ``[workspaces.*]`` and ``[inputs.*]`` sections, checked against each other."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from processor.computed.definition import Scope
from processor.identity.model import IdentityPolicy
from processor.identity.normalize import Blocklist, Normalizers
from processor.identity.types import NAMES, STANDARD_KEYS, canonical_type
from processor.rules import InputRules, Limits, WorkspaceRules
from processor.settings.computed import computed_scopes
from processor.settings.conversion import convert
from processor.settings.error import Mistakes, SettingsError, hint
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


class Population(Struct, frozen=True):
    """Workspaces and inputs by name, and the fingerprint of each identity scope."""

    workspaces: dict[str, WorkspaceRules]
    inputs: dict[str, InputRules]
    fingerprints: dict[str, str]
    computed: dict[str, Scope]
    """What identity scopes define to be computed; those that define nothing are not here."""


def population(workspaces: object, inputs: object, limits: Limits) -> Population:
    """Return what the two tables say; a SettingsError has the mistakes of all their entries."""
    mistakes = Mistakes()
    written: dict[str, WorkspaceSettings] = {}
    rules: dict[str, WorkspaceRules] = {}
    named = list(_tables(workspaces, "workspaces", mistakes))
    if not named:
        mistakes.add(SettingsError("workspaces: configure at least one, as [workspaces.NAME]"))
    for name, table in named:
        with mistakes.noted():
            written[name] = _workspace(name, table)
            rules[name] = _rules(name, written[name], limits)
    # An input of a workspace that is wrong itself has its own mistakes told, and no more.
    wrong = {name for name, _ in named} - rules.keys()
    found: dict[str, InputRules] = {}
    for name, table in _tables(inputs, "inputs", mistakes):
        with mistakes.noted():
            one = _input(name, table, rules, wrong)
            if one is not None:
                found[name] = one
    prints: dict[str, str] = {}
    with mistakes.noted():
        prints = fingerprints(written, rules)
    mistakes.check()
    sources = found or _default_input(rules)
    computed = computed_scopes(written, rules, sources, limits.max_computed_bytes)
    return Population(rules, sources, prints, computed)


def _default_input(rules: Mapping[str, WorkspaceRules]) -> dict[str, InputRules]:
    """Return the one input of a file that configures none."""
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


def _tables(tables: object, section: str, mistakes: Mistakes) -> Iterator[tuple[str, object]]:
    """Yield the entries of a section whose names are names."""
    if not isinstance(tables, dict):
        mistakes.add(SettingsError(f"{section}: expected tables; write [{section}.NAME]"))
        return
    for name, table in tables.items():
        with mistakes.noted():
            _check_name(name, section)
            yield name, table


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


def _check_links(workspace: WorkspaceSettings, policy: IdentityPolicy, path: str) -> None:
    if workspace.auto_alias != "off" and policy.strategy != "profile_link":
        raise SettingsError(
            f"{path}.auto_alias: only profile_link links profiles; remove it, or choose that"
            " strategy"
        )


def _rules(name: str, workspace: WorkspaceSettings, limits: Limits) -> WorkspaceRules:
    path = f"workspaces.{name}"
    mistakes = Mistakes()
    blocklist, policy = Blocklist(), None
    with mistakes.noted():
        policy = policy_of(workspace, limits, path)
    with mistakes.noted():
        blocklist = _blocklist(workspace, path)
    if policy is None:
        mistakes.refuse()
    with mistakes.noted():
        _check_links(workspace, policy, path)
    literal = frozenset(policy.priority) if policy.traits.is_literal else None
    normalizers = Normalizers()
    with mistakes.noted():
        normalizers = _normalizers(workspace, path, literal)
    mistakes.check()
    return WorkspaceRules(
        name=name,
        scope=workspace.identity_scope or name,
        policy=policy,
        keys=flat_keys(workspace) if policy.traits.is_literal else STANDARD_KEYS,
        blocklist=blocklist,
        normalizers=normalizers,
        forward_empty_batches=workspace.forward_empty_batches,
        error_envelope=workspace.error_envelope,
        validation=workspace.validation,
        sdk_requires_change_events=workspace.sdk_requires_change_events,
        auto_alias=workspace.auto_alias,
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
            known = NAMES if literal is None else literal
            raise SettingsError(
                f"{path}.normalizers.{name}: is no identity type{hint(name, known)}"
            )
        steps[identity_type] = wanted
    try:
        return Normalizers.build(steps)
    except ValueError as error:
        raise SettingsError(f"{path}.normalizers: {error}") from None


def _input(
    name: str, table: object, rules: Mapping[str, WorkspaceRules], wrong: Collection[str]
) -> InputRules | None:
    """Return the rules of an input, None where its workspace is *wrong*."""
    path = f"inputs.{name}"
    if isinstance(table, dict) and isinstance(table.get("topics"), str):
        table = {**table, "topics": [table["topics"]]}
    written = convert(table, InputSettings, path)
    if written.workspace in wrong:
        return None
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
