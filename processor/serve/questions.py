"""Bodies of requests, and what is read of paths and queries."""

import re
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from processor.codecs.fault import Fault, fault_of
from processor.identity.model import Environment
from processor.serve.refusal import Refusal, bad_request

MPID_PATTERN: Final = "^-?[0-9]{1,19}$"
MOST_ASKED: Final = 100
"""How many people a batch may ask for."""
_MPID: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
_Body = TypeVar("_Body", bound=Struct)


class IdentityQuestion(Struct, forbid_unknown_fields=True):
    """One identity."""

    type: str
    value: Raw


class ResolveQuestion(Struct, forbid_unknown_fields=True):
    """The body of the published resolve call."""

    environment_type: Environment
    identity: IdentityQuestion


class LookupQuestion(Struct, forbid_unknown_fields=True):
    """Who holds an identity, or whom a search would find."""

    environment: Environment = "production"
    identity: IdentityQuestion | None = None
    identities: dict[str, Raw] | None = None
    match_as: Literal["search"] | None = msgspec.field(default=None, name="as")


class PersonQuestion(Struct, forbid_unknown_fields=True):
    """One of those whom a batch asks for: by MPID or by identity."""

    mpid: str | int | None = None
    identity: IdentityQuestion | None = None


class BatchQuestion(Struct, forbid_unknown_fields=True):
    """Several people."""

    profiles: list[PersonQuestion]
    environment: Environment = "production"


def read_body(data: bytes, kind: type[_Body]) -> _Body:
    """Return what a request's body asks; no refusal quotes a value of it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        try:
            fault = fault_of(error, "body", {"environment": ("production", "development")})
        except Fault as raised:
            fault = raised
        raise bad_request(fault.detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "BAD_REQUEST", "the body is no JSON") from None


def is_mpid(text: str) -> bool:
    """Return whether *text* writes an MPID."""
    return _MPID.fullmatch(text) is not None and int(text) in _INT64


def mpid_of(text: str) -> int:
    """Return the MPID that *text* writes."""
    if not is_mpid(text):
        raise bad_request("mpid: is no MPID, a decimal number of 64 bits")
    return int(text)


def environment_of(text: str | None) -> Environment:
    """Return the environment that a query names; production without one."""
    if text is None or text == "production":
        return "production"
    if text == "development":
        return "development"
    raise bad_request("environment: is production or development")


def whole_number(text: str | None, name: str, most: int) -> int | None:
    """Return the number that the parameter *name* gives, None without one."""
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,19}", text, re.ASCII) or int(text) > most:
        raise bad_request(f"{name}: is no whole number up to {most}")
    return int(text)
