"""``idstream privacy submit``, ``cancel`` and ``lift``: a request goes to the workspace's topic."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Final
from uuid import uuid4  # noqa: TID251 - of a request that has none yet: nothing is derived from it

import msgspec

from processor.codecs.moment import text_of_moment
from processor.codecs.subject_request import OF_A_PERSON, SubjectRequest
from processor.commands.options import option_of
from processor.commands.privacy.finding import case_of
from processor.commands.privacy.person import read_person, read_text, shown
from processor.commands.privacy.request import (
    Door,
    SubmitOptions,
    about,
    body_of,
    completed,
    door,
    door_of,
    encode,
)
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.kafka.appending import Appended, Appender, NotAppended
from processor.kafka.asking import Unreachable, reaching
from processor.kafka.clock import Clock
from processor.privacy.case import Case
from processor.settings import Settings, load

_DAY_MS: Final = 86_400_000


def submit(config: Path, environ: Mapping[str, str], options: SubmitOptions) -> None:
    """Send a request that options or a file make; say its id, and what is next."""
    settings = load(config, environ)
    way = door(settings, options.input)
    now_ms = int(Clock().wall() * 1000)
    body = _body(options, str(uuid4()), text_of_moment(now_ms))
    value = encode(body)
    request = way.checked(value)
    place = _send(settings, way, request.request_id, value)
    if options.as_json:
        _say_json(request, way, place)
        return
    say(sent(request, way, place))
    for line in next_lines(request, way, now_ms, option_of(config)):
        note(line)


def cancel(config: Path, environ: Mapping[str, str], request_id: str, *, as_json: bool) -> None:
    """Cancel a request that waits."""
    settings = load(config, environ)
    case = _case(settings, request_id)
    if case.state != "pending":
        raise Failure(
            f"the request is {case.state.replace('_', ' ')}: only one that waits can be cancelled"
        )
    _about(settings, case, "cancel", option_of(config), as_json=as_json)


def lift(config: Path, environ: Mapping[str, str], request_id: str, *, as_json: bool) -> None:
    """End the suppression that a request asked for."""
    settings = load(config, environ)
    case = _case(settings, request_id)
    if case.marked is None or not case.marked.is_suppressed:
        raise Failure("the request suppresses nobody (any more): there is nothing to lift")
    _about(settings, case, "lift", option_of(config), as_json=as_json)


def _case(settings: Settings, request_id: str) -> Case:
    case = case_of(settings, request_id)
    if case is None:
        raise Failure(
            f"the index has no request {visible(request_id)}: was it refused, or is it on its way?"
            " `idstream privacy show` tells its receipts"
        )
    return case


def _about(settings: Settings, case: Case, kind: str, option: str, *, as_json: bool) -> None:
    way = door_of(settings, case.workspace)
    now = text_of_moment(int(Clock().wall() * 1000))
    value = encode(about(case.request_id, kind, case.environment, now))
    request = way.checked(value)
    place = _send(settings, way, request.request_id, value)
    if as_json:
        _say_json(request, way, place)
        return
    say(sent(request, way, place))
    note(f"What has become of it: idstream privacy show{option} {_word(case.request_id)}")


def _body(options: SubmitOptions, new_id: str, now: str) -> dict[str, Any]:
    if options.file is None:
        named = [] if options.person is None else read_person(options.person)
        return body_of(options, named, new_id, now)
    try:
        read = msgspec.json.decode(read_text(options.file), type=dict[str, Any])
        return completed(read, options, new_id, now)
    except (msgspec.DecodeError, TypeError, AttributeError):
        raise Failure(f"{shown(options.file)}: is no request: write one JSON object") from None


def _send(settings: Settings, way: Door, request_id: str, value: bytes) -> Appended:
    is_json = settings.rules().formats.get(way.topic, "json") == "json"
    try:
        with reaching(settings.kafka):
            appender = Appender(settings.kafka)
            # By the id: what is said about a request later comes behind it.
            return appender.append(
                way.topic, request_id.encode(), value, way.headers(is_json=is_json)
            )
    except Unreachable as error:
        raise Failure(str(error)) from None
    except NotAppended as error:
        raise Failure(f"the request was not taken: {error}; send it again with its --id") from None


def sent(request: SubjectRequest, way: Door, place: Appended) -> str:
    """Return the line that says what was sent, and where it stands."""
    kind = f"{request.request_type} (dry run)" if request.wishes.dry_run else request.request_type
    where = f"{place.topic}/{place.partition} at {place.offset}"
    return (
        f"Sent: {kind} {visible(request.request_id)} of {way.rules.workspace.name}"
        f" ({request.environment}), to {where}"
    )


def next_lines(request: SubjectRequest, way: Door, now_ms: int, option: str) -> list[str]:
    """Return what the sender should know: whom it names, when it is carried out, what is next."""
    lines = [f"It names {_named(request)}."] if request.request_type in OF_A_PERSON else []
    name, rules = _word(request.request_id), way.rules.workspace.privacy
    waits = request.request_type == "erasure" and not request.wishes.dry_run
    waiting_ms = 0 if rules is None or request.wishes.skip_waiting else rules.waiting_ms
    if waits and waiting_ms:
        days = f"{waiting_ms / _DAY_MS:g} days"
        until = f"about {moment(now_ms + waiting_ms)} UTC"
        lines.append(f"It waits {days}, until {until}, and can be cancelled until then.")
    elif waits:
        lines.append("It does not wait: who is found is erased at once.")
    lines.append(f"How it stands: idstream privacy show{option} {name}")
    if waits and waiting_ms:
        lines.append(f"To stop it: idstream privacy cancel{option} {name}")
    if waits:
        lines.append(f"When it is completed: idstream privacy verify{option} --request {name}")
    return lines


def _named(request: SubjectRequest) -> str:
    if request.mpid is not None:
        return f"the profile {request.mpid}"
    kinds = Counter(one.identity_type for one in request.identifiers)
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in kinds.items())


def _word(request_id: str) -> str:
    return quote(visible(request_id))


def _say_json(request: SubjectRequest, way: Door, place: Appended) -> None:
    told = {
        "subject_request_id": request.request_id,
        "subject_request_type": request.request_type,
        "workspace": way.rules.workspace.name,
        "environment": request.environment,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
    }
    say(msgspec.json.encode(told).decode())
