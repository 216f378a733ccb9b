"""The criteria of audiences: knots ``all``, ``any``, ``not``, and one kind of leaf per key."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.core import MOST_COUNTED, Core, parts_core, ring_core
from processor.computed.criterion import (
    AgedCount,
    All,
    AnyOf,
    AttributeFits,
    Comparison,
    ConsentIs,
    Criterion,
    DeviceFits,
    EventCount,
    FirstSeenFits,
    IdentityFits,
    Not,
)
from processor.computed.instant import DAY_MS, is_date
from processor.computed.selector import Selector
from processor.settings.calculated import duration, instant, parts_window, selector_named
from processor.settings.conversion import convert
from processor.settings.error import SettingsError
from processor.settings.events import condition

MOST_DEPTH: Final = 5
_KNOTS: Final = ("all", "any", "not")
_COMPARISONS: Final[tuple[Comparison, ...]] = ("at_least", "at_most", "exactly")
_DATED: Final = ("before", "after", "on", "within", "older", "ahead")
_COARSEST: Final = 4
"""A ring's resolution may be a quarter of its window at most."""


class EventLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{event = S, ...}``: how many events of a selector there are."""

    event: str
    at_least: int | None = None
    at_most: int | None = None
    exactly: int | None = None
    within: str | None = None
    older: str | None = None
    since: Any = None
    until: Any = None
    resolution: str | None = None


class AttributeLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{attribute = N, op, value}``: a user or calculated attribute."""

    attribute: str
    op: str = "exists"
    value: Any = None


class IdentityLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{identity = T, op, value}``: any identity of a type."""

    identity: str
    op: str = "exists"
    value: Any = None


class ConsentLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{consent = "gdpr.PURPOSE"}``: the answer to a purpose."""

    consent: str
    value: bool = True


class DeviceLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{device = FIELD, op, value}``: a field of any device."""

    device: str
    op: str = "exists"
    value: Any = None


class ProfileLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{profile = "first_seen", op, value}``: when the profile was first seen."""

    profile: Literal["first_seen"]
    op: str
    value: Any = None


class AudienceLeaf(Struct, frozen=True, forbid_unknown_fields=True):
    """``{audience = A}``: whether the person fits another audience."""

    audience: str


LEAVES: Final[Mapping[str, type]] = {
    "event": EventLeaf,
    "attribute": AttributeLeaf,
    "identity": IdentityLeaf,
    "consent": ConsentLeaf,
    "device": DeviceLeaf,
    "profile": ProfileLeaf,
    "audience": AudienceLeaf,
}


class CriteriaReader(Struct, frozen=True):
    """Turns the tables of one audience's tree into criteria."""

    selectors: Mapping[str, Selector]
    identity_type: Callable[[str], str | None]
    """The canonical identity type that a name spells, None where it is none."""
    audience: Callable[[str, str], Criterion]
    """The criterion on another audience that a name and a path ask for."""

    def knot(self, kind: str, tables: object, path: str, depth: int = 0) -> Criterion:
        """Return what a list under ``all`` or ``any``, or a table under ``not``, asks."""
        if depth > MOST_DEPTH:
            raise SettingsError(f"{path}: is nested too deeply; {MOST_DEPTH} levels are the most")
        if kind == "not":
            return Not(self.node(tables, path, depth))
        if not isinstance(tables, list | tuple) or not tables:
            raise SettingsError(f"{path}: must be a list of criteria, with one or more")
        criteria = tuple(self.node(one, f"{path}[{n}]", depth) for n, one in enumerate(tables))
        return All(criteria) if kind == "all" else AnyOf(criteria)

    def node(self, table: object, path: str, depth: int) -> Criterion:
        """Return what one table of a tree asks."""
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: must be a table, as {{ event = NAME }}")
        kinds = [key for key in (*_KNOTS, *LEAVES) if key in table]
        if len(kinds) != 1:
            raise SettingsError(
                f"{path}: must have exactly one of {', '.join((*_KNOTS, *LEAVES))}"
                + (f"; it has {' and '.join(kinds)}" if kinds else "")
            )
        kind = kinds[0]
        if kind in LEAVES:
            return self._leaf(convert(table, LEAVES[kind], path), path)
        for key in table:
            if key != kind:
                raise SettingsError(f"{path}.{key}: unknown key beside {kind}; remove it")
        return self.knot(kind, table[kind], f"{path}.{kind}", depth + 1)

    def _leaf(self, leaf: object, path: str) -> Criterion:
        match leaf:
            case EventLeaf():
                return self._event(leaf, path)
            case ConsentLeaf():
                return _consent(leaf, path)
            case AudienceLeaf():
                return self.audience(leaf.audience, f"{path}.audience")
            case _:
                assert isinstance(leaf, AttributeLeaf | IdentityLeaf | DeviceLeaf | ProfileLeaf)
                return self._condition(leaf, path)

    def _condition(
        self, leaf: AttributeLeaf | IdentityLeaf | DeviceLeaf | ProfileLeaf, path: str
    ) -> Criterion:
        if isinstance(leaf, ProfileLeaf) and leaf.op not in _DATED:
            raise SettingsError(f"{path}.op: must be one of {', '.join(_DATED)}")
        asked = condition(leaf.op, leaf.value, path)
        match leaf:
            case AttributeLeaf():
                return AttributeFits(leaf.attribute, asked)
            case DeviceLeaf():
                return DeviceFits(leaf.device, asked)
            case ProfileLeaf():
                return FirstSeenFits(asked)
            case IdentityLeaf():
                identity_type = self.identity_type(leaf.identity)
                if identity_type is None:
                    raise SettingsError(f"{path}.identity: {leaf.identity} is no identity type")
                return IdentityFits(identity_type, asked)

    def _event(self, leaf: EventLeaf, path: str) -> Criterion:
        selector = selector_named(leaf.event, self.selectors, f"{path}.event")
        comparison, number = _comparison(leaf, path)
        within_ms = None if leaf.within is None else duration(leaf.within, f"{path}.within")
        if within_ms is None:
            for key in ("older", "resolution"):
                if getattr(leaf, key) is not None:
                    raise SettingsError(f"{path}.{key}: belongs to a window; add within")
        elif leaf.since is not None or leaf.until is not None:
            key = "until" if leaf.since is None else "since"
            raise SettingsError(f"{path}.{key}: does not go with within; remove one of the two")
        if leaf.older is not None and within_ms is not None:
            return _aged(leaf, selector, within_ms, path)
        core = replace(
            _ring(leaf, selector, within_ms, path),
            most=max(number + (comparison != "at_least"), 1),
            longest_ms=within_ms,
        )
        return EventCount(core, comparison, number, within_ms)


def _comparison(leaf: EventLeaf, path: str) -> tuple[Comparison, int]:
    given = [key for key in _COMPARISONS if getattr(leaf, key) is not None]
    if len(given) > 1:
        raise SettingsError(f"{path}.{given[1]}: does not go with {given[0]}; remove one of them")
    if not given:
        return "at_least", 1
    key = given[0]
    number: int = getattr(leaf, key)
    if number > MOST_COUNTED:
        raise SettingsError(
            f"{path}.{key}: {MOST_COUNTED} is the most; compare with a calculated attribute of"
            " type count"
        )
    if number < 0:
        raise SettingsError(f"{path}.{key}: must be 0 or more")
    return key, number


def _ring(leaf: EventLeaf, selector: Selector, within_ms: int | None, path: str) -> Core:
    since_ms = None if leaf.since is None else instant(leaf.since, f"{path}.since")
    until_ms = None
    if leaf.until is not None:
        until_ms = instant(leaf.until, f"{path}.until")
        until_ms += DAY_MS - 1 if is_date(leaf.until) else 0  # dates are inclusive
        if since_ms is not None and until_ms <= since_ms:
            raise SettingsError(f"{path}.until: must be after since")
    resolution_ms = None
    if leaf.resolution is not None and within_ms is not None:
        resolution_ms = _resolution(leaf.resolution, within_ms, path)
    return ring_core(selector, since_ms, until_ms, resolution_ms)


def _aged(leaf: EventLeaf, selector: Selector, within_ms: int, path: str) -> Criterion:
    older_ms = duration(leaf.older or "", f"{path}.older")
    if older_ms >= within_ms:
        raise SettingsError(f"{path}.older: must be shorter than within")
    if leaf.resolution is not None:
        _resolution(leaf.resolution, within_ms, path)
    comparison, number = _comparison(leaf, path)
    window = parts_window(within_ms, leaf.resolution, path)
    return AgedCount(parts_core(selector, window), window, older_ms, comparison, number)


def _resolution(text: str, within_ms: int, path: str) -> int:
    resolution_ms = duration(text, f"{path}.resolution")
    if _COARSEST * resolution_ms > within_ms:
        raise SettingsError(f"{path}.resolution: is too coarse; a quarter of within is the most")
    return resolution_ms


def _consent(leaf: ConsentLeaf, path: str) -> Criterion:
    regulation, _, purpose = leaf.consent.partition(".")
    if leaf.consent != "ccpa.data_sale_opt_out" and (regulation != "gdpr" or not purpose):
        raise SettingsError(f"{path}.consent: must be gdpr.PURPOSE or ccpa.data_sale_opt_out")
    return ConsentIs(regulation, purpose, leaf.value)
