"""Strike what no definition is about any more off what is stored of a person.

Nothing else takes it away: who does not define a name cannot tell whether a newer processor does.
Whoever runs ``idstream recompute`` can (docs/computed.md, "Recompute").
"""

from processor.computed.definition import Definitions
from processor.computed.state import Memory, pack_memory, unpack_memory
from processor.identity.profile import Computed


def struck(definitions: Definitions, computed: Computed) -> Computed:
    """Return *computed* without what none of *definitions* is about; itself where all is theirs.

    What belongs to a higher version of one of them stays: it is another processor's. So do all
    event times that criteria share, then: whose they are cannot be told.
    """
    calculated, audiences = definitions.calculated, definitions.audiences
    memory = unpack_memory(computed.state)
    states = {
        name: kept
        for name, kept in memory.states.items()
        if (own := calculated.get(name)) is not None
        and (kept[0] > own.version or kept[:2] == (own.version, own.mark))
    }
    members = {name: one for name, one in computed.audiences.items() if name in audiences}
    has_newer = any(kept[0] > calculated[name].version for name, kept in states.items()) or any(
        one.version > audiences[name].version for name, one in members.items()
    )
    cores = {k: one for k, one in memory.cores.items() if has_newer or k in definitions.cores}
    values = {name: one for name, one in computed.calculated.items() if name in calculated}
    is_whole = (len(states), len(cores)) == (len(memory.states), len(memory.cores))
    if is_whole and (len(values), len(members)) == (
        len(computed.calculated),
        len(computed.audiences),
    ):
        return computed
    return Computed(
        calculated=values,
        fresh_until_ms=computed.fresh_until_ms,
        audiences=members,
        state=computed.state if is_whole else pack_memory(Memory(states, cores, memory.dues)),
    )
