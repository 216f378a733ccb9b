"""The names of librdkafka's settings: which clients know them, and which may not be given."""

from typing import Final, Literal

Role = Literal["consumer", "producer", "admin"]

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
WEAKENS: Final = "weakens TLS or authentication"
_OURS: Final = "is the processor's to set: its guarantees rest on it"
REFUSED: Final = {
    "plugin.library.paths": _LOADS_CODE,
    "ssl.engine.location": _LOADS_CODE,
    "ssl.providers": _LOADS_CODE,
    "sasl.kerberos.kinit.cmd": _LOADS_CODE,
    "enable.sasl.oauthbearer.unsecure.jwt": WEAKENS,
    "bootstrap.servers": "has a key of its own: kafka.bootstrap_servers",
    "metadata.broker.list": "has a key of its own: kafka.bootstrap_servers",
    "group.id": "has a key of its own: kafka.group_id",
    "group.instance.id": "has a key of its own: kafka.instance_id",
    **dict.fromkeys(_FIXED.split(), _OURS),
}
"""Why a setting is refused, by its name."""
