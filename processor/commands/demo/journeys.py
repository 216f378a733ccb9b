"""The published journeys as data: those of profile isolation, profile link and flat matching.

Each step is a row of a table: what is sent, which profile it reaches, and whether that is new.
(docs/strategies.md, "profile_isolation", "profile_link" and "flat_matching")
"""

from typing import Any, Final

from msgspec import Struct

ED: Final = "ed.hyde@example.com"
HJ: Final = "h.jekyll.md@example.com"
JANE: Final = "jane@example1.com"
CUSTOMER: Final = "ABC123"
PHONE: Final = "9876"
ROKU: Final = "8765"


class JourneyStep(Struct, frozen=True):
    """A row of a table: an identity request, or a batch through a feed."""

    scenario: str
    action: str
    """identify, login, logout, modify; or batch."""
    says: str
    """The request in the table's words."""
    body: dict[str, Any]
    reaches: str
    is_new: bool = False
    current: str | None = None
    """The profile the client had before: its previous_mpid, or the target of a modify."""


class Journey(Struct, frozen=True):
    """A strategy's table: its steps, and how its profiles stand at the end."""

    strategy: str
    app: str
    """The input of the app's requests."""
    feed: str
    """The input of the support desk's feed."""
    steps: tuple[JourneyStep, ...]
    final: dict[str, dict[str, str]]
    """The identities of each profile after the last step."""
    sources: dict[str, str]
    """The profile that each linked profile arose from."""
    merged: dict[str, str] = {}
    """The survivor of each profile that was absorbed."""
    emptied: dict[str, str] = {}
    """Of each profile that no identity leads to at the end, why."""


def _app(
    scenario: str,
    action: str,
    known: dict[str, str],
    reaches: str,
    current: str | None = None,
    *,
    is_new: bool = False,
) -> JourneyStep:
    words = ", ".join(called(t, v) for t, v in known.items())
    body = {"known_identities": known}
    return JourneyStep(scenario, action, f"{action} {words}", body, reaches, is_new, current)


def called(identity_type: str, value: str) -> str:
    """Return an identity in the words of the story."""
    return f"{_SHORT[identity_type]} {_NAMES.get(value, value)}"


_SHORT: Final = {
    "customerid": "customer",
    "email": "email",
    "ios_idfv": "idfv",
    "roku_aid": "roku",
    "user_id": "user",
    "anonymous_id": "anonymous",
}
_NAMES: Final = {ED: "ed", HJ: "hj", JANE: "jane"}

_IDFV: Final = {"ios_idfv": PHONE}
_ED: Final = {"customerid": CUSTOMER, "email": ED, "ios_idfv": PHONE}
_ON_ROKU: Final = {"customerid": CUSTOMER, "email": HJ, "roku_aid": ROKU}
_OTHER: Final = {"user_id": "abc456", "email": JANE}
_EMPTIED: Final = "its email went to P2 in step 6"
_CHANGES: Final = [{"identity_type": "email", "old_value": ED, "new_value": HJ}]


def _support(reaches: str) -> JourneyStep:
    body = {
        "user_identities": {"email": HJ},
        "events": [{"event_type": "custom_event", "data": {"event_name": "mail to support"}}],
    }
    return JourneyStep(
        "4 other channel", "batch", "feed: mail to support from hj", body, reaches, is_new=True
    )


def _email(reaches: str) -> JourneyStep:
    body = {"identity_changes": _CHANGES}
    says = f"modify {reaches}: email ed -> hj"
    return JourneyStep("6 updates email", "modify", says, body, reaches, current=reaches)


ISOLATION: Final = Journey(
    "profile_isolation",
    "default",
    "support",
    (
        _app("1 first app launch", "identify", _IDFV, "P1", is_new=True),
        _app("2 signs up, logs in", "login", _ED, "P2", "P1", is_new=True),
        _app("3 logs out", "logout", _IDFV, "P1", "P2"),
        _support("P3"),
        _app("5 returning user", "login", _ED, "P2", "P1"),
        _email("P2"),
        _app("7 new device launch", "identify", {"roku_aid": ROKU}, "P4", is_new=True),
        _app("8 new device login", "login", _ON_ROKU, "P2", "P4"),
    ),
    final={
        "P1": {"ios_idfv": PHONE},
        "P2": {"customerid": CUSTOMER, "email": HJ, "ios_idfv": PHONE, "roku_aid": ROKU},
        "P3": {},
        "P4": {"roku_aid": ROKU},
    },
    sources={},
    emptied={"P3": _EMPTIED},
)

LINK: Final = Journey(
    "profile_link",
    "link",
    "link-support",
    (
        _app("1 first app launch", "identify", _IDFV, "P1", is_new=True),
        _app("2 signs up, logs in", "login", _ED, "P2", "P1", is_new=True),
        _app("3 logs out", "logout", _IDFV, "P3", "P2", is_new=True),
        _support("P4"),
        _app("5 returning user", "login", _ED, "P2", "P3"),
        _email("P2"),
        _app("7 new device launch", "identify", {"roku_aid": ROKU}, "P5", is_new=True),
        _app("8 new device login", "login", _ON_ROKU, "P2", "P5"),
    ),
    final={
        "P1": {"ios_idfv": PHONE},
        "P2": {"customerid": CUSTOMER, "email": HJ, "ios_idfv": PHONE, "roku_aid": ROKU},
        "P3": {"ios_idfv": PHONE},
        "P4": {},
        "P5": {"roku_aid": ROKU},
    },
    sources={"P2": "P1"},
    emptied={"P4": _EMPTIED},
)

FLAT: Final = Journey(
    "flat_matching",
    "shop",
    "shop",
    (
        _app("1 signs up", "identify", {"user_id": "abc123", "email": JANE}, "P1", is_new=True),
        _app("2 shares the mailbox", "identify", _OTHER, "P2", is_new=True),
        _app("3 first visit", "identify", {"anonymous_id": "a1"}, "P3", is_new=True),
        _app("4 signs in there", "identify", {"user_id": "abc123", "anonymous_id": "a1"}, "P1"),
    ),
    final={
        "P1": {"user_id": "abc123", "email": JANE, "anonymous_id": "a1"},
        "P2": {"user_id": "abc456"},
        "P3": {},
    },
    sources={},
    merged={"P3": "P1"},
)
"""The onboarding page's example, and a merge: at 2 the email is demoted, for P1 has a user_id."""

JOURNEYS: Final = (ISOLATION, LINK, FLAT)


class AttributeStep(Struct, frozen=True):
    """A batch that sets attributes, and which of them the enriched batch shows.

    (docs/messages.md, "Which write wins")
    """

    scenario: str
    input: str
    sets: dict[str, str]
    shows: dict[str, str]


ATTRIBUTES: Final = (
    AttributeStep(
        "support",
        "support",
        {"$FirstName": "Ed", "tier": "gold"},
        {"$FirstName": "Ed", "tier": "gold"},
    ),
    AttributeStep(
        "app",
        "default",
        {"favorite_drink": "Coke", "tier": "silver"},
        {"$FirstName": "Ed", "favorite_drink": "Coke", "tier": "gold"},
    ),
    AttributeStep(
        "partner",
        "partner",
        {"favorite_drink": "Beer", "city": "London"},
        {"$FirstName": "Ed", "city": "London", "favorite_drink": "Coke", "tier": "gold"},
    ),
)
"""Batches of the known user of profile isolation: source priority makes the difference."""
