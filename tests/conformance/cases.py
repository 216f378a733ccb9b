"""The conformance cases: which are played, and which wait for what."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

HERE = Path(__file__).parent

READ_SIDE = "the profile API is not built yet"
ERASURE = "erasure and access requests are not built yet"
LATER = {
    "PA-02": READ_SIDE,
    "TR-01": "identity requests come through Kafka: there is no HTTP endpoint to authenticate",
    "DS-01": ERASURE,
    "DS-03": ERASURE,
    "RT-01": "cases of lifetimes are among those of the clock (computed.yaml)",
    "EN-20": "events go out byte for byte: names are not truncated",
}
"""Cases that are not played yet, each with the reason."""


class Case(Struct, frozen=True):
    """One case as written in idsync.yaml or people.yaml."""

    id: str
    title: str
    config: dict[str, Any]
    given: dict[str, dict[str, Any]]
    steps: tuple[dict[str, Any], ...]
    final: dict[str, dict[str, Any]]
    profile_count: int | None
    is_refused: bool
    """Whether the configuration itself must be refused."""

    def __str__(self) -> str:
        return self.id


def _case(raw: dict[str, Any]) -> Case:
    return Case(
        id=raw["id"],
        title=raw["title"],
        config=raw["config"],
        given=raw.get("given") or {},
        steps=tuple(raw["steps"]),
        final=raw.get("final") or {},
        profile_count=raw.get("profile_count"),
        is_refused=bool(raw.get("expect_config_error")),
    )


@cache
def all_cases() -> tuple[Case, ...]:
    """Return every case of the mParticle strategies."""
    files = (yaml.safe_load((HERE / name).read_text()) for name in ("idsync.yaml", "people.yaml"))
    return tuple(_case(raw) for file in files for raw in file["cases"])


def played() -> list[Case]:
    """Return the cases that must hold in every way of playing them."""
    return [c for c in all_cases() if c.id not in LATER and not c.is_refused]


def refused() -> list[Case]:
    """Return the cases whose configuration must be refused."""
    return [c for c in all_cases() if c.is_refused]
