"""An import: rows become records, in transactions with the position after them.

Whatever ends it, the same command goes on behind the last row that was committed.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from processor.commands.imports.note import Begun, Note
from processor.commands.imports.opening import Opened, Rejects, opened
from processor.commands.imports.options import (
    ImportOptions,
    One,
    command_line,
    digest_of,
    files_of,
    manifest_of,
    rules_of,
    topic_of,
)
from processor.commands.imports.telling import Standing, Telling
from processor.commands.recompute.pace import NamingPace
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.signals import stopped_by_signals
from processor.crash import CrashPoints
from processor.imports.position import Position, read_position
from processor.imports.reader import Plan
from processor.imports.table import Stamp
from processor.imports.verdict import Rejected
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.importing import ImportFenced, Importing, TooLargeForTopic
from processor.settings import Settings, load

_MOST_ROWS: Final = 10_000
_MOST_S: Final = 1.0
"""Of a transaction."""
_LOOK_EVERY: Final = 64
"""Rows between two looks at the clock."""


def import_files(config: Path, environ: Mapping[str, str], options: ImportOptions) -> None:
    """Import every file, one after the other."""
    settings = load(config, environ)
    way = command_line(config, options)
    try:
        with reaching(settings.kafka):
            _import_all(settings, options, way, CrashPoints(environ).reach)
    except ImportFenced:
        raise Failure(
            "another process goes on with the same import, or a transaction has expired: this one"
            f" has ended, and no row is in twice; if there is no other, go on with: {way}"
        ) from None
    except (Unreachable, TooLargeForTopic) as error:
        raise Failure(f"{error}; go on behind the last committed row with: {way}") from None
    except NoTopic as error:
        raise Failure(str(error)) from None


def _import_all(
    settings: Settings, options: ImportOptions, way: str, reach: Callable[[str], None]
) -> None:
    rules, manifest = rules_of(settings, options.input), manifest_of(options)
    topic = topic_of(settings, rules, options.topic)
    headers = _headers(settings, topic, options.input)
    if rules.protection == "read_only":
        note(f"inputs.{rules.name} is read_only: its batches are forwarded, and nothing is stored")
    stop = stopped_by_signals()
    for one in files_of(options):
        stamp = Stamp(one.import_id, options.environment)
        job = Job(
            one,
            Plan(rules, settings.limits, stamp, manifest),
            digest_of(one, options, manifest),
            Begun(one.import_id, settings.kafka.group_id, topic),
            options,
            way,
        )
        name = f"import-{one.import_id}"
        importing = Importing(settings.kafka, name, topic, headers, reach)
        try:
            with importing.fencing():
                _import(job, importing, stop)
        finally:
            importing.close()


class Job(Struct, frozen=True):
    """The import of one file."""

    one: One
    plan: Plan
    digest: str
    begun: Begun
    options: ImportOptions
    way: str
    """The command line that goes on with it."""

    def refusal(self, why: str) -> Failure:
        """Return the failure of an import whose position does not fit."""
        return Failure(f"{visible(str(self.one.path))}: {why}")


def _import(job: Job, importing: Importing, stop: Event) -> None:
    with opened(job.one, job.plan) as file:
        start = _start(job, importing, file)
        if start.state == "finished":
            say(
                f"{visible(job.one.path.name)}: import {job.one.import_id} is finished, all"
                f" {start.rows:,} rows are in; --again sends them once more"
            )
            return
        rejects = Rejects(job.one.path, start.rows)
        run = _Run(job, importing, file, rejects, start)
        try:
            run.all(stop)
        finally:
            rejects.close()


def _start(job: Job, importing: Importing, file: Opened) -> Position:
    """Return where the import goes on; Failure where its position is of something else."""
    found = importing.begin()
    fresh = Position(0, 0, file.tape.mark(), job.one.size, job.digest)
    position = None if found is None or job.options.again else read_position(*found)
    beside = Note(job.one.path)
    if position is None:
        if not job.options.again:
            _check_unknown(job, found, beside)
            _tell_others(job, beside)
        importing.commit(0, fresh.metadata())
        beside.write(job.begun)
        return fresh
    if position.plan != job.digest:
        raise job.refusal(
            f"import {job.one.import_id} was begun with another input, manifest, format or"
            " environment: give those again, or begin anew under another --id or with --again"
        )
    if position.size != job.one.size or not file.tape.wind(position.mark):
        raise job.refusal(
            f"is not the file that import {job.one.import_id} was begun with, of which"
            f" {position.rows:,} rows are in: begin anew under another --id, or with --again"
        )
    if position.rows and position.state == "open":
        note(f"{visible(job.one.path.name)}: going on behind row {position.rows:,}")
    return position


def _check_unknown(job: Job, found: tuple[int, str] | None, beside: Note) -> None:
    """Raise Failure where a position is missing that was there, or cannot be read."""
    if found is not None:
        raise job.refusal(
            f"the position of import {job.one.import_id} is none that this version knows: begin"
            " anew under another --id, or with --again"
        )
    if beside.says(job.begun):
        raise job.refusal(
            f"import {job.one.import_id} was begun before, and its position is gone"
            " (offsets.retention.minutes): rows that are in would be sent again; --again does so"
        )


def _tell_others(job: Job, beside: Note) -> None:
    """Say that what is of this name was imported before, and that all of it is sent now."""
    if others := beside.others(job.begun):
        note(
            f"{visible(job.one.path.name)} was imported before, as {', '.join(others)}, and is"
            f" another file since, or has another --id: all rows are sent, as {job.one.import_id}"
        )


class _Run:
    """The rows of one file on their way."""

    def __init__(
        self,
        job: Job,
        importing: Importing,
        file: Opened,
        rejects: Rejects,
        start: Position,
    ) -> None:
        self._job = job
        self._importing = importing
        self._file = file
        self._rejects = rejects
        self._at = start
        self._rows, self._rejected = start.rows, start.rejected
        self._now = Clock().now
        self._began = self._now()
        rate = job.options.rate
        self._pace = None if rate is None else NamingPace(rate, self._now)
        name = visible(job.one.path.name)
        self._telling = Telling(name, self._standing(), sys.stderr, self._now)

    def all(self, stop: Event) -> None:
        """Send every row; Failure where something ends it before."""
        options = self._job.options
        for row in self._file.reader.rows(self._rows):
            self._rows = row.row
            if isinstance(row, Rejected):
                self._rejected += 1
                self._rejects.add(row)
            else:
                self._importing.send(row.key, row.value)
            is_full = row.row - self._at.rows >= _MOST_ROWS
            if self._pace is not None:
                stop.wait(self._pace.owed(1))
            if is_full or self._pace or self._rows % _LOOK_EVERY == 0:
                self._look(is_full=is_full, stop=stop)
            if self._rejected > options.max_errors:
                self._commit()
                raise self._too_many()
        self._commit(is_end=True)
        self._telling.end(self._standing())
        self._tell()

    def _look(self, *, is_full: bool, stop: Event) -> None:
        """Commit where it is time to; end where that is wanted."""
        is_stopped = stop.is_set()
        if is_full or is_stopped or self._now() - self._began >= _MOST_S:
            self._commit()
            self._telling.at(self._standing())
        if is_stopped:
            self._telling.end(self._standing())
            raise Failure(f"stopped: {self._rows:,} rows are in; go on with: {self._job.way}")

    def _commit(self, *, is_end: bool = False) -> None:
        """Commit the open transaction, with the position behind its rows."""
        self._rejects.flush()
        at = replace(
            self._at,
            rows=self._rows,
            rejected=self._rejected,
            mark=self._file.tape.mark(),
            state="finished" if is_end else "open",
        )
        self._importing.commit(at.rows, at.metadata())
        self._at = at
        self._began = self._now()

    def _standing(self) -> Standing:
        return Standing(self._rows, self._rejected, self._file.read_bytes(), self._job.one.size)

    def _tell(self) -> None:
        name, sent = visible(self._job.one.path.name), self._rows - self._rejected
        say(f"{name}: {sent:,} rows imported, {self._rejected:,} rejected")
        if self._rejected:
            note(f"Where they are: {self._rejects.shown}")

    def _too_many(self) -> Failure:
        self._telling.end(self._standing())
        most = self._job.options.max_errors
        return Failure(
            f"more than {most:,} rows are rejected (--max-errors), see {self._rejects.shown};"
            f" {self._rows - self._rejected:,} rows are in; go on with a larger N, or mend the file"
            " and give it an --id of its own"
        )


def _headers(settings: Settings, topic: str, name: str) -> list[tuple[str, bytes]]:
    """Return the headers of every record: its input, and its format where another is usual."""
    headers = [("input", name.encode())]
    if settings.rules().formats.get(topic, "json") != "json":
        headers.append(("content-type", b"application/json"))
    return headers
