"""What one workspace computes of a person at an instant."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.announcement import Announcer, announce
from processor.computed.attribute import Value
from processor.computed.definition import Definitions
from processor.computed.flip import fresh_until, next_value
from processor.computed.fold import Fold, fold, tidy, within
from processor.computed.joining import join
from processor.computed.membership import memberships
from processor.computed.message import AudienceChange
from processor.computed.number import is_same
from processor.computed.occasion import FactsChange, Occasion
from processor.computed.situation import Situation
from processor.computed.state import Computed, Memory, pack_memory, packed_bytes, unpack_memory


class WorkspaceEvaluation(NamedTuple):
    """What a workspace computes of a person, and what follows from it."""

    computed: Computed
    is_changed: bool
    """Whether a state, a value kept promptly or a membership is another."""
    due_ms: int | None
    messages: list[AudienceChange]
    bounded: int
    wrote: frozenset[str]


class Instant(Struct, frozen=True, gc=False):
    """A workspace's definitions at the instant at which a person is evaluated."""

    definitions: Definitions
    now_ms: int
    max_bytes: int

    def evaluate(
        self, stored: Computed, occasion: Occasion, facts: FactsChange
    ) -> WorkspaceEvaluation:
        """Evaluate a person, of whom *stored* is what was computed before."""
        definitions, now_ms = self.definitions, self.now_ms
        before = unpack_memory(stored.state)
        step = self._folded(stored, before, occasion)
        situation = Situation(facts.after, definitions.calculated, step.memory)
        values = self._values(stored, step.memory)
        found = memberships(definitions, stored.audiences, situation, now_ms)
        memory = tidy(definitions, step.memory)
        computed = Computed(
            calculated=values,
            fresh_until_ms=fresh_until(definitions.calculated.values(), situation, now_ms),
            audiences=found.audiences,
            state=stored.state if memory is before else pack_memory(memory),
        )
        was = Situation(facts.before, definitions.calculated, before)
        announcer = Announcer(definitions, occasion.mpid, occasion.reason, now_ms)
        dues = [due for due in (found.due_ms, *self._prompt_dues(situation)) if due is not None]
        return WorkspaceEvaluation(
            computed,
            step.memory is not before
            or found.is_changed
            or self._has_prompt_news(stored.calculated, values),
            min(dues, default=None),
            announce(announcer, found, stored.calculated, was, situation),
            step.bounded,
            step.wrote,
        )

    def _folded(self, stored: Computed, before: Memory, occasion: Occasion) -> Fold:
        """Join and fold what *occasion* brings, as far as it finds room."""
        definitions, memory = self.definitions, before
        others = [one.standing.workspaces.get(definitions.workspace) for one in occasion.absorbed]
        memories = [unpack_memory(other.state) for other in others if other is not None]
        if memories:
            memory = join(definitions, memory, memories, self.now_ms)
        bounded, wrote = 0, frozenset[str]()
        if occasion.workspace == definitions.workspace and occasion.matches:
            memory, bounded, wrote = fold(definitions, memory, occasion.matches, self.now_ms)
        if memory is before:
            return Fold(before, bounded, wrote)
        most = min(self.max_bytes, self.max_bytes if occasion.room is None else occasion.room)

        def fits(grown: Memory) -> bool:
            values = self._values(stored, grown)
            whole = replace(stored, calculated=values, state=pack_memory(grown))
            return packed_bytes(whole) <= most

        memory, refused = within(definitions, before, memory, fits)
        return Fold(memory, bounded + refused, wrote)

    def _values(self, stored: Computed, memory: Memory) -> dict[str, Value]:
        """Return the values now, with those that only other processors may touch as they were."""
        foreign = self.definitions.foreign
        values = {
            name: value
            for name, value in stored.calculated.items()
            if name not in self.definitions.calculated
            and (foreign is None or f"calculated.{name}" in foreign)
        }
        for name, attribute in self.definitions.calculated.items():
            if memory.is_newer(attribute):
                value = stored.calculated.get(name)
            else:
                value = attribute.calculation.value(memory.state_of(attribute), self.now_ms)
            if value is not None:
                values[name] = value
        return values

    def _has_prompt_news(self, before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
        return any(
            attribute.is_prompt and not is_same(before.get(name), after.get(name))
            for name, attribute in self.definitions.calculated.items()
        )

    def _prompt_dues(self, situation: Situation) -> Iterator[int | None]:
        for attribute in self.definitions.calculated.values():
            if attribute.is_prompt:
                yield next_value(attribute, situation, self.now_ms)


def values_at(definitions: Definitions, computed: Computed, now_ms: int) -> dict[str, Value]:
    """Return the calculated attributes that outputs show of a person at *now_ms*.

    Those of the last evaluation are taken where no window has moved since. Values that only other
    processors may touch are left out.
    """
    is_fresh = computed.fresh_until_ms is None or now_ms < computed.fresh_until_ms
    if is_fresh and definitions.foreign is not None and not definitions.foreign:
        memory = None
    else:
        memory = unpack_memory(computed.state)
    values = {}
    for name, attribute in definitions.calculated.items():
        if memory is None:
            value = computed.calculated.get(name)
        else:
            value = attribute.calculation.value(memory.state_of(attribute), now_ms)
        if value is not None:
            values[name] = value
    return values
