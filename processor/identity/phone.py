"""Phone numbers in the form E.164, by the library ``phonenumbers`` (the extra ``phone``)."""

import re
from collections.abc import Callable
from typing import Final

_INTERNATIONAL: Final = re.compile(r"\s*(?:\+|\uff0b|00|tel:\s*\+)")


def e164() -> Callable[[str], str]:
    """Return the function that writes phone numbers as E.164; ValueError without the library.

    The library is large, so it is imported only where a workspace asks for it.
    """
    try:
        import phonenumbers  # noqa: PLC0415
    except ImportError:
        raise ValueError("e164 needs phonenumbers: pip install 'idstream[phone]'") from None

    def normal(value: str) -> str:
        """Return an international number as E.164; anything else unchanged.

        A number without a country (neither ``+`` nor ``00`` in front) cannot be completed, because
        no country is known here; one with an extension is more than E.164 can say.
        """
        if not _INTERNATIONAL.match(value):
            return value
        text = value.strip()
        try:
            number = phonenumbers.parse(f"+{text[2:]}" if text.startswith("00") else text, None)
        except phonenumbers.NumberParseException:
            return value
        if number.extension or not phonenumbers.is_possible_number(number):
            return value
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return normal
