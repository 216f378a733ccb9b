"""Loading: from the file and the environment to checked ``Settings``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from msgspec.structs import replace

from processor.computed.definition import Scope
from processor.index.tokens import key_fingerprint
from processor.rules import InputRules, Limits, WorkspaceRules
from processor.settings.addresses import (
    redis_settings,
    token_key,
    with_redis_url,
    with_registry_url,
)
from processor.settings.computed import needs_time
from processor.settings.conversion import kept
from processor.settings.environment import override
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.kafka import kafka_settings, with_secret_files
from processor.settings.privacy import check_privacy, with_privacy_topics
from processor.settings.reflection import keys_of
from processor.settings.secret import Secret
from processor.settings.sections import (
    CLOCK_TOPIC,
    CheckSettings,
    ClockSettings,
    InputSettings,
    KafkaSettings,
    ObservabilitySettings,
    PrivacySettings,
    RedisSettings,
    RegistrySettings,
    ServeSettings,
    TopicSettings,
    WorkspaceSettings,
)
from processor.settings.settings import Settings
from processor.settings.toml import Document, parse, read
from processor.settings.workspaces import Population, population

SECTIONS: Final[Mapping[str, object]] = {
    "kafka": KafkaSettings,
    "schema_registry": RegistrySettings,
    "redis": RedisSettings,
    "limits": Limits,
    "clock": ClockSettings,
    "observability": ObservabilitySettings,
    "check": CheckSettings,
    "serve": ServeSettings,
    "privacy": PrivacySettings,
    "workspaces": dict[str, WorkspaceSettings],
    "inputs": dict[str, InputSettings],
}
OFFLINE_TOPICS: Final = TopicSettings(
    batches=("batches",), requests=("requests",), privacy=("privacy",)
)
_Section = TypeVar("_Section")
_MAY_BE_ZERO: Final = ("activity_resolution_s", "max_future_ms")
LOWEST: Final[Mapping[str, int]] = {
    key: 0 if key in _MAY_BE_ZERO else 1 for key in Limits.__struct_fields__
}
"""The least value of every limit."""
HIGHEST: Final = 2**53 - 1
"""The greatest value of every limit: the scripts of Redis count in floating point."""


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings in *path*, overridden by *environ*; reads files of secrets too."""
    try:
        return _of(_complete, read(path), environ)
    except SettingsError as error:
        raise error.within(path) from None


def load_text(text: str, environ: Mapping[str, str]) -> Settings:
    """Do what ``load`` does with the TOML document *text*."""
    return _of(_complete, parse(text), environ)


def load_offline(
    path: Path, environ: Mapping[str, str], run: tuple[str, str] | None = None
) -> Settings:
    """Return the settings for ``resolve``: workspaces, inputs, limits; opens no file of secrets.

    The input topics are called ``batches`` and ``requests``; an input that is bound to configured
    topics is bound to the ones of these that have their role. *run* names a workspace and an
    audience of it that is taken for active where it is a draft.
    """

    def made(document: Document) -> Settings:
        return _offline(document if run is None else _with_draft(document, *run))

    try:
        return _of(made, read(path), environ)
    except SettingsError as error:
        raise error.within(path) from None


def _with_draft(document: Document, workspace: str, audience: str) -> Document:
    """Return *document* with a draft among its audiences as one that is active."""
    table: object = document
    for key in ("workspaces", workspace, "audiences", audience):
        table = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict) and table.get("status") == "draft":
        table["status"] = "active"
    return document


def _of(
    made: Callable[[Document], Settings], document: Document, environ: Mapping[str, str]
) -> Settings:
    """Return what *made* makes of *document*, some of its values replaced by *environ*.

    A mistake in a value that a variable has set names the variable.
    """
    mistakes = Mistakes()
    names = override(document, environ, SECTIONS, mistakes)
    try:
        settings = made(document)
    except SettingsError as error:
        mistakes.add(error.from_variables(names))
        mistakes.refuse()
    mistakes.check()
    return settings


def _complete(document: Document) -> Settings:
    mistakes = Mistakes()
    settings = _sections(document, mistakes)
    # What is wrong with the topics is told; what is said of them cannot be judged then.
    inputs = {} if mistakes.are_below("kafka.topics") else settings.inputs
    for name, rules in inputs.items():
        for topic in sorted(rules.topics - set(settings.kafka.topics.fed)):
            mistakes.tell(
                f"inputs.{name}.topics: {topic} is not consumed; add it to kafka.topics.batches,"
                f" .requests or .privacy{hint(topic, settings.kafka.topics.fed)}"
            )
    if not mistakes.are_below("inputs"):
        topics, is_private = settings.kafka.topics.privacy, "privacy" in document
        check_privacy(topics, settings.inputs, mistakes, is_private=is_private)
    redis, registry, kafka, key = settings.redis, settings.schema_registry, settings.kafka, b""
    with mistakes.noted():
        redis = with_redis_url(redis, document.get("redis", {}))
    with mistakes.noted():
        registry = with_registry_url(registry, document.get("schema_registry"))
    with mistakes.noted():
        key = token_key(redis)
    with mistakes.noted():
        kafka = with_secret_files(kafka)
    mistakes.check()
    digest = key_fingerprint(key)
    return replace(
        settings,
        kafka=kafka,
        redis=redis,
        schema_registry=registry,
        token_key=Secret(key.hex()),
        fingerprints={s: f"{f}{digest}" for s, f in settings.fingerprints.items()},
    )


def _offline(document: Document) -> Settings:
    mistakes = Mistakes()
    settings = _sections(document, mistakes)
    mistakes.check()
    topics = settings.kafka.topics
    roles = topics.roles
    # Lines are JSON whatever the topics are; Segment's messages are JSON of another shape.
    shapes = {settings.kafka.formats.get(name) for name in ("batches", *topics.batches)}
    is_segment = "segment" in shapes

    def bound(rules: InputRules) -> InputRules:
        # A topic that is not configured is left out; an input without any other is not bound.
        known = {roles.get(name, name) for name in rules.topics} & set(OFFLINE_TOPICS.inputs)
        # Who may erase is for the cluster to say: here every input may.
        return replace(rules, topics=frozenset({*(known or OFFLINE_TOPICS.inputs), "privacy"}))

    return replace(
        settings,
        kafka=KafkaSettings(
            topics=OFFLINE_TOPICS, formats={"batches": "segment"} if is_segment else {}
        ),
        inputs={name: bound(rules) for name, rules in settings.inputs.items()},
    )


def _sections(document: Document, mistakes: Mistakes) -> Settings:
    """Return what the sections say, without what is wrong in them, which is noted."""
    for section in document:
        if section not in SECTIONS:
            mistakes.tell(
                f"{section}: unknown section; remove it or correct its spelling"
                f"{_section_meant(section)}"
            )
    document = {
        "limits": {},
        "kafka": {},
        "redis": {},
        "observability": {},
        "check": {},
        "clock": {},
    } | document

    def plain(section: str, kind: type[_Section]) -> _Section:
        return kept(document[section], kind, section, mistakes) or kind()

    limits = _limits(document["limits"], mistakes)
    privacy = plain("privacy", PrivacySettings) if "privacy" in document else None
    people = population(
        document.get("workspaces", {}), document.get("inputs", {}), limits, privacy, mistakes
    )
    kafka = kafka_settings(document["kafka"], mistakes)
    with mistakes.noted():
        kafka = with_privacy_topics(_with_audiences(kafka, people.computed), privacy)
        kafka = _with_clock(kafka, people, is_private=privacy is not None)
    return Settings(
        kafka=kafka,
        schema_registry=(
            plain("schema_registry", RegistrySettings) if "schema_registry" in document else None
        ),
        redis=redis_settings(document["redis"], mistakes),
        limits=limits,
        observability=plain("observability", ObservabilitySettings),
        clock=plain("clock", ClockSettings),
        check=plain("check", CheckSettings),
        workspaces=people.workspaces,
        inputs=people.inputs,
        fingerprints=people.fingerprints,
        computed=people.computed,
        serve=_served(document, people.workspaces, mistakes) if "serve" in document else None,
    )


def _served(
    document: Document, workspaces: Mapping[str, WorkspaceRules], mistakes: Mistakes
) -> ServeSettings | None:
    served = kept(document["serve"], ServeSettings, "serve", mistakes)
    if served is None:
        return None
    if (served.tls_cert_file is None) != (served.tls_key_file is None):
        mistakes.tell("serve: tls_cert_file and tls_key_file go together; set both")
    if served.privacy and "privacy" not in document:
        mistakes.tell("serve.privacy: needs [privacy], which switches such requests on")
    _check_signing(served, mistakes)
    if served.workers > 1 and served.ui and served.session_key_file is None:
        mistakes.tell(
            "serve.workers: several share serve.session_key_file, else who signs in with one is"
            " unknown to the next; set it, or ui = false"
        )
    for number, name in served.workspace_ids.items():
        if workspaces and name not in workspaces:
            meant = hint(name, workspaces)
            mistakes.tell(f"serve.workspace_ids.{number}: is no workspace{meant}")
    return served


def _check_signing(served: ServeSettings, mistakes: Mistakes) -> None:
    if (served.signing_key_file is None) != (served.domain is None):
        mistakes.tell("serve: signing_key_file and domain go together; set both")
    url = served.certificate_url
    if url is not None and not (served.domain and url.startswith(f"https://{served.domain}/")):
        mistakes.tell("serve.certificate_url: must begin with https:// and serve.domain")


def _with_audiences(kafka: KafkaSettings, computed: Mapping[str, Scope]) -> KafkaSettings:
    """Return *kafka* with the topic of audiences only where one is published."""
    is_published = any(
        audience.is_published
        for scope in computed.values()
        for workspace in scope.workspaces.values()
        for audience in workspace.audiences.values()
    )
    if is_published and not kafka.topics.audience_changes:
        raise SettingsError(
            "kafka.topics.audience_changes: must name a topic, as audiences are published; or"
            " write publish = false in each of them"
        )
    if is_published:
        return kafka
    return replace(kafka, topics=replace(kafka.topics, audience_changes=""))


def _with_clock(kafka: KafkaSettings, people: Population, *, is_private: bool) -> KafkaSettings:
    """Return *kafka* with the topic of sweeps only where anything can be due.

    Where definitions do without time it is there if it is named: a recompute needs it.
    """
    is_timed = any(needs_time(scope) is not None for scope in people.computed.values())
    is_timed = is_timed or any(one.lifetimes is not None for one in people.workspaces.values())
    is_timed = is_timed or is_private
    named = kafka.topics.clock if people.computed else ""
    name = (kafka.topics.clock or CLOCK_TOPIC) if is_timed else named
    return replace(kafka, topics=replace(kafka.topics, clock=name))


def _section_meant(name: str) -> str:
    """Return what may be meant by a section or a key above all sections, of this *name*."""
    places = [section for section, kind in SECTIONS.items() if name in keys_of(kind)]
    if places:
        meant = " or ".join(f"{place}.{name}" for place in places)
        return f" (did you mean {meant}? it goes below that section's line)"
    return hint(name, SECTIONS)


def _limits(table: object, mistakes: Mistakes) -> Limits:
    limits = kept(table, Limits, "limits", mistakes) or Limits()
    for key, least in LOWEST.items():
        if getattr(limits, key) < least:
            mistakes.tell(f"limits.{key}: must be {least} or more")
        elif getattr(limits, key) > HIGHEST:
            mistakes.tell(f"limits.{key}: must be {HIGHEST} or less")
    return limits
