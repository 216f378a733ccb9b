"""Random plans, fixed by a seed and a number."""

import random

from tests.model.people import SETTINGS
from tests.model.world import FAULTS, Plan

HEALTHY = tuple(kind for kind in FAULTS if kind != "losses")
"""Faults that lose nothing which the index acknowledged."""


def plan(seed: int, number: int, always: tuple[str, ...] = ()) -> Plan:
    """Return the plan of a number: some kinds of faults, and those named in *always*."""
    chance = random.Random(f"{seed}/{number}")
    kinds = {kind for kind in HEALTHY if chance.random() < 0.6} | {*always}
    return Plan(
        setting=chance.choice(sorted(SETTINGS)),
        history=chance.randbytes(chance.randrange(1, 50)),
        schedule=chance.randbytes(2 * chance.randrange(20, 1000)),
        static=chance.random() < 0.5,
        per_transaction=chance.choice([1, 4, 1000]),
        faults=tuple(kind for kind in FAULTS if kind in kinds),
    )
