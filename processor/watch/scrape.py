"""What ``/metrics`` of a process says, read as Prometheus reads it: for ``idstream top``."""

import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Final

from msgspec import Struct, field
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]
"""A metric's name, and its labels."""

_WITHIN_S: Final = 5.0


class NoMetrics(Exception):
    """The metrics of a process cannot be had; the message says of which address, and why."""


class Sample(Struct, frozen=True):
    """The metrics of a process at one moment."""

    at: float
    """Seconds that only grow."""
    values: dict[Series, float] = field(default_factory=dict)

    def of(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yield labels and value of each series of *name*."""
        for (its, labels), value in self.values.items():
            if its == name:
                yield dict(labels), value

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the series of *name* that have *labels*."""
        wanted = labels.items()
        return sum(value for its, value in self.of(name) if wanted <= its.items())


def scrape(url: str) -> Sample:
    """Ask for the metrics at *url*; raise NoMetrics where they do not come."""
    try:
        with urllib.request.urlopen(url, timeout=_WITHIN_S) as answer:  # noqa: S310 - the operator's
            text = answer.read().decode()
        return parsed(text, time.monotonic())
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise NoMetrics(f"no metrics at {url} ({why}); is the process up? --url names it") from None


def parsed(text: str, at: float) -> Sample:
    """Return what *text*, in Prometheus' format, says; ValueError where it is something else."""
    families = text_string_to_metric_families(text)
    return Sample(
        at, {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}
    )
