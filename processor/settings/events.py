"""``[workspaces.NAME.events]``: selectors, and the conditions that all definitions have."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from processor.computed.condition import (
    OPERATORS,
    RECENCY,
    Condition,
    condition_of,
)
from processor.computed.event import EVENT_TYPES, NAMED, path_of
from processor.computed.selector import Selector, Where
from processor.settings.conversion import convert
from processor.settings.error import Mistakes, SettingsError, hint

MOST_SELECTORS: Final = 200
_NAME: Final = re.compile(r"[\w.\- $]{1,256}")


class SelectorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.events.NAME]``: which events are meant."""

    type: str | tuple[str, ...]
    name: str | tuple[str, ...] | None = None
    action: str | tuple[str, ...] | None = None
    where: tuple[Any, ...] = ()
    """Tables ``{attribute, op, value}``, all of which must hold."""
    inputs: tuple[str, ...] | None = None


class WhereSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One condition of a selector."""

    attribute: str
    op: str
    value: Any = None


def check_names(names: Iterable[str], most: int, path: str) -> None:
    """Refuse names that cannot be used for definitions, and more than *most* of them."""
    number = 0
    for number, name in enumerate(names, 1):  # noqa: B007 - the number is what is counted
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{path}: {name!r} is no name; use 1 to 256 letters, digits, dots, dashes,"
                " underscores, blanks or $"
            )
    if number > most:
        raise SettingsError(f"{path}: there are {number}; {most} is the most")


def selectors(
    written: Mapping[str, SelectorSettings], inputs: Mapping[str, str], workspace: str
) -> dict[str, Selector]:
    """Return the selectors of *workspace*; *inputs* is the workspace of each input."""
    path = f"workspaces.{workspace}.events"
    check_names(written, MOST_SELECTORS, path)
    found, mistakes = {}, Mistakes()
    for name, one in written.items():
        with mistakes.noted():
            _check_inputs(one.inputs, inputs, workspace, f"{path}.{name}.inputs")
            found[name] = _selector(name, one, f"{path}.{name}")
    mistakes.check()
    return found


def condition(op: str, value: object, path: str) -> Condition:
    """Return the condition that a table at *path* writes."""
    if op not in OPERATORS:
        raise SettingsError(
            f"{path}.op: unknown operator; use one of {', '.join(OPERATORS)}{hint(op, OPERATORS)}"
        )
    try:
        return condition_of(op, value)
    except ValueError as error:
        raise SettingsError(f"{path}.value: {error}") from None


def _selector(name: str, written: SelectorSettings, path: str) -> Selector:
    types = _types(written.type, f"{path}.type")
    names = _choices(written.name, f"{path}.name")
    actions = _choices(written.action, f"{path}.action")
    if names is not None and (types is None or not types <= NAMED.keys()):
        raise SettingsError(f"{path}.name: only custom_event and screen_view have names")
    if actions is not None and types != frozenset({"commerce_event"}):
        raise SettingsError(f"{path}.action: only commerce_event has actions")
    wheres = [_where(table, f"{path}.where[{n}]") for n, table in enumerate(written.where)]
    return Selector(
        name=name,
        types=types,
        names=names,
        actions=actions,
        inputs=None if written.inputs is None else frozenset(written.inputs),
        on_event=tuple(w for w in wheres if w.path.place not in ("product", "promotion")),
        on_products=tuple(w for w in wheres if w.path.place == "product"),
        on_promotions=tuple(w for w in wheres if w.path.place == "promotion"),
    )


def _types(written: str | tuple[str, ...], path: str) -> frozenset[str] | None:
    if written == "any":
        return None
    types = _choices(written, path)
    for one in sorted(types or ()):
        if one not in EVENT_TYPES:
            known = ("any", *EVENT_TYPES)
            raise SettingsError(
                f"{path}: unknown event type; use one of {', '.join(known)}{hint(one, known)}"
            )
    return types


def _choices(written: str | tuple[str, ...] | None, path: str) -> frozenset[str] | None:
    if written is None:
        return None
    if not written:
        raise SettingsError(f"{path}: is empty; name something or leave it out")
    return frozenset((written,) if isinstance(written, str) else written)


def _check_inputs(
    written: tuple[str, ...] | None, inputs: Mapping[str, str], workspace: str, path: str
) -> None:
    if written == ():
        raise SettingsError(f"{path}: is empty; name an input or leave it out")
    for name in written or ():
        if name not in inputs:
            raise SettingsError(
                f"{path}: there is no input {name}; add [inputs.{name}]{hint(name, inputs)}"
            )
        if inputs[name] != workspace:
            raise SettingsError(f"{path}: input {name} belongs to workspace {inputs[name]}")


def _where(table: object, path: str) -> Where:
    written = convert(table, WhereSettings, path)
    if written.op in RECENCY:
        raise SettingsError(
            f"{path}.op: {written.op} has no meaning of an event, which never changes; say how"
            " recent it must be where the selector is used"
        )
    try:
        place = path_of(written.attribute)
    except ValueError as error:
        raise SettingsError(f"{path}.attribute: {error}") from None
    return Where(place, condition(written.op, written.value, path))
