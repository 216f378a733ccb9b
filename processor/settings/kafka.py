"""The ``[kafka]`` section: its topics checked against each other, its secrets hidden."""

import re
from typing import Final

from msgspec.structs import replace

from processor.settings.client import check_client
from processor.settings.conversion import convert
from processor.settings.error import Mistakes, SettingsError
from processor.settings.secret import Secret
from processor.settings.sections import OUTPUT_ROLES, KafkaSettings, TopicSettings
from processor.settings.toml import Document, read_secret

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SECRET: Final = re.compile(r"password|secret|token|jaas|\.pem$|oauthbearer\.config$")


def kafka_settings(table: object) -> KafkaSettings:
    """Return the section, secrets moved from ``client`` to ``client_secrets``; opens no file."""
    if isinstance(table, dict) and "client_secrets" in table:
        raise SettingsError("kafka.client_secrets: unknown key; write client or client_files")
    kafka = convert(_listed(table), KafkaSettings, "kafka")
    mistakes = Mistakes()
    with mistakes.noted():
        _check_topics(kafka.topics)
    with mistakes.noted():
        _check_formats(kafka)
    for key in ("bootstrap_servers", "group_id", "instance_id"):
        if getattr(kafka, key) == "":
            mistakes.add(SettingsError(f"kafka.{key}: must not be empty"))
    for key in sorted(kafka.client.keys() & kafka.client_files.keys()):
        mistake = f"kafka.client_files: {key} is in client too; remove one of the two"
        mistakes.add(SettingsError(mistake))
    secret = {k: Secret(str(v)) for k, v in kafka.client.items() if _SECRET.search(k)}
    plain = {k: v for k, v in kafka.client.items() if k not in secret}
    kafka = replace(kafka, client=plain, client_secrets=secret)
    with mistakes.noted():
        check_client(kafka)
    mistakes.check()
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
        key: [name] if key in ("batches", "requests") and isinstance(name, str) else name
        for key, name in table["topics"].items()
    }
    return {**table, "topics": topics}


def _check_topics(topics: TopicSettings) -> None:
    seen: dict[str, str] = {}
    roles = [("batches", n) for n in topics.batches] + [("requests", n) for n in topics.requests]
    roles += [(role, getattr(topics, role)) for role in OUTPUT_ROLES]
    for role, name in roles:
        if role == "outcomes" and not name:
            continue
        if not _TOPIC.fullmatch(name):
            raise SettingsError(f"kafka.topics.{role}: {name!r} cannot name a topic")
        if name in seen:
            raise SettingsError(
                f"kafka.topics.{role}: {name} is the topic of {seen[name]} too; give each its own"
            )
        seen[name] = role
    if not topics.inputs:
        raise SettingsError("kafka.topics: name at least one topic in batches or requests")


def _check_formats(kafka: KafkaSettings) -> None:
    roles = ("batches", "requests", *OUTPUT_ROLES)
    for key, name in kafka.formats.items():
        if key not in roles and key not in kafka.topics.inputs:
            raise SettingsError(
                f"kafka.formats.{key}: neither a role ({', '.join(roles)}) nor an input topic"
            )
        if name == "segment" and key not in ("batches", *kafka.topics.batches):
            raise SettingsError(f"kafka.formats.{key}: only batches can be segment's messages")
        if name == "avro" and key == "dead_letters":
            raise SettingsError("kafka.formats.dead_letters: they go out as they came; remove it")
