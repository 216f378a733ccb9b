"""The addresses of Redis and of the schema registry, and the key of tokens and MPIDs."""

import hashlib
import re
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from processor.settings.conversion import kept
from processor.settings.error import Mistakes, SettingsError
from processor.settings.secret import Secret
from processor.settings.sections import RedisSettings, RegistrySettings
from processor.settings.toml import read_bytes, read_secret

_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MIN_KEY_BYTES: Final = 16

_Section = TypeVar("_Section", RedisSettings, RegistrySettings)


def redis_settings(table: object, mistakes: Mistakes) -> RedisSettings:
    """Return the section; no file of it is opened."""
    redis = kept(table, RedisSettings, "redis", mistakes) or RedisSettings()
    if not _PREFIX.fullmatch(redis.prefix):
        mistakes.tell("redis.prefix: use 1 to 64 letters, digits, dots, dashes or underscores")
    return redis


def with_redis_url(redis: RedisSettings, table: object) -> RedisSettings:
    """Return *redis* with its URL, checked; *table* is the section as written."""
    redis = _with_url(redis, table, "redis")
    try:
        address = urlsplit(redis.url.reveal())
        _ = address.port
    except ValueError:
        raise SettingsError("redis.url: is no URL; write redis://host:6379/0") from None
    if address.scheme not in ("redis", "rediss", "unix"):
        raise SettingsError("redis.url: must begin with redis://, rediss:// or unix://")
    if redis.cluster and (address.scheme == "unix" or address.path.strip("/") not in ("", "0")):
        raise SettingsError(
            "redis.url: a Redis Cluster has only database 0, and no unix:// address"
        )
    return redis


def shown(url: Secret) -> str:
    """Return the address of a Redis URL that passed the check, without user and password."""
    parts = urlsplit(url.reveal())
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def token_key(redis: RedisSettings) -> bytes:
    """Return the 32 bytes that key tokens and MPIDs, nothing where there is no ``key_file``."""
    if redis.key_file is None:
        return b""
    content = read_bytes(redis.key_file, "redis.key_file")
    if len(content) < _MIN_KEY_BYTES:
        raise SettingsError(
            f"redis.key_file: holds less than {_MIN_KEY_BYTES} bytes; put a longer key there"
        )
    return hashlib.blake2b(content, digest_size=32).digest()


def with_registry_url(registry: RegistrySettings | None, table: object) -> RegistrySettings | None:
    """Return *registry* with its URL, checked; *table* is the section as written."""
    if registry is None:
        return None
    registry = _with_url(registry, table, "schema_registry")
    url = registry.url.reveal()
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise SettingsError("schema_registry.url: must begin with http:// or https://")
    return registry


def _with_url(section: _Section, table: object, name: str) -> _Section:
    """Return *section* with the URL in its ``url_file``, if it names one."""
    if section.url_file is None:
        return section
    setting = f"{name}.url_file"
    if isinstance(table, dict) and "url" in table:
        raise SettingsError(f"{setting}: {name}.url is set too; remove one of the two")
    return replace(section, url=Secret(read_secret(section.url_file, setting)))
