"""What people do: a visit of an app, from the first screen to the last, and what feeds report."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from processor.commands.generate.people import Chance, Device, Person, Types, World, one_of
from processor.rules import Source

Deed = Literal[
    "opens", "views", "buys", "logs_in", "signs_up", "logs_out", "moves", "claims", "closes", "fed"
]

SCREENS: Final = ("home", "search", "product", "cart", "help")
PRODUCTS: Final = (
    ("sku-1001", "kettle", 39.9),
    ("sku-1002", "teapot", 24.5),
    ("sku-1003", "cup", 6.0),
)
TIERS: Final = ("bronze", "silver", "gold")
AGENTS: Final = ("Ina", "Otto", "Uma")
CITIES: Final = ("Lisbon", "Oslo", "Leeds", "Graz", "Porto")

_SHARED: Final = 0.05
"""How many visits of a device are somebody else's than its users'."""
_LOGS_IN: Final = 0.5
_LOGS_OUT: Final = 0.3
_MOVES: Final = 0.1


class Happening(Struct, frozen=True):
    """One thing that happened, on a device or as a feed tells of it."""

    deed: Deed
    device: Device | None
    person: Person | None
    """Who is logged in, or whom a feed means."""
    told: dict[str, Any] = {}
    """What else is known: attributes, the screen, the product."""

    def key(self) -> bytes:
        """Return what stays the same for whom it is about: the key of its records."""
        if self.device is not None:
            return b"d%d" % self.device.number
        return b"" if self.person is None else b"p%d" % self.person.number


def visit(world: World, types: Types, chance: Chance) -> Iterator[Happening]:
    """Yield what happens from the moment that somebody opens an app."""
    device = world.device(types)
    device.is_busy = True
    person: Person | None = None
    yield Happening("opens", device, person)
    for _ in range(int(chance() * 3) + 1):
        yield Happening("views", device, person, {"screen": one_of(chance, SCREENS)})
    if chance() < _LOGS_IN or not types.devices:
        before = device.mpid
        yield (entry := _entry(world, device, chance))
        person = entry.person
        yield from _known(device, entry, chance, before)
    if person is not None and chance() < _LOGS_OUT:
        yield Happening("logs_out", device, person)
        person = None
    yield Happening("closes", device, person, {"seconds": int(chance() * 600)})
    device.is_busy = False


def _entry(world: World, device: Device, chance: Chance) -> Happening:
    """Return that somebody logs in, or signs up where the device has no user yet."""
    if device.users and chance() >= _SHARED:
        return Happening("logs_in", device, one_of(chance, device.users))
    is_shared = bool(device.users) or chance() < _SHARED
    is_known = is_shared and bool(world.people)
    person = world.known() if is_known else world.newcomer()
    if person not in device.users:
        device.users.append(person)
    attributes = {"$FirstName": person.name.split()[0].title(), "plan": one_of(chance, TIERS)}
    return Happening("logs_in" if is_known else "signs_up", device, person, attributes)


def _known(
    device: Device, entry: Happening, chance: Chance, before: str | None
) -> Iterator[Happening]:
    """Yield what somebody does who is logged in."""
    person = entry.person
    assert person is not None
    for _ in range(int(chance() * 4)):
        yield Happening("views", device, person, {"screen": one_of(chance, SCREENS)})
    if entry.deed == "signs_up" and before is not None:
        yield Happening("claims", device, person, {"source": before})
    if chance() < _LOGS_OUT:
        yield Happening("buys", device, person, {"product": one_of(chance, PRODUCTS)})
    if chance() < _MOVES:
        told = {"before": person.email()}
        person.moves += 1
        yield Happening("moves", device, person, told)


def report(world: World, source: Source, chance: Chance) -> Happening:
    """Return what a feed of *source* tells of somebody."""
    told: dict[Source, dict[str, Any]] = {
        "calculated": {"lifetime_value": round(chance() * 1000, 2)},
        "account": {"account_manager": one_of(chance, AGENTS)},
        "custom_feed": {"plan": one_of(chance, TIERS), "open_tickets": int(chance() * 4)},
        "csv": {"loyalty": one_of(chance, TIERS)},
        "partner_feed": {"city": one_of(chance, CITIES), "plan": one_of(chance, TIERS)},
    }
    return Happening("fed", None, world.known(), told.get(source, {}))
