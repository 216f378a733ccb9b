"""The explanation of one record: its outcome, and what became of each of its identifiers."""

from typing import Any

from msgspec import Struct

from processor.commands.offline.computation import Computation


class Exceeded(Struct, frozen=True):
    """A limit on the values of one type, as configured."""

    identity_type: str
    limit: int
    window_s: int | None


class Supplied(Struct, frozen=True):
    """The MPID that a record names itself."""

    mpid: str
    is_known: bool
    """Whether a profile had it before."""
    ended: str | None = None
    """How and when the profile ended that had it before."""


class Lifetime(Struct, frozen=True):
    """Until when the profile lives that the record is attributed to, where profiles age."""

    ends_ms: int | None
    """None: it lives for ever."""
    is_emptied: bool
    """Only who it is was kept, before this record."""


class Fate(Struct, frozen=True):
    """An identifier of the record, and what became of it."""

    identity_type: str
    value: str
    owners: tuple[str, ...]
    """The MPIDs of the profiles that held it before."""
    became: str
    """added, moved, matched, unused, demoted, or another reason for which it was skipped."""
    violation: str | None = None
    exceeded: tuple[Exceeded, ...] = ()
    """Where it was demoted: the limits that the final profile would have passed."""


class Explanation(Struct, frozen=True):
    """The answer of ``idstream explain``, as its JSON has it."""

    outcome: str
    reason: str | None
    detail: str | None
    """What is wrong with a dead letter, or the message of an error."""
    input: str
    protection: str | None
    strategy: str | None
    supplied: Supplied | None
    mpid: str | None
    identifiers: tuple[Fate, ...]
    resolution: dict[str, Any] | None
    changes: tuple[dict[str, Any], ...]
    looked_at: tuple[str, ...] = ()
    """The fields that were searched for identifiers."""
    ignored: tuple[str, ...] = ()
    """Odd values that were left out of the record, and why."""
    computed: Computation | None = None
    """None where the workspace defines nothing, or the record asks for nobody."""
    lifetime: Lifetime | None = None
    words: tuple[str, ...] = ()
