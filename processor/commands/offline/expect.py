"""``idstream resolve --expect FILE``: cases beside a configuration, each in an index of its own.

A case is a list of records, each with what is expected: members of the answer that ``resolve``
would write. Only what is given is compared, in tables too; lists item by item.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.offline.lines import records
from processor.commands.offline.resolve import answer, load_index, offline_pipeline
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.records import Record
from processor.settings import Settings

_encode: Final = msgspec.json.Encoder().encode


class Expectation(Struct, frozen=True, forbid_unknown_fields=True):
    """Members of an answer; None where nothing is expected of one."""

    outcome: str | None = None
    reason: str | None = None
    key: str | None = None
    headers: dict[str, str] | None = None
    value: dict[str, Any] | None = None
    resolution: dict[str, Any] | None = None
    changes: list[dict[str, Any]] | None = None
    mpid: str | None = None
    person: str | None = None
    """A name for whoever has the MPID: the same name is the same MPID in all of a case, and another
    name another one.
    """


class CaseStep(Struct, frozen=True, forbid_unknown_fields=True):
    """A record, as a line of ``resolve`` has it, and what is expected of it."""

    topic: str
    value: dict[str, Any] | str
    """A table, or the text of a value that no table can be."""
    expect: Expectation = Expectation()
    timestamp_ms: int = 0
    input: str | None = None
    key: str | None = None
    headers: dict[str, str] | None = None

    def line(self) -> bytes:
        """Return the record as a line."""
        value = self.value.encode() if isinstance(self.value, str) else _encode(self.value)
        members = {
            "topic": self.topic,
            "timestamp_ms": self.timestamp_ms,
            "input": self.input,
            "key": self.key,
            "headers": self.headers,
        }
        given = {name: one for name, one in members.items() if one is not None}
        return _encode({**given, "value": msgspec.Raw(value)}).replace(b"\n", b" ")


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """Records that follow each other, over no profiles at first."""

    name: str
    record: list[CaseStep]


class Cases(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    case: list[Case]


def expect(settings: Settings, path: Path, profiles: Path | None) -> None:
    """Play the cases of *path*, each over the snapshot *profiles*; Failure where one differs."""
    cases = _read(path).case
    wrong = 0
    for case in cases:
        found = list(differences(settings, case, profiles))
        wrong += bool(found)
        say(f"{'wrong' if found else 'ok':5}  {case.name}")
        for one in found:
            say(f"       {one}")
    counted = f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
    if wrong:
        raise Failure(f"{wrong} of {counted} wrong")
    say(f"{counted}, all as expected")


def differences(settings: Settings, case: Case, profiles: Path | None) -> Iterator[str]:
    """Yield what differs from what *case* expects, a line each."""
    pipeline = offline_pipeline(settings, load_index(settings, profiles))
    people: dict[str, str] = {}
    lines = [step.line() for step in case.record]
    for number, (step, record) in enumerate(zip(case.record, records(lines), strict=True), 1):
        got = _answered(pipeline, record)
        wanted = msgspec.to_builtins(step.expect)
        person = wanted.pop("person")
        for text in _differing({k: v for k, v in wanted.items() if v is not None}, got, ""):
            yield f"record {number}: {text}"
        if person is not None:
            yield from (f"record {number}: {text}" for text in _met(people, person, got["mpid"]))


def _read(path: Path) -> Cases:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Cases)
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Failure(f"{path}: {error}") from None


def _answered(pipeline: Any, record: Record) -> dict[str, Any]:  # noqa: ANN401
    (settled,) = pipeline.settle([record])
    pipeline.committed()
    found: dict[str, Any] = msgspec.json.decode(_encode(answer(settled)))
    return found


def _differing(wanted: Any, got: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else key
            if key in got:
                yield from _differing(value, got[key], below)
            else:
                yield f"{below}: expected {_shown(value)}, there is none"
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for at, (value, other) in enumerate(zip(wanted, got, strict=True)):
            yield from _differing(value, other, f"{path}[{at}]")
    elif wanted != got:
        yield f"{path}: expected {_shown(wanted)}, got {_shown(got)}"


def _met(people: dict[str, str], person: str, mpid: str | None) -> Iterator[str]:
    """Yield what is wrong about who the record went to, and remember who that was."""
    if mpid is None:
        yield f"person: expected {person}, got nobody"
        return
    known = next((name for name, one in people.items() if one == mpid), None)
    if person in people and people[person] != mpid:
        yield f"person: expected {person}, got {known or 'a new profile'}"
    elif known is not None and known != person:
        yield f"person: expected {person}, got {known}"
    else:
        people[person] = mpid


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    return _encode(value).decode()
