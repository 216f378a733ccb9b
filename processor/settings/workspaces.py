"""The ``[workspaces.*]`` and ``[inputs.*]`` sections, checked against each other."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from processor.computed.definition import Scope
from processor.identity.model import IdentityPolicy
from processor.identity.normalize import Blocklist, Normalizers
from processor.identity.types import NAMES, STANDARD_KEYS, canonical_type
from processor.rules import InputRules, Lifetimes, Limits, PartnerRules, WorkspaceRules
from processor.settings.computed import computed_scopes
from processor.settings.conversion import kept
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.flat import blocklists, flat_keys, segment_normalizers
from processor.settings.policy import DECIDING, check_apart, policy_of, with_known_strategy
from processor.settings.privacy import with_privacy
from processor.settings.retention import check_lifetimes, lifetimes
from processor.settings.sections import (
    IdentifierSettings,
    InputSettings,
    PrivacySettings,
    WorkspaceSettings,
)

# Names become parts of Redis keys, hash tags, record keys and offset metadata.
_PARTNER_NAME: Final = re.compile(r"[A-Za-z0-9]+_[A-Za-z0-9_.-]+", re.ASCII)
_CONSENT: Final = re.compile(r"!?(?:gdpr\.[^.]+|ccpa\.data_sale_opt_out)")
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


def population(
    workspaces: object,
    inputs: object,
    limits: Limits,
    privacy: PrivacySettings | None,
    mistakes: Mistakes,
) -> Population:
    """Return what the two tables say, without what is wrong in them, which is noted."""
    named = list(_tables(workspaces, "workspaces", mistakes))
    if not named and not workspaces:
        mistakes.tell("workspaces: configure at least one, as [workspaces.NAME]")
    written, rules = _workspaces(named, limits, mistakes)
    rules = with_privacy(rules, privacy)
    # An input of a workspace that is wrong itself has its own mistakes told, and no more.
    wrong = {name for name, _ in named} - rules.keys()
    found: dict[str, InputRules] = {}
    for name, table in _tables(inputs, "inputs", mistakes):
        with mistakes.noted():
            one = _input(name, table, rules, wrong, mistakes)
            if one is not None:
                found[name] = one
    if not inputs and len(named) > 1:
        mistakes.tell("inputs: say which belongs to which workspace, as [inputs.NAME]")
    prints: dict[str, str] = {}
    computed: dict[str, Scope] = {}
    with mistakes.noted():
        prints = fingerprints(written, rules)
    with mistakes.noted():
        check_lifetimes(written, rules)
    if rules and not mistakes.are_below("inputs"):
        with mistakes.noted():
            found = found or _default_input(rules)
            computed = computed_scopes(written, rules, found, limits.max_computed_bytes)
    return Population(rules, found, prints, computed)


def _workspaces(
    named: Iterable[tuple[str, object]], limits: Limits, mistakes: Mistakes
) -> tuple[dict[str, WorkspaceSettings], dict[str, WorkspaceRules]]:
    """Return those that are right, as written and as rules."""
    written: dict[str, WorkspaceSettings] = {}
    rules: dict[str, WorkspaceRules] = {}
    for name, table in named:
        mine = Mistakes()
        with mistakes.noted():
            workspace = _workspace(name, table, mine)
            rules[name] = _rules(name, workspace, limits, mine)
            written[name] = workspace
    return written, rules


def _default_input(rules: Mapping[str, WorkspaceRules]) -> dict[str, InputRules]:
    """Return the one input of a file that configures none, and one workspace."""
    # Only where no input is configured: beside a bound or protected one, ``default`` would be a
    # way around it.
    return {"default": InputRules(name="default", workspace=next(iter(rules.values())))}


def fingerprints(
    written: Mapping[str, WorkspaceSettings], rules: Mapping[str, WorkspaceRules]
) -> dict[str, str]:
    """Return a hash of the identity settings of each scope, on which its workspaces must agree."""
    mistakes = Mistakes()
    said: dict[str, tuple[str, dict[str, object]]] = {}
    for name, workspace in rules.items():
        mine = _identity_settings(written[name], workspace.policy)
        other, theirs = said.setdefault(workspace.scope, (name, mine))
        differing = [key for key, value in mine.items() if value != theirs[key]]
        # Another strategy has other lists and switches.
        for key in ("strategy",) if "strategy" in differing else differing:
            mistakes.tell(
                f"workspaces.{name}.{key}: differs from workspace {other} of the same"
                f" identity_scope {workspace.scope}; make them equal"
            )
    mistakes.check()
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
    """Return an identifier's settings except ``found_in``, which changes no decision."""
    return {key: getattr(one, key) for key in one.__struct_fields__ if key != "found_in"}


def _tables(tables: object, section: str, mistakes: Mistakes) -> Iterator[tuple[str, object]]:
    """Yield the entries of a section that have an allowed name."""
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


def _workspace(name: str, table: object, mistakes: Mistakes) -> WorkspaceSettings:
    """Return what fits of a workspace's table, and note the rest."""
    path = f"workspaces.{name}"
    table = with_known_strategy(table, path, mistakes)
    workspace = kept(table, WorkspaceSettings, path, mistakes) or WorkspaceSettings()
    if workspace.identity_scope is not None:
        with mistakes.noted():
            _check_name(workspace.identity_scope, f"{path}.identity_scope")
    return workspace


def _check_links(workspace: WorkspaceSettings, policy: IdentityPolicy, path: str) -> None:
    if workspace.auto_alias != "off" and policy.strategy != "profile_link":
        raise SettingsError(
            f"{path}.auto_alias: only profile_link links profiles; remove it, or choose that"
            " strategy"
        )


def _rules(
    name: str, workspace: WorkspaceSettings, limits: Limits, mistakes: Mistakes
) -> WorkspaceRules:
    path = f"workspaces.{name}"
    blocklist, policy, normalizers = Blocklist(), None, Normalizers()
    with mistakes.noted():
        # Whatever is wrong with what decides: of the rest only what stands for itself is judged.
        is_certain = not any(mistakes.are_below(f"{path}.{key}") for key in DECIDING)
        if is_certain and not mistakes.are_about(path):
            policy = policy_of(workspace, limits, path)
        else:
            check_apart(workspace, path)
    with mistakes.noted():
        blocklist = _blocklist(workspace, path)
    if policy is None:
        mistakes.refuse()
    with mistakes.noted():
        _check_links(workspace, policy, path)
    its_lifetimes: Lifetimes | None = None
    with mistakes.noted():
        its_lifetimes = lifetimes(workspace, limits, path)
    partners: Mapping[str, PartnerRules] = {}
    with mistakes.noted():
        partners = _partner_identities(workspace, path)
    literal = frozenset(policy.priority) if policy.traits.is_literal else None
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
        partner_identities=partners,
        lifetimes=its_lifetimes,
    )


def _partner_identities(workspace: WorkspaceSettings, path: str) -> dict[str, PartnerRules]:
    mistakes = Mistakes()
    for name, written in workspace.partner_identities.items():
        where = f"{path}.partner_identities.{name}"
        if not _PARTNER_NAME.fullmatch(name):
            mistakes.tell(f"{where}: is no name; write PARTNER_IDENTITY, as TradeDesk_UID2")
        consent = written.requires_consent
        if consent is not None and not _CONSENT.fullmatch(consent):
            mistakes.tell(
                f"{where}.requires_consent: must be gdpr.PURPOSE or ccpa.data_sale_opt_out, with"
                " a ! in front where it must not be given"
            )
    mistakes.check()
    return {
        name: PartnerRules(one.forward, one.requires_consent)
        for name, one in workspace.partner_identities.items()
    }


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
        raise SettingsError(*(f"{path}.blocked_patterns: {one}" for one in error.args)) from None


def _normalizers(
    workspace: WorkspaceSettings, path: str, literal: frozenset[str] | None
) -> Normalizers:
    """Return the normalizers; *literal* are the configured names where no others are types."""
    mistakes = Mistakes()
    steps: dict[str, tuple[str, ...]] = {}
    for name, wanted in segment_normalizers(workspace).items():
        if literal is None:
            identity_type = canonical_type(name)
        else:
            identity_type = name if name in literal else None
        if identity_type is None:
            known = NAMES if literal is None else literal
            remedy = hint(name, known) or "; remove it or correct its spelling"
            mistakes.tell(f"{path}.normalizers.{name}: is no identity type{remedy}")
            continue
        try:
            Normalizers.build({identity_type: wanted})
        except ValueError as error:
            mistakes.tell(f"{path}.normalizers.{name}: {error}")
        else:
            steps[identity_type] = wanted
    mistakes.check()
    return Normalizers.build(steps)


def _input(
    name: str,
    table: object,
    rules: Mapping[str, WorkspaceRules],
    wrong: Collection[str],
    mistakes: Mistakes,
) -> InputRules | None:
    """Return the rules of an input, None where its workspace is *wrong* or not there."""
    path = f"inputs.{name}"
    if isinstance(table, dict) and isinstance(table.get("topics"), str):
        table = {**table, "topics": [table["topics"]]}
    written = kept(table, InputSettings, path, mistakes)
    if written is None or written.workspace in wrong:
        return None
    workspace = rules.get(written.workspace)
    if workspace is None:
        raise SettingsError(
            f"{path}.workspace: there is no workspace {written.workspace}; add"
            f" [workspaces.{written.workspace}]{hint(written.workspace, (*rules, *wrong))}"
        )
    if written.format == "segment" and not workspace.policy.traits.is_literal:
        raise SettingsError(
            f"{path}.format: segment's identifiers belong to flat_matching; give workspace"
            f" {written.workspace} that strategy"
        )
    if written.partner is not None and written.source != "partner_feed":
        raise SettingsError(f"{path}.partner: only a partner_feed has one; remove it")
    return InputRules(
        name=name,
        workspace=workspace,
        source=written.source,
        protection=written.protection,
        dedup_window_ms=written.dedup_window_s * 1000,
        topics=frozenset(written.topics),
        format=written.format,
        partner=written.partner,
        compute=written.compute,
    )
