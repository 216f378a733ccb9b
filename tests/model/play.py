"""One played run, and what is wrong with what it left."""

import traceback
from collections import Counter
from typing import NamedTuple

from processor.identity.model import Identifier
from processor.index.memory import MemoryIndex
from processor.outcome import Record
from processor.pipeline import Parts, Pipeline
from processor.profiles.document import profile_key
from processor.space import Assigned, LostWrites
from tests.faults import oracle
from tests.model.people import inputs, rulebook
from tests.model.world import Plan, World


class Played(NamedTuple):
    """How a run went."""

    wrong: list[str]
    steps: int
    history: list[str]
    lost: bool
    """Whether it ended in the loss detector."""
    ends: Counter[str]


def play(plan: Plan) -> Played:
    """Play *plan* to its end and check what it left."""
    book = rulebook(plan.setting)
    world = World(plan, book, inputs(plan.history))
    world.run()
    wrong = ["".join(traceback.format_exception(broken)) for broken in world.broken]
    lost = world.has_lost and any(isinstance(end, LostWrites) for end in world.ends)
    if not wrong and not lost:
        wrong = check(world)
    ends = Counter(type(end).__name__ for end in world.ends)
    return Played(wrong, world.steps, world.history, lost, ends)


def check(world: World) -> list[str]:
    """Return what is wrong, in words, each with the name of its check."""
    index, book = world.index, world.setting
    published = oracle.Published(_by_source(world), _by_role(world))
    live = {profile_key(p.scope, p.environment, p.mpid).decode(): p for p in index.profiles()}
    resolved = oracle.resolve_again(published, _resolver(world))
    found = {
        "one outcome each": oracle.one_outcome_each(published),
        "outputs agree": oracle.outputs_agree(published),
        "changes told once": oracle.changes_are_told_once(published),
        "changelog is the store": oracle.changelog_is_the_store(published, live),
        "changelog ends with the highest": oracle.changelog_ends_with_the_highest(published),
        "changes replay": oracle.changes_replay_to_the_records(published, live, index.token),
        "decisions": oracle.decisions_are_those_of_one_processor(published, resolved),
        "shown": oracle.outputs_show_their_profile(published, resolved),
        "final states": oracle.final_states_are_the_resolvers(live, resolved),
    }
    for rules in book.spaces:
        space = rules.space
        mine = {key: p for key, p in live.items() if (p.scope, p.environment) == space}
        holders: dict[Identifier, tuple[int, ...]] = index.holders(space)
        found[f"graph of {space.name} is valid"] = oracle.graph_is_valid(
            mine, holders, book.lookups, book.unique
        )
    return [f"{name}: {one}" for name, wrong in found.items() for one in wrong]


def _resolver(world: World) -> Pipeline:
    book = world.setting
    parts = Parts(rules=book.rules, spaces=book.spaces, index=MemoryIndex(), owner="oracle")
    pipeline = Pipeline(parts)
    pipeline.assign([Assigned(*key, "", None, "") for key in world.inputs], [])
    return pipeline


def _by_source(world: World) -> dict[oracle.Source, Record]:
    return {(r.topic, r.partition, r.offset): r for rs in world.inputs.values() for r in rs}


def _by_role(world: World) -> dict[str, list[oracle.Seen]]:
    found: dict[str, list[oracle.Seen]] = {}
    for one in world.cluster.seen():
        seen = oracle.Seen(one.topic, one.key, one.value or b"", dict(one.headers))
        found.setdefault(one.topic, []).append(seen)
    return found
