"""Variables of the environment, ``IDSTREAM_SECTION__KEY``, which override the file."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from processor.settings.conversion import fits
from processor.settings.error import SettingsError, closest
from processor.settings.reflection import is_list, keys_of, type_of
from processor.settings.toml import Document

_PREFIX: Final = "IDSTREAM_"
_DOTTED: Final = (["KAFKA", "CLIENT"], ["KAFKA", "CLIENT_FILES"])
"""Tables whose keys are librdkafka's: SECURITY_PROTOCOL means security.protocol."""


def override(
    document: Document, environ: Mapping[str, str], sections: Mapping[str, object]
) -> None:
    """Replace values of *document* by those of the variables in *environ*.

    *sections* is the type of each section. Names without a double underscore are left alone: they
    are switches of tests, or set by Kubernetes for a service called idstream.
    """
    for name in sorted(environ):
        if name.startswith(_PREFIX) and "__" in name:
            _set(document, name, environ[name], sections)


def _set(document: Document, name: str, text: str, sections: Mapping[str, object]) -> None:
    *tables, _ = _steps(name)
    table: Document = document
    kind: object = sections
    for position in range(len(tables)):
        key, kind = _step(name, position, table, kind, dotted=False)
        inner: object = table.setdefault(key, {})
        if not isinstance(inner, dict):
            path = ".".join(tables[: position + 1]).lower()
            raise SettingsError(f"{name}: {path} is no table")
        table = inner
    key, kind = _step(name, len(tables), table, kind, dotted=tables in _DOTTED)
    table[key] = _value(name, text, kind)


def _steps(name: str) -> list[str]:
    return name.removeprefix(_PREFIX).split("__")


def _step(
    name: str, position: int, table: Document, kind: object, *, dotted: bool
) -> tuple[str, object]:
    """Return the key that a step of *name* means in *table*, a *kind*, and the key's type."""
    step = _steps(name)[position]
    known = keys_of(kind)
    key = step.lower().replace("_", ".") if dotted else _spelling(step, [*table, *known])
    found = type_of(kind, key)
    if found is None or not key:
        meant = _meant(name, position, closest(key, known))
        raise SettingsError(f"{name}: there is no setting of this name{meant}")
    return key, found


def _meant(name: str, position: int, key: str) -> str:
    steps = _steps(name)
    steps[position] = key.upper()
    return f" (did you mean {_PREFIX}{'__'.join(steps)}?)" if key else ""


def _spelling(step: str, known: Iterable[str]) -> str:
    """Return the key of *known* that *step*, in capitals and underscores, means; else *step*."""
    wanted = step.casefold()
    for key in known:
        if re.sub(r"[-.]", "_", key).casefold() == wanted:
            return key
    return step.lower()


def _value(name: str, text: str, kind: object) -> object:
    """Return *text* as a value of *kind*: the text itself where that fits, else JSON, else TOML."""
    is_structure = text.lstrip()[:1] in ("[", "{")
    candidates = [*_parsed(text), text] if is_structure else [text, *_parsed(text)]
    for candidate in candidates:
        value = [candidate] if isinstance(candidate, str) and is_list(kind) else candidate
        if fits(value, kind):
            return value
    raise SettingsError(
        f"{name}: is no value of this setting; write lists and tables as JSON or TOML"
    )


def _parsed(text: str) -> Iterator[object]:
    try:
        yield json.loads(text)
    except ValueError:
        try:
            yield tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return
