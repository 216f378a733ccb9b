"""The form by which somebody at a page asks for a person's erasure or access."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Final

import msgspec
from msgspec import Struct

from processor.codecs.moment import text_of_moment

TYPES: Final = ("erasure", "access")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Asked(Struct, frozen=True):
    """What stands in the form."""

    request_type: str = "erasure"
    regulation: str = "gdpr"
    environment: str = "production"
    kind: str = ""
    value: str = ""
    suppress: bool = False
    request_id: str = ""
    submitted_time: str = ""


def asked_by(form: Mapping[str, str], now_ms: int) -> Asked:
    """Return what *form* asks for.

    Its id and time are made with the first step and come back with the second, so that to send
    it twice is to send one request twice.
    """
    return Asked(
        form.get("request_type", ""),
        form.get("regulation", "").strip(),
        form.get("environment", ""),
        form.get("type", ""),
        form.get("value", "").strip(),
        form.get("suppress") == "yes",
        form.get("request_id") or token_hex(16),
        form.get("submitted_time") or text_of_moment(now_ms),
    )


def request_of(asked: Asked, *, dry_run: bool) -> bytes:
    """Return the request as its topic has it."""
    wishes = {"dry_run": dry_run, "suppress": asked.suppress}
    body = {
        "subject_request_id": asked.request_id,
        "subject_request_type": asked.request_type,
        "regulation": asked.regulation,
        "submitted_time": asked.submitted_time,
        "environment": asked.environment,
        "subject_identities": {asked.kind: {"value": asked.value, "encoding": "raw"}},
        "extensions": {"idstream": wishes},
    }
    return _encode(body)
