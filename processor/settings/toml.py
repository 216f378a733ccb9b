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
_WANTED: Final = re.compile(r"Expected `(?P<kinds>[^`]*)`(?: (?P<bound>[<>]=) (?P<n>-?\d+))?")
_KINDS: Final = {
    "int": "an integer",
    "str": "a string",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


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
    raise TypeError("Expected `str`")


def convert(table: object, kind: type[T], path: str) -> T:
    """Return *table* as a *kind*; a SettingsError names the key below *path*."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: expected a table; write [{path}]")
    try:
        found: T = convert_value(table, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), path, table, kind)) from None
    return found


def _explain(message: str, path: str, table: Document, kind: type) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown:
        below, owner = _place(unknown["path"] or "", table, kind)
        return (
            f"{_join(path, below, unknown['key'])}: unknown key; remove it or correct"
            f" its spelling{hint(unknown['key'], keys_of(owner))}"
        )
    found = _AT.match(message)
    assert found is not None
    below, wanted = _place(found["path"] or "", table, kind)
    return f"{_join(path, below)}: {_problem(found['problem'])}{_choices(wanted)}"


def _place(path: str, table: Document, kind: object) -> tuple[str, object]:
    """Return the *path* of a key in *table*, a *kind*, and that key's type.

    The library hides the keys of free tables: the one whose value is refused is looked for.
    """
    name, hidden, rest = path.partition("[...]")
    names = re.sub(r"\[\d+\]", "", name).split(".")
    value: Any = table
    for step in filter(None, names):
        kind, value = _member(kind, step), value[step]
    if not hidden or get_origin(kind) is not dict:
        return path.replace("[...]", ""), kind
    inner = get_args(kind)[1]
    key = next(key for key, one in value.items() if not _fits(one, inner))
    below, found = _place(rest.removeprefix("."), value[key], inner)
    return _join(name, key, below), found


def _fits(value: object, kind: object) -> bool:
    try:
        convert_value(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _member(kind: object, key: str) -> object:
    """Return the type of *key* in the table that *kind* describes."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, Struct):
            return next(f.type for f in msgspec.structs.fields(one) if f.name == key)
    return None


def _problem(message: str) -> str:
    """Return what the library says of a value, in words of the file's format."""
    wanted = _WANTED.match(message)
    if wanted is None:
        return message[:1].lower() + message[1:].replace("`", "")
    kinds = " or ".join(_KINDS[k] for k in wanted["kinds"].split(" | ") if k in _KINDS)
    bound = {"<=": "less", ">=": "more"}.get(wanted["bound"] or "")
    return f"must be {kinds}" + (f" of {wanted['n']} or {bound}" if bound else "")


def _choices(kind: object) -> str:
    if get_origin(kind) is Literal:
        return f"; use one of {', '.join(get_args(kind))}"
    return next((text for one in get_args(kind) if (text := _choices(one))), "")


def _join(*parts: str) -> str:
    return ".".join(p for p in parts if p).replace(".[", "[")


def keys_of(kind: object) -> tuple[str, ...]:
    """Return the keys of the table that *kind* describes, none where they are free."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, Struct):
            return one.__struct_fields__
    return ()


def hint(key: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where *key* is nearly one of *known*, else nothing."""
    close = closest(key, known)
    return f" (did you mean {close}?)" if close else ""


def closest(key: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *key* nearly is, '' if there is none."""
    return next(iter(difflib.get_close_matches(key, list(known), n=1)), "")
