"""What one workspace has of a person, as files: for an access request (docs/privacy.md)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from processor.codecs.moment import text_of_moment
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.kafka.forward import Forward
from processor.kafka.recent import NotSeen
from processor.profiles.document import profile_key, to_json
from processor.records import Record
from processor.serve.senders import who_sends
from processor.serve.values import Values
from processor.settings import Settings

MOST_S: Final = 600.0
"""How long topics are read, all together."""
_LINES: Final = 10_000
"""Of one file of batches."""
_EMPTY: Final = b"No event batch of this person is kept.\n"

AsJson = Callable[[str, bytes], bytes | None]
"""Returns the value of a topic of a role as JSON in one line, None where it cannot be read."""

_compact = msgspec.json.format
_encode = msgspec.json.Encoder().encode


class Wanted(Struct, frozen=True):
    """Whose data, as which workspace has it."""

    workspace: str
    space: Space
    profiles: tuple[Profile, ...]
    mpids: tuple[int, ...]
    """Of the profiles, and of those that they absorbed."""

    @property
    def keys(self) -> list[bytes]:
        """The keys of their records."""
        return [profile_key(self.space.scope, self.space.environment, one) for one in self.mpids]


class TopicRead(Struct):
    """What was read of a topic."""

    topic: str
    read: int = 0
    """Records that were looked at."""
    since: str | None = None
    until: str | None = None
    is_whole: bool = False
    left_out: int = 0
    """Records that may be another workspace's."""
    unreadable: int = 0
    error: str | None = None


class Manifest(Struct):
    """What the files hold, and what could not be had."""

    workspace: str
    environment: str
    made: str
    mpids: list[str]
    files: dict[str, int] = field(default_factory=dict)
    """Lines of each."""
    topics: list[TopicRead] = field(default_factory=list)


class Results:
    """The files of one person."""

    def __init__(
        self, settings: Settings, wanted: Wanted, as_json: AsJson, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._as_json = as_json
        self._now = now
        self._deadline = now() + MOST_S

    def files(self, made_ms: int) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield each file with its pieces; each is read to its end before the next is asked for."""
        wanted, topics = self._wanted, self._settings.kafka.topics
        manifest = Manifest(
            wanted.workspace,
            wanted.space.environment,
            text_of_moment(made_ms),
            [str(mpid) for mpid in wanted.mpids],
        )
        yield "profile.jsonl", self._counted("profile.jsonl", self._profiles(), manifest)
        changes = self._lines("changes", topics.changes, manifest)
        yield "changes.jsonl", self._counted("changes.jsonl", changes, manifest)
        yield from self._batches(manifest)
        yield "manifest.json", [_encode(manifest)]

    def _profiles(self) -> Iterator[bytes]:
        name = self._wanted.workspace
        for profile in self._wanted.profiles:
            own = {n: data for n, data in profile.workspaces.items() if n == name}
            yield to_json(replace(profile, workspaces=own))

    def _batches(self, manifest: Manifest) -> Iterator[tuple[str, Iterable[bytes]]]:
        lines = self._lines("enriched", self._settings.kafka.topics.enriched, manifest)
        first = next(lines, None)
        if first is None:
            yield "empty.txt", [_EMPTY]
            return
        for number in count(1):
            name = f"batches-{number}.jsonl"
            yield name, self._counted(name, _up_to(_LINES, first, lines), manifest)
            first = next(lines, None)
            if first is None:
                return

    def _counted(self, name: str, lines: Iterable[bytes], manifest: Manifest) -> Iterator[bytes]:
        manifest.files[name] = 0
        for line in lines:
            manifest.files[name] += 1
            yield line + b"\n"

    def _lines(self, role: str, topic: str, manifest: Manifest) -> Iterator[bytes]:
        """Yield what *topic* has of the person, a line each; what could not be had is noted."""
        told = TopicRead(topic)
        manifest.topics.append(told)
        reader = Forward(self._settings.kafka, topic, self._now)
        try:
            for records in reader.of_keys(self._wanted.keys, self._deadline - self._now()):
                for record in records:
                    line = self._line(role, record, told)
                    if line is not None:
                        yield line
        except NotSeen as error:
            told.error = str(error)
        reached = reader.reached
        told.read, told.is_whole = reached.read, reached.is_whole
        if reached.since_ms is not None and reached.until_ms is not None:
            told.since = text_of_moment(reached.since_ms)
            told.until = text_of_moment(reached.until_ms)

    def _line(self, role: str, record: Record, told: TopicRead) -> bytes | None:
        line = None if record.value is None else self._as_json(role, record.value)
        if line is None:
            told.unreadable += 1
            return None
        if not self._is_own(role, record, line):
            told.left_out += 1
            return None
        return line

    def _is_own(self, role: str, record: Record, line: bytes) -> bool:
        """Whether a record is this workspace's; batches go by the topic that they came by."""
        name = self._wanted.workspace
        if role == "changes":
            body: Any = msgspec.json.decode(line)
            return isinstance(body, dict) and body.get("workspace") == name
        topic = dict(record.headers).get("source-topic", b"").decode("utf-8", "replace")
        senders = who_sends(self._settings, topic)
        others = {one.name for one in senders if one.scope == self._wanted.space.scope}
        return others <= {name}


def wanted_of(workspace: str, space: Space, profiles: Sequence[Profile]) -> Wanted:
    """Return what is wanted of the live *profiles*."""
    mpids = [mpid for one in profiles for mpid in (one.mpid, *one.absorbed)]
    return Wanted(workspace, space, tuple(profiles), tuple(dict.fromkeys(mpids)))


def in_one_line(value: bytes) -> bytes | None:
    """Return JSON without what stands between its parts, None where it is none."""
    try:
        return _compact(value, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def reading(values: Values) -> AsJson:
    """Return what makes JSON of values in every format that *values* reads."""

    def as_json(role: str, value: bytes) -> bytes | None:
        if value[:1] == b"{":
            return in_one_line(value)
        body = values.read(role, value)
        return None if body is None else _encode(body)

    return as_json


def _up_to(most: int, first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    for _ in range(most - 1):
        line = next(lines, None)
        if line is None:
            return
        yield line
