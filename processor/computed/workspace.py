"""What one workspace computes of a person at an instant."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.announcement import Announcer, announce
from processor.computed.attribute import Value
from processor.computed.definition import Audience, Definitions
from processor.computed.flip import fresh_until, next_value
from processor.computed.fold import Fold, fold, within
from processor.computed.joining import join
from processor.computed.membership import memberships
from processor.computed.message import AudienceChange
from processor.computed.number import is_same
from processor.computed.occasion import FactsChange, Occasion
from processor.computed.situation import Situation
from processor.computed.state import Memory, pack_memory, packed_bytes, unpack_memory
from processor.identity.profile import Computed


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
    is_current: bool
    """Whether the person was evaluated by these definitions, and time has flipped nothing since.

    If so, only what depends on news is looked at.
    """

    def evaluate(
        self, stored: Computed, occasion: Occasion, facts: FactsChange
    ) -> WorkspaceEvaluation:
        """Evaluate a person, of whom *stored* is what was computed before."""
        before = unpack_memory(stored.state)
        step = self._folded(before, occasion)
        most = self.max_bytes if occasion.room is None else min(self.max_bytes, occasion.room)
        found = self._evaluated(stored, before, step, occasion, facts)
        if step.memory is before or packed_bytes(found.computed) <= most:
            return found

        def fits(grown: Memory) -> bool:
            situation = Situation(facts.after, self.definitions.calculated, grown, self.now_ms)
            affected = self._affected(step, facts)
            members = memberships(
                self.definitions, stored.audiences, before.dues, affected, situation
            )
            whole = Computed(
                calculated=self._values(stored, grown, situation, None),
                fresh_until_ms=stored.fresh_until_ms,
                audiences=members.audiences,
                state=pack_memory(replace(grown, dues=members.dues)),
            )
            return packed_bytes(whole) <= most

        memory, refused = within(self.definitions, before, step.memory, fits)
        step = step._replace(memory=memory, bounded=step.bounded + refused)
        return self._evaluated(stored, before, step, occasion, facts)

    def _evaluated(
        self,
        stored: Computed,
        before: Memory,
        step: Fold,
        occasion: Occasion,
        facts: FactsChange,
    ) -> WorkspaceEvaluation:
        definitions, calculated = self.definitions, self.definitions.calculated
        after = Situation(facts.after, calculated, step.memory, self.now_ms)
        is_fresh = self.is_current and _is_fresh(stored, self.now_ms)
        values = self._values(stored, step.memory, after, step.news if is_fresh else None)
        fresh_until_ms = stored.fresh_until_ms
        if not is_fresh or any(one.name in step.news for one in definitions.windowed):
            fresh_until_ms = fresh_until(definitions.windowed, after)
        affected = self._affected(step, facts)
        found = memberships(definitions, stored.audiences, before.dues, affected, after)
        memory = step.memory
        if found.dues != memory.dues:
            memory = replace(memory, dues=found.dues)
        computed = Computed(
            calculated=values,
            fresh_until_ms=fresh_until_ms,
            audiences=found.audiences,
            state=stored.state if memory is before else pack_memory(memory),
        )
        dues = [found.due_ms(definitions), *self._prompt_dues(after)]
        announcer = Announcer(definitions, occasion.mpid, occasion.reason, self.now_ms)
        messages: list[AudienceChange] = []
        if announcer.has_news(found):
            was = Situation(facts.before, calculated, before, self.now_ms)
            messages = announce(announcer, found, stored, was, after)
        return WorkspaceEvaluation(
            computed,
            step.memory is not before
            or found.is_changed
            or self._has_prompt_news(stored.calculated, values),
            min([due for due in dues if due is not None], default=None),
            messages,
            step.bounded,
            step.wrote,
        )

    def _affected(self, step: Fold, facts: FactsChange) -> list[Audience] | None:
        """Return the audiences whose answer may have changed; None: all."""
        if not self.is_current:
            return None
        definitions = self.definitions
        found = {one.name: one for key in step.news for one in definitions.watching.get(key, ())}
        if facts.before is not facts.after:
            found.update((one.name, one) for one in definitions.factual)
        return list(found.values())

    def _folded(self, before: Memory, occasion: Occasion) -> Fold:
        """Join and fold what *occasion* brings."""
        definitions, memory = self.definitions, before
        others = [one.standing.workspaces.get(definitions.workspace) for one in occasion.absorbed]
        memories = [unpack_memory(other.state) for other in others if other is not None]
        if memories:
            memory = join(definitions, memory, memories, self.now_ms)
        if occasion.workspace == definitions.workspace and occasion.matches:
            return fold(definitions, memory, occasion.matches, self.now_ms)
        return Fold(memory, 0, frozenset(), frozenset())

    def _values(
        self,
        stored: Computed,
        memory: Memory,
        situation: Situation,
        news: Collection[str | bytes] | None,
    ) -> dict[str, Value]:
        """Return the values now, with those that only other processors may touch as they were.

        Only of *news*, None: of all, values are worked out: those of the others are what they were.
        """
        definitions, now_ms = self.definitions, self.now_ms
        values = {}
        for name, attribute in definitions.calculated.items():
            if (news is not None and name not in news) or memory.is_newer(attribute):
                value = stored.calculated.get(name)
            else:
                value = situation.value(attribute, now_ms)
            if value is not None:
                values[name] = value
        others = stored.calculated.keys() - definitions.calculated.keys()
        if others:  # they come after the configured ones
            values |= {n: value for n, value in stored.calculated.items() if n in others}
        return values

    def _has_prompt_news(self, before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
        return any(
            not is_same(before.get(one.name), after.get(one.name))
            for one in self.definitions.prompt
        )

    def _prompt_dues(self, situation: Situation) -> Iterator[int | None]:
        for attribute in self.definitions.prompt:
            yield next_value(attribute, situation)


def values_at(definitions: Definitions, computed: Computed, now_ms: int) -> dict[str, Value]:
    """Return the calculated attributes that outputs show of a person at *now_ms*.

    Those of the last evaluation are taken where no window has moved since. Values that only other
    processors may touch are left out.
    """
    memory, is_fresh = unpack_memory(computed.state), _is_fresh(computed, now_ms)
    values = {}
    for name, attribute in definitions.calculated.items():
        state = memory.state_of(attribute)
        if state is None:
            continue
        if is_fresh and name in computed.calculated:
            values[name] = computed.calculated[name]
        elif (value := attribute.calculation.value(state, now_ms)) is not None:
            values[name] = value
    return values


def _is_fresh(computed: Computed, now_ms: int) -> bool:
    """Whether no value of those stored has changed by time alone."""
    return computed.fresh_until_ms is None or now_ms < computed.fresh_until_ms
