"""``idstream generate``: sends what people and feeds would, or prints lines of ``resolve``."""

import random  # noqa: TID251 - chance enters here, by the seed of the command line
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from processor.commands.generate.traffic import REQUEST_ID, Load, NothingToSay, Sent, Traffic
from processor.commands.terminal.console import note
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.commands.terminal.signals import stopped_by_signals
from processor.commands.terminal.tables import print_table
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.sending import Sending
from processor.settings import Settings, load_offline
from processor.settings import load as load_settings

PRINTED: Final = 100
"""How many records are printed where the command line does not say."""
_SEED: Final = 1
_TURN_S: Final = 0.05
_MOST_OF_A_TURN: Final = 5000
_START_MS: Final = 1_767_225_600_000
"""When the first printed record is of: what is printed depends on the command line alone."""


class GenerateOptions(Struct, frozen=True):
    """The options of the command line."""

    load: Load
    rate: float
    seed: int | None = None
    """None: another each time."""
    records: int | None = None


def asked(
    rate: float,
    seed: int | None,
    records: int | None,
    inputs: Sequence[str],
    **load: Any,  # noqa: ANN401
) -> GenerateOptions:
    """Return the options that the command line gives, *load* the people and the share of bad."""
    return GenerateOptions(Load(inputs=frozenset(inputs), **load), rate, seed, records)


def generate(config: Path, environ: Mapping[str, str], options: GenerateOptions) -> None:
    """Send records to the input topics until there are enough, or a signal says stop."""
    settings = load_settings(config, environ)
    seed = int(Clock().wall()) if options.seed is None else options.seed
    traffic = _traffic(settings, options.load, seed)
    stop = stopped_by_signals()
    sent: Counter[str] = Counter()
    try:
        with reaching(settings.kafka):
            sending = Sending(settings.kafka, settings.kafka.topics.inputs)
            try:
                _send(sending, traffic, options, stop, sent)
                sending.finish()
            finally:
                sending.close()
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    finally:
        _tell(sent, seed)


def print_lines(
    config: Path, environ: Mapping[str, str], options: GenerateOptions, sink: BinaryIO
) -> None:
    """Write records to *sink*, a line each as ``idstream resolve`` reads it."""
    load = replace(options.load, as_text=True)
    seed = _SEED if options.seed is None else options.seed
    traffic = _traffic(load_offline(config, environ), load, seed)
    times = (int(1000 * n / options.rate) for n in range(options.records or PRINTED))
    sink.writelines(line(traffic.take(_START_MS + time)) + b"\n" for time in times)
    sink.flush()


def line(sent: Sent) -> bytes:
    """Return the line of ``idstream resolve`` that stands for a record."""
    around = {
        "topic": sent.role,
        "timestamp_ms": sent.time_ms,
        "key": sent.key.decode(),
        "headers": {name: value.decode() for name, value in sent.headers},
    }
    # The value as it is: a bad one is no JSON.
    return msgspec.json.encode(around)[:-1] + b',"value":' + sent.value + b"}"


def _traffic(settings: Settings, load: Load, seed: int) -> Traffic:
    unknown = sorted(load.inputs - settings.inputs.keys())
    if unknown:
        known = ", ".join(settings.inputs)
        raise Failure(f"there is no input {unknown[0]}; the configuration has {known}")
    chance = random.Random(seed).random  # noqa: S311 - what is wanted is the same again
    try:
        return Traffic(settings.rules(), load, chance)
    except NothingToSay as error:
        raise Failure(str(error)) from None


def _send(
    sending: Sending, traffic: Traffic, options: GenerateOptions, stop: Event, sent: Counter[str]
) -> None:
    """Send what is due every twentieth of a second; where the broker is slower, later."""
    clock, most = Clock(), options.records
    began, done = clock.now(), 0
    if sys.stdout.isatty():
        note("Ctrl-C ends it.")
    with progress("sent", sys.stdout) as shown:
        while not stop.is_set() and (most is None or done < most):
            due = int((clock.now() - began) * options.rate) + 1 - done
            due = min(due, _MOST_OF_A_TURN, due if most is None else most - done)
            for _ in range(due):
                one = traffic.take(int(clock.wall() * 1000))
                sending.send(one.topic, one.key, one.value, one.headers)
                sent[_kind(one)] += 1
            done += max(due, 0)
            _hear(sending, traffic)
            shown.at(done, most or 0)


def _hear(sending: Sending, traffic: Traffic) -> None:
    """Let pass a turn; devices hear which profiles they were told, and name them from now on."""
    for answer in sending.answers(_TURN_S):
        told = dict(answer.headers)
        if REQUEST_ID in told and "mpid" in told:
            traffic.heard(told[REQUEST_ID].decode("utf-8", "replace"), told["mpid"].decode())


def _kind(sent: Sent) -> str:
    return f"{sent.role} of {sent.input}" if sent.wrong is None else f"bad: {sent.wrong}"


def _tell(sent: Counter[str], seed: int) -> None:
    if sent:
        rows = [(kind, f"{count:,}") for kind, count in sorted(sent.items())]
        print_table("Sent", ("what", "records"), rows)
        note(f"The same people do the same again: --seed {seed}")
