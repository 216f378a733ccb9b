"""Loading: from the file and the environment to checked ``Settings``."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from processor.rules import InputRules, Limits
from processor.settings.addresses import (
    redis_settings,
    token_key,
    with_redis_url,
    with_registry_url,
)
from processor.settings.conversion import convert
from processor.settings.environment import override
from processor.settings.error import SettingsError, hint
from processor.settings.kafka import kafka_settings, with_secret_files
from processor.settings.secret import Secret
from processor.settings.sections import (
    CheckSettings,
    InputSettings,
    KafkaSettings,
    ObservabilitySettings,
    RedisSettings,
    RegistrySettings,
    TopicSettings,
    WorkspaceSettings,
)
from processor.settings.settings import Settings
from processor.settings.toml import Document, parse, read
from processor.settings.workspaces import fingerprints, inputs, workspaces

SECTIONS: Final[Mapping[str, object]] = {
    "kafka": KafkaSettings,
    "schema_registry": RegistrySettings,
    "redis": RedisSettings,
    "limits": Limits,
    "observability": ObservabilitySettings,
    "check": CheckSettings,
    "workspaces": dict[str, WorkspaceSettings],
    "inputs": dict[str, InputSettings],
}
OFFLINE_TOPICS: Final = TopicSettings(batches=("batches",), requests=("requests",))
_MAY_BE_ZERO: Final = ("activity_resolution_s", "max_future_ms")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings in *path*, overridden by *environ*; reads files of secrets too."""
    try:
        return _complete(read(path), environ)
    except SettingsError as error:
        raise error.within(path) from None


def load_text(text: str, environ: Mapping[str, str]) -> Settings:
    """Do what ``load`` does with the TOML document *text*."""
    return _complete(parse(text), environ)


def load_offline(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings for ``resolve``: workspaces, inputs, limits; opens no file of secrets.

    The input topics are called ``batches`` and ``requests``; an input that is bound to configured
    topics is bound to the ones of these that have their role.
    """
    try:
        return _offline(read(path), environ)
    except SettingsError as error:
        raise error.within(path) from None


def _complete(document: Document, environ: Mapping[str, str]) -> Settings:
    override(document, environ, SECTIONS)
    settings = _sections(document)
    for name, rules in settings.inputs.items():
        unknown = sorted(rules.topics - set(settings.kafka.topics.inputs))
        if unknown:
            raise SettingsError(
                f"inputs.{name}.topics: {unknown[0]} is not consumed; add it to"
                " kafka.topics.batches or kafka.topics.requests"
            )
    redis = with_redis_url(settings.redis, document.get("redis", {}))
    registry = with_registry_url(settings.schema_registry, document.get("schema_registry"))
    key = token_key(redis)
    digest = hashlib.blake2b(key, digest_size=8, person=b"tokenkey").hexdigest()
    return replace(
        settings,
        kafka=with_secret_files(settings.kafka),
        redis=redis,
        schema_registry=registry,
        token_key=Secret(key.hex()),
        fingerprints={s: f"{f}{digest}" for s, f in settings.fingerprints.items()},
    )


def _offline(document: Document, environ: Mapping[str, str]) -> Settings:
    override(document, environ, SECTIONS)
    settings = _sections(document)
    topics = settings.kafka.topics
    kinds = dict.fromkeys(topics.batches, "batches") | dict.fromkeys(topics.requests, "requests")
    # Lines are JSON whatever the topics are; Segment's messages are JSON of another shape.
    shapes = {settings.kafka.formats.get(name) for name in ("batches", *topics.batches)}
    is_segment = "segment" in shapes

    def bound(rules: InputRules) -> InputRules:
        # A topic that is not configured is left out; an input without any other is not bound.
        known = {kinds.get(name, name) for name in rules.topics} & set(OFFLINE_TOPICS.inputs)
        return replace(rules, topics=frozenset(known))

    return replace(
        settings,
        kafka=KafkaSettings(
            topics=OFFLINE_TOPICS, formats={"batches": "segment"} if is_segment else {}
        ),
        inputs={name: bound(rules) for name, rules in settings.inputs.items()},
    )


def _sections(document: Document) -> Settings:
    for section in document:
        if section not in SECTIONS:
            raise SettingsError(
                f"{section}: unknown section; remove it or correct its spelling"
                f"{hint(section, SECTIONS)}"
            )
    limits = _limits(document.get("limits", {}))
    written, rules = workspaces(document.get("workspaces", {}), limits)
    registry = document.get("schema_registry")
    return Settings(
        kafka=kafka_settings(document.get("kafka", {})),
        schema_registry=(
            None if registry is None else convert(registry, RegistrySettings, "schema_registry")
        ),
        redis=redis_settings(document.get("redis", {})),
        limits=limits,
        observability=convert(
            document.get("observability", {}), ObservabilitySettings, "observability"
        ),
        check=convert(document.get("check", {}), CheckSettings, "check"),
        workspaces=rules,
        inputs=inputs(document.get("inputs", {}), rules),
        fingerprints=fingerprints(written, rules),
    )


def _limits(table: object) -> Limits:
    limits = convert(table, Limits, "limits")
    for key in limits.__struct_fields__:
        lowest = 0 if key in _MAY_BE_ZERO else 1
        if getattr(limits, key) < lowest:
            raise SettingsError(f"limits.{key}: must be {lowest} or more")
    return limits
