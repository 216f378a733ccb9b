"""Servers with TLS, and the processor as a process that meets them."""

from collections.abc import Callable, Iterator

import pytest

from tests.security.broker import USER, SecureKafka
from tests.security.certificates import Certificates, make_certificates
from tests.security.program import Idstream
from tests.servers.kafka_node import Unavailable
from tests.servers.missing import missing


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), client=USER)


@pytest.fixture(scope="package")
def secure_kafka(certificates) -> Iterator[SecureKafka]:
    try:
        kafka = SecureKafka(certificates)
    except Unavailable as reason:
        missing(f"no Kafka broker of our own: {reason}")
    yield kafka
    kafka.node.close()


@pytest.fixture
def idstream(tmp_path) -> Iterator[Callable[[str], Idstream]]:
    """Write a configuration and return the program that reads it."""
    made: list[Idstream] = []

    def make(config: str) -> Idstream:
        path = tmp_path / f"{len(made)}.toml"
        path.write_text(config)
        made.append(Idstream(path))
        return made[-1]

    yield make
    for one in made:
        one.close()
