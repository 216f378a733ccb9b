"""The servers that a restore works with: the consumer group, the generations in Redis, settings."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.crash import CrashPoints
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.group import Group
from processor.redis.generations import Generations, open_generations
from processor.settings import Settings, load


class Servers(Struct, frozen=True):
    """Connections, the settings that led to them, and the crash points on the way."""

    settings: Settings
    group: Group
    generations: Generations
    reach: Callable[[str], None]


@contextmanager
def connected(config: Path, environ: Mapping[str, str]) -> Iterator[Servers]:
    """Connect to the servers of *config*; say in one line which of them does not answer."""
    settings = load(config, environ)
    generations = open_generations(settings)
    group = Group(settings.kafka, say, Clock())
    try:
        with reaching(settings.kafka):
            yield Servers(settings, group, generations, CrashPoints(environ).reach)
    except Unreachable as error:
        raise Failure(str(error)) from None
    except NoTopic as error:
        raise Failure(f"{error}: nothing was switched") from None
    finally:
        group.close()
        generations.close()
