"""What an import is asked to do, and what follows from it before a file is read."""

import shlex
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from processor.codecs.nearness import hint
from processor.commands.options import option_of
from processor.commands.terminal.console import visible
from processor.commands.terminal.failure import Failure
from processor.identity.model import Environment
from processor.imports.manifest import Manifest, read_manifest
from processor.imports.verdict import FileRefused
from processor.rules import InputRules
from processor.settings import Settings

FileFormat = Literal["csv", "jsonl"]
_SUFFIXES: Final[dict[str, FileFormat]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
MAX_ERRORS: Final = 1000
_MIB: Final = 1024 * 1024


class ImportOptions(Struct, frozen=True):
    """The options of the command line."""

    input: str
    paths: Sequence[Path]
    import_id: str | None = None
    format: FileFormat | None = None
    """None: by the end of a file's name."""
    manifest: Path | None = None
    environment: Environment = "production"
    """Of rows that name none."""
    topic: str | None = None
    """None: the first topic of batches that the input reads."""
    rate: int | None = None
    max_errors: int = MAX_ERRORS
    again: bool = False
    dry_run: bool = False
    print_all: bool = False
    against: Path | None = None


class One(Struct, frozen=True):
    """One file to import."""

    path: Path
    import_id: str
    format: FileFormat
    size: int


def files_of(options: ImportOptions) -> list[One]:
    """Return the files, each with the id of its import; Failure where one cannot be read."""
    found = []
    for place, path in enumerate(options.paths, 1):
        try:
            with path.open("rb") as file:
                head = file.read(_MIB)
            size = path.stat().st_size
        except OSError as error:
            raise Failure(f"cannot read {visible(str(path))}: {error.strerror}") from None
        import_id = options.import_id
        if import_id is None:
            import_id = blake2b(b"%d:" % size + head, digest_size=8).hexdigest()
        elif len(options.paths) > 1:
            import_id = f"{import_id}.{place}"
        found.append(One(path, import_id, _format(path, options.format), size))
    return found


def manifest_of(options: ImportOptions) -> Manifest | None:
    """Return the manifest that is named, None where there is none."""
    if options.manifest is None:
        return None
    try:
        return read_manifest(options.manifest.read_bytes())
    except OSError as error:
        raise Failure(f"cannot read {options.manifest}: {error.strerror}") from None
    except FileRefused as refusal:
        raise Failure(f"{options.manifest}: {refusal}") from None


def rules_of(settings: Settings, name: str) -> InputRules:
    """Return the rules of the input *name*; Failure where rows cannot go there."""
    rules = settings.inputs.get(name)
    if rules is None:
        known = ", ".join(settings.inputs)
        near = hint(name, settings.inputs)
        raise Failure(f"there is no input {visible(name)}{near}; the configuration has {known}")
    if rules.format == "segment":
        raise Failure(
            f"inputs.{name}: reads Segment's calls, and rows become batches: make an input for"
            ' imports, with source = "csv"'
        )
    return rules


def topic_of(settings: Settings, rules: InputRules, wanted: str | None) -> str:
    """Return the topic that rows go to; Failure where the input reads no such topic."""
    topics = [
        name for name in settings.kafka.topics.batches if not rules.topics or name in rules.topics
    ]
    if wanted is None and topics:
        return topics[0]
    if wanted in topics:
        return wanted
    of = f"; it reads {', '.join(topics)}" if topics else ""
    what = "no topic of batches" if wanted is None else f"no topic {visible(wanted)} of batches"
    raise Failure(f"inputs.{rules.name}: reads {what}{of}")


def digest_of(one: One, options: ImportOptions, manifest: Manifest | None) -> str:
    """Return a digest of what rows are read by: under another one they are other batches."""
    parts = (options.input, one.format, options.environment, manifest)
    return blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def command_line(config: Path, options: ImportOptions) -> str:
    """Return the line that goes on with an import."""
    given = [
        ("--input", options.input),
        ("--id", options.import_id),
        ("--format", options.format),
        ("--manifest", options.manifest),
        ("--environment", None if options.environment == "production" else options.environment),
        ("--topic", options.topic),
        ("--rate", options.rate),
        ("--max-errors", None if options.max_errors == MAX_ERRORS else options.max_errors),
    ]
    words = [word for name, value in given if value is not None for word in (name, str(value))]
    words += map(str, options.paths)
    return f"idstream import{option_of(config)} {shlex.join(words)}"


def _format(path: Path, said: FileFormat | None) -> FileFormat:
    if said is not None:
        return said
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    found = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None:
        raise Failure(
            f"{visible(str(path))}: its name does not say what it is: --format csv or --format"
            " jsonl"
        )
    return found
