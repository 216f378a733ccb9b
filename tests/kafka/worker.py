"""A process with a pass-through loop, to be killed: ``python -m tests.kafka.worker SETTINGS``."""

import json
import os
import signal
import sys
from threading import Event

from processor.crash import CrashPoints
from processor.kafka.loop.open import Process, open_loop
from processor.settings import KafkaSettings, TopicSettings
from tests.kafka.deaf import Deaf
from tests.kafka.passing import PassThrough

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    topics = TopicSettings(batches=(given.pop("input"),), requests=(), enriched=given.pop("output"))
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    process = Process(name=f"worker-{os.getpid()}", reach=CrashPoints(os.environ).reach)
    kafka = KafkaSettings(topics=topics, **given)
    open_loop(kafka, PassThrough("worker"), process, Deaf()).run(stop)
