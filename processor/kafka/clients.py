"""librdkafka's configuration: what exactly once needs is fixed, the rest passes an allow-list.

``[kafka.client]`` holds librdkafka's own names. A name that a role does not know is not given to
it; a name that would load code, weaken TLS or break what the processor promises is refused.
"""

import logging
from typing import Any, Final, Literal

from processor.settings import KafkaSettings, SettingsError

Config = dict[str, Any]
Role = Literal["consumer", "producer", "admin"]

TRANSACTION_TIMEOUT_MS: Final = 10_000
LONGEST_TRANSACTION_MS: Final = 60_000
_LOGGER: Final = "idstream.librdkafka"
# Without any handler, Python writes them to standard error, where a command says one line.
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())

_EVERYBODY: Final = """
    security.protocol client.id client.dns.lookup broker.address.family broker.address.ttl
    sasl.mechanism sasl.mechanisms sasl.username sasl.password
    sasl.kerberos.service.name sasl.kerberos.principal sasl.kerberos.keytab
    sasl.oauthbearer.method sasl.oauthbearer.config sasl.oauthbearer.client.id
    sasl.oauthbearer.client.secret sasl.oauthbearer.scope sasl.oauthbearer.extensions
    sasl.oauthbearer.token.endpoint.url sasl.oauthbearer.grant.type
    ssl.ca.location ssl.ca.pem ssl.crl.location ssl.certificate.location ssl.certificate.pem
    ssl.key.location ssl.key.pem ssl.key.password ssl.keystore.location ssl.keystore.password
    ssl.cipher.suites ssl.curves.list ssl.sigalgs.list https.ca.location https.ca.pem
    ssl.endpoint.identification.algorithm enable.ssl.certificate.verification
    socket.timeout.ms socket.connection.setup.timeout.ms socket.keepalive.enable
    socket.send.buffer.bytes socket.receive.buffer.bytes socket.max.fails connections.max.idle.ms
    reconnect.backoff.ms reconnect.backoff.max.ms metadata.max.age.ms
    topic.metadata.refresh.interval.ms topic.metadata.propagation.max.ms
"""
_CONSUMER: Final = """
    session.timeout.ms heartbeat.interval.ms max.poll.interval.ms client.rack
    fetch.min.bytes fetch.max.bytes fetch.wait.max.ms fetch.error.backoff.ms
    fetch.message.max.bytes max.partition.fetch.bytes fetch.queue.backoff.ms
    queued.min.messages queued.max.messages.kbytes receive.message.max.bytes check.crcs
"""
_PRODUCER: Final = """
    linger.ms queue.buffering.max.ms batch.size batch.num.messages message.max.bytes
    queue.buffering.max.messages queue.buffering.max.kbytes compression.type compression.codec
    compression.level request.timeout.ms transaction.timeout.ms
"""
_KNOWN: Final = {
    "consumer": frozenset((_EVERYBODY + _CONSUMER).split()),
    "producer": frozenset((_EVERYBODY + _PRODUCER).split()),
    "admin": frozenset(_EVERYBODY.split()),
}

_FIXED: Final = """
    transactional.id enable.idempotence enable.gapless.guarantee acks request.required.acks
    max.in.flight max.in.flight.requests.per.connection retries message.send.max.retries
    message.timeout.ms delivery.timeout.ms partitioner isolation.level auto.offset.reset
    enable.auto.commit auto.commit.enable auto.commit.interval.ms enable.auto.offset.store
    partition.assignment.strategy group.protocol group.remote.assignor enable.partition.eof
    allow.auto.create.topics retry.backoff.ms retry.backoff.max.ms
"""

_LOADS_CODE: Final = "loads or runs code"
_TLS: Final = "weakens TLS or authentication"
_OURS: Final = "is the processor's to set: its guarantees rest on it"
_REFUSED: Final = {
    "plugin.library.paths": _LOADS_CODE,
    "ssl.engine.location": _LOADS_CODE,
    "ssl.providers": _LOADS_CODE,
    "sasl.kerberos.kinit.cmd": _LOADS_CODE,
    "enable.sasl.oauthbearer.unsecure.jwt": _TLS,
    "bootstrap.servers": "has a key of its own: kafka.bootstrap_servers",
    "metadata.broker.list": "has a key of its own: kafka.bootstrap_servers",
    "group.id": "has a key of its own: kafka.group_id",
    "group.instance.id": "has a key of its own: kafka.instance_id",
    **dict.fromkeys(_FIXED.split(), _OURS),
}
_ON: Final = {"true", "t", "1"}


def check_client(kafka: KafkaSettings) -> None:
    """Raise SettingsError for the first entry of ``[kafka.client]`` that is refused or unknown."""
    for key, value in kafka.client_options().items():
        where = f"kafka.client.{key}"
        text = str(value).strip().lower()
        if key in _REFUSED:
            raise SettingsError(f"{where}: refused, it {_REFUSED[key]}")
        if not any(key in known for known in _KNOWN.values()):
            raise SettingsError(f"{where}: no setting that may be given to librdkafka")
        if (key == "enable.ssl.certificate.verification" and text not in _ON) or (
            key == "ssl.endpoint.identification.algorithm" and text != "https"
        ):
            raise SettingsError(f"{where}: refused, {value!r} {_TLS}")
        if key == "transaction.timeout.ms" and not _is_short(text):
            most = LONGEST_TRANSACTION_MS
            raise SettingsError(
                f"{where}: at most {most}; a dead process holds up its heirs for that long"
            )


def _is_short(milliseconds: str) -> bool:
    return milliseconds.isdecimal() and int(milliseconds) <= LONGEST_TRANSACTION_MS


def client_config(kafka: KafkaSettings, role: Role) -> Config:
    """Return what all clients of *role* share: where the cluster is, and the user's own settings.

    librdkafka's log lines go to the logger ``idstream.librdkafka``, when the client is polled; an
    admin client is not, and says what is wrong in its answers.
    """
    check_client(kafka)
    mine = {k: v for k, v in kafka.client_options().items() if k in _KNOWN[role]}
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
        # A commit of offsets has no timeout but its request's, and a stop waits for it.
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


def idempotent_config(kafka: KafkaSettings) -> Config:
    """Return the configuration of the producer of at_least_once."""
    config = {**producer_config(kafka), "message.timeout.ms": 30_000}
    config.pop("transaction.timeout.ms", None)
    return config
