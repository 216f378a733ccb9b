"""Read ``idstream.toml`` and turn its tables into typed values.

Every failure is a SettingsError of one line that names the path and what to do; no message quotes
a value of ``[redis]`` or ``kafka.client``, which may be secret.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from processor.settings.secret import Secret

Document = dict[str, Any]
T = TypeVar("T")

_UNKNOWN: Final = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_AT: Final = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


class SettingsError(Exception):
    """The configuration cannot be used; the message is one line that says where and what to do."""

    def within(self, path: Path) -> "SettingsError":
        """Return the same error, naming the file unless it names its place already."""
        text = str(self)
        named = text.startswith((f"{path}:", "IDSTREAM_"))
        return self if named else SettingsError(f"{path}: {text}")


def read(path: Path) -> Document:
    """Return the tables of the TOML file at *path*."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; name a configuration with -c FILE") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: cannot be read: it is not UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None


def parse(text: str) -> Document:
    """Return the tables of *text*, a TOML document."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser names line and column, and quotes no more than a character or a key.
        raise SettingsError(f"is not valid TOML: {error}") from None


def read_secret(path: str, setting: str) -> str:
    """Return the text of a secret's file without its final line break."""
    try:
        return read_bytes(path, setting).decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: the file {path} is not UTF-8") from None


def read_bytes(path: str, setting: str) -> bytes:
    """Return the content of a secret's file without its final line break."""
    try:
        return Path(path).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise SettingsError(
            f"{setting}: the file {path} cannot be read: {error.strerror}"
        ) from None


def convert_value(value: object, kind: Any) -> Any:  # noqa: ANN401 - any type of any setting
    """Return *value*, as parsed, as a *kind*; raises msgspec.ValidationError."""
    return msgspec.convert(value, kind, dec_hook=_secret)


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("expected str")


def convert(table: object, kind: type[T], path: str) -> T:
    """Return *table* as a *kind*; a SettingsError names the key below *path*."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: expected a table; write [{path}]")
    try:
        found: T = convert_value(table, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), path, kind)) from None
    return found


def _explain(message: str, path: str, kind: type) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown:
        owner = next((k for k in _tables_of(kind) if k[0] == unknown["path"]), ("", kind))[1]
        return (
            f"{_join(path, unknown['path'], unknown['key'])}: unknown key; remove it or correct"
            f" its spelling{hint(unknown['key'], keys_of(owner))}"
        )
    found = _AT.match(message)
    assert found is not None
    problem = found["problem"].replace("`", "")
    choices = _choices(dict(_tables_of(kind)).get(found["path"] or ""))
    return f"{_join(path, found['path'])}: {problem[:1].lower()}{problem[1:]}{choices}"


def _choices(kind: object) -> str:
    if get_origin(kind) is Literal:
        return f"; use one of {', '.join(get_args(kind))}"
    return next((text for one in get_args(kind) if (text := _choices(one))), "")


def _join(*parts: str | None) -> str:
    return ".".join(p.replace("[...]", "") for p in parts if p)


def _tables_of(kind: type) -> list[tuple[str, object]]:
    return [(f.name, f.type) for f in msgspec.structs.fields(kind)]


def keys_of(kind: object) -> tuple[str, ...]:
    """Return the keys of the table that *kind* describes, none where they are free."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, Struct):
            return one.__struct_fields__
    return ()


def hint(key: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where *key* is nearly one of *known*, else nothing."""
    close = difflib.get_close_matches(key, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
