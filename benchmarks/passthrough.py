"""The least that any processor of this kind does: ``python -m benchmarks.passthrough CONFIG``.

It consumes, hands the same bytes to the output topic, and commits, through the same loop, client
settings and transactions as idstream. What idstream takes beyond it is what it does.
"""

import gc
import os
import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from threading import Event

from processor.index.port import Assignment
from processor.kafka.loop.open import Process, open_loop
from processor.records import Output, Record
from processor.settings import load
from tests.kafka.deaf import Deaf


class PassThrough:
    """Does nothing with a record but publish it."""

    def assign(self, partitions: Sequence[Assignment], others: Sequence[Assignment]) -> None: ...
    def revoke(self, partitions: Collection[tuple[str, int]]) -> None: ...

    def process(self, records: Sequence[Record]) -> list[Output]:
        return [
            Output(
                "enriched",
                record.key,
                record.value,
                (
                    *record.headers,
                    ("source-topic", record.topic.encode()),
                    ("source-partition", b"%d" % record.partition),
                    ("source-offset", b"%d" % record.offset),
                ),
            )
            for record in records
        ]

    def lots(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:  # noqa: ARG002
        return ()

    def idle(self) -> Sequence[Output]:
        return ()

    def metadata(self, topic: str, partition: int) -> str:  # noqa: ARG002
        return ""

    def committed(self) -> None:
        gc.collect(1)

    def forget(self) -> None: ...

    def excuse(self) -> None: ...


def main() -> None:
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    kafka = load(Path(sys.argv[1]), os.environ).kafka
    process = Process(name=f"passthrough-{os.getpid()}")
    loop = open_loop(kafka, PassThrough(), process, Deaf())
    gc.freeze()
    gc.disable()
    loop.run(stop)


if __name__ == "__main__":
    main()
