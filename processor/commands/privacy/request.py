"""What is sent: the body of a request, made of options or of a file, checked before it goes. Pure.

It is checked by what the processor decodes it with, so that a mistake is told here and now.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.codecs.envelope import open_object
from processor.codecs.subject_request import SubjectRequest, read_subject_request
from processor.commands.privacy.person import Named
from processor.commands.terminal.failure import Failure
from processor.identity.normalize import admit
from processor.records import DeadLetter
from processor.rules import InputRules, Limits
from processor.settings import Settings

API_VERSION: Final = "3.0"
_OURS: Final = "idstream"


class SubmitOptions(Struct, frozen=True):
    """The options of the command line."""

    file: Path | None = None
    """A request as JSON; None: it is made of the options."""
    input: str | None = None
    """None: the only one that may send such requests."""
    kind: str | None = None
    person: Path | None = None
    mpids: Sequence[int] = ()
    regulation: str | None = None
    environment: str | None = None
    request_id: str | None = None
    group_id: str | None = None
    callbacks: Sequence[str] = ()
    follow: Sequence[str] = ()
    dry_run: bool = False
    skip_waiting: bool = False
    suppress: bool = False
    all_holders: bool = False
    as_json: bool = False


class Door(Struct, frozen=True):
    """Where requests go in: an input, and a topic that it may come by."""

    rules: InputRules
    topic: str
    limits: Limits
    key: bytes

    def headers(self, *, is_json: bool) -> list[tuple[str, bytes]]:
        """Return the headers of a request; its format, where the topic has another."""
        headers = [("input", self.rules.name.encode())]
        return headers if is_json else [*headers, ("content-type", b"application/json")]

    def checked(self, value: bytes) -> SubjectRequest:
        """Return the request in *value* as the processor decodes it; Failure with what is wrong."""
        workspace = self.rules.workspace
        read = read_subject_request(
            value, workspace.policy, self.limits.max_record_bytes, open_object, self.key
        )
        if isinstance(read, DeadLetter):
            raise Failure(f"the request is {read.reason}: {read.detail}")
        if read.error is not None:
            raise Failure(f"the request would be refused: {read.error[2]}")
        if read.identifiers:
            kept, _ = admit(read.identifiers, workspace.blocklist, workspace.normalizers)
            if not kept:
                raise Failure(
                    "the request would be refused: every value of it is blocked in the workspace"
                    f" {workspace.name}, and names nobody"
                )
        return read


def door(settings: Settings, name: str | None) -> Door:
    """Return where requests go in by the input *name*, or by the only one there is."""
    topics = settings.kafka.topics.privacy
    if not topics:
        raise Failure(
            "requests under privacy law are not carried out here: the configuration has no"
            " kafka.topics.privacy (docs/privacy.md says what else it takes)"
        )
    doors = {
        rules.name: topic
        for topic in reversed(topics)
        for rules in settings.inputs.values()
        if rules.may_come_by(topic, "privacy")
    }
    listed = ", ".join(sorted(doors))
    if name is None:
        if len(doors) != 1:
            raise Failure(f"name the input that the request comes through, --input: {listed}")
        (name,) = doors
    if name not in doors:
        raise Failure(f"inputs.{name}: may send no such requests; these may: {listed}")
    return Door(settings.inputs[name], doors[name], settings.limits, settings.key())


def door_of(settings: Settings, workspace: str) -> Door:
    """Return where requests of *workspace* go in."""
    for rules in settings.inputs.values():
        for topic in settings.kafka.topics.privacy:
            if rules.workspace.name == workspace and rules.may_come_by(topic, "privacy"):
                return Door(rules, topic, settings.limits, settings.key())
    raise Failure(f"no input of the workspace {workspace} may send requests under privacy law")


def body_of(
    options: SubmitOptions, named: Sequence[Named], new_id: str, now: str
) -> dict[str, Any]:
    """Return the body of a request that is made of *options*, about whom *named* names."""
    ours: dict[str, Any] = {
        "skip_waiting_period": options.skip_waiting,
        "dry_run": options.dry_run,
        "suppress": options.suppress,
        "all_holders": options.all_holders,
    }
    if options.follow:
        ours["follow"] = list(options.follow)
    body: dict[str, Any] = {
        "subject_request_id": options.request_id or new_id,
        "subject_request_type": options.kind or "erasure",
        "regulation": options.regulation or "gdpr",
        "submitted_time": now,
        "api_version": API_VERSION,
        "group_id": options.group_id,
        "environment": options.environment or "production",
        "status_callback_urls": list(options.callbacks),
    }
    mpids = [str(mpid) for mpid in options.mpids]
    if options.kind == "delete":
        wished = {"mpids": mpids, "dry_run": options.dry_run}
        return {**body, "extensions": {_OURS: wished}}
    identities: dict[str, Any] = {}
    for name, value in [*named, *(("mpid", mpid) for mpid in mpids)]:
        identities.setdefault(name, []).append({"value": value, "encoding": "raw"})
    return {**body, "subject_identities": identities, "extensions": {_OURS: ours}}


def completed(
    body: Mapping[str, Any], options: SubmitOptions, new_id: str, now: str
) -> dict[str, Any]:
    """Return the *body* of a file with an id, a time and a dry run, where it needs them."""
    found = {
        **body,
        "subject_request_id": body.get("subject_request_id") or new_id,
        "submitted_time": body.get("submitted_time") or now,
    }
    if options.dry_run:
        extensions = found.get("extensions") or {}
        found["extensions"] = {
            **extensions,
            _OURS: {**(extensions.get(_OURS) or {}), "dry_run": True},
        }
    return found


def about(request_id: str, kind: str, environment: str, now: str) -> dict[str, Any]:
    """Return the body of a request about another one: to cancel it, or to lift what it keeps."""
    return {
        "subject_request_id": request_id,
        "subject_request_type": kind,
        "submitted_time": now,
        "api_version": API_VERSION,
        "environment": environment,
    }


encode = msgspec.json.Encoder().encode
