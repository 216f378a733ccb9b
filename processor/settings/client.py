"""``[kafka.client]``: which of librdkafka's own settings may be given.

A setting that would load code, weaken TLS or break a promise of the processor is refused.
"""

from typing import Final, Literal

from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.sections import ClientValue, KafkaSettings

Role = Literal["consumer", "producer", "admin"]

LONGEST_TRANSACTION_MS: Final = 60_000

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
KNOWN: Final = {
    "consumer": frozenset((_EVERYBODY + _CONSUMER).split()),
    "producer": frozenset((_EVERYBODY + _PRODUCER).split()),
    "admin": frozenset(_EVERYBODY.split()),
}
"""The names that clients of a role are given; clients of other roles would warn of them."""

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
    """Raise SettingsError for an entry that is refused or unknown; its value is not told.

    Entries of ``client_files`` count too, once their files have been read.
    """
    mistakes = Mistakes()
    for key in kafka.client_files:
        with mistakes.noted():
            _check_name(key, f"kafka.client_files.{key}")
    for key, value in kafka.client_options().items():
        where = "client_files" if key in kafka.client_files else "client"
        with mistakes.noted():
            _check_name(key, f"kafka.{where}.{key}")
            _check_value(key, value, f"kafka.{where}.{key}")
    mistakes.check()


def _check_name(key: str, where: str) -> None:
    if key in _REFUSED:
        raise SettingsError(f"{where}: refused, it {_REFUSED[key]}")
    if not any(key in known for known in KNOWN.values()):
        known = frozenset[str]().union(*KNOWN.values())
        raise SettingsError(
            f"{where}: no setting that may be given to librdkafka{hint(key, known)}"
        )


def _check_value(key: str, value: ClientValue, where: str) -> None:
    text = str(value).strip().lower()
    if (key == "enable.ssl.certificate.verification" and text not in _ON) or (
        key == "ssl.endpoint.identification.algorithm" and text != "https"
    ):
        raise SettingsError(f"{where}: refused, this value {_TLS}")
    if key == "transaction.timeout.ms" and not _is_short(text):
        most = LONGEST_TRANSACTION_MS
        raise SettingsError(
            f"{where}: at most {most}; a dead process holds up its heirs for that long"
        )


def _is_short(milliseconds: str) -> bool:
    return milliseconds.isdecimal() and int(milliseconds) <= LONGEST_TRANSACTION_MS
