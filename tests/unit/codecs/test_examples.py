"""The examples of incoming messages decode."""

from pathlib import Path

import pytest

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.request import decode_request
from processor.identity.types import STANDARD_KEYS
from processor.records import EventBatch, IdentityCall
from processor.rules import Limits

SCHEMAS = Path(__file__).parents[3] / "schemas"
BATCHES = sorted((SCHEMAS / "event-batch" / "examples").glob("*.json"))
REQUESTS = sorted((SCHEMAS / "identity-request" / "examples").glob("*.json"))


@pytest.mark.parametrize("path", BATCHES, ids=lambda p: p.stem)
def test_an_example_of_an_event_batch_decodes(path):
    assert isinstance(
        decode_batch(path.read_bytes(), STANDARD_KEYS, Limits(), open_object), EventBatch
    )


@pytest.mark.parametrize("path", REQUESTS, ids=lambda p: p.stem)
def test_an_example_of_an_identity_request_decodes_without_error(path):
    call = decode_request(path.read_bytes(), STANDARD_KEYS, Limits(), open_object)
    assert isinstance(call, IdentityCall)
    assert (call.request_type, call.error) == (path.stem, None)


def test_there_is_an_example_of_every_request():
    assert {path.stem for path in REQUESTS} == {
        "alias",
        "identify",
        "login",
        "logout",
        "modify",
        "search",
    }
