"""The processor in a background thread: the demo asks it from the foreground."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

from processor import app
from processor.settings import Settings


class ProcessorThread(Thread):
    """The processor in a thread of its own, as ``run`` has it in a process."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        super().__init__(name="idstream-loop")
        self._settings = settings
        self._environ = environ
        self.stop = Event()
        self.error: Exception | None = None

    # typing.override is younger than our oldest Python
    def run(self) -> None:  # type: ignore[explicit-override]
        """Process until told to stop; keep the error that ended it before."""
        options = app.RunOptions(embedded=True)
        try:
            app.serve(self._settings, self._environ, self.stop, sys.stderr, options)
        except Exception as error:  # noqa: BLE001 - the stage raises it where it waits
            self.error = error


@contextmanager
def processing(settings: Settings, environ: Mapping[str, str]) -> Iterator[ProcessorThread]:
    """Run the processor of *settings* while the block lasts."""
    processor = ProcessorThread(settings, environ)
    processor.start()
    try:
        yield processor
    finally:
        processor.stop.set()
        processor.join()
