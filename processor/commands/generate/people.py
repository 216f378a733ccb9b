"""Who the generated records are about: people, their devices, and what identifies both."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar
from uuid import UUID

from msgspec import Struct, field

from processor.identity.types import DEVICE_TYPES, USER_TYPES
from processor.rules import WorkspaceRules

Chance = Callable[[], float]
"""Returns a number from 0 up to 1, another one each time."""

_One = TypeVar("_One")

FIRST: Final = ("ada", "alan", "barbara", "edsger", "grace", "jim", "karen", "ken", "leslie", "tim")
LAST: Final = ("bell", "codd", "dean", "gray", "holt", "jones", "katz", "lamb", "moss", "shaw")
STAMP: Final = "device_application_stamp"
PLATFORMS: Final = {
    "iOS": ("ios_idfv", "ios_idfa", "push_token", STAMP),
    "Android": ("android_uuid", "android_aaid", "push_token", STAMP),
    "Roku": ("roku_aid", "roku_publisher_id", STAMP),
    "fire_tv": ("fire_aid", STAMP),
    "web": ("amp_id", STAMP),
}
"""The identity types that a device of each platform may have."""
ANONYMOUS: Final = "anonymous_id"
_OF_DEVICES: Final = ("ios.", "android.", "ga_client_id", "cross_domain_id", "group_id", ANONYMOUS)
"""How literal names begin that stand for a device, or for a group."""


def one_of(chance: Chance, choices: Sequence[_One]) -> _One:
    """Return one of *choices*."""
    return choices[int(chance() * len(choices))]


class Types(Struct, frozen=True):
    """The identity types of a workspace's lookups that records are made with."""

    people: tuple[str, ...]
    devices: tuple[str, ...]

    @classmethod
    def of(cls, workspace: WorkspaceRules) -> "Types":
        """Return those of *workspace*; of literal names only ``anonymous_id`` is a device's."""
        priority = workspace.policy.priority
        if workspace.policy.traits.is_literal:
            return cls(
                tuple(t for t in priority if not t.startswith(_OF_DEVICES)),
                tuple(t for t in priority if t == ANONYMOUS),
            )
        return cls(
            tuple(t for t in priority if t in USER_TYPES),
            tuple(t for t in priority if t in DEVICE_TYPES),
        )


class Person(Struct, eq=False):
    """Somebody with an account."""

    name: str
    number: int
    """Eight digits: the customer's number."""
    moves: int = 0
    """How often the person took another e-mail address."""

    def email(self) -> str:
        """Return the present e-mail address."""
        moved = f"+{self.moves}" if self.moves else ""
        return f"{self.name.replace(' ', '.')}.{self.number}{moved}@example.com"

    def ids(self, types: Types) -> dict[str, str]:
        """Return the identity that the person has of each type."""
        return {one: self._value(one) for one in types.people}

    def _value(self, identity_type: str) -> str:
        if identity_type == "email":
            return self.email()
        if identity_type.startswith(("mobile_number", "phone")):
            return f"+1555{self.number:08d}"
        return f"{identity_type[:1]}{self.number:08d}"


class Device(Struct, eq=False):
    """A phone, a browser or a television set, with one user or several."""

    number: int
    platform: str
    ids: dict[str, str]
    users: list[Person] = field(default_factory=list)
    """Who has an account, and logged in here before."""
    is_busy: bool = False
    mpid: str | None = None
    """The profile that its client was told last."""


class World:
    """The people and devices of one identity scope: at most *most* people, twice the devices."""

    def __init__(self, chance: Chance, most: int) -> None:
        self._chance = chance
        self._most = most
        self.people: list[Person] = []
        self.devices: list[Device] = []

    def newcomer(self) -> Person:
        """Return somebody new; one who is there, once there are enough."""
        if len(self.people) >= self._most:
            return one_of(self._chance, self.people)
        name = f"{one_of(self._chance, FIRST)} {one_of(self._chance, LAST)}"
        self.people.append(Person(name, int(self._chance() * 10**8)))
        return self.people[-1]

    def known(self) -> Person:
        """Return somebody who is there, or a newcomer where nobody is."""
        return one_of(self._chance, self.people) if self.people else self.newcomer()

    def device(self, types: Types) -> Device:
        """Return a device that nobody is using: mostly one that was seen before."""
        if self.devices and self._chance() < min(0.9, len(self.devices) / (2 * self._most)) + 0.1:
            found = one_of(self._chance, self.devices)
            if not found.is_busy:
                return found
        if len(self.devices) >= 2 * self._most:
            return next((d for d in self.devices if not d.is_busy), self.devices[0])
        self.devices.append(self._new_device(types))
        return self.devices[-1]

    def _new_device(self, types: Types) -> Device:
        usable = {
            platform: tuple(t for t in its if t in types.devices)
            for platform, its in PLATFORMS.items()
        }
        platforms = [platform for platform, its in usable.items() if its] or ["web"]
        platform = one_of(self._chance, platforms)
        its = (*usable[platform], *(t for t in types.devices if t == ANONYMOUS))
        return Device(len(self.devices), platform, dict(self._stamps(its)))

    def _stamps(self, types: Sequence[str]) -> Iterator[tuple[str, str]]:
        for one in types:
            yield one, uuid(self._chance)


def uuid(chance: Chance) -> str:
    """Return a UUID that *chance* draws."""
    return str(UUID(bytes=bytes(int(chance() * 256) for _ in range(16)), version=4))
