"""The index behind TLS: whom the processor believes, who it says it is, how a password moves."""

import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from processor.redis.index import RedisIndex
from tests.conformance.cases import played
from tests.conformance.players import play
from tests.conformance.story import Story
from tests.docs.pages import redis_rights
from tests.security.program import Stream
from tests.security.terminator import Terminator
from tests.servers.ports import free_port
from tests.servers.redis import Node

OTHER_NAME = "127.0.0.2"
"""This machine too, but not of the certificate."""
UNSEEN = ("requests", "responses", "changes", "profiles", "dead_letters")

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]


class TlsRedis(NamedTuple):
    """A server behind TLS; *node* is it, without."""

    node: Node
    port: int

    def url(self, password: str, **parameters: Path) -> str:
        """Return the address for the user idstream; *parameters* are those of the client."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"rediss://idstream:{password}@localhost:{self.port}/0?{query}"


@pytest.fixture
def tls_redis(redis_binary, certificates) -> Iterator[Callable[..., TlsRedis]]:
    """Start a server; ``asks=True``: it wants to see a certificate.

    It speaks TLS itself where ``IDSTREAM_TEST_REDIS_TLS_BINARY`` names one that can.
    """
    opened: list[Node | Terminator] = []

    def start(*, asks: bool = False) -> TlsRedis:
        options = ["--appendonly", "yes"]
        if binary := os.environ.get("IDSTREAM_TEST_REDIS_TLS_BINARY"):
            port = free_port()
            options += ["--tls-port", str(port), "--tls-auth-clients", "yes" if asks else "no"]
            options += ["--tls-cert-file", str(certificates.server)]
            options += ["--tls-key-file", str(certificates.server_key)]
            options += ["--tls-ca-cert-file", str(certificates.ca)]
            options += ["--bind", "127.0.0.1", OTHER_NAME]
            node = Node(Path(binary), *options).start()
            opened.append(node)
        else:
            node = Node(redis_binary, *options).start()
            opened.append(node)
            context = ssl.create_default_context(
                ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca)
            )
            context.load_cert_chain(certificates.server)
            context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
            front = Terminator(context, node.port)
            opened.insert(0, front)
            port = front.port
        for rights in redis_rights()[:2]:
            granted = [right.replace("PASSWORD", "first") for right in rights]
            if node.client.info("server")["redis_version"].startswith("7.0."):
                granted = [right for right in granted if right != "+client|setinfo"]
            node.client.execute_command("ACL", "SETUSER", "idstream", *granted)
        return TlsRedis(node, port)

    yield start
    for one in opened:
        one.close()


def config(url_file: Path, kafka: str = "localhost:1") -> str:
    return (
        f'[redis]\nurl_file = "{url_file}"\n[workspaces.retail]\npreset = "default"\n'
        f'[kafka]\nbootstrap_servers = "{kafka}"\n[observability]\nport = 0\n'
    )


def written(path: Path, content: str) -> Path:
    path.write_text(content + "\n")
    return path


def test_a_user_with_the_documented_rights_does_the_work_through_tls(
    tls_redis, certificates, tmp_path
):
    server = tls_redis()
    index = RedisIndex.connect(server.url("first", ssl_ca_certs=certificates.ca), "idstream")
    play(Story(next(c for c in played() if c.id == "PL-01")), index, tmp_path)
    index.close()
    assert server.node.client.keys("idstream:*")


@pytest.mark.parametrize("what", ["authority", "name", "password"])
def test_whom_it_does_not_believe_it_tells_nothing(
    tls_redis, certificates, tmp_path, idstream, what
):
    server = tls_redis()
    says = "certificate verify failed"
    if what == "authority":
        url = server.url("first", ssl_ca_certs=certificates.stranger)
    elif what == "name":
        url = server.url("first", ssl_ca_certs=certificates.ca).replace("localhost", OTHER_NAME)
    else:
        url, says = server.url("wrong", ssl_ca_certs=certificates.ca), "invalid username-password"
    done = idstream(config(written(tmp_path / "url", url))).command("check")
    assert done.returncode == 1
    assert says in done.stdout
    assert "wrong@" not in done.stdout + done.stderr


def test_a_server_that_asks_for_a_certificate_is_shown_one(
    tls_redis, certificates, tmp_path, idstream
):
    server = tls_redis(asks=True)
    without = server.url("first", ssl_ca_certs=certificates.ca)
    shown = server.url(
        "first",
        ssl_ca_certs=certificates.ca,
        ssl_certfile=certificates.client,
        ssl_keyfile=certificates.client_key,
    )
    refused = idstream(config(written(tmp_path / "without", without))).command("check")
    assert "Redis cannot be asked" in refused.stdout
    accepted = idstream(config(written(tmp_path / "with", shown))).command("check")
    assert "Redis cannot be asked" not in accepted.stdout, accepted.stdout


@pytest.mark.kafka
def test_a_password_is_changed_while_either_is_good(
    kafka, tls_redis, certificates, tmp_path, idstream
):
    server, url = tls_redis(), tmp_path / "url"
    users = server.node.client
    written(url, server.url("first", ssl_ca_certs=certificates.ca))
    names = {role: kafka.unique(role) for role in ("batches", "enriched", *UNSEEN)}
    topics = "".join(f'{role} = "{name}"\n' for role, name in names.items())
    program = idstream(config(url, kafka.bootstrap) + f"[kafka.topics]\n{topics}")
    made = program.command("check", "--create")
    assert made.returncode == 0, made.stderr
    stream = Stream(kafka, names["batches"], names["enriched"])

    program.start()
    stream.passes(program)
    users.execute_command("ACL", "SETUSER", "idstream", ">second")
    written(url, server.url("second", ssl_ca_certs=certificates.ca))
    program.stop()
    program.start()
    stream.passes(program)
    users.execute_command("ACL", "SETUSER", "idstream", "<first")
    stream.passes(program)
    program.stop()
    assert not program.says("second@")
