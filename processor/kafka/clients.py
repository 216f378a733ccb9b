"""librdkafka's configuration: what exactly once needs is fixed, the rest is ``[kafka.client]``.

Each client is given those of the user's settings that its role knows (``settings.librdkafka``).
"""

import logging
from typing import Any, Final

from processor.settings import KafkaSettings
from processor.settings.librdkafka import KNOWN, Role

Config = dict[str, Any]

TRANSACTION_TIMEOUT_MS: Final = 10_000
_LOGGER: Final = "idstream.librdkafka"
# Without any handler, Python writes them to standard error, where a command says one line.
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())


def client_config(kafka: KafkaSettings, role: Role) -> Config:
    """Return what all clients of *role* share: where the cluster is, and the user's own settings.

    librdkafka's log lines go to the logger ``idstream.librdkafka``, when the client is polled; an
    admin client is not, and says what is wrong in its answers.
    """
    mine = {k: v for k, v in kafka.client_options().items() if k in KNOWN[role]}
    log = {"log_level": 0} if role == "admin" else {"logger": logging.getLogger(_LOGGER)}
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": "idstream",
        "socket.nagle.disable": True,
        **log,
        **mine,
    }


def consumer_config(kafka: KafkaSettings) -> Config:
    """Return the configuration of the one consumer of all input topics."""
    config = {
        # A dead member's partitions wait for its session to end.
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 1_000,
        # Leaving the group has no timeout but its requests', and a stop waits for it.
        "socket.timeout.ms": 10_000,
        # Memory: a fetched record may be 50 MB, and lz4 is not bounded by librdkafka.
        "fetch.max.bytes": 16 * 1024 * 1024,
        "fetch.message.max.bytes": 2 * 1024 * 1024,
        "queued.max.messages.kbytes": 64 * 1024,
        # The default of a second starves a consumer that empties its queue in less.
        "fetch.queue.backoff.ms": 10,
        **client_config(kafka, "consumer"),
        "group.id": kafka.group_id,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
    }
    if kafka.instance_id is not None:
        config["group.instance.id"] = kafka.instance_id
    return config


def reader_config(kafka: KafkaSettings, group_id: str) -> Config:
    """Return the configuration of a consumer of a command, which is assigned its partitions.

    It joins no group; offsets are those of *group_id*, and are committed by the command only. It
    reads what is committed, and tells the end of each partition.
    """
    return {
        "queued.max.messages.kbytes": 64 * 1024,
        "fetch.queue.backoff.ms": 10,
        **client_config(kafka, "consumer"),
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
    }


def bystander_config(kafka: KafkaSettings) -> Config:
    """Return the configuration of a consumer that only asks for the group's committed offsets.

    It joins no group. Nobody polls it, so it says what is wrong in its answers, as an admin client
    does. Offsets in an open transaction do not count, and its isolation lets it not wait for them.
    """
    return {
        # An answer that is not there by then does not come: ask on another connection.
        "socket.timeout.ms": 5_000,
        **client_config(kafka, "admin"),
        "group.id": kafka.group_id,
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",
        "allow.auto.create.topics": False,
    }


def producer_config(kafka: KafkaSettings) -> Config:
    """Return what the producers of both guarantees share."""
    return {
        "compression.type": "lz4",
        "queue.buffering.max.kbytes": 128 * 1024,
        # A dead letter is as large as the record was, and brokers take no request beyond this.
        "message.max.bytes": 100 * 1024 * 1024,
        # No topic may refuse a batch of records that it would take one by one, see `check`.
        "batch.size": 500_000,
        **client_config(kafka, "producer"),
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        # Requests that wait for a partition to join the transaction are tried again after this.
        "retry.backoff.ms": 5,
        "delivery.report.only.error": True,
    }


def transactional_config(kafka: KafkaSettings, process: str) -> Config:
    """Return the configuration of the transactional producer of *process* (host, pid, start)."""
    config = {"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS, **producer_config(kafka)}
    return {**config, "transactional.id": f"{kafka.group_id}-{kafka.instance_id or process}"}


def command_config(kafka: KafkaSettings, name: str) -> Config:
    """Return the configuration of a command's transactional producer: its id is <group>-<name>."""
    return {
        **transactional_config(kafka, name),
        "transactional.id": f"{kafka.group_id}-{name}",
    }


def idempotent_config(kafka: KafkaSettings) -> Config:
    """Return the configuration of the producer of at_least_once."""
    config = {**producer_config(kafka), "message.timeout.ms": 30_000}
    config.pop("transaction.timeout.ms", None)
    return config
