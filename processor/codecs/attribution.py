"""Attribution events: where an install came from (docs/aliasing.md, "What changes")."""

from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.codecs.envelope import Fields
from processor.codecs.fields import MAX_NAME, list_of
from processor.codecs.moment import milliseconds_of
from processor.identity.profile import Attribution

_TIMES: Final = range(2**63)
"""Times that can be stored."""
_ATTRIBUTED: Final = ("publisher", "campaign", "service_provider")


class _AttributionData(Struct, gc=False):
    event_name: Any = None
    custom_event_type: Any = None
    timestamp_unixtime_ms: Any = None
    custom_attributes: Any = None


class _AttributionHead(Struct, gc=False):
    event_type: str
    data: _AttributionData | None = None


_decode_attribution = msgspec.json.Decoder(_AttributionHead).decode


def attribution_in(fields: Fields) -> Attribution | None:
    """Return where the install came from, as the last event of type and name attribution says."""
    found = None
    for raw in list_of(fields["events"]) or ():
        with suppress(msgspec.ValidationError):
            found = _attribution_of(_decode_attribution(raw)) or found
    return found


def _attribution_of(event: _AttributionHead) -> Attribution | None:
    data = event.data
    if event.event_type != "custom_event" or data is None:
        return None
    if not data.custom_event_type == data.event_name == "attribution":
        return None
    said = data.custom_attributes if isinstance(data.custom_attributes, dict) else {}
    publisher, campaign, provider = (_short_text(said.get(name)) for name in _ATTRIBUTED)
    if not (publisher or campaign or provider):
        return None
    time = data.timestamp_unixtime_ms
    time_ms = int(time) if type(time) in (int, float) else milliseconds_of(time) or 0
    return Attribution(publisher, campaign, provider, time_ms if time_ms in _TIMES else 0)


def _short_text(value: object) -> str | None:
    """Return a text that names a publisher or campaign; None where it is none, or too long."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME else None
