"""``idstream export``: all that a workspace knows of a person, as a zip file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from processor.commands.privacy.requested import wanted_by
from processor.commands.profile import ProfileQuery, find_profiles
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.kafka.asking import Unreachable, reaching
from processor.kafka.clock import Clock
from processor.serve.archive import moment_of, zipped
from processor.serve.results import Manifest, Results, Wanted, reading, wanted_of
from processor.serve.values import Values
from processor.settings import Settings, load

_OURS: Final = 0o600


class ExportOptions(Struct, frozen=True):
    """The options of the command line: a person is named by a key, or by a request of theirs."""

    output: Path
    workspace: str | None = None
    key: str | None = None
    request_id: str | None = None
    environment: str | None = None


def export(
    config: Path, environ: Mapping[str, str], options: ExportOptions, clock: Clock | None = None
) -> None:
    """Write what a workspace has of a person into a zip file that nobody else may read."""
    settings, clock = load(config, environ), clock or Clock()
    made_ms = int(clock.wall() * 1000)
    wanted = _wanted(settings, options, made_ms)
    results = Results(settings, wanted, reading(Values(settings.registry_url())), clock.now)
    told: dict[str, Manifest] = {}
    try:
        with reaching(settings.kafka):
            files = _kept(results, made_ms, told)
            _write(options.output, zipped(files, moment_of(made_ms)))
    except Unreachable as error:
        raise Failure(str(error)) from None
    _tell(options.output, told["manifest.json"])


def _wanted(settings: Settings, options: ExportOptions, now_ms: int) -> Wanted:
    if options.request_id is not None:
        its = options.request_id, options.workspace, options.environment
        return wanted_by(settings, *its, now_ms)
    if options.workspace is None or options.key is None:
        raise ValueError("either a workspace and a key are named, or a request")
    environment = options.environment or "production"
    query = ProfileQuery(options.workspace, environment, options.key)
    found = [one for one in find_profiles(settings, query) if one.merged_into is None]
    if len(found) != 1:
        listed = ", ".join(str(one.mpid) for one in found)
        raise Failure(f"{len(found)} profiles have this key; name one by its MPID: {listed}")
    scope = settings.workspaces[options.workspace].scope
    space = Space(scope, "development" if environment == "development" else "production")
    return wanted_of(options.workspace, space, found)


def _kept(
    results: Results, made_ms: int, told: dict[str, Manifest]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the files of *results*, and keep the manifest."""
    for name, pieces in results.files(made_ms):
        if name != "manifest.json":
            yield name, iter(pieces)
            continue
        data = b"".join(pieces)
        told[name] = msgspec.json.decode(data, type=Manifest)
        yield name, iter([data])


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        # Removed first: a file that is there would keep its rights.
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS), "wb") as file:
            for piece in pieces:
                file.write(piece)
        part.replace(path)
    except OSError as error:
        raise Failure(f"cannot write {visible(str(path))}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _tell(path: Path, manifest: Manifest) -> None:
    counts = manifest.files
    batches = sum(count for name, count in counts.items() if name.startswith("batches-"))
    profiles = counts["profile.jsonl"]
    say(
        f"{visible(str(path))}: {profiles:,} profile{'' if profiles == 1 else 's'},"
        f" {counts['changes.jsonl']:,} changes, {batches:,} batches"
    )
    for topic in manifest.topics:
        if topic.error is not None:
            note(f"{topic.error}: nothing of it is in the file")
        elif not topic.is_whole:
            note(f"{topic.topic}: read until {topic.until} only, for the time was over")
        else:
            note(f"{topic.topic}: read whole, back to {topic.since or 'no record'}")
        if topic.left_out:
            note(f"{topic.topic}: {topic.left_out:,} records may be another workspace's: left out")
        if topic.unreadable:
            note(f"{topic.topic}: {topic.unreadable:,} records could not be read")
