"""What topics do to requests under privacy law: what keeps the erased, or could bring them back."""

from collections.abc import Iterator

from processor.commands.check.findings import Finding
from processor.kafka.asking import reaching
from processor.kafka.keeping import keepings
from processor.kafka.residues import advice, holding
from processor.settings import Settings


def privacy(settings: Settings) -> Iterator[Finding]:
    """Warn of topics that hold people for longer than an erasure should last to be complete.

    Raises Unreachable where the cluster does not answer.
    """
    rules = next((one.privacy for one in settings.workspaces.values() if one.privacy), None)
    if rules is None:
        return
    named = list(holding(settings.kafka))
    with reaching(settings.kafka):
        found = keepings(settings.kafka, [name for _, name in named])
    for role, name in named:
        if name in found:
            for one in advice(role, found[name], rules.record_ms):
                yield Finding(f"topic {name}", "warning", one.text, one.path)
