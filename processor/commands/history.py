"""The history of a profile: its changes, as the topic of changes has them, oldest first."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.identity.profile import Profile
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.changelog import Changelog
from processor.profiles.document import profile_key
from processor.serve.values import Values
from processor.settings import Settings

HEAD: Final = ("time", "change", "what", "caused by")
_TOLD: Final = frozenset(
    {"change", "mpid", "version", "workspace", "environment", "timestamp_ms", "cause"}
)
_FORMS: Final[Mapping[tuple[str, str], str]] = {
    ("profile_linked", ""): "arose from {source}",
    ("profile_aliased", "destination"): "what {source} did{on_device} from {start_ms} to {end_ms}"
    " counts here, from {effective_ms} on",
    ("profile_aliased", "source"): "what it did{on_device} from {start_ms} to {end_ms} counts for"
    " {destination}, from {effective_ms} on",
}
"""What changes say that are more than an identity, by their role."""
_VALUED: Final = ("identity_type", "token", "reason")


def changes_of(settings: Settings, profiles: Sequence[Profile]) -> list[dict[str, Any]]:
    """Return the changes of *profiles*, by their time; Failure where Kafka cannot be asked."""
    keys = {profile_key(one.scope, one.environment, one.mpid) for one in profiles}
    try:
        with reaching(settings.kafka):
            found = list(_read(settings, keys))
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    return sorted(found, key=lambda one: (one["timestamp_ms"], one.get("version") or 0))


def _read(settings: Settings, keys: set[bytes]) -> Iterator[dict[str, Any]]:
    values = Values(settings.registry_url())
    changelog = Changelog(settings.kafka, settings.kafka.topics.changes)
    try:
        for piece in changelog.read():
            for record in piece.records:
                if record.key in keys:
                    body = values.read("changes", record.value)
                    if isinstance(body, dict):
                        yield body
    finally:
        changelog.close()


def row(change: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return the cells of *change*; *known* are values by their token, where it is still held."""
    cause = change.get("cause") or {}
    place = "/".join(str(cause.get(part)) for part in ("topic", "partition", "offset"))
    return (
        moment(change["timestamp_ms"]),
        str(change["change"]).replace("_", " "),
        _what(change, known),
        place,
    )


def _what(change: Mapping[str, Any], known: Mapping[str, str]) -> str:
    form = _FORMS.get((str(change["change"]), str(change.get("role") or "")))
    if form is not None:
        moments = {n: moment(v) for n, v in change.items() if n.endswith("_ms") and v is not None}
        device = f" on device (token {change['device']})" if change.get("device") else ""
        return form.format_map(defaultdict(lambda: "?", {**change, **moments, "on_device": device}))
    token = change.get("token")
    parts = [str(change[name]) for name in ("identity_type",) if change.get(name)]
    if token:
        parts.append(known.get(token, f"(token {token})"))
    if change.get("reason"):
        parts.append(f"({change['reason']})")
    others = {n: v for n, v in change.items() if n not in _TOLD and n not in _VALUED}
    parts += [_pair(name, value) for name, value in others.items() if value is not None]
    return ", ".join(parts) if len(parts) > 2 else " ".join(parts)  # noqa: PLR2004 - type, value


def _pair(name: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if name.endswith("_ms") and isinstance(value, int):
        return f"{name.removesuffix('_ms')} {moment(value)}"
    return f"{name} {_text(value)}"


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
