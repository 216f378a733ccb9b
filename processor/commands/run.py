"""``idstream run``: the processor, until SIGTERM or Ctrl-C."""

import os
import shlex
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Final

from msgspec.structs import replace

from processor import app
from processor.commands.terminal.console import note
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.signals import stopped_by_signals
from processor.embedded.mode import embedded_settings, embedding
from processor.kafka.clock import Clock
from processor.settings import Settings, load
from processor.watch.admin import Admin
from processor.watch.logs import open_log
from processor.workers.worker import Command
from processor.workers.workers import Unclean, Workers, worker_command


def run(
    config: Path, environ: Mapping[str, str], workers: int | None, *, accept_offsets: bool
) -> None:
    """Run the processor that *config* describes, or so many *workers*."""
    settings = load(config, environ)
    count = settings.kafka.workers if workers is None else workers
    if count > 1:
        command = worker_command(sys.executable, str(config), accept_offsets=accept_offsets)
        supervise(settings, environ, count, command)
        return
    options = app.RunOptions(accept_offsets=accept_offsets)
    app.serve(settings, environ, stopped_by_signals(), sys.stdout, options)


def supervise(
    settings: Settings,
    environ: Mapping[str, str],
    count: int,
    command: Command,
    shared: Sequence[int] = (),
) -> None:
    """Run *count* workers by their *command*, and answer for them on the admin port.

    *shared* are file descriptors that all of them get.
    """
    stop, listen, clock = stopped_by_signals(), settings.observability, Clock()
    log = open_log(sys.stdout, listen.log_level, clock.now, environ)
    workers = Workers(count, command, log, clock.now, shared)
    admin = Admin(listen.host, listen.port, workers.answer)
    log.info("supervising", workers=count, admin_port=admin.port)
    try:
        workers.run(stop)
    except Unclean as unclean:
        raise Failure(str(unclean)) from None
    finally:
        admin.stop()
    log.info("stopped")


def run_worker(
    config: Path, environ: Mapping[str, str], given: str, *, accept_offsets: bool
) -> None:
    """Run as a worker: *given* are its number and the socket of its admin server.

    It stops where the process that supervises it has ended.
    """
    number, descriptor = map(int, given.split(":"))
    settings = load(config, environ)
    if settings.kafka.instance_id is not None:
        own = f"{settings.kafka.instance_id}-{number}"
        settings = replace(settings, kafka=replace(settings.kafka, instance_id=own))
    stop = stopped_by_signals()
    at_end_of_input(stop.set)
    options = app.RunOptions(
        accept_offsets=accept_offsets,
        worker=number,
        listening=socket.socket(fileno=descriptor),
    )
    app.serve(settings, environ, stop, sys.stdout, options)


def at_end_of_input(act: Callable[[], None]) -> None:
    """Let a thread do *act* when standard input ends: whoever supervises this process has ended."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        act()

    Thread(target=wait, name="orphaned", daemon=True).start()


NOTICE: Final = """\
idstream runs embedded, at_least_once: outputs may repeat, and nothing outlives this process.
Kafka is at {servers}, with the topics {topics}.
Metrics are at http://{admin}/metrics. Ctrl-C ends it.

Send a batch, from another terminal:

echo '{{"user_identities": {{"email": "ed@example.com"}}, "events": [{{"event_type": "session_start"}}]}}' \\
  | {python} -c 'import sys; from confluent_kafka import Producer; p = Producer({{"bootstrap.servers": "{servers}"}}); p.produce("{batches}", sys.stdin.read()); p.flush()'

Read what comes out:

{python} -c 'from confluent_kafka import Consumer; c = Consumer({{"bootstrap.servers": "{servers}", "group.id": "you", "auto.offset.reset": "earliest"}}); c.subscribe(["{enriched}"]); print(c.poll(20).value().decode())'
"""  # noqa: E501 - lines to copy


def run_embedded(config: Path | None, environ: Mapping[str, str], *, accept_offsets: bool) -> None:
    """Run the processor on a broker and an index of its own."""
    stop = stopped_by_signals()
    with embedding(embedded_settings(config, environ)) as settings:
        topics = settings.kafka.topics
        note(
            NOTICE.format(
                servers=settings.kafka.bootstrap_servers,
                topics=", ".join([*topics.inputs, *topics.outputs.values()]),
                admin=f"{settings.observability.host}:{settings.observability.port}",
                python=shlex.quote(sys.executable),
                batches=topics.batches[0],
                enriched=topics.enriched,
            )
        )
        options = app.RunOptions(embedded=True, accept_offsets=accept_offsets)
        app.serve(settings, environ, stop, sys.stdout, options)
