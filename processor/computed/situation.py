"""What criteria look at: the facts of a person in a workspace, and what is remembered of events."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from processor.computed.attribute import CalculatedAttribute, Value
from processor.computed.calculation import Values
from processor.computed.core import Stored, parts_of, times_of
from processor.computed.state import Memory
from processor.computed.window import Parts


class Facts(Struct, frozen=True, gc=False):
    """What one workspace knows of a person besides events. Nothing here is ever changed."""

    attributes: Mapping[str, Any] = {}
    """User attributes, those that a calculated attribute hides among them."""
    identities: Sequence[tuple[str, str]] = ()
    """Type and value of every identity that the person holds."""
    current: Mapping[str, str] = {}
    """The current value of each type."""
    consent_state: Mapping[str, Any] = {}
    """Regulation to purpose to ``{consented, ...}``."""
    devices: Sequence[Mapping[str, Any]] = ()
    """Each device's fields, its ids among them."""
    first_seen_ms: int = 0


class Situation:
    """A person in a workspace at an instant: facts, and values and counts as of any later one.

    It reads states as they are asked for and keeps what it has read.
    """

    def __init__(
        self,
        facts: Facts,
        calculated: Mapping[str, CalculatedAttribute],
        memory: Memory,
        now_ms: int,
    ) -> None:
        self.facts = facts
        self.now_ms = now_ms
        self.calculated = calculated
        self._memory = memory
        self._values: dict[str, Values] = {}
        self._times: dict[bytes, list[int]] = {}

    def value(self, attribute: CalculatedAttribute, now_ms: int) -> Value | None:
        """Return the value of a calculated attribute at an instant, None where it has none."""
        values = self._values.get(attribute.name)
        if values is None:
            values = attribute.calculation.values(self.state(attribute))
            self._values[attribute.name] = values
        return values(now_ms)

    def state(self, attribute: CalculatedAttribute) -> Any:  # noqa: ANN401 - as its calculation keeps it
        """Return what is remembered for a calculated attribute, None for nothing."""
        return self._memory.state_of(attribute)

    def times(self, core: bytes) -> list[int]:
        """Return the times in a core's ring, oldest first."""
        found = self._times.get(core)
        if found is None:
            found = self._times[core] = times_of(self._stored(core))
        return found

    def parts(self, core: bytes) -> Parts:
        """Return the parts of a core between two ages."""
        return parts_of(self._stored(core))

    def _stored(self, core: bytes) -> Stored | None:
        return self._memory.cores.get(core)
