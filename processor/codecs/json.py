"""Event batches and identity requests in JSON."""

from processor.codecs.batch import read_batch
from processor.codecs.envelope import open_object
from processor.codecs.fault import Fault
from processor.codecs.request import read_request
from processor.identity.types import IdentityKeys
from processor.outcome import DeadLetter
from processor.profiles.batch import EventBatch, IdentityCall
from processor.rules import Limits


def decode_batch(
    value: bytes | None, keys: IdentityKeys, limits: Limits
) -> EventBatch | DeadLetter:
    """Return the event batch in *value*, or why there is none; never raises."""
    try:
        return read_batch(open_object(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)


def decode_request(
    value: bytes | None, keys: IdentityKeys, limits: Limits
) -> IdentityCall | DeadLetter:
    """Return the identity request in *value*, or why there is none; never raises.

    A request that breaks a rule is a call with its ``error``: it gets an answer.
    """
    try:
        return read_request(open_object(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)
