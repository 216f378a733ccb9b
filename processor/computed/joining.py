"""Join what is remembered of profiles that become one (docs/computed.md, "Merges")."""

from collections.abc import Sequence

from processor.computed.core import together
from processor.computed.definition import Definitions
from processor.computed.state import Kept, Memory


def join(
    definitions: Definitions, survivor: Memory, absorbed: Sequence[Memory], now_ms: int
) -> Memory:
    """Return what is remembered as if all events had been the survivor's; ties go to *survivor*.

    Of two versions of a definition the higher counts. States that are not of the configured
    meaning cannot be joined: the survivor's stays, or the absorbed one's where it is the only one.
    """
    states, cores = dict(survivor.states), dict(survivor.cores)
    for other in absorbed:
        for name, theirs in other.states.items():
            mine = states.get(name)
            if mine is None:
                states[name] = theirs
            else:
                states[name] = _joined(definitions, name, mine, theirs, now_ms)
        for key, stored in other.cores.items():
            known = cores.get(key)
            core = definitions.cores.get(key)
            cores[key] = stored if known is None else together(core, known, stored, now_ms)
    return Memory(states, cores, survivor.dues)


def _joined(definitions: Definitions, name: str, mine: Kept, theirs: Kept, now_ms: int) -> Kept:
    if mine[0] != theirs[0]:
        return mine if mine[0] > theirs[0] else theirs
    attribute = definitions.calculated.get(name)
    if attribute is None:
        return mine
    meaning = (attribute.version, attribute.mark)
    if mine[:2] == theirs[:2] == meaning:
        return (*meaning, attribute.calculation.join(mine[2], theirs[2], now_ms))
    return theirs if theirs[:2] == meaning else mine
