"""The service: reads receipts, and tells each of their callback addresses, signed.

An address comes from whoever made the request, so only hosts that the operator has named are
called, by HTTPS, and no redirect is followed. Offsets are committed once every address has taken
its receipt, or never will: a receipt may be told twice, and is never left out.
"""

import base64
import json
import logging
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import requests
from confluent_kafka import Consumer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_TIMEOUT_S: Final = 10.0
_PAUSES_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
"""After the last one a callback is given up, and logged."""
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATES: Final = {"refused": "cancelled"}
"""What OpenDSR has no word for."""
_WITH_RESULTS: Final = frozenset({"access", "portability"})

log = logging.getLogger("callbacks")


class Sender(NamedTuple):
    """Who calls, and whom it may call."""

    key: rsa.RSAPrivateKey
    domain: str
    """Ours, by which controllers look for the certificate."""
    hosts: Collection[str]
    verify: str | bool = True
    """Of TLS: the certificates of whom to believe."""
    api: str | None = None
    """Where controllers reach ``idstream serve``, such as https://privacy.example.com."""

    def signature(self, body: bytes) -> str:
        """Return the signature of *body*: RSA with SHA-256, in base64."""
        signed = self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signed).decode()

    def may_call(self, url: str) -> bool:
        """Whether *url* is one of the hosts that may be called, by HTTPS."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme == "https" and parts.netloc in self.hosts

    def call(self, url: str, body: bytes) -> int:
        """Tell *url*; return the status of its answer, 0 where it gave none."""
        headers = {
            "Content-Type": "application/json",
            "X-OpenDSR-Processor-Domain": self.domain,
            "X-OpenDSR-Signature": self.signature(body),
        }
        try:
            answer = requests.post(
                url,
                body,
                headers=headers,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                verify=self.verify,
            )
        except requests.RequestException:
            return 0
        return answer.status_code


def callback_of(receipt: dict[str, Any], url: str, api: str | None = None) -> bytes:
    """Return what *url* is told of *receipt*: the shape of OpenDSR, without any identity.

    *api* is the address of ``idstream serve``, where the results of an access are fetched.
    """
    state = receipt.get("state")
    body = {
        "controller_id": receipt.get("controller_id"),
        "expected_completion_time": receipt.get("expected_completion_time"),
        "subject_request_id": receipt["subject_request_id"],
        "request_status": _STATES.get(str(state), state),
        "status_callback_url": url,
        "results_url": None if api is None else _results_url(receipt, api),
    }
    return json.dumps({k: v for k, v in body.items() if v is not None}, sort_keys=True).encode()


def _results_url(receipt: dict[str, Any], api: str) -> str | None:
    is_access = receipt.get("subject_request_type") in _WITH_RESULTS
    if not is_access or receipt.get("state") != "completed" or not receipt.get("mpids"):
        return None
    path = f"/dsr/v3/requests/{quote(receipt['subject_request_id'], safe='')}/results"
    return f"{api}{path}?workspace={receipt['workspace']}"


def tell(sender: Sender, receipt: dict[str, Any], sleep: Callable[[float], None]) -> int:
    """Tell every address of *receipt*; return how many have taken it."""
    told = 0
    for url in receipt.get("status_callback_urls") or ():
        if not sender.may_call(url):
            log.warning("a callback to a host that is not among ours is left out")
            continue
        told += _told(sender, url, callback_of(receipt, url, sender.api), sleep)
    return told


def _told(sender: Sender, url: str, body: bytes, sleep: Callable[[float], None]) -> bool:
    host = urlsplit(url).netloc
    for pause in (*_PAUSES_S, None):
        status = sender.call(url, body)
        if status // 100 == 2:  # noqa: PLR2004 - taken
            return True
        if status and status not in _AGAIN:
            log.error("%s refuses a callback: %s", host, status)
            return False
        if pause is None:
            break
        log.warning("%s does not take a callback (%s); again in %s s", host, status, pause)
        sleep(pause)
    log.error("%s did not take a callback: given up", host)
    return False


class Service(NamedTuple):
    """What the service reads, and by whom it tells."""

    consumer: Consumer
    sender: Sender

    def turn(self, wait_s: float = 5.0, sleep: Callable[[float], None] = time.sleep) -> int:
        """Read what has come, tell it, and commit; return how many callbacks were taken."""
        messages = [one for one in self.consumer.consume(100, wait_s) if one.error() is None]
        told = sum(tell(self.sender, json.loads(one.value() or b"{}"), sleep) for one in messages)
        if messages:
            self.consumer.commit(asynchronous=False)
        return told


def main() -> None:
    """Serve until the process is ended. Everything is said by environment variables."""
    logging.basicConfig(level=logging.INFO)
    get = os.environ
    key = serialization.load_pem_private_key(Path(get["SIGNING_KEY_FILE"]).read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SystemExit("SIGNING_KEY_FILE: holds no RSA key")
    consumer = Consumer(
        {
            "bootstrap.servers": get["BOOTSTRAP_SERVERS"],
            "group.id": get.get("GROUP_ID", "privacy-callbacks"),
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([get.get("RECEIPTS", "privacy-receipts")])
    sender = Sender(key, get["DOMAIN"], get["HOSTS"].split(","), api=get.get("API"))
    service = Service(consumer, sender)
    while True:
        service.turn()


if __name__ == "__main__":
    main()
