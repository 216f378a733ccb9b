"""``idstream export``: all that is known of one person in a workspace, as a zip file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from processor.commands.profile import ProfileQuery, find_profiles
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.kafka.asking import Unreachable, reaching
from processor.kafka.clock import Clock
from processor.serve.archive import moment_of, zipped
from processor.serve.results import Manifest, Results, reading, wanted_of
from processor.serve.values import Values
from processor.settings import Settings, load

_OURS: Final = 0o600


class ExportOptions(Struct, frozen=True):
    """The options of the command line."""

    workspace: str
    key: str
    output: Path
    environment: str = "production"


def export(config: Path, environ: Mapping[str, str], options: ExportOptions) -> None:
    """Write what *options.workspace* has of a person into a zip file that nobody else may read."""
    settings = load(config, environ)
    query = ProfileQuery(options.workspace, options.environment, options.key)
    found = [one for one in find_profiles(settings, query) if one.merged_into is None]
    if len(found) != 1:
        listed = ", ".join(str(one.mpid) for one in found)
        raise Failure(f"{len(found)} profiles have this key; name one by its MPID: {listed}")
    clock = Clock()
    made_ms = int(clock.wall() * 1000)
    results = _results(settings, options, found[0], clock)
    told: dict[str, Manifest] = {}
    try:
        with reaching(settings.kafka):
            files = _kept(results, made_ms, told)
            _write(options.output, zipped(files, moment_of(made_ms)))
    except Unreachable as error:
        raise Failure(str(error)) from None
    _tell(options.output, told["manifest.json"])


def _results(settings: Settings, options: ExportOptions, profile: Profile, clock: Clock) -> Results:
    is_production = options.environment != "development"
    scope = settings.workspaces[options.workspace].scope
    space = Space(scope, "production" if is_production else "development")
    wanted = wanted_of(options.workspace, space, [profile])
    return Results(settings, wanted, reading(Values(settings.registry_url())), clock.now)


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
    say(
        f"{visible(str(path))}: {counts['profile.jsonl']} profile,"
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
