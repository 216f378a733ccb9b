"""``python -m contracts``: check how the schemas have evolved, write the files made of them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from contracts.asyncapi import asyncapi
from contracts.evolution import broken, rewritten
from contracts.jsonschemas import json_schema
from contracts.page import page
from processor.codecs.avro.schemas import MESSAGES, versions
from processor.serve.openapi import openapi
from processor.settings import load

ROOT = Path(__file__).parents[1]
ALL = (*MESSAGES.values(), "dead-letter")


def derived() -> Iterator[tuple[Path, str]]:
    """Yield path and text of every file made of the schemas and the complete configuration."""
    for message in ALL:
        for own in versions(message):
            path = ROOT / "schemas" / message / f"v{own.version}.schema.json"
            yield path, json.dumps(json_schema(own), indent=2) + "\n"
    document = asyncapi(load(ROOT / "deploy/idstream.toml", {}))
    yield ROOT / "docs/asyncapi.json", json.dumps(document, indent=2) + "\n"
    yield ROOT / "docs/topics.md", page(document)
    yield ROOT / "schemas/openapi.json", json.dumps(openapi(), indent=2) + "\n"


def edited(lock: Path) -> list[str]:
    """Return the versions whose fingerprint is not in *lock*, as sentences.

    Data names its schema by fingerprint, so an edited version could not read it any more. A new
    version is added to *lock*; nothing else in it ever changes.
    """
    locked: dict[str, list[str]] = json.loads(lock.read_text())
    found = {message: [own.fingerprint.hex() for own in versions(message)] for message in ALL}
    return [
        f"{lock.name}: {message} is {', '.join(found[message])},"
        f" not {', '.join(locked.get(message, ()))}: a version is never edited; add a new one"
        for message in ALL
        if found[message] != locked.get(message)
    ]


def main() -> int:
    """Write all derived files, unless a version breaks its contract."""
    problems = [
        problem
        for message in ALL
        for check in (broken, rewritten)
        for problem in check(versions(message))
    ]
    problems += edited(ROOT / "schemas/fingerprints.json")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        for path, text in derived():
            path.write_text(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
