"""Controllers are told of receipts, signed; only those whom the operator has named."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from confluent_kafka import Consumer, Producer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from examples.callbacks.callbacks import Sender, Service, callback_of, tell
from processor.kafka.mock import EmbeddedBroker
from tests.docs.pages import ROOT
from tests.security.certificates import Certificates, make_certificates

KEY = rsa.generate_private_key(65_537, 2048)
RECEIPT = json.loads((ROOT / "schemas/subject-receipt/examples/completed.json").read_text())
ACCESS = json.loads((ROOT / "schemas/subject-receipt/examples/access.json").read_text())
URL, API = "https://controller.example.net/callbacks", "https://privacy.example.com"


class Controller:
    """A controller that answers with some statuses, the last one for ever."""

    def __init__(self, address: str, statuses: list[int]) -> None:
        self.host = address
        self.statuses = statuses
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"https://{self.host}/callbacks"


@pytest.fixture
def certificates(tmp_path) -> Certificates:
    return make_certificates(tmp_path, "office")


@contextmanager
def controller(certificates: Certificates, statuses: list[int]) -> Iterator[Controller]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append((dict(self.headers), body))
            status = told.statuses.pop(0) if len(told.statuses) > 1 else told.statuses[0]
            self.send_response(status)
            self.send_header("Location", told.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    told = Controller(f"localhost:{server.server_port}", statuses)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sender(certificates: Certificates, *hosts: str) -> Sender:
    return Sender(KEY, "privacy.example.com", hosts, str(certificates.ca))


def receipt_to(*urls: str) -> dict[str, object]:
    return {**RECEIPT, "status_callback_urls": list(urls)}


def test_a_controller_gets_what_it_can_check(certificates):
    with controller(certificates, [200]) as told:
        assert tell(sender(certificates, told.host), receipt_to(told.url), pytest.fail) == 1
    ((headers, body),) = told.got
    signature = base64.b64decode(headers["X-OpenDSR-Signature"])
    KEY.public_key().verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
    assert headers["X-OpenDSR-Processor-Domain"] == "privacy.example.com"
    said = json.loads(body)
    assert said["subject_request_id"] == RECEIPT["subject_request_id"]
    assert said["request_status"] == "completed"
    assert said["status_callback_url"] == told.url


def test_nothing_that_identifies_anybody_is_told():
    body = callback_of({**RECEIPT, "mpids": ["2345"], "identities": {"email": 1}}, URL, API)
    assert not {"mpids", "identities", "results_url"} & json.loads(body).keys()


def test_of_an_access_that_found_somebody_it_tells_where_the_results_are():
    found = {**ACCESS, "subject_request_id": "a/b", "mpids": ["2345"]}
    said = json.loads(callback_of(found, URL, API))
    assert said["results_url"] == f"{API}/dsr/v3/requests/a%2Fb/results?workspace=retail"
    others = ({**found, "mpids": []}, {**found, "state": "cancelled"})
    for body in (*(callback_of(one, URL, API) for one in others), callback_of(found, URL)):
        assert "results_url" not in json.loads(body)


def test_a_host_that_was_not_named_is_not_called_nor_one_without_tls(certificates):
    with controller(certificates, [200]) as told:
        its = sender(certificates, told.host)
        plain = told.url.replace("https", "http")
        for url in ("https://169.254.169.254/", plain, f"https://{told.host}@else.example/", "::"):
            assert tell(its, receipt_to(url), pytest.fail) == 0
        assert not told.got


def test_who_is_busy_is_asked_again_and_who_refuses_is_not(certificates):
    pauses: list[float] = []
    with controller(certificates, [503, 429, 200]) as told:
        assert tell(sender(certificates, told.host), receipt_to(told.url), pauses.append) == 1
    assert (len(told.got), pauses) == (3, [1.0, 5.0])
    for status in (400, 302):
        with controller(certificates, [status]) as told:
            assert tell(sender(certificates, told.host), receipt_to(told.url), pytest.fail) == 0
        assert len(told.got) == 1


def test_who_never_takes_it_is_given_up(certificates):
    pauses: list[float] = []
    with controller(certificates, [500]) as told:
        assert tell(sender(certificates, told.host), receipt_to(told.url), pauses.append) == 0
    assert len(pauses) == 5


def test_receipts_are_read_from_their_topic_once(certificates):
    broker = EmbeddedBroker(["privacy-receipts"])
    servers = {"bootstrap.servers": broker.bootstrap_servers}
    settings = {"group.id": "g", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    with controller(certificates, [200]) as told:
        producer = Producer(servers)
        for receipt in (receipt_to(told.url), receipt_to()):
            producer.produce("privacy-receipts", json.dumps(receipt))
        assert producer.flush(20) == 0
        for _ in range(2):
            consumer = Consumer({**servers, **settings})
            consumer.subscribe(["privacy-receipts"])
            service = Service(consumer, sender(certificates, told.host))
            for _ in range(3):
                service.turn(wait_s=3.0, sleep=pytest.fail)
            consumer.close()
    assert len(told.got) == 1
    broker.stop()
