"""The ``[kafka]`` section: its topics checked against each other, its secrets hidden."""

import re
from typing import Final

from msgspec.structs import replace

from processor.rules import INPUT_ROLES
from processor.settings.client import check_client
from processor.settings.conversion import kept
from processor.settings.error import Mistakes, hint
from processor.settings.secret import Secret
from processor.settings.sections import OUTPUT_ROLES, KafkaSettings, TopicSettings
from processor.settings.toml import Document, read_secret

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SERVER: Final = re.compile(
    r"(?:(?:PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?(?:[^\s:/@,\[\]]+|\[[0-9A-Fa-f:.%]+\])(?::([0-9]{1,5}))?",
    re.IGNORECASE,
)
_PORTS: Final = range(1, 65_536)
_OPTIONAL: Final = ("outcomes", "audience_changes", "receipts", "cases", "clock")
_OF_PEOPLE: Final = ("batches", "requests")
_SECRET: Final = re.compile(r"password|secret|token|jaas|\.pem$|oauthbearer\.config$")


def kafka_settings(table: object, mistakes: Mistakes) -> KafkaSettings:
    """Return the section, secrets moved from ``client`` to ``client_secrets``; opens no file."""
    if isinstance(table, dict) and "client_secrets" in table:
        mistakes.tell("kafka.client_secrets: unknown key; write client or client_files")
    kafka = kept(_listed(table), KafkaSettings, "kafka", mistakes) or KafkaSettings()
    _check_topics(kafka.topics, mistakes)
    _check_formats(kafka, mistakes)
    for key in ("group_id", "instance_id"):
        if getattr(kafka, key) == "":
            mistakes.tell(f"kafka.{key}: must not be empty; write a name, or remove it")
    _check_servers(kafka.bootstrap_servers, mistakes)
    for key in sorted(kafka.client.keys() & kafka.client_files.keys()):
        mistakes.tell(f"kafka.client_files: {key} is in client too; remove one of the two")
    secret = {k: Secret(str(v)) for k, v in kafka.client.items() if _SECRET.search(k)}
    plain = {k: v for k, v in kafka.client.items() if k not in secret}
    kafka = replace(kafka, client=plain, client_secrets=secret)
    with mistakes.noted():
        check_client(kafka)
    return kafka


def with_secret_files(kafka: KafkaSettings) -> KafkaSettings:
    """Return *kafka* with the content of its ``client_files``."""
    read = {
        key: Secret(read_secret(path, f"kafka.client_files.{key}"))
        for key, path in kafka.client_files.items()
    }
    kafka = replace(kafka, client_secrets={**kafka.client_secrets, **read})
    check_client(kafka)
    return kafka


def _listed(table: object) -> object:
    """Return *table* with the topics that may be lists as lists."""
    if not isinstance(table, dict) or not isinstance(table.get("topics"), dict):
        return table
    topics: Document = {
        key: [name] if key in INPUT_ROLES and isinstance(name, str) else name
        for key, name in table["topics"].items()
    }
    return {**table, "topics": topics}


def _check_servers(servers: str, mistakes: Mistakes) -> None:
    """Note addresses that are none, without a word of them: they may hold a password."""
    for number, server in enumerate(servers.split(","), 1):
        found = _SERVER.fullmatch(server.strip())
        if found is None or int(found[1] or 9092) not in _PORTS:
            mistakes.tell(
                f"kafka.bootstrap_servers: address {number} is none; write HOST:PORT, several with"
                " commas between them (protocol and password belong to kafka.client)"
            )


def _check_topics(topics: TopicSettings, mistakes: Mistakes) -> None:
    seen: dict[str, str] = {}
    roles: list[tuple[str, str]] = [(r, n) for r in INPUT_ROLES for n in topics.carrying(r)]
    roles += [(role, getattr(topics, role)) for role in (*OUTPUT_ROLES, "clock")]
    for role, name in roles:
        if role in _OPTIONAL and not name:
            continue
        if not _TOPIC.fullmatch(name) or name in (".", ".."):
            mistakes.tell(
                f"kafka.topics.{role}: {name!r} cannot name a topic; use 1 to 249 letters, digits,"
                " dots, dashes or underscores"
            )
        elif seen.setdefault(name, role) != role:
            mistakes.tell(
                f"kafka.topics.{role}: {name} is the topic of {seen[name]} too; give each its own"
            )
    for role in INPUT_ROLES:
        names = topics.carrying(role)
        for name in sorted({name for name in names if names.count(name) > 1}):
            mistakes.tell(f"kafka.topics.{role}: {name} is listed twice; list it once")
    if not any(topics.carrying(role) for role in _OF_PEOPLE):
        mistakes.tell(f"kafka.topics: name at least one topic in {' or '.join(_OF_PEOPLE)}")


def _check_formats(kafka: KafkaSettings, mistakes: Mistakes) -> None:
    roles = (*INPUT_ROLES, *OUTPUT_ROLES)
    for key, name in kafka.formats.items():
        if key not in roles and key not in kafka.topics.inputs:
            mistakes.tell(
                f"kafka.formats.{key}: neither a role ({', '.join(roles)}) nor an input topic;"
                f" remove it or correct its spelling{hint(key, (*roles, *kafka.topics.inputs))}"
            )
        elif name == "segment" and key not in ("batches", *kafka.topics.batches):
            mistakes.tell(
                f"kafka.formats.{key}: only batches can be segment's messages; use json or avro"
            )
        elif name == "avro" and key == "dead_letters":
            mistakes.tell("kafka.formats.dead_letters: they go out as they came; remove it")
