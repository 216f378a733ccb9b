"""Occasions: why a person is evaluated, when, and what happened."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from processor.computed.message import Reason
from processor.computed.selector import Match
from processor.computed.situation import Facts
from processor.computed.state import Standing


class FactsChange(Struct, frozen=True, gc=False):
    """What a workspace knew of a person before a record, and knows after it."""

    before: Facts
    after: Facts


class Leaver(Struct, frozen=True, gc=False):
    """A profile that ends: in a merge, or for good."""

    mpid: int
    standing: Standing
    facts: Mapping[str, Facts]
    """By workspace, as of before the end."""


class Occasion(Struct, frozen=True, gc=False):
    """Why a person is evaluated, when, and what happened."""

    mpid: int
    time_ms: int
    """The record's timestamp; what was due; or the instant that a sweep names."""
    reason: Reason = "record"
    workspace: str | None = None
    """Of the input that the record came through."""
    matches: Sequence[Match] = ()
    """What the selectors of that workspace matched, in the order of the events."""
    absorbed: Sequence[Leaver] = ()
    """Profiles merged into this one, oldest first."""
    room: int | None = None
    """Bytes that the profile has left for computed data of a workspace; None: enough."""
    own_due_ms: int | None = None
    """When time changes something else of the person: their lifetime ends."""
