"""What is counted of calculated attributes and audiences."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from processor.pipeline.tally import Tally


class ComputedMetrics:
    """The metrics of calculated attributes and audiences; labels are names of the configuration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"idstream_{name}", text, labels, registry=registry)

        self._audience_changes = counter(
            "audience_changes_total",
            "Messages that somebody entered or left an audience, or changed in it",
            "workspace",
            "audience",
            "change",
            "reason",
        )
        self._matches = counter(
            "selector_matches_total", "Events that a selector wants", "workspace", "selector"
        )
        self._computed_writes = counter(
            "computed_writes_total",
            "Records whose events changed what is computed, by the selector that wanted them",
            "workspace",
            "selector",
        )
        self._computed_bounded = counter(
            "computed_bounded_total",
            "Values, states and contents of messages that a bound kept out",
            "workspace",
        )
        self._hidden = counter(
            "hidden_attributes_total",
            "User attributes that were written under the name of a calculated attribute",
            "workspace",
        )

    def expect(self, workspaces: Iterable[str]) -> None:
        """Let what bounds kept out, and what is hidden, be counted from 0 on."""
        for workspace in workspaces:
            self._computed_bounded.labels(workspace)
            self._hidden.labels(workspace)

    def count(self, tally: Tally) -> None:
        """Add what a committed transaction counted."""
        add(self._audience_changes, tally.audience_changes)
        add(self._matches, tally.selector_matches)
        add(self._computed_writes, tally.computed_writes)
        add(self._computed_bounded, tally.computed_bounded)
        add(self._hidden, tally.hidden)


def add(counter: Counter, counts: Mapping[Any, int]) -> None:
    """Add *counts*, by the values of the counter's labels."""
    for labels, n in counts.items():
        counter.labels(*labels).inc(n)
