"""Numbers and texts of attribute values: exact to nine decimal places, independent of order.

A number is an integer count of billionths from the moment it is read, so sums are exact, and 0.1 +
0.2 is 0.3 whichever came first (docs/computed.md, "Numbers and texts").
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

Scalar = str | int | float | bool

UNIT: Final = 10**9
"""How many billionths are one."""

_DIGITS: Final = 9
_BOUND: Final = 10**15
_INT64: Final = range(-(2**63), 2**63)
_EXACT: Final = 2**53
_PLAIN: Final = 10**21
_PLACES: Final = Decimal("1E-9")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST: Final = 512
_CONTEXT: Final = Context(prec=2 * _LONGEST, rounding=ROUND_HALF_EVEN)


def billionths(value: object) -> int | None:
    """Return *value* in billionths, rounded half to even; None where it is no number.

    A number is a JSON number or a text that reads as one, of less than 10^15 either way.
    """
    if type(value) is int:
        return value * UNIT if -_BOUND < value < _BOUND else None
    if type(value) is float:
        return _of_double(value) if -_BOUND < value < _BOUND else None
    if type(value) is str:
        text = value.strip()
        if len(text) <= _LONGEST and _NUMBER.fullmatch(text):
            return _rounded(text)
    return None


def _of_double(value: float) -> int | None:
    text = repr(value)
    whole, _, places = text.partition(".")
    if len(places) <= _DIGITS and "e" not in text:  # as good as always, and much faster
        return int(whole + places.ljust(_DIGITS, "0"))
    return _rounded(text)


def _rounded(text: str) -> int | None:
    exact = Decimal(text)
    if exact.copy_abs() >= _BOUND:  # as it stands, where abs() would round it
        return None
    return int(exact.quantize(_PLACES, context=_CONTEXT).scaleb(_DIGITS, context=_CONTEXT))


def divide(total: int, number: int) -> int:
    """Return *total* divided by the positive *number*, rounded half to even."""
    quotient, rest = divmod(total, number)
    if 2 * rest > number or (2 * rest == number and quotient % 2):
        quotient += 1
    return quotient


def as_json(number: int) -> int | float:
    """Return a number of billionths as outputs show it.

    That is an integer where it is one below 2^53, else the nearest double.
    """
    whole, rest = divmod(number, UNIT)
    if rest == 0 and -_EXACT < whole < _EXACT:
        return whole
    return number / UNIT


def text_of(value: Scalar) -> str:
    """Return the text of a scalar: values whose texts are the same are the same value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and -_PLAIN < value < _PLAIN:
        return str(int(value))
    return str(value)


def scalar_of(value: object) -> Scalar | None:
    """Return *value* as it can be stored, None where it is no scalar or null.

    An integer beyond 64 bits becomes its text, as it does in user attributes.
    """
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, float) and value - value == 0:
        return value
    return None


def is_same(one: object, other: object) -> bool:
    """Whether two values are the same as JSON writes them: unlike for Python, true is not 1."""
    return one == other and type(one) is type(other)
