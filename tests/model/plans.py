"""Random plans, fixed by a seed and a number."""

import random

from processor.index.memory import MAX_KEYS
from processor.pipeline.round import ROUNDS
from tests.model.people import SETTINGS
from tests.model.world import FAULTS, FIRST_FAULT, FIRST_SWITCH, Plan

HEALTHY = tuple(kind for kind in FAULTS if kind != "losses")
"""Faults that lose nothing which the index acknowledged."""


def _schedule(chance: random.Random) -> bytes:
    """Return steps and faults, in some plans fewer faults, in some a switch at every step.

    Processors that take turns all the time, and are left alone, meet each other at one profile.
    """
    switches, faults = chance.choice([0.32, 1.0]), chance.choice([0.09, 0.02])
    schedule = bytearray()
    for _ in range(chance.randrange(20, 1000)):
        if chance.random() < faults:
            action = chance.randrange(FIRST_FAULT, 256)
        elif chance.random() < switches:
            action = chance.randrange(FIRST_SWITCH, FIRST_FAULT)
        else:
            action = chance.randrange(FIRST_SWITCH)
        schedule += bytes((action, chance.randrange(256)))
    return bytes(schedule)


def plan(seed: int, number: int, always: tuple[str, ...] = ()) -> Plan:
    """Return the plan of a number: some kinds of faults, and those named in *always*."""
    chance = random.Random(f"{seed}/{number}")
    share = chance.choice([0.2, 0.6])
    kinds = {kind for kind in HEALTHY if chance.random() < share} | {*always}
    few = chance.randbytes(chance.choice([3, 6, 250]))
    return Plan(
        setting=chance.choice(sorted(SETTINGS)),
        history=bytes(chance.choices(few, k=chance.randrange(1, 80))),
        schedule=_schedule(chance),
        static=chance.random() < 0.5,
        per_transaction=chance.choice([1, 4, 1000]),
        faults=tuple(kind for kind in FAULTS if kind in kinds),
        rounds=chance.choice([1, ROUNDS]),
        max_keys=chance.choice([4, MAX_KEYS]),
    )
