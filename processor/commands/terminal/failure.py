"""Failures of commands: the one that a command raises itself, and all others that are foreseen."""

from processor.crash import NoSuchPoint
from processor.index.errors import Fenced, IndexRefused, IndexUnavailable, LostWrites, NoStart
from processor.registry import RegistryRefused
from processor.settings import SettingsError


class Failure(Exception):
    """A command cannot do what was asked; the message is one line for the person who asked."""


def explained(error: Exception) -> str | None:
    """Return the text of a foreseen *error* in one line without data; None for any other error.

    Mistakes of a configuration are a line each.
    """
    from processor.embedded.server import EmbeddedUnavailable  # noqa: PLC0415
    from processor.kafka.errors import Stranded  # noqa: PLC0415
    from processor.redis.generations import Superseded  # noqa: PLC0415
    from processor.watch.admin import AdminUnavailable  # noqa: PLC0415 - only a failure pays for it

    if isinstance(
        error,
        Failure
        | SettingsError
        | AdminUnavailable
        | EmbeddedUnavailable
        | IndexRefused
        | IndexUnavailable
        | RegistryRefused
        | NoSuchPoint
        | LostWrites
        | Fenced
        | NoStart
        | Stranded
        | Superseded,
    ):
        lines = error.mistakes if isinstance(error, SettingsError) else (str(error),)
        return "\n".join(" ".join(line.split()) for line in lines)
    return _of_library(error)


def _of_library(error: Exception) -> str | None:
    """Return what the Kafka client says of its broker: addresses, topics and users, never data."""
    name = type(error).__name__
    if name == "KafkaException" and error.args:
        return f"kafka: {error.args[0].str()}"
    return None
