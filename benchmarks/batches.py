"""Event batches like those of a shop's app: about 2 KB each, of users who come back."""

import hashlib
import json
from collections.abc import Iterator

ENVIRONMENT = "production"


def batches(first: int, count: int, users: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of *count* batches; batch n is the same in every run."""
    for n in range(first, first + count):
        # A scattered walk: every user comes back, none twice in a row.
        user = n * 7919 % users
        yield f"user-{user}".encode(), json.dumps(batch(n, user)).encode()


def batch(n: int, user: int) -> dict[str, object]:
    """Return batch *n*, which is of *user*."""
    return {
        "environment": ENVIRONMENT,
        "source_request_id": f"request-{n}",
        "timestamp_unixtime_ms": 1_782_900_000_000 + n,
        "user_identities": {"customerid": f"C{user:08}", "email": f"user.{user}@example.com"},
        "user_attributes": {"favorite_drink": "Coke" if n % 2 else "Tea", "$city": "Lisbon"},
        "device_info": {
            "brand": "Apple",
            "device_model": "iPhone14,5",
            "platform": "iOS",
            "os_version": "17.4.1",
            "locale_language": "en",
            "locale_country": "PT",
            "screen_height": 2532,
            "screen_width": 1170,
            "ios_idfv": uuid_of(f"device-{user}"),
        },
        "application_info": {"application_name": "Shop", "application_version": "5.12.0"},
        "events": [event(n, place) for place in range(4)],
    }


def event(n: int, place: int) -> dict[str, object]:
    return {
        "event_type": "custom_event",
        "data": {
            "event_name": ("View Product", "Add To Cart", "Search", "Scroll")[place],
            "custom_event_type": "navigation",
            "timestamp_unixtime_ms": 1_782_900_000_000 + n,
            "event_id": n * 10 + place,
            "session_uuid": uuid_of(f"session-{n // 5}"),
            "source_message_id": uuid_of(f"message-{n}-{place}"),
            "custom_attributes": {"sku": uuid_of(f"sku-{n}-{place}")[:18], "position": place},
        },
    }


def uuid_of(text: str) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"
