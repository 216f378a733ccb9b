"""The least that any processor of this kind does: ``python -m benchmarks.passthrough CONFIG``.

It consumes, hands the same bytes to the output topic, and commits, exactly once, in transactions of
the same interval and with the producer settings that idstream has. It shares no code with idstream.
For one process and a group that nobody else joins: what a rebalance needs is left out.
"""

import gc
import signal
import sys
import time
import tomllib
from pathlib import Path
from threading import Event

from confluent_kafka import Consumer, Producer

POLL_BATCH = 500


def clients(kafka: dict) -> tuple[Consumer, Producer]:
    """Return a consumer and a transactional producer of a configuration's ``[kafka]``."""
    servers, group = kafka["bootstrap_servers"], kafka["group_id"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": f"{group}-passthrough",
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 500_000,
        }
    )
    producer.init_transactions(30)
    return consumer, producer


def carry(kafka: dict, stop: Event) -> None:
    """Carry records over until told to stop."""
    consumer, producer = clients(kafka)
    consumer.subscribe(kafka["topics"]["batches"])
    enriched, interval = kafka["topics"]["enriched"], kafka["commit_interval_ms"] / 1000
    while not stop.is_set():
        messages = consumer.consume(POLL_BATCH, 0.02)
        if not messages:
            continue
        producer.begin_transaction()
        ends = time.monotonic() + interval
        while True:
            for message in messages:
                producer.produce(enriched, message.value(), message.key())
            producer.poll(0)
            if time.monotonic() >= ends:
                break
            messages = consumer.consume(POLL_BATCH, 0.02)
        producer.flush()  # or the offsets of a small transaction wait for librdkafka's retry
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(
            [p for p in positions if p.offset >= 0], consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
    consumer.close()


def main() -> None:
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    gc.freeze()
    carry(tomllib.loads(Path(sys.argv[1]).read_text())["kafka"], stop)


if __name__ == "__main__":
    main()
