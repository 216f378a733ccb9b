"""Selectors: which events are meant (docs/computed.md, "Selectors")."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from processor.computed.condition import Condition
from processor.computed.event import Event, Object, Path


class Where(Struct, frozen=True, gc=False):
    """A condition of a selector on the value at a path."""

    path: Path
    condition: Condition


class Selector(Struct, frozen=True, gc=False):
    """Says which events are meant."""

    name: str
    types: frozenset[str] | None = None
    """None: any."""
    names: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    inputs: frozenset[str] | None = None
    on_event: tuple[Where, ...] = ()
    """Conditions on what stands once in an event."""
    on_products: tuple[Where, ...] = ()
    """Conditions that one and the same product must fit."""
    on_promotions: tuple[Where, ...] = ()

    @property
    def meaning(self) -> list[Any]:
        """What the selector selects, in plain values: not its name, and not the order of things."""
        wheres = [
            [where.path.text, *where.condition.meaning]
            for where in (*self.on_event, *self.on_products, *self.on_promotions)
        ]
        sets = (self.types, self.names, self.actions, self.inputs)
        return [[None if one is None else sorted(one) for one in sets], sorted(wheres, key=repr)]

    @property
    def words(self) -> frozenset[str] | None:
        """Texts of which one stands in every event that is selected; None: there are no such."""
        return self.names or self.actions or self.types


class Match(Struct, frozen=True, gc=False):
    """An event that a selector selected, with those of its items that fit."""

    selector: str
    event: Event
    products: Sequence[Object] | None = None
    """Those that fit conditions on products; None: there are none, all count."""
    promotions: Sequence[Object] | None = None


def match(selector: Selector, event: Event, input_name: str) -> Match | None:
    """Return what *selector* selects of *event*, which came through an input; None for nothing."""
    if _unwanted_kind(selector, event, input_name) or _unwanted_value(selector, event):
        return None
    products = promotions = None
    if selector.on_products and not (products := _fitting(event.products, selector.on_products)):
        return None
    if selector.on_promotions and not (
        promotions := _fitting(event.promotions, selector.on_promotions)
    ):
        return None
    return Match(selector.name, event, products, promotions)


def why_not(selector: Selector, event: Event, input_name: str) -> str | None:
    """Return the first thing about *event* that *selector* does not want; None if it matches."""
    if match(selector, event, input_name) is not None:
        return None
    return (
        _unwanted_kind(selector, event, input_name)
        or _unwanted_value(selector, event)
        or _unwanted_item(event.products, selector.on_products)
        or _unwanted_item(event.promotions, selector.on_promotions)
    )


def _unwanted_kind(selector: Selector, event: Event, input_name: str) -> str | None:
    if selector.types is not None and event.type not in selector.types:
        return "type"
    if selector.names is not None and event.name not in selector.names:
        return "name"
    if selector.actions is not None and event.action_name not in selector.actions:
        return "action"
    if selector.inputs is not None and input_name not in selector.inputs:
        return "inputs"
    return None


def _unwanted_value(selector: Selector, event: Event) -> str | None:
    for where in selector.on_event:
        if not where.condition.holds_of(where.path.of_event(event)):
            return where.path.text
    return None


def _unwanted_item(items: Sequence[Object], wheres: Sequence[Where]) -> str | None:
    """Return the first of *wheres* after which no item is left that fits all so far."""
    for where in wheres:
        items = _fitting(items, (where,))
        if not items:
            return where.path.text
    return None


def _fitting(items: Sequence[Object], wheres: Sequence[Where]) -> Sequence[Object]:
    """Return the items that fit every condition."""
    return [i for i in items if all(w.condition.holds_of(w.path.of_item(i)) for w in wheres)]
