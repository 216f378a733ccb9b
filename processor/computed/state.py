"""What is stored of a person: values, memberships, and one opaque byte string of states.

States are opaque so that reading a document costs the same however many there are; they are read
only where an event or a change asks for it (docs/computed.md, "What is stored").
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.computed.attribute import CalculatedAttribute
from processor.computed.core import Stored
from processor.identity.profile import Computed

FORMAT: Final = 1

Kept = tuple[int, bytes, Any]
"""Version and mark of the definition that a state belongs to, and the state."""


class Standing(Struct, frozen=True, gc=False):
    """What is computed of a person, in every workspace where they were seen."""

    clock_ms: int = 0
    """The latest instant at which the person was evaluated and written; it never goes back."""
    due_ms: int | None = None
    """When time alone changes something next."""
    stamp: bytes = b""
    """Which definitions the last evaluation knew."""
    workspaces: Mapping[str, Computed] = {}


class Memory(Struct, frozen=True, gc=False):
    """The states of a person in a workspace, unpacked. Nothing in it is ever changed."""

    states: dict[str, Kept] = {}
    """By the name of the calculated attribute."""
    cores: dict[bytes, Stored] = {}
    """By the key of the core."""
    dues: dict[str, int] = {}
    """When an audience is to be looked at next, by its name, where no membership says so."""

    def state_of(self, attribute: CalculatedAttribute) -> Any:  # noqa: ANN401 - as its calculation keeps it
        """Return the state of *attribute*; None where there is none of its version and meaning."""
        return state_in(self.states.get(attribute.name), attribute)

    def is_newer(self, attribute: CalculatedAttribute) -> bool:
        """Whether the state of this name is of a higher version, hence another processor's."""
        kept = self.states.get(attribute.name)
        return kept is not None and kept[0] > attribute.version


def state_in(kept: Kept | None, attribute: CalculatedAttribute) -> Any:  # noqa: ANN401 - as above
    """Return the state of *attribute* in what is *kept* under its name; None if it is another's."""
    if kept is None or kept[0] != attribute.version or kept[1] != attribute.mark:
        return None
    return kept[2]


_NONE: Final = Memory()
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(
    tuple[dict[str, Kept], dict[bytes, Stored], dict[str, int]]
).decode


def pack_memory(memory: Memory) -> bytes:
    """Return *memory* as one byte string; empty where nothing is remembered."""
    if not memory.states and not memory.cores and not memory.dues:
        return b""
    return bytes((FORMAT,)) + _pack((memory.states, memory.cores, memory.dues))


def unpack_memory(state: bytes) -> Memory:
    """Return what :func:`pack_memory` packed; ValueError if *state* is of another format."""
    if not state:
        return _NONE
    if state[0] != FORMAT:
        raise ValueError("computed state has a format that this release does not know")
    try:
        return Memory(*_unpack(memoryview(state)[1:]))
    except msgspec.DecodeError as error:
        raise ValueError("computed state is damaged") from error


def packed_bytes(computed: Computed) -> int:
    """Return how many bytes a person's computed data takes in one workspace, packed."""
    return len(computed.state) + len(_pack((computed.calculated, computed.audiences)))
