"""Advice: settings that are allowed but probably not meant, as ``check`` shows them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from processor.identity.model import IdentityPolicy
from processor.rules import InputRules, WorkspaceRules

PRIVILEGED = ("calculated", "account")


class Advice(NamedTuple):
    """A warning: the *path* of a setting, and a sentence about it."""

    path: str
    text: str


def advice(
    workspaces: Mapping[str, WorkspaceRules], inputs: Mapping[str, InputRules]
) -> Iterator[Advice]:
    """Yield the advice for these workspaces and inputs."""
    for name, workspace in workspaces.items():
        yield from _of_policy(workspace.policy, f"workspaces.{name}")
        if not any(i.workspace.name == name for i in inputs.values()):
            yield Advice(f"workspaces.{name}", "no input belongs to it, so it gets no records")
    yield from _of_inputs(inputs.values())
    if "default" not in inputs:
        yield Advice(
            "inputs", "none is called default: records without the header input become dead letters"
        )


def _of_policy(policy: IdentityPolicy, path: str) -> Iterator[Advice]:
    if policy.traits.has_one_owner:  # every type is unique, and none is a login
        return
    outranked = _outranked(policy)
    for strong, weak in outranked.items():
        text = f"{strong}, a login or unique ID, ranks below {', '.join(weak)}, which decides first"
        if policy.strategy in ("default", "profile_conversion"):
            text += "; a login then converts the anonymous profile found by it"
        yield Advice(f"{path}.priority", text)
    if policy.strategy == "profile_conversion" and not policy.login_ids:
        yield Advice(f"{path}.login_ids", "none: no profile ever becomes known")


def _outranked(policy: IdentityPolicy) -> dict[str, list[str]]:
    """Return the non-login types that rank above a login or unique type, by that type."""
    above: list[str] = []
    found: dict[str, list[str]] = {}
    for identity_type in policy.priority:
        if identity_type in policy.login_ids | policy.unique_ids and above:
            found[identity_type] = list(above)
        if identity_type not in policy.login_ids:
            above.append(identity_type)
    return found


def _of_inputs(inputs: Iterable[InputRules]) -> Iterator[Advice]:
    for rules in inputs:
        if rules.source in PRIVILEGED and not rules.topics:
            yield Advice(
                f"inputs.{rules.name}.topics",
                f"source {rules.source} is privileged and any topic may name this input; bind it",
            )
