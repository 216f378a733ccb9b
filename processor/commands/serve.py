"""``idstream serve``: the profile API, until SIGTERM or Ctrl-C."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from processor.commands.run import at_end_of_input, supervise
from processor.commands.terminal.failure import Failure
from processor.settings import load
from processor.workers.workers import serving_command


def serve(config: Path, environ: Mapping[str, str]) -> None:
    """Serve the profiles of the index that *config* names, by as many workers as it says."""
    settings, service = load(config, environ), _service()
    if settings.serve is None or settings.serve.workers == 1:
        service.serve(settings, environ, sys.stdout)
        return
    service.check(settings, settings.serve)
    with service.listening(settings.serve) as opened:
        command = serving_command(sys.executable, str(config), opened.fileno())
        supervise(settings, environ, settings.serve.workers, command, (opened.fileno(),))


def serve_as_worker(config: Path, environ: Mapping[str, str], given: str) -> None:
    """Serve as a worker: *given* are its number and the sockets of its admin server and of all.

    It stops where the process that supervises it has ended.
    """
    number, admin, listening = map(int, given.split(":"))
    settings, service = load(config, environ), _service()
    at_end_of_input(lambda: os.kill(os.getpid(), signal.SIGTERM))
    sockets = service.Sockets(number, socket.socket(fileno=admin), socket.socket(fileno=listening))
    service.serve(settings, environ, sys.stdout, sockets)


def _service() -> ModuleType:
    try:
        from processor.serve import service  # noqa: PLC0415 - an extra, which may not be there
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: install idstream with its extra, idstream[serve]"
        raise Failure(text) from None
    return service
