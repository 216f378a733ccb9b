"""The embedded mode: a broker and an index around a command, and settings that lead there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from processor.embedded import default_configuration
from processor.embedded.server import EmbeddedRedis
from processor.kafka.mock import EmbeddedBroker
from processor.settings import RedisSettings, Secret, Settings, load, load_text
from processor.settings.sections import ClientValue

LOCALHOST: Final = "127.0.0.1"
MOCK_CLIENT: Final[dict[str, ClientValue]] = {"fetch.wait.max.ms": 20}
"""librdkafka's mock broker answers a waiting fetch at its timeout, not when a record comes."""


def embedded_settings(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of *config*, or those for trying, without what only real servers have."""
    settings = (
        load_text(default_configuration(), environ) if config is None else load(config, environ)
    )
    return replace(
        settings,
        kafka=replace(
            settings.kafka,
            guarantee="at_least_once",
            instance_id=None,
            client=MOCK_CLIENT,
            client_files={},
            client_secrets={},
        ),
        observability=replace(settings.observability, host=LOCALHOST),
    )


@contextmanager
def embedding(settings: Settings) -> Iterator[Settings]:
    """Start a broker with the topics of *settings* and a server; yield settings that name them."""
    redis = EmbeddedRedis()
    try:
        topics = settings.kafka.topics
        broker = EmbeddedBroker([*topics.inputs, *topics.outputs.values()])
        try:
            yield replace(
                settings,
                kafka=replace(settings.kafka, bootstrap_servers=broker.bootstrap_servers),
                redis=RedisSettings(url=Secret(redis.url), prefix=settings.redis.prefix),
            )
        finally:
            broker.stop()
    finally:
        redis.stop()
