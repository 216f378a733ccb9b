"""Settings: ``idstream.toml`` and the environment, read and checked once."""

from processor.settings.advice import Advice
from processor.settings.error import SettingsError
from processor.settings.load import load, load_offline, load_text
from processor.settings.secret import Secret
from processor.settings.sections import (
    KafkaSettings,
    ObservabilitySettings,
    RedisSettings,
    RegistrySettings,
    TopicSettings,
)
from processor.settings.settings import Settings

__all__ = [
    "Advice",
    "KafkaSettings",
    "ObservabilitySettings",
    "RedisSettings",
    "RegistrySettings",
    "Secret",
    "Settings",
    "SettingsError",
    "TopicSettings",
    "load",
    "load_offline",
    "load_text",
]
