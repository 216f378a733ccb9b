"""Receipts: what is told of each step of a request, and the proof that it was we who told it. Pure.

Receipts hold counts, MPIDs and types of identities; never a value.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.codecs.moment import text_of_moment
from processor.codecs.subject_request import SubjectRequest
from processor.privacy.case import Case, Found

CREATED: Final = 201
OK: Final = 200

_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Residue(Struct, frozen=True):
    """Where else the person's data still is, and by when it goes."""

    where: str
    gone_by_ms: int | None
    """None: there is no end, or it is not known."""


Residues = Callable[[int], Sequence[Residue]]
"""Where else data of a person is that came by an instant."""


def no_residues(_now_ms: int) -> tuple[Residue, ...]:
    """Return no place: offline there is none."""
    return ()


class Told(Struct, frozen=True):
    """What a receipt says beside its case."""

    status: int
    state: str | None
    residues: Sequence[Residue] = ()
    would_erase: Sequence[int] | None = None
    errors: Sequence[tuple[str, str]] = ()


def receipt_of(case: Case, told: Told, key: bytes) -> bytes:
    """Return the receipt of a step of *case*."""
    times = {
        "received_time": _time(case.received_ms),
        "expected_completion_time": _time(case.expected_ms),
        "completed_time": _time(case.completed_ms),
    }
    head = _head(case.request_id, case.request_type, case.workspace, case.environment, told)
    body = {
        **head,
        **times,
        "dry_run": told.would_erase is not None,
        **_found(case.found),
        "marked": 0 if case.marked is None else case.marked.identities,
        "suppressed": case.marked is not None and case.marked.is_suppressed,
        "group_id": case.group_id,
        "status_callback_urls": list(case.callbacks),
        "results_url": None,
        "residues": told.residues,
        "errors": [],
    }
    if told.would_erase is not None:
        body["would_erase"] = [str(mpid) for mpid in told.would_erase]
    return _proved(body, key)


def refusal(request: SubjectRequest, workspace: str, time_ms: int, told: Told, key: bytes) -> bytes:
    """Return the receipt of a request that is refused, or that makes no case."""
    body = {
        **_head(request.request_id, request.request_type, workspace, request.environment, told),
        "received_time": _time(time_ms),
        "group_id": request.group_id,
        "status_callback_urls": list(request.callbacks),
        "errors": [{"code": code, "message": message} for code, message in told.errors],
    }
    return _proved(body, key)


def deletion(
    request: SubjectRequest, workspace: str, time_ms: int, counts: Mapping[str, Any], key: bytes
) -> bytes:
    """Return the one receipt of a delete."""
    told = Told(OK, "completed")
    body = {
        **_head(request.request_id, request.request_type, workspace, request.environment, told),
        "received_time": _time(time_ms),
        "completed_time": _time(time_ms),
        **counts,
        "errors": [],
    }
    return _proved(body, key)


def is_proved(receipt: bytes, key: bytes) -> bool:
    """Whether *receipt* is one of ours, as it was told; ValueError where it is none at all."""
    try:
        body = _decode(receipt)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("a receipt is a JSON object") from error
    proof = body.pop("proof", None)
    return isinstance(proof, str) and compare_digest(proof.encode(), _proof(body, key).encode())


def request_id_of(receipt: bytes) -> str:
    """Return the id of the request that a receipt of ours is about."""
    return str(_decode(receipt)["subject_request_id"])


def _head(
    request_id: str, request_type: str, workspace: str, environment: str, told: Told
) -> dict[str, Any]:
    return {
        "subject_request_id": request_id,
        "subject_request_type": request_type,
        "state": told.state,
        "status": told.status,
        "workspace": workspace,
        "environment": environment,
        "controller_id": workspace,
    }


def _found(found: Found) -> dict[str, Any]:
    told = {
        "found": found.persons,
        "mpids": _texts(found.mpids),
        "followed": {
            "merges": _texts(found.followed.merges),
            "source": _texts(found.followed.source),
            "aliases": _texts(found.followed.aliases),
        },
        "identities": dict(found.identities),
        "attributes": found.attributes,
        "devices": found.devices,
        "kept": _texts(found.kept),
    }
    return {**told, "bound": True} if found.is_bounded else told


def _texts(mpids: Sequence[int]) -> list[str]:
    return [str(mpid) for mpid in mpids]


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else text_of_moment(time_ms)


def _proved(body: Mapping[str, Any], key: bytes) -> bytes:
    plain = _decode(_encode(body))
    return _encode({**plain, "proof": _proof(plain, key)})


def _proof(body: Mapping[str, Any], key: bytes) -> str:
    """Return the proof of *body*: what is null is left out, as Avro leaves it out too."""
    said = {name: value for name, value in body.items() if value is not None}
    return blake2b(_canonical(said), key=key[:64], digest_size=32).hexdigest()
