"""The form by which somebody at a page asks for a person's erasure or access."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Final

import msgspec
from msgspec import Struct

from processor.codecs.moment import text_of_moment
from processor.serve.refusal import bad_request

TYPES: Final = ("erasure", "access")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Asked(Struct, frozen=True):
    """What stands in the form."""

    request_type: str = "erasure"
    regulation: str = "gdpr"
    environment: str = "production"
    kind: str = ""
    value: str = ""
    others: str = ""
    """More identities of the person, a line each, as type=value."""
    suppress: bool = False
    group_id: str = ""
    request_id: str = ""
    submitted_time: str = ""

    def named(self) -> list[tuple[str, str]]:
        """Return type and value of each identity; Refusal for a line that has none."""
        found = [(self.kind, self.value)]
        for number, line in enumerate(self.others.split("\n"), 1):
            if not line.strip():
                continue
            name, equals, value = line.partition("=")
            if not (equals and name.strip() and value.strip()):
                raise bad_request(f"line {number} of the other identities: write type=value")
            found.append((name.strip(), value.strip()))
        return found


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
        form.get("others", "").strip(),
        form.get("suppress") == "yes",
        form.get("group_id", "").strip(),
        form.get("request_id") or token_hex(16),
        form.get("submitted_time") or text_of_moment(now_ms),
    )


def request_of(asked: Asked, *, dry_run: bool) -> bytes:
    """Return the request as its topic has it."""
    identities: dict[str, list[dict[str, str]]] = {}
    for kind, value in asked.named():
        identities.setdefault(kind, []).append({"value": value, "encoding": "raw"})
    wishes = {"dry_run": dry_run, "suppress": asked.suppress}
    body = {
        "subject_request_id": asked.request_id,
        "subject_request_type": asked.request_type,
        "regulation": asked.regulation,
        "submitted_time": asked.submitted_time,
        "environment": asked.environment,
        "group_id": asked.group_id or None,
        "subject_identities": identities,
        "extensions": {"idstream": wishes},
    }
    return _encode(body)
