"""What a restore publishes: documents that it changed, the changes of the graph, and repetitions.

Everything goes out before the switch, so that a restore that is begun again finds it done.
"""

from collections.abc import Callable, Sequence
from typing import Final

from processor.codecs.formats import Codecs
from processor.codecs.headers import mpid_header, place_headers, tombstone_headers
from processor.commands.restore.reader import ERASES_ALL, REGISTRY_AWAY
from processor.commands.terminal.failure import Failure
from processor.identity.change import Change, identity_changes
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Edit
from processor.index.derivation import Tombstone
from processor.index.port import Assignment
from processor.kafka.oneshot import OneShot
from processor.pipeline.publish import Cause, identity_change, profile_record
from processor.profiles.document import profile_key, to_json
from processor.records import Output
from processor.registry import open_codecs, open_registry
from processor.settings import Settings

SLICE: Final = 1000
"""Profiles that are published in one transaction: it must end in time, and fit into memory."""


class Channel:
    """Publishes outputs in the formats of their topics; connects with the first of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connected: tuple[Codecs, OneShot] | None = None

    def publish(self, outputs: list[Output]) -> None:
        """Publish *outputs* in a transaction of their own."""
        if self._connected is None:
            self._connected = _codecs(self._settings), OneShot(self._settings.kafka, "restore")
        codecs, producer = self._connected
        producer.publish(codecs.written(outputs))


def _codecs(settings: Settings) -> Codecs:
    registry = open_registry(settings.registry_url())
    codecs = open_codecs(registry, settings.avro_topics(), lambda _away: False)
    if codecs is None:
        raise Failure(REGISTRY_AWAY)
    return codecs


def outputs_of_edits(
    settings: Settings,
    edits: Sequence[Edit],
    token: Callable[[Identifier], bytes],
    standing: Sequence[Assignment],
) -> list[Output]:
    """Return the outputs for *edits*: changes of the graph, then the documents.

    Every output names the record that caused it. These have none, so they name a partition's last
    committed record.
    """
    place = _last_committed(settings, standing)
    scope, environment = edits[0].after.scope, edits[0].after.environment
    policy = settings.policy(scope)
    workspace = next(w.name for w in settings.workspaces.values() if w.scope == scope)
    activity = {e.after.mpid: e.after.last_seen_ms for e in edits}
    changes = [
        _change(change, (workspace, scope, environment), activity[change.mpid or 0], place)
        for change in identity_changes(edits, policy, token)
    ]
    return [*changes, *(_document(e.after, place) for e in edits)]


def outputs_over_older(
    settings: Settings, records: Sequence[Profile | Tombstone], standing: Sequence[Assignment]
) -> list[Output]:
    """Return the outputs that append *records* again, as they are.

    Their topic has an older version behind them, which compaction would keep.
    """
    place = _last_committed(settings, standing)
    return [
        _document(one, place) if isinstance(one, Profile) else _tombstone(one, place)
        for one in records
    ]


def outputs_of_index(
    settings: Settings,
    space: Space,
    documents: Sequence[Profile | Grave | Filed],
    standing: Sequence[Assignment],
) -> list[Output]:
    """Return the outputs that publish *documents* of the index as they are there.

    Cases only where there is a topic of theirs.
    """
    place = _last_committed(settings, standing)
    outputs = [profile_record(one, space, place) for one in documents]
    return [one for one in outputs if one.role in settings.kafka.topics.outputs]


def _last_committed(settings: Settings, standing: Sequence[Assignment]) -> tuple[str, int, int]:
    committed = ((p.topic, p.partition, p.committed - 1) for p in standing if p.committed)
    return next(committed, (settings.kafka.topics.inputs[0], 0, 0))


def _change(
    change: Change, where: tuple[str, str, str], time_ms: int, place: tuple[str, int, int]
) -> Output:
    workspace, scope, environment = where
    cause = Cause(workspace, environment, time_ms, place)
    mpid = change.mpid or 0
    key = profile_key(scope, environment, mpid)
    return Output("changes", key, identity_change(change, cause), _headers(mpid, place))


def _document(profile: Profile, place: tuple[str, int, int]) -> Output:
    key = profile_key(profile.scope, profile.environment, profile.mpid)
    return Output("profiles", key, to_json(profile), _headers(profile.mpid, place))


def _tombstone(one: Tombstone, place: tuple[str, int, int]) -> Output:
    headers = _headers(one.mpid, place)
    if one.version != ERASES_ALL:
        grave = Grave(one.mpid, one.version, one.time_ms, one.why)
        headers += tombstone_headers(grave)
    return Output("profiles", profile_key(one.scope, one.environment, one.mpid), None, headers)


def _headers(mpid: int, place: tuple[str, int, int]) -> tuple[tuple[str, bytes], ...]:
    return (*place_headers(*place), mpid_header(mpid))
