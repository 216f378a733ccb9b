"""Keys of other tools, and of other places of the file, that are often written by mistake."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from processor.settings.librdkafka import KNOWN

_REDIS: Final = "write it into redis.url, as redis://USER:PASSWORD@HOST:PORT/0, or into url_file"
_CLIENT: Final = 'it is of librdkafka: write it into [kafka.client], as "{}"'
_ELSEWHERE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "kafka": {
            **dict.fromkeys(("brokers", "servers", "hosts"), "did you mean bootstrap_servers?"),
            **dict.fromkeys(("consumer_group", "group"), "did you mean group_id?"),
            **dict.fromkeys(
                ("transactional.id", "application.id", "client_id"),
                "it is made of group_id and instance_id; remove it",
            ),
        },
        "redis": {
            **dict.fromkeys(("host", "port", "db", "database", "username", "user"), _REDIS),
            "password": _REDIS,
            "key": "a key is read from a file: name that in key_file",
            "ssl": "TLS is asked for by redis.url, as rediss://HOST:PORT/0",
            "tls": "TLS is asked for by redis.url, as rediss://HOST:PORT/0",
        },
        "schema_registry": {
            **dict.fromkeys(
                ("username", "password", "user", "basic.auth.user.info"),
                "write it into schema_registry.url, as https://USER:PASSWORD@HOST, or url_file",
            ),
        },
    }
)


def meant_elsewhere(path: str, key: str) -> str:
    """Return what to do about *key* that stands in the table *path* by mistake, '' if not known."""
    if (found := _ELSEWHERE.get(path, {}).get(key)) is not None:
        return found
    if path == "kafka" and any(key in names for names in KNOWN.values()):
        return _CLIENT.format(key)
    return ""
