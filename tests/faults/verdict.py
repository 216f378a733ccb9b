"""Every check of a run by its name, over what was published and what is left in the store. Pure."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from processor.app import Edge, build_pipeline
from processor.clock.place import SHARDS
from processor.clock.wheel import Entry
from processor.codecs.formats import Codecs
from processor.crash import CrashPoints
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.index.tokens import tokens
from processor.pipeline.computing import definitions_of
from processor.pipeline.pipeline import Pipeline
from processor.settings import Settings
from processor.watch.metrics import Metrics
from tests.faults import clock, graph, lifetimes, oracle, reference
from tests.faults.aliases import aliases_stand_in_both
from tests.faults.oracle import Published, Resolved, Source
from tests.faults.swept import RetoldIndex, swept


class Left(NamedTuple):
    """What a run left in the store."""

    live: Mapping[str, Profile]
    """Every document, by profile key."""
    holders: Mapping[Space, Mapping[Identifier, Iterable[int]]]
    """Every index entry of each space; one of no identifier of a document has another key."""


def verdict(
    settings: Settings, published: Published, again: Published, left: Left, resolved: Resolved
) -> dict[str, list[str]]:
    """Return what each check says of *published*, which was read while the run lasted.

    *again* is the same as read by one that reads everything in the end, *resolved* what the
    reference makes of it.
    """
    return {
        **verdict_on_a_small_run(settings, published, again, left, resolved),
        "changelog keeps up": reference.changelog_keeps_up(published, resolved),
        "changelog repeats little": reference.changelog_repeats_little(published),
    }


def verdict_on_a_small_run(
    settings: Settings, published: Published, again: Published, left: Left, resolved: Resolved
) -> dict[str, list[str]]:
    """Return what each check says but those that bound a share: of few records it says nothing."""
    token = tokens(settings.key())
    live = left.live
    found = {
        **verdict_on_decisions(settings, published, left, resolved),
        "one outcome each, read in the end": oracle.one_outcome_each(again),
        "readers agree": oracle.readers_agree(published, again),
        "order is kept, read in the end": oracle.order_is_kept(again),
        "bad input": oracle.bad_input_became_what_it_must(published),
        "changes told once": oracle.changes_are_told_once(published),
        "changelog is the store": oracle.changelog_is_the_store(published, live),
        "changelog ends with the highest": oracle.changelog_ends_with_the_highest(again),
        "changes replay": oracle.changes_replay_to_the_records(published, live, token),
        "flips": clock.flips_take_turns(published),
        "overdue": clock.overdue(published, _dues(live)),
        "aliases": aliases_stand_in_both(published, live, token),
    }
    for space in left.holders:
        found[f"limits of {space.name}"] = graph.limits_hold(
            of_space(live, space), settings.policy(space.scope)
        )
    return found


def verdict_on_decisions(
    settings: Settings, published: Published, left: Left, resolved: Resolved
) -> dict[str, list[str]]:
    """Return what the checks say that hold whatever was there when a run began."""
    live = left.live
    lives = lifetimes.lives(settings, published, resolved)
    found = {
        "one outcome each": oracle.one_outcome_each(published),
        "order is kept": oracle.order_is_kept(published),
        "outputs agree": oracle.outputs_agree(published),
        "order of decisions": oracle.decisions_are_in_order(published, resolved),
        "decisions": oracle.decisions_are_those_of_one_processor(published, resolved),
        "outcomes": reference.outcomes_are_the_references(published, resolved),
        "outputs": reference.outputs_are_the_references(published, resolved),
        "shown": oracle.outputs_show_their_profile(published, resolved),
        "changes": reference.changes_are_the_references(published, resolved),
        "audience changes": reference.audience_changes_are_the_references(published, resolved),
        "aged early": lifetimes.nobody_aged_early(lives),
        "outlives": lifetimes.nobody_outlives(lives, live),
        "gone": lifetimes.nobody_gone_has_records(lives),
        "changelog": reference.changelog_is_of_the_reference(published, resolved),
        "final states": oracle.final_states_are_the_resolvers(live, resolved),
    }
    for space, holders in left.holders.items():
        mine, policy = of_space(live, space), settings.policy(space.scope)
        found[f"graph of {space.name}"] = oracle.graph_is_valid(
            mine, holders, policy.priority, policy.unique_ids
        )
        found[f"merges of {space.name}"] = graph.merges_lead_to_survivors(mine)
    return found


def of_space(live: Mapping[str, Profile], space: Space) -> dict[str, Profile]:
    """Return those of *live* that are of *space*."""
    return {key: p for key, p in live.items() if (p.scope, p.environment) == space}


def _dues(live: Mapping[str, Profile]) -> dict[str, int]:
    """Return when those of *live* are due whom time alone changes."""
    dues = {key: profile.more.due_ms for key, profile in live.items() if not profile.merged_into}
    return {key: due_ms for key, due_ms in dues.items() if due_ms is not None}


def resolve_again(
    settings: Settings,
    published: Published,
    taken: Mapping[Source, Collection[Entry]] = MappingProxyType({}),
) -> Resolved:
    """Return what the reference makes of the input of *published*, in its order.

    *taken* are the entries that each sweep took, where more is known than what was published.
    """
    index = RetoldIndex(settings.key(), swept(published), taken)
    pipeline = resolver(settings, index, published)
    return oracle.resolve_again(published, pipeline, definitions_of(settings.computed), index.begin)


def resolver(
    settings: Settings,
    index: MemoryIndex,
    published: Published,
    offsets: Mapping[tuple[str, int], tuple[int, str]] = MappingProxyType({}),
) -> Pipeline:
    """Return a pipeline of every partition over *index*; over an empty one it is the reference.

    *offsets* are what its group has committed, with the metadata.
    """
    edge = Edge(index, Codecs())
    pipeline = build_pipeline(settings, edge, "oracle", Metrics().count, CrashPoints({}))
    partitions = {(topic, partition) for topic, partition, _ in published.inputs}
    if clock_topic := settings.kafka.topics.clock:
        partitions |= {(clock_topic, partition) for partition in range(SHARDS)}
    none = (None, "")
    assigned = [Assignment(t, p, "", *offsets.get((t, p), none)) for t, p in sorted(partitions)]
    pipeline.assign(assigned, [])
    return pipeline
