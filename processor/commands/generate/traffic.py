"""The mix: visits side by side, feeds between them, bad records by their share. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from processor.codecs.avro.reading import AvroWriter
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.formats import CONTENT_TYPES
from processor.commands.generate.forms import Voice
from processor.commands.generate.people import Chance, World, one_of
from processor.commands.generate.visits import Happening, report, visit
from processor.commands.generate.wrongs import Wrong, wrongs
from processor.records import DeadLetterReason
from processor.rules import Format, InputRules, Role, Rules

REQUEST_ID: Final = "request-id"
"""The header by which an answer is known again: the processor copies it."""
_AT_ONCE: Final = 20
"""Visits of an input that go on side by side."""
_FEEDS: Final = 0.15
"""The share of what feeds tell, where there are apps too."""
_TRIES: Final = 1000


class Load(Struct, frozen=True):
    """What is asked for."""

    people: int = 1000
    bad: float = 0.01
    """The share of bad records."""
    inputs: frozenset[str] = frozenset()
    """All, where none is named."""
    as_text: bool = False
    """Everything in JSON, whatever the topics' formats are."""


class Sent(NamedTuple):
    """A record to send."""

    topic: str
    role: Role
    input: str
    key: bytes
    value: bytes
    time_ms: int
    headers: tuple[tuple[str, bytes], ...]
    wrong: DeadLetterReason | None = None
    """What a bad record will be a dead letter for."""


class NothingToSay(Exception):
    """No input can be written for: none is left, or none has an identity type that is known."""


class Traffic:
    """Records one after the other; what it draws depends on *chance* and answers alone."""

    def __init__(self, rules: Rules, load: Load, chance: Chance) -> None:
        self._rules = rules
        self._load = load
        self._chance = chance
        self._worlds: dict[str, World] = {}
        self._visits: dict[str, list[Iterator[Happening]]] = {}
        self._ready: deque[Sent] = deque()
        self._writers = {role: AvroWriter(message) for role, message in MESSAGES.items()}
        voices = [self._voice(one) for one in rules.inputs.values() if self._is_asked(one)]
        able = [v for v in voices if v.types.people or v.types.devices]
        self._apps = [v for v in able if v.rules.source == "sdk"]
        self._feeds = [v for v in able if v.rules.source != "sdk" and v.types.people]
        if not self._apps and not self._feeds:
            raise NothingToSay("no input is left that has topics of batches and identity types")

    def take(self, time_ms: int) -> Sent:
        """Return the next record, at *time_ms*."""
        for _ in range(_TRIES):
            if self._ready:
                break
            self._ready.extend(self._happens(time_ms))
        if self._chance() < self._load.bad:
            return self._bad(time_ms)
        return self._ready.popleft()._replace(time_ms=time_ms)

    def heard(self, asked: str, mpid: str) -> None:
        """Note the profile that an answer named: its device's client was told.

        *asked* is the header ``request-id`` of the request.
        """
        scope, _, request_id = asked.rpartition("/")
        number = request_id.partition("-")[0]
        devices = self._worlds[scope].devices if scope in self._worlds else []
        if number.isdecimal() and int(number) < len(devices):
            devices[int(number)].mpid = mpid

    # ---- what happens -----------------------------------------------------------------------

    def _happens(self, time_ms: int) -> Iterator[Sent]:
        is_fed = not self._apps or bool(self._feeds and self._chance() < _FEEDS)
        voice = one_of(self._chance, self._feeds if is_fed else self._apps)
        world = self._world(voice)
        if is_fed and self._apps and not world.people:
            return  # feeds speak of those who have signed up
        one = (
            report(world, voice.rules.source, self._chance) if is_fed else self._step(voice, world)
        )
        for role, body in voice.says(one, time_ms, self._form(voice.rules, "batches")):
            yield self._sent(voice.rules, role, one.key(), body, time_ms)

    def _step(self, voice: Voice, world: World) -> Happening:
        """Return the next happening of one of the visits that go on side by side."""
        visits = self._visits.setdefault(voice.rules.name, [])
        while len(visits) < min(_AT_ONCE, self._load.people):
            visits.append(visit(world, voice.types, self._chance))
        place = int(self._chance() * len(visits))
        for _ in range(2):
            found = next(visits[place], None)
            if found is not None:
                return found
            visits[place] = visit(world, voice.types, self._chance)
        raise AssertionError("a visit has a beginning")

    def _bad(self, time_ms: int) -> Sent:
        rules = one_of(self._chance, [*self._apps, *self._feeds]).rules
        form = self._form(rules, "batches")
        has_names = not rules.workspace.policy.traits.is_literal
        bad = one_of(
            self._chance, wrongs(form, self._rules.limits.max_record_bytes, has_names=has_names)
        )
        return self._spoiled(bad, rules, time_ms)

    def _spoiled(self, bad: Wrong, rules: InputRules, time_ms: int) -> Sent:
        name = bad.input or rules.name
        headers = (("input", name.encode()), ("content-type", bad.content_type))
        topic = self._topics(rules, "batches")[0]
        return Sent(topic, "batches", name, b"bad", bad.value, time_ms, headers, bad.reason)

    # ---- the configuration ------------------------------------------------------------------

    def _is_asked(self, rules: InputRules) -> bool:
        asked = self._load.inputs
        return (not asked or rules.name in asked) and bool(self._topics(rules, "batches"))

    def _voice(self, rules: InputRules) -> Voice:
        has_requests = rules.source == "sdk" and bool(self._topics(rules, "requests"))
        return Voice(rules, has_requests=has_requests, chance=self._chance)

    def _world(self, voice: Voice) -> World:
        scope = voice.rules.workspace.scope
        return self._worlds.setdefault(scope, World(self._chance, self._load.people))

    def _topics(self, rules: InputRules, role: Role) -> Sequence[str]:
        """Return the topics of *role* that an input's records may come from."""
        roles = self._rules.roles.items()
        return [name for name, its in roles if its == role and rules.may_come_by(name, its)]

    def _form(self, rules: InputRules, role: Role) -> Format:
        if rules.format is not None and role == "batches":
            return rules.format
        return self._rules.formats.get(self._topics(rules, role)[0], "json")

    def _sent(
        self, rules: InputRules, role: Role, key: bytes, body: dict[str, Any], time_ms: int
    ) -> Sent:
        topic, form = self._topics(rules, role)[0], self._form(rules, role)
        value, headers = msgspec.json.encode(body), [("input", rules.name.encode())]
        if form == "avro" and self._load.as_text:
            headers.append(("content-type", CONTENT_TYPES["json"]))
        elif form == "avro":
            value = self._writers[role].write(value)
        if role == "requests":
            asked = f"{rules.workspace.scope}/{body['request_id']}"
            headers.append((REQUEST_ID, asked.encode()))
        return Sent(topic, role, rules.name, key, value, time_ms, tuple(headers))
