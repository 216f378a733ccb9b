"""What of a poll batch is decided together: records that change more than profiles stand alone."""

from collections.abc import Collection, Iterator, Mapping

from processor.identity.model import Space
from processor.pipeline.work import Work
from processor.rules import Rules


def rules_apart(rules: Rules) -> frozenset[str]:
    """Return the topics of which every record is decided alone."""
    return frozenset(name for name, role in rules.roles.items() if role == "privacy")


def lots_of(
    works: Mapping[Space, dict[int, Work]], apart: Collection[str]
) -> Iterator[tuple[Space, dict[int, Work]]]:
    """Yield what is decided together: records of topics *apart* alone, after all others.

    What they write beside profiles is not seen by records of the same lot.
    """
    if not apart:
        yield from works.items()
        return
    for space, its in works.items():
        together = {n: work for n, work in its.items() if work.record.topic not in apart}
        if together:
            yield space, together
    for space, its in works.items():
        for number, work in its.items():
            if work.record.topic in apart:
                yield space, {number: work}
