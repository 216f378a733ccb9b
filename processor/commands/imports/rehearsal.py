"""The dry run: everything is read and judged, and nothing is sent."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from processor.commands.imports.opening import Rejects, opened
from processor.commands.imports.options import (
    ImportOptions,
    One,
    files_of,
    manifest_of,
    rules_of,
)
from processor.commands.imports.outcomes import Outcomes
from processor.commands.terminal.console import note
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.tables import print_table
from processor.imports.reader import Plan
from processor.imports.table import Stamp
from processor.imports.verdict import Rejected, Taken
from processor.settings import Settings, load_offline

_FIRST: Final = 3
_MOST: Final = 20
"""Reasons that the table lists."""


def rehearse(config: Path, environ: Mapping[str, str], options: ImportOptions) -> None:
    """Read every file, and tell what an import of it would do; needs no server."""
    settings = load_offline(config, environ)
    rules, manifest = rules_of(settings, options.input), manifest_of(options)
    plan = Plan(rules, settings.limits, Stamp("", options.environment), manifest)
    too_many = []
    for one in files_of(options):
        stamped = replace(plan, stamp=Stamp(one.import_id, options.environment))
        rehearsal = _Rehearsal(settings, options)
        rejects = rehearsal.read(one, stamped)
        rehearsal.tell(one, rejects)
        if rehearsal.rejected.total() > options.max_errors:
            too_many.append(one.path.name)
    if too_many:
        raise Failure(
            f"more rows are rejected than --max-errors {options.max_errors} allows:"
            f" {', '.join(too_many)}"
        )


class _Rehearsal:
    """One file, read to its end."""

    def __init__(self, settings: Settings, options: ImportOptions) -> None:
        self._options = options
        self._outcomes = None if options.against is None else Outcomes(settings, options)
        self._rows = 0
        self._first: list[bytes] = []
        self._identities: dict[str, set[int]] = {}
        self.rejected: Counter[tuple[str, str]] = Counter()

    def read(self, one: One, plan: Plan) -> Rejects:
        """Read a file; return where its rejected rows are."""
        with opened(one, plan) as file:
            rejects = Rejects(one.path, 0)
            try:
                for row in file.reader.rows(0):
                    self._rows += 1
                    if isinstance(row, Rejected):
                        self.rejected[row.field, row.rule] += 1
                        rejects.add(row)
                    else:
                        self._take(row)
            finally:
                rejects.close()
        return rejects

    def _take(self, row: Taken) -> None:
        for identity_type, value in row.identifiers:
            # Of a value no more than its hash is held: a file may have many.
            self._identities.setdefault(identity_type, set()).add(hash(value))
        if self._outcomes is not None:
            self._outcomes.add(row)
        if self._options.print_all:
            sys.stdout.write(row.value.decode() + "\n")
        elif len(self._first) < _FIRST:
            self._first.append(row.value)

    def tell(self, one: One, rejects: Rejects) -> None:
        """Tell what was found, beside the batches where these are asked for."""
        stream = sys.stderr if self._options.print_all else sys.stdout
        count = self.rejected.total()
        facts = [("rows", f"{self._rows:,}"), ("rejected", f"{count:,}")]
        facts += [
            (f"distinct {identity_type}", f"{len(values):,}")
            for identity_type, values in self._identities.items()
        ]
        facts += [] if self._outcomes is None else self._outcomes.facts()
        print_table(f"{one.path.name}, import {one.import_id}", ("", ""), facts, stream)
        if self.rejected:
            reasons = [(f, r, f"{n:,}") for (f, r), n in self.rejected.most_common(_MOST)]
            print_table("Rejected", ("field", "rule", "rows"), reasons, stream)
            note(f"Where they are: {rejects.shown}")
        if self._first:
            stream.write("The first batches\n")
            stream.writelines(value.decode() + "\n" for value in self._first)
        stream.flush()
