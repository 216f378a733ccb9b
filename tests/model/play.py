"""One played run, and what is wrong with what it left."""

import math
import traceback
from collections import Counter
from typing import NamedTuple

from processor.index.errors import LostWrites
from processor.profiles.document import profile_key
from processor.records import Record
from tests.faults import clock
from tests.faults.clock import visits_before
from tests.faults.oracle import Published, Seen, Source, is_tombstone
from tests.faults.verdict import Left, resolve_again, verdict_on_a_small_run
from tests.model.people import AGEING, CLOCK, PAUSE_MS, TIMED, WITHIN_MS, inputs, rulebook
from tests.model.world import Plan, World

LIVES_TOLD = ("profile_erased", "profile_emptied", "profile_back")


class Played(NamedTuple):
    """How a run went."""

    wrong: list[str]
    steps: int
    history: list[str]
    lost: bool
    """Whether it ended in the loss detector."""
    ends: Counter[str]
    met: Counter[str]
    """How often what is rare was met."""


def play(plan: Plan) -> Played:
    """Play *plan* to its end and check what it left."""
    book = rulebook(plan.setting)
    records = inputs(plan.history, PAUSE_MS if AGEING in plan.setting else 0)
    if plan.setting in TIMED:
        records |= {key: [] for key in CLOCK}
    world = World(plan, book, records)
    world.run()
    wrong = ["".join(traceback.format_exception(broken)) for broken in world.broken]
    lost = world.has_lost and any(isinstance(end, LostWrites) for end in world.ends)
    if not wrong and not lost:
        wrong = check(world)
    world.met += flips(world) + lives(world)
    ends = Counter(type(end).__name__ for end in world.ends)
    return Played(wrong, world.steps, world.history, lost, ends, world.met)


def check(world: World) -> list[str]:
    """Return what is wrong, in words, each with the name of its check."""
    index, settings = world.index, world.setting.settings
    published = Published(_by_source(world), _by_role(world))
    live = {profile_key(p.scope, p.environment, p.mpid).decode(): p for p in index.profiles()}
    holders = {rules.space: index.holders(rules.space) for rules in world.setting.spaces}
    resolved = resolve_again(settings, published, index.swept)
    found = verdict_on_a_small_run(settings, published, published, Left(live, holders), resolved)
    if world.is_timed and not world.plan.setting.startswith("flat_matching"):  # nobody merges
        found["early"] = clock.nobody_left_early(published, WITHIN_MS, visits_before(math.inf))
    return [f"{name}: {one}" for name, wrong in found.items() for one in wrong]


def flips(world: World) -> Counter[str]:
    """Return how often each change of an audience was told, by what brought it about."""
    told = [one.body for one in _by_role(world).get("audience_changes", ())]
    return Counter(f"{one['change']} by {one['reason']}" for one in told)


def lives(world: World) -> Counter[str]:
    """Return how often a profile has ended, was emptied, and has begun anew after its end."""
    told = Counter(one.body["change"] for one in _by_role(world).get("changes", ()))
    ended: set[bytes | None] = set()
    for one in _by_role(world).get("profiles", ()):
        if is_tombstone(one):
            ended.add(one.key)
        elif one.key in ended:
            ended.discard(one.key)
            told["profile_back"] += 1
    return Counter({name: told[name] for name in LIVES_TOLD})


def _by_source(world: World) -> dict[Source, Record]:
    return {(r.topic, r.partition, r.offset): r for rs in world.inputs.values() for r in rs}


def _by_role(world: World) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for one in world.cluster.seen():
        seen = Seen(one.topic, one.key, one.value or b"", dict(one.headers))
        found.setdefault(one.topic, []).append(seen)
    return found
