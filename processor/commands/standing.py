"""What is computed of a profile, and what partners call it, as tables."""

from collections.abc import Iterator
from typing import Any

import msgspec

from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import Give, print_table
from processor.computed.state import unpack_memory
from processor.identity.profile import Computed, Profile, WorkspaceData

Row = tuple[str, ...]


def standing_facts(profile: Profile) -> list[Row]:
    """Return when a profile was evaluated last, and when time alone changes something of it."""
    more = profile.more
    if not more.stamp:
        return []
    due = "nothing" if more.due_ms is None else moment(more.due_ms)
    return [("computed", moment(more.clock_ms)), ("due next", due)]


def print_standing(workspace: str, data: WorkspaceData) -> None:
    """Print what is computed of a person in *workspace*, and what partners call them."""
    computed = data.more.computed
    if computed is not None:
        _print_computed(workspace, computed)
    partners = [
        (name, one.value, moment(one.updated_ms), one.input)
        for name, one in sorted(data.more.partner_identities.items())
    ]
    if partners:
        head = ("name", "value", "updated", "input")
        print_table(f"Partner identities in {workspace}", head, partners, give=Give(("updated",)))


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _print_computed(workspace: str, computed: Computed) -> None:
    values = [(name, as_text(value)) for name, value in computed.calculated.items()]
    if values:
        until = computed.fresh_until_ms
        held = "" if until is None else f", until {moment(until)}"
        print_table(f"Calculated in {workspace}{held}", ("attribute", "value"), values)
    members = [
        (
            name,
            str(one.version),
            moment(one.entered_ms),
            "" if one.expires_ms is None else moment(one.expires_ms),
        )
        for name, one in computed.audiences.items()
    ]
    if members:
        head = ("audience", "version", "entered", "expires")
        print_table(f"Audiences in {workspace}", head, members)
    due = [(moment(time_ms), what) for time_ms, what in sorted(_due(computed))]
    if due:
        print_table(f"Due in {workspace}", ("when", "what"), due)


def _due(computed: Computed) -> Iterator[tuple[int, str]]:
    """Yield what time alone will do, if nothing else happens before."""
    for name, one in computed.audiences.items():
        if one.expires_ms is not None:
            yield one.expires_ms, f"leaves {name}"
    try:
        dues = unpack_memory(computed.state).dues
    except ValueError:
        return  # of another release
    for name, time_ms in dues.items():
        is_member = name in computed.audiences
        yield time_ms, f"{name} is looked at again" if is_member else f"may enter {name}"
