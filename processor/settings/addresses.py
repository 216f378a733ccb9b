"""The ``[redis]`` section: an address that can work, and the key of tokens and MPIDs."""

import hashlib
import re
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from processor.settings.secret import Secret
from processor.settings.sections import RedisSettings, RegistrySettings
from processor.settings.toml import SettingsError, convert, read_bytes, read_secret

_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MIN_KEY_BYTES: Final = 16


def redis_settings(table: object) -> RedisSettings:
    """Return the section; no file of it is opened."""
    redis = convert(table, RedisSettings, "redis")
    if not _PREFIX.fullmatch(redis.prefix):
        raise SettingsError(
            "redis.prefix: use 1 to 64 letters, digits, dots, dashes or underscores"
        )
    return redis


def with_address(redis: RedisSettings, table: object) -> RedisSettings:
    """Return *redis* with its URL, from ``url_file`` if that is set; *table* is as written."""
    if redis.url_file is not None:
        if isinstance(table, dict) and "url" in table:
            raise SettingsError("redis.url_file: redis.url is set too; remove one of the two")
        redis = replace(redis, url=Secret(read_secret(redis.url_file, "redis.url_file")))
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


def with_url(registry: RegistrySettings | None, table: object) -> RegistrySettings | None:
    """Return *registry* with its URL, from ``url_file`` if that is set; *table* is as written."""
    if registry is None:
        return None
    if registry.url_file is not None:
        if isinstance(table, dict) and "url" in table:
            raise SettingsError(
                "schema_registry.url_file: schema_registry.url is set too; remove one of the two"
            )
        url = Secret(read_secret(registry.url_file, "schema_registry.url_file"))
        registry = replace(registry, url=url)
    url_text = registry.url.reveal()
    if url_text and urlsplit(url_text).scheme not in ("http", "https"):
        raise SettingsError("schema_registry.url: must begin with http:// or https://")
    return registry
