"""Variables of the environment, ``IDSTREAM_SECTION__KEY``, which override the file."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from processor.settings.conversion import fits, wanted
from processor.settings.error import Mistakes, SettingsError, closest
from processor.settings.reflection import is_list, is_structured, keys_of, type_of
from processor.settings.toml import Document

_PREFIX: Final = "IDSTREAM_"
_DOTTED: Final = (["KAFKA", "CLIENT"], ["KAFKA", "CLIENT_FILES"])
"""Tables whose keys are librdkafka's: SECURITY_PROTOCOL means security.protocol."""


def override(
    document: Document,
    environ: Mapping[str, str],
    sections: Mapping[str, object],
    mistakes: Mistakes,
) -> dict[str, str]:
    """Replace values of *document* by those of the variables in *environ*.

    Returns the names of the variables by the path of what each has set.

    *sections* is the type of each section. Names without a double underscore are left alone: they
    are switches of tests, or set by Kubernetes for a service called idstream.
    """
    names: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and "__" in name:
            with mistakes.noted():
                names[_set(document, name, environ[name], sections)] = name
    return names


def _set(document: Document, name: str, text: str, sections: Mapping[str, object]) -> str:
    """Set what *name* says, and return its path."""
    *tables, _ = _steps(name)
    table: Document = document
    kind: object = sections
    path: list[str] = []
    for position in range(len(tables)):
        key, kind = _step(name, position, table, kind, dotted=False)
        path.append(key)
        inner: object = table.get(key, {})
        if not isinstance(inner, dict):
            where = ".".join(tables[: position + 1]).lower()
            raise SettingsError(f"{name}: {where} is no table")
        table = inner
    key, kind = _step(name, len(tables), table, kind, dotted=tables in _DOTTED)
    value = _value(name, text, kind)
    # Only now that nothing is wrong with it: a table that is made on the way would be a mistake.
    for step in path:
        document = document.setdefault(step, {})
    document[key] = value
    return ".".join((*path, key))


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
    must = "" if is_structured(kind) else wanted(candidates[-1], kind)
    raise SettingsError(
        f"{name}: {must or 'is no value of this setting; write lists and tables as JSON or TOML'}"
    )


def _parsed(text: str) -> Iterator[object]:
    try:
        yield json.loads(text)
    except ValueError:
        try:
            yield tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return
