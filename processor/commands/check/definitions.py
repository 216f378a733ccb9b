"""What a check says of definitions and what the index remembers of them, before a start would."""

from collections.abc import Iterator, Mapping

from processor.commands.check.findings import Finding
from processor.computed.definition import Listed, Scope, listing


def changed(what: str, scope: Scope | None, known: Mapping[str, Listed]) -> Iterator[Finding]:
    """Say which definitions of *scope* are others than the index remembers (*known*); pure.

    It remembers what processors have started with; *what* names its space. None: nothing is
    defined.
    """
    workspaces = {} if scope is None else scope.workspaces
    for workspace in dict.fromkeys([*workspaces, *(name.partition("/")[0] for name in known)]):
        mark = f"{workspace}/"
        its = {k.removeprefix(mark): one for k, one in known.items() if k.startswith(mark)}
        definitions = workspaces.get(workspace)
        own = {} if definitions is None else listing(definitions)
        yield from _of_workspace(what, workspace, its, own)


def _of_workspace(
    what: str, workspace: str, known: Mapping[str, Listed], own: Mapping[str, Listed]
) -> Iterator[Finding]:
    kept = {name: known[name] for name in own if name in known}
    wrong = [n for n, o in kept.items() if o.version == own[n].version and o.mark != own[n].mark]
    for name in wrong:
        yield Finding(
            what,
            "wrong",
            f"workspaces.{workspace}.{name}: its meaning changed; raise its version to"
            f" {own[name].version + 1}",
        )
    kinds = (
        ("new", [name for name in own if name not in known]),
        ("changed", [n for n, o in kept.items() if o.version < own[n].version]),
    )
    told = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in kinds if names)
    if told:
        says = (
            f"definitions of {workspace} since the last start: {told}; people are judged by them"
            f" at their next record, everybody by `idstream recompute {workspace}`"
        )
        yield Finding(what, "warning", says, "index.definitions")
    gone = [name for name in known if name not in own]
    if gone:
        says = (
            f"what is stored of {', '.join(sorted(gone))} of {workspace} is not shown, and stays"
            f" until `idstream recompute {workspace}` strikes it off"
        )
        yield Finding(what, "ok", says)
    older = [n for n, o in kept.items() if o.version > own[n].version]
    if older:
        says = (
            f"other processors have higher versions of {', '.join(sorted(older))} of {workspace}:"
            " these here leave what is stored under them alone"
        )
        yield Finding(what, "warning", says, "index.definitions")
