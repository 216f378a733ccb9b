"""What happened lately, read from Kafka when somebody looks: nothing is kept."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.kafka.recent import Budget, NotSeen, Recents, Standing
from processor.profiles.document import profile_key
from processor.records import Record, RowKey
from processor.serve.refusal import Refusal, unavailable
from processor.serve.senders import who_sends
from processor.settings import Settings

MOST_KEYS: Final = 6
"""A person's own key, and those of five MPIDs before."""
LANDING: Final = Budget(found=25, records=300, seconds=1.0)
UNREAD: Final = 501
"""The status of what asks for a topic in a format that is not read here."""
_AT_A_TIME: Final = 2
_WAIT_S: Final = 2.0
_JSON: Final = "json"
_Answer = TypeVar("_Answer")


class Happening(Struct):
    """A record of an output topic, decoded."""

    time_ms: int
    place: str
    """Partition and offset."""
    topic: str
    """Of the record that caused it."""
    source: str
    """Topic, partition and offset of the record that caused it."""
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
    left_out: int = 0
    """How many are not shown, as they may be another workspace's."""


def of_workspace(page: Page, workspace: str) -> Page:
    """Return the changes of *page* that records of *workspace* caused."""
    own = [one for one in page.found if one.value.get("workspace") == workspace]
    return Page(own, page.since_ms, page.before)


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

    async def events(
        self, profile: Profile, allowed: Collection[str], most: int, before: int | None = None
    ) -> Page:
        """Return the newest batches of *profile* that are of the workspaces *allowed*.

        Batches do not name their workspace. Where several share people, those whose topic records
        of yet another one may come by are left out.
        """
        topic = self._settings.kafka.topics.enriched
        page = await self._of(topic, "enriched", profile, most, before)
        own = [
            one
            for one in page.found
            if {w.name for w in who_sends(self._settings, one.topic) if w.scope == profile.scope}
            <= set(allowed)
        ]
        return Page(own, page.since_ms, page.before, len(page.found) - len(own))

    def workspace_of(self, name: str, topic: str) -> str:
        """Return the workspace of records that name the input *name* on *topic*, '' of none."""
        found = self._settings.inputs.get(name)
        roles = self._settings.kafka.topics.roles
        if found is None or not found.may_come_by(topic, roles.get(topic)):
            return ""
        return found.workspace.name

    async def newest(self, role: str) -> list[Happening]:
        """Return the newest records of an output, whoever they are about."""
        topic = self._settings.kafka.topics.outputs[role]
        self._readable(role)
        return await self._look(lambda: _happenings(self._recents.of_all(topic, LANDING)))

    async def standing(self, workspace: str) -> Mapping[RowKey, Standing]:
        """Return where the group stands in the topics that records of *workspace* come by."""
        topics = [
            topic
            for topic in self._settings.kafka.topics.fed
            if workspace in [one.name for one in who_sends(self._settings, topic)]
        ]
        return await self._look(lambda: self._recents.standing(topics))

    async def _of(
        self, topic: str, role: str, profile: Profile, most: int, before: int | None
    ) -> Page:
        self._readable(role)
        keys, budget = keys_of(profile), Budget(found=most)

        def look() -> Page:
            found = self._recents.of_keys(topic, keys, budget, before)
            return Page(_happenings(found.records), found.since_ms, found.before)

        return await self._look(look)

    def _readable(self, role: str) -> None:
        if self._settings.kafka.formats.get(role, _JSON) != _JSON:
            topic = self._settings.kafka.topics.outputs[role]
            message = f"{topic} is written in Avro, and only JSON is read here"
            raise Refusal(UNREAD, "NOT_IMPLEMENTED", message)

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


def _happenings(records: Sequence[Record]) -> list[Happening]:
    """Return *records* decoded: in the thread that read them, as batches may be large."""
    return [_happening(record) for record in records]


def _happening(record: Record) -> Happening:
    headers = dict(record.headers)

    def text(name: str) -> str:
        return headers.get(name, b"").decode("utf-8", "replace")

    source = "/".join(text(f"source-{part}") for part in ("topic", "partition", "offset"))
    reason = ": ".join(filter(None, (text("reason"), text("detail"))))
    return Happening(
        record.timestamp_ms,
        f"{record.partition}/{record.offset}",
        text("source-topic"),
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
