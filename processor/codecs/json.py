"""Event batches and identity requests, as objects that an opener has read from a value."""

from collections.abc import Callable

from processor.codecs.batch import read_batch
from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault
from processor.codecs.request import read_request
from processor.identity.types import IdentityKeys
from processor.outcome import DeadLetter
from processor.profiles.batch import EventBatch, IdentityCall
from processor.rules import Limits

Opener = Callable[[bytes | None, int], Fields]
"""Returns the top-level fields of a value of at most so many bytes, or raises Fault."""


def decode_batch(
    value: bytes | None, keys: IdentityKeys, limits: Limits, opener: Opener
) -> EventBatch | DeadLetter:
    """Return the event batch in *value*, or why there is none; never raises."""
    try:
        return read_batch(opener(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)


def decode_request(
    value: bytes | None, keys: IdentityKeys, limits: Limits, opener: Opener
) -> IdentityCall | DeadLetter:
    """Return the identity request in *value*, or why there is none; never raises.

    A request that breaks a rule is a call with its ``error``: it gets an answer.
    """
    try:
        return read_request(opener(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)
