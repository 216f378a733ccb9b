"""What a strategy is: how it finds the user, and what it does not do to an anonymous profile."""

from collections.abc import Callable

from msgspec import Struct

from processor.identity.decision import Refused
from processor.identity.lookup import Found, Question


class Strategy(Struct, frozen=True):
    """One way to decide who a request is about (semantics §2.5, §3).

    Flat matching, which also merges, answers whole requests instead (``strategies.flat_matching``);
    ``resolve`` is the place where it branches off.
    """

    find: Callable[[Question], Found | Refused | None]
    """Answer identify, login, logout and a batch without MPID; None makes a new profile."""
    keeps_anonymous: bool = False
    """A login ID is never added to an anonymous profile, not even by an explicit MPID."""
    records_source: bool = False
    """A new known profile remembers the anonymous one it arose from (semantics §3.3)."""
