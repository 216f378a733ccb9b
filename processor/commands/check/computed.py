"""What a check says of calculated attributes, audiences and lifetimes."""

from collections.abc import Iterator

from processor.commands.check.findings import Finding
from processor.commands.lifetimes import lifetime_in_words
from processor.computed.definition import Definitions
from processor.computed.size import audience_bytes, core_bytes, worst_bytes
from processor.rules import Lifetimes
from processor.settings import Settings

_MOST_NAMED = 5
"""How many definitions are named with their size: the largest ones."""


def computed(settings: Settings) -> Iterator[Finding]:
    """Say of each workspace with definitions what they may take of a person's document."""
    for scope in settings.computed.values():
        for definitions in scope.workspaces.values():
            yield from _of_workspace(definitions, scope.max_bytes)


def ageing(settings: Settings) -> Iterator[Finding]:
    """Say of each workspace with lifetimes how long its profiles live."""
    for name, workspace in settings.workspaces.items():
        if workspace.lifetimes is not None:
            path = f"workspaces.{name}.retention"
            yield Finding(path, "ok", lifetime_in_words(workspace.lifetimes))
            if doubt := _doubt_of(workspace.lifetimes):
                yield Finding(path, "warning", doubt, f"{path}.identity_days")


def _doubt_of(its: Lifetimes) -> str:
    """Return what is odd about how long the identity of profiles is kept; '' for nothing."""
    if not its.identity_ms:
        return ""
    if not its.keeps_identity:
        return "identity_days: counts only with keep_identity_record of the workspace"
    longest_ms = max(its.known_ms, its.anonymous_ms)
    if its.identity_ms <= longest_ms:
        return (
            "identity_days: counts from the last receipt, as the lifetimes do, one of which is no"
            " shorter: who is emptied then ends at once; make it longer"
        )
    return ""


def _of_workspace(definitions: Definitions, most: int) -> Iterator[Finding]:
    path = f"workspaces.{definitions.workspace}"
    sizes = {f"calculated.{n}": worst_bytes(one) for n, one in definitions.calculated.items()}
    sizes |= {f"audiences.{n}": audience_bytes(one) for n, one in definitions.audiences.items()}
    total = _total(definitions)
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:_MOST_NAMED]
    named = ", ".join(f"{name} {sizes[name]}" for name in largest)
    if len(sizes) > _MOST_NAMED:
        named += f" and {len(sizes) - _MOST_NAMED} more"
    says = f"computes up to {total} bytes a person: {named}"
    if total <= most:
        yield Finding(path, "ok", says)
        return
    text = (
        f"{says}; limits.max_computed_bytes keeps {most}, and news beyond it are lost: choose a"
        " coarser resolution, lower max_values, or raise the limit"
    )
    yield Finding(path, "warning", text, f"{path}.calculated")


def _total(definitions: Definitions) -> int:
    """Return how large all of it can become: what criteria share counts once."""
    members = sum(len(name.encode()) + 22 for name in definitions.audiences)
    cores = sum(core_bytes(core) for core in definitions.cores.values())
    return members + cores + sum(worst_bytes(one) for one in definitions.calculated.values())
