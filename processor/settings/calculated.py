"""``[workspaces.NAME.calculated]``: calculated attributes."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from processor.computed.attribute import (
    CalculatedAttribute,
    Written,
    calculated_attribute,
    most_values,
)
from processor.computed.calculation import LATEST, TIMELESS, Type
from processor.computed.event import Path, path_of
from processor.computed.instant import MINUTE_MS, duration_ms, instant_ms
from processor.computed.selector import Selector
from processor.computed.size import worst_bytes
from processor.computed.window import MOST_PARTS, Window, default_width_ms
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.events import check_names

MOST_CALCULATED: Final = 100
_SHORTEST_MS: Final = 10 * MINUTE_MS

Version = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""Stored with what is computed and told in JSON: any integer that a consumer reads exactly."""


class CalculatedSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.calculated.NAME]``: an attribute that the stream keeps up to date."""

    type: Type
    event: str
    """A selector of the same workspace."""
    attribute: str | None = None
    within: str | None = None
    since: Any = None
    """A date or date-time, as text or as TOML has them."""
    resolution: str | None = None
    max_values: Annotated[int, Meta(ge=1)] | None = None
    expire: Literal["lazily", "promptly"] = "lazily"
    version: Version = 1
    status: Literal["active", "draft"] = "active"
    description: str = ""


def calculated(
    written: Mapping[str, CalculatedSettings],
    selectors: Mapping[str, Selector],
    path: str,
    max_bytes: int,
) -> dict[str, CalculatedAttribute]:
    """Return the calculated attributes of the workspace at *path*; drafts are checked, no more."""
    path = f"{path}.calculated"
    check_names(written, MOST_CALCULATED, path)
    found, mistakes = {}, Mistakes()
    for name, one in written.items():
        with mistakes.noted():
            attribute = _attribute(name, one, selectors, f"{path}.{name}")
            _check_size(attribute, f"{path}.{name}", max_bytes)
            if one.status == "active":
                found[name] = attribute
    mistakes.check()
    return found


def _check_size(attribute: CalculatedAttribute, path: str, max_bytes: int) -> None:
    size = worst_bytes(attribute, with_texts=False)
    if size > max_bytes:
        raise SettingsError(
            f"{path}: can take {size} bytes of a person even with short texts, more than"
            f" limits.max_computed_bytes ({max_bytes}); choose a coarser resolution or fewer"
            " max_values"
        )


def selector_named(name: str, selectors: Mapping[str, Selector], path: str) -> Selector:
    """Return the selector that the key at *path* names."""
    if name not in selectors:
        raise SettingsError(
            f"{path}: there is no selector {name}; add it to the workspace's events"
            f"{hint(name, selectors)}"
        )
    return selectors[name]


def duration(text: str, path: str) -> int:
    """Return the duration at *path* in milliseconds."""
    try:
        return duration_ms(text)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def instant(value: object, path: str) -> int:
    """Return the instant at *path*: a date's midnight, or a date-time."""
    found = None if isinstance(value, bool | int | float) else instant_ms(value)
    if found is None:
        raise SettingsError(f"{path}: must be a date, as 2026-01-31, or a date-time")
    return found


def parts_window(length_ms: int, resolution: str | None, path: str) -> Window:
    """Return the window of *length_ms* whose parts are as wide as *resolution* says."""
    if resolution is None:
        return Window(length_ms, default_width_ms(length_ms))
    width_ms = duration(resolution, f"{path}.resolution")
    if length_ms > MOST_PARTS * width_ms:
        raise SettingsError(
            f"{path}.resolution: is too fine; {MOST_PARTS} of it are the most in a window"
        )
    return Window(length_ms, width_ms)


def _attribute(
    name: str,
    written: CalculatedSettings,
    selectors: Mapping[str, Selector],
    path: str,
) -> CalculatedAttribute:
    selector = selector_named(written.event, selectors, f"{path}.event")
    value_path = _value_path(written, path)
    if written.since is not None and written.within is not None:
        raise SettingsError(f"{path}.since: does not go with within; remove one of the two")
    most = most_values(written.type)
    if written.max_values is not None and written.max_values > most:
        raise SettingsError(
            f"{path}.max_values: {most} is the most for {written.type}"
            if most
            else f"{path}.max_values: {written.type} follows no single values; remove it"
        )
    return calculated_attribute(
        Written(
            name=name,
            type=written.type,
            event=written.event,
            version=written.version,
            path=value_path,
            since_ms=None if written.since is None else instant(written.since, f"{path}.since"),
            window=_window(written, path),
            max_values=written.max_values,
            is_prompt=written.expire == "promptly",
        ),
        selector.meaning,
    )


def _value_path(written: CalculatedSettings, path: str) -> Path | None:
    if written.type in TIMELESS:
        if written.attribute is not None:
            raise SettingsError(f"{path}.attribute: {written.type} takes none; remove it")
        return None
    if written.attribute is None:
        raise SettingsError(
            f"{path}.attribute: is missing; say what of the event {written.type} looks at"
        )
    try:
        return path_of(written.attribute)
    except ValueError as error:
        raise SettingsError(f"{path}.attribute: {error}") from None


def _window(written: CalculatedSettings, path: str) -> Window | None:
    if written.within is None:
        if written.resolution is not None:
            raise SettingsError(f"{path}.resolution: belongs to a window; add within or remove it")
        return None
    length_ms = duration(written.within, f"{path}.within")
    if length_ms < _SHORTEST_MS:
        raise SettingsError(f"{path}.within: is too short; 10m is the shortest window")
    if written.type in LATEST:  # exact: without parts, whatever their width
        if written.resolution is not None:
            duration(written.resolution, f"{path}.resolution")
        return Window(length_ms, length_ms)
    return parts_window(length_ms, written.resolution, path)
