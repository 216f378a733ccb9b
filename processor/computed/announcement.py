"""Which messages follow from a person's memberships before and after an instant."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from processor.computed.attribute import Value
from processor.computed.definition import Audience, Definitions, Scope
from processor.computed.membership import Memberships
from processor.computed.message import AudienceChange, Carried, Kind, Reason, carried, in_order
from processor.computed.occasion import Leaver, Occasion
from processor.computed.situation import Facts, Situation
from processor.identity.alike import is_alike
from processor.identity.profile import Computed, Membership

_BY_RECORD: Final = ("record", "merge")
"""Reasons that come with a record's data, by which what messages carry can change."""


class Announcer(Struct, frozen=True, gc=False):
    """Makes the messages of one person and workspace at one instant."""

    definitions: Definitions
    mpid: int
    reason: Reason
    now_ms: int

    def has_news(self, found: Memberships) -> bool:
        """Whether anything can be told: somebody flips, or messages carry what a record changes."""
        is_by_record = self.reason in _BY_RECORD and bool(self.definitions.carrying)
        return bool(found.entered or found.left) or is_by_record

    def flips(
        self, found: Memberships, was: Mapping[str, Value], before: Facts, after: Situation
    ) -> Iterator[AudienceChange]:
        """Yield who enters, with what is true now, and who leaves, with what was true before.

        *was* are the stored values, as of the last evaluation.
        """
        for audience in _published(found.entered):
            expires_ms = found.audiences[audience.name].expires_ms
            what = carried(audience, after.facts, self._values(audience, after))
            yield self._message("entered", audience, what, expires_ms)
        for audience in _published(found.left):
            yield self.left(audience, was, before)

    def updates(
        self,
        found: Memberships,
        stored: Mapping[str, Membership],
        before: Situation,
        after: Situation,
    ) -> Iterator[AudienceChange]:
        """Yield the members of whom a record, not time, changed what messages carry."""
        if self.reason not in _BY_RECORD:
            return
        for audience in self.definitions.carrying:
            name = audience.name
            if name not in stored or name not in found.audiences:
                continue
            old = carried(audience, before.facts, self._values(audience, before))
            new = carried(audience, after.facts, self._values(audience, after))
            if not is_alike(old, new):
                expires_ms = found.audiences[name].expires_ms
                yield self._message("updated", audience, new, expires_ms, old.identities)

    def left(self, audience: Audience, was: Mapping[str, Value], before: Facts) -> AudienceChange:
        """Return the message that the person left *audience*, with what was true before."""
        values = {name: was.get(name) for name in self.definitions.calculated}
        return self._message("left", audience, carried(audience, before, values))

    def _values(self, audience: Audience, situation: Situation) -> dict[str, Value | None]:
        calculated = self.definitions.calculated
        return {
            name: situation.value(calculated[name], self.now_ms)
            for name in audience.attributes
            if name in calculated
        }

    def _message(
        self,
        change: Kind,
        audience: Audience,
        what: Carried,
        expires_ms: int | None = None,
        previous: tuple[tuple[str, str], ...] | None = None,
    ) -> AudienceChange:
        return AudienceChange(
            change=change,
            audience=audience.name,
            mpid=self.mpid,
            workspace=self.definitions.workspace,
            timestamp_ms=self.now_ms,
            reason=self.reason,
            definition_version=audience.version,
            expires_ms=expires_ms,
            carried=what,
            previous_identities=previous,
        )


def announce(
    announcer: Announcer,
    found: Memberships,
    stored: Computed,
    before: Situation,
    after: Situation,
) -> list[AudienceChange]:
    """Return the messages of one person and workspace, in no order yet."""
    flips = announcer.flips(found, stored.calculated, before.facts, after)
    return [*flips, *announcer.updates(found, stored.audiences, before, after)]


def farewell(scope: Scope, leaver: Leaver, now_ms: int, reason: Reason) -> list[AudienceChange]:
    """Return what is told where a profile ends: it leaves every published audience.

    Each message carries what was true before the end, so that consumers find whom to remove.
    """
    messages = []
    for name, facts in leaver.facts.items():
        definitions = scope.workspaces.get(name)
        computed = leaver.standing.workspaces.get(name)
        if definitions is not None and computed is not None:
            announcer = Announcer(definitions, leaver.mpid, reason, now_ms)
            messages += [
                announcer.left(audience, computed.calculated, facts)
                for audience in _published(definitions.audiences.values())
                if audience.name in computed.audiences
            ]
    return in_order(messages)


def farewells(scope: Scope, occasion: Occasion, now_ms: int) -> list[AudienceChange]:
    """Return what is told of the profiles that a merge absorbs, in their order."""
    return [
        message
        for leaver in occasion.absorbed
        for message in farewell(scope, leaver, now_ms, occasion.reason)
    ]


def _published(audiences: Iterable[Audience]) -> Iterator[Audience]:
    return (audience for audience in audiences if audience.is_published)
