"""What happened lately, read from Kafka when somebody looks: nothing is kept."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.kafka.recent import Budget, NotSeen, Recent, Recents, Standing
from processor.profiles.document import profile_key
from processor.records import Record, RowKey
from processor.serve.refusal import Refusal, unavailable
from processor.settings import Settings

MOST_KEYS: Final = 6
"""A person's own key, and those of five MPIDs before."""
LANDING: Final = Budget(found=25, records=300, seconds=1.0)
_AT_A_TIME: Final = 2
_WAIT_S: Final = 2.0
_JSON: Final = "json"
_Answer = TypeVar("_Answer")


class Happening(Struct):
    """A record of an output topic, decoded."""

    time_ms: int
    place: str
    """Partition and offset."""
    source: str
    """The record that caused it."""
    value: Mapping[str, Any]
    resolution: Mapping[str, Any] | None = None
    reason: str = ""
    """Of a dead letter, with its detail."""


class Page(Struct, frozen=True):
    """Happenings, newest first."""

    found: list[Happening]
    since_ms: int | None
    before: int | None
    """Where older ones may be."""


class Happenings:
    """Looks into the output topics of *settings*, two looks at a time."""

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._recents = Recents(settings.kafka, now)
        self._places = asyncio.Semaphore(_AT_A_TIME)

    async def changes(self, profile: Profile, most: int, before: int | None = None) -> Page:
        """Return the newest changes of *profile*, and of those it came from."""
        topic = self._settings.kafka.topics.changes
        return await self._of(topic, "changes", profile, most, before)

    async def events(self, profile: Profile, most: int, before: int | None = None) -> Page:
        """Return the newest batches of *profile*."""
        topic = self._settings.kafka.topics.enriched
        return await self._of(topic, "enriched", profile, most, before)

    def workspace_of(self, name: str) -> str:
        """Return the workspace of the input called *name*, '' where there is no such input."""
        found = self._settings.inputs.get(name)
        return "" if found is None else found.workspace.name

    async def newest(self, role: str) -> list[Happening]:
        """Return the newest records of an output, whoever they are about."""
        topic = self._settings.kafka.topics.outputs[role]
        self._readable(role)
        records = await self._look(lambda: self._recents.of_all(topic, LANDING))
        return [_happening(record) for record in records]

    async def standing(self) -> Mapping[RowKey, Standing]:
        """Return where the group stands in its inputs."""
        topics: Collection[str] = self._settings.kafka.topics.inputs
        return await self._look(lambda: self._recents.standing(topics))

    async def _of(
        self, topic: str, role: str, profile: Profile, most: int, before: int | None
    ) -> Page:
        self._readable(role)
        keys, budget = keys_of(profile), Budget(found=most)
        found: Recent = await self._look(lambda: self._recents.of_keys(topic, keys, budget, before))
        return Page([_happening(r) for r in found.records], found.since_ms, found.before)

    def _readable(self, role: str) -> None:
        if self._settings.kafka.formats.get(role, _JSON) != _JSON:
            raise Refusal(501, "NOT_IMPLEMENTED", "this topic is not written in JSON")

    async def _look(self, look: Callable[[], _Answer]) -> _Answer:
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise unavailable("others are looking into Kafka: try again") from None
        try:
            return await asyncio.to_thread(look)
        except NotSeen as error:
            raise unavailable(str(error)) from None
        finally:
            self._places.release()


def keys_of(profile: Profile) -> Sequence[bytes]:
    """Return the keys under which something of *profile* may stand, its own first."""
    before = [*profile.absorbed[::-1]]
    if profile.source_mpid is not None:
        before.append(profile.source_mpid)
    before += [alias.mpid for alias in profile.more.aliases if alias.role == "destination"]
    mpids = list(dict.fromkeys((profile.mpid, *before)))[:MOST_KEYS]
    space = Space(profile.scope, profile.environment)
    return [profile_key(space.scope, space.environment, mpid) for mpid in mpids]


def _happening(record: Record) -> Happening:
    headers = dict(record.headers)

    def text(name: str) -> str:
        return headers.get(name, b"").decode("utf-8", "replace")

    source = "/".join(text(f"source-{part}") for part in ("topic", "partition", "offset"))
    reason = ": ".join(filter(None, (text("reason"), text("detail"))))
    return Happening(
        record.timestamp_ms,
        f"{record.partition}/{record.offset}",
        source,
        _object(record.value) if not reason else {"input": text("input") or "default"},
        _object(headers["resolution"]) if "resolution" in headers else None,
        reason,
    )


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data or b"{}")
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
