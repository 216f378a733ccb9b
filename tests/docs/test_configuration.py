"""Every setting is documented with its default, and shown in the complete configuration."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from processor.identity.types import DEVICE_TYPES, USER_TYPES
from processor.rules import Limits, Source
from processor.settings import Secret, load
from processor.settings.reflection import choices_of
from processor.settings.schema import json_schema
from processor.settings.sections import (
    CheckSettings,
    ClockSettings,
    InputSettings,
    KafkaSettings,
    ObservabilitySettings,
    PrivacySettings,
    RedisSettings,
    RegistrySettings,
    RetentionSettings,
    ServeSettings,
    TopicSettings,
    WorkspaceSettings,
)
from tests.docs.pages import ROOT, rows, text

SECTIONS = {
    "kafka": KafkaSettings,
    "schema_registry": RegistrySettings,
    "redis": RedisSettings,
    "limits": Limits,
    "observability": ObservabilitySettings,
    "check": CheckSettings,
    "serve": ServeSettings,
    "clock": ClockSettings,
    "privacy": PrivacySettings,
    "workspaces.NAME": WorkspaceSettings,
    "inputs.NAME": InputSettings,
}
OF_PRIVACY = ("receipts", "cases")
NOT_KEYS = {"kafka.client_secrets"}
CONFIGURATIONS = [
    "deploy/idstream.toml",
    "deploy/compose/idstream.toml",
    "deploy/connect/idstream.toml",
]


def settings() -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Yield every key of the file with its field."""
    for section, kind in SECTIONS.items():
        yield from _fields(section, kind)


def _fields(section: str, kind: type) -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    for field in msgspec.structs.fields(kind):
        path = f"{section}.{field.name}"
        if field.type in (TopicSettings, RetentionSettings):
            yield from _fields(path, field.type)
        elif path not in NOT_KEYS:
            yield path, field


def shown(field: msgspec.structs.FieldInfo) -> str:
    """Return a field's default as the page writes it."""
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else value
    if value is msgspec.NODEFAULT:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, Secret):
        value = value.reveal()
    return f"`{json.dumps(value)}`"


def documented() -> dict[str, str]:
    found = {}
    for name, *cells in rows("docs/configuration.md"):
        if name.startswith("`") and "." in name:
            assert name.strip("`") not in found
            found[name.strip("`")] = cells[1]
    return found


def test_every_setting_is_documented_with_its_default_and_nothing_else_is():
    assert documented() == {path: shown(field) for path, field in settings()}


def test_the_schema_of_the_file_has_every_documented_key_and_nothing_else():
    schema = json_schema()

    def keys(path: str, part: dict[str, Any]) -> Iterator[str]:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        for name, one in part.get("properties", {}).items():
            refers = one.get("$ref", one.get("anyOf", [{}])[0].get("$ref", ""))
            if refers.endswith(("/TopicSettings", "/RetentionSettings")):
                yield from keys(f"{path}.{name}", {"$ref": refers})
            else:
                yield f"{path}.{name}"

    found = []
    for section, part in schema["properties"].items():
        if "additionalProperties" in part:
            found += keys(f"{section}.NAME", part["additionalProperties"])
        else:
            found += keys(section, part)
    assert sorted(found) == sorted(documented())


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configurations_that_we_ship_fit_the_schema(name):
    Draft202012Validator(json_schema()).validate(tomllib.loads(text(name)))


def test_the_complete_configuration_shows_every_key():
    complete = text("deploy/idstream.toml")
    for path, _ in settings():
        key = path.rpartition(".")[2]
        assert f"{key} = " in complete or f"{key}]" in complete, path


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configurations_that_we_ship_are_accepted(name, tmp_path):
    shipped = text(name)
    for number, secret in enumerate(("redis-url", "key")):
        file = tmp_path / secret
        file.write_text(["redis://localhost:6379/0", "x" * 32][number])
        shipped = shipped.replace(f"/run/secrets/idstream/{secret}", str(file))
    (tmp_path / "idstream.toml").write_text(shipped)
    assert load(tmp_path / "idstream.toml", {}).workspaces


def test_the_complete_configuration_says_the_defaults():
    complete = load(ROOT / "deploy/idstream.toml", {})
    # It publishes no audience, and has no [privacy].
    every = {role: getattr(TopicSettings(), role) for role in ("audience_changes", *OF_PRIVACY)}
    assert {getattr(complete.kafka.topics, role) for role in every} == {""}
    topics = replace(complete.kafka.topics, **every)
    assert replace(complete.kafka, topics=topics) == KafkaSettings()
    assert complete.limits == Limits()
    assert complete.observability == ObservabilitySettings()
    assert replace(complete.redis, url=RedisSettings().url) == RedisSettings()
    assert complete.redis.url.reveal() == RedisSettings().url.reveal()


def test_every_identity_type_is_documented():
    page = text("docs/configuration.md")
    ranged = {f"other{n}" for n in range(3, 10)}
    for name in (USER_TYPES | DEVICE_TYPES) - ranged:
        assert f"`{name}`" in page, name


def test_every_word_that_a_setting_may_be_is_in_its_row():
    meanings = {row[0].strip("`"): " ".join(row[2:]) for row in rows("docs/configuration.md")}
    worded = {key: words for key, field in settings() if (words := choices_of(field.type))}
    assert {"inputs.NAME.source", "workspaces.NAME.tie_break"} <= worded.keys()
    for key, words in worded.items():
        assert not [word for word in words if f"`{word}`" not in meanings[key].replace('"', "")], (
            key
        )


@pytest.mark.parametrize("page", ["messages", "decisions", "glossary", "symptoms"])
def test_a_page_that_ranks_sources_has_them_in_their_order(page):
    assert ", ".join(get_args(Source)) in text(f"docs/{page}.md").replace("`", "")
