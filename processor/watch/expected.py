"""Series that exist before their first event: those that a configuration makes possible."""

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from msgspec import Struct

from processor.computed.definition import Scope
from processor.identity.decision import KINDS
from processor.records import DeadLetterReason
from processor.rules import InputRules, Role, Rules

DROPPED: Final = ("no_identity", "unknown_user", "unknown_mpid", "no_attachable_identity")
"""Why a batch is dropped (docs/strategies.md)."""
ALIASES: Final = (("applied", ""), ("ignored", "already"))
"""What becomes of aliases in the ordinary way."""
ERRORS: Final = (
    ("kafka", "_ALL_BROKERS_DOWN"),
    ("kafka", "_TRANSPORT"),
    ("consumer", "partitions_lost"),
    ("producer", "_TIMED_OUT"),
    ("index", "IndexUnavailable"),
)
"""The errors that an operator is paged for: source and kind."""
OUTCOMES: Final[dict[Role, tuple[tuple[str, str], ...]]] = {
    "batches": (
        ("forwarded", ""),
        ("stored", ""),
        ("duplicate", ""),
        *(("dropped", reason) for reason in DROPPED),
    ),
    "requests": (("answered", ""),),
    "privacy": (("answered", ""),),
}
_LETTERS: Final = tuple(("dead_letter", reason) for reason in get_args(DeadLetterReason))


class Series(Struct, frozen=True):
    """What a process may count, in the order of the metrics' labels."""

    guarantee: str
    records: frozenset[tuple[str, str, str, str, str]]
    decisions: frozenset[tuple[str, str]]
    computing: tuple[str, ...] = ()
    """The workspaces of which something is computed."""


def expected(rules: Rules, guarantee: str, computed: Mapping[str, Scope] | None = None) -> Series:
    """Return what a process with *rules* may count, where scopes define what is *computed*."""
    strategies = {one.workspace.policy.strategy for one in rules.inputs.values()}
    return Series(
        guarantee,
        frozenset(_records(rules)),
        frozenset((strategy, kind) for strategy in strategies for kind in KINDS.values()),
        tuple(name for scope in (computed or {}).values() for name in scope.workspaces),
    )


def _records(rules: Rules) -> Iterator[tuple[str, str, str, str, str]]:
    for topic, role in rules.roles.items():
        if role == "clock":
            yield topic, "", "", "swept", ""
            continue
        yield topic, "", "", "dead_letter", "unknown_input"
        for one in rules.inputs.values():
            if one.may_come_by(topic, role):
                yield from _of_input(topic, role, one)


def _of_input(topic: str, role: Role, one: InputRules) -> Iterator[tuple[str, str, str, str, str]]:
    for outcome, reason in (*OUTCOMES[role], *_LETTERS):
        if reason != "unknown_input":
            yield topic, one.workspace.name, one.name, outcome, reason
