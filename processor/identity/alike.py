"""Whether two values are the same where JSON tells apart what Python does not."""

import msgspec

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def is_alike(one: object, other: object) -> bool:
    """Whether two values say the same: for Python, true is 1 and 1 is 1.0, also deep within."""
    return one is other or (one == other and _encode(one) == _encode(other))
