"""The guards of the design, each switched off in turn: what it guards against must then happen.

This is done from outside, on the names that modules hold: no setting of the processor can do it.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import Raw, structs

from processor.commands.restore import reader
from processor.index import memory
from processor.index.cache import Cache
from processor.index.port import Changed, Moment
from processor.kafka.loop.horizon import Horizon
from processor.pipeline import session, witness
from processor.pipeline.memory import Memo
from processor.pipeline.naming import Answer
from processor.pipeline.witness import Witness, read_witnesses
from processor.profiles.sections import Make, Sections
from tests.model import kafka
from tests.model.plans import plan
from tests.model.world import Plan


@dataclass(frozen=True)
class Guard:
    """How a guard is switched off, and how what the checks then say at least once begins."""

    switch_off: Callable[[pytest.MonkeyPatch], None]
    complaint: str
    faults: tuple[str, ...]
    """What it takes to need the guard."""
    first: int = 0
    """Where to begin the search: a plan known to need it, as long as no step comes or goes."""
    about: bytes = bytes(range(256))
    """What the history is made of, see ``people``."""
    setting: str = ""
    """The only one that needs the guard; any where it is empty."""
    restores: bool = False
    """Whether it takes restores to need it."""

    def plan(self, number: int) -> Plan:
        """Return the plan of a number, as it takes to need the guard."""
        chosen = plan(5, number)
        history = bytes(self.about[byte % len(self.about)] for byte in chosen.history)
        setting = self.setting or chosen.setting
        chosen = replace(chosen, setting=setting, faults=self.faults, history=history)
        return replace(chosen, restores=self.restores)


ONE_USER = bytes([18, 19])
"""Batches of one user, on two partitions, that change nothing about a user who is known."""


def _journal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session.SpaceSession, "replayed", lambda _self, _key, _offset: None)


def _cursor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_check_cursor", lambda _space, _held, _advance: None)
    # Most losses are noticed by the tags of changes before a cursor is looked at.
    patch.setattr(memory, "changed_since", lambda *_: None)


def _epoch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_check_epochs", lambda _space, _held, _epochs: None)


def _compare(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_is_as_read", lambda _held, _effects: True)


def _republishing(patch: pytest.MonkeyPatch) -> None:
    def trim(held, asked, _newer):
        del held.rows[asked.row].chunks[: asked.chunks]
        return ()

    patch.setattr(memory, "_trim", trim)


def _witness(forget: Callable[[Witness], Witness]) -> Callable[[pytest.MonkeyPatch], None]:
    def forgetful(metadata: str) -> dict[str, Witness] | None:
        found = read_witnesses(metadata)
        return None if found is None else {name: forget(one) for name, one in found.items()}

    return lambda patch: patch.setattr(witness, "read_witnesses", forgetful)


def _forgets_to_drop(patch: pytest.MonkeyPatch) -> None:
    def learn(self: Cache, moment: Moment, _changed: Changed | None) -> None:
        self.moment = moment

    patch.setattr(Cache, "learn", learn)


def _recalls_what_changed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Memo, "is_current", lambda _self: True)


def _answers_as_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answer, "is_given", lambda *_: True)


def _publishes_as_before(patch: pytest.MonkeyPatch) -> None:
    """Publish sections of profiles as they were first, whatever they have become."""
    real = Sections.encoded

    def encoded(self: Sections, name: Hashable, value: tuple[Any, ...], make: Make) -> Raw:
        held = self._held.get(name)
        return real(self, name, value, make) if held is None else held[1]

    patch.setattr(Sections, "encoded", encoded)


def _horizon(patch: pytest.MonkeyPatch) -> None:
    """Let the clock go on though records wait."""

    def compare(self: Horizon, _committed: object) -> None:
        self._ends, self._as_of_ms = None, self._asked_ms

    patch.setattr(Horizon, "_compare", compare)


def _end_without_comparing(patch: pytest.MonkeyPatch) -> None:
    """Let profiles end whatever has become of them since they were read."""
    real = memory._is_as_read
    patch.setattr(memory, "_is_as_read", lambda held, its: bool(its.graves) or real(held, its))


def _tombstones(patch: pytest.MonkeyPatch) -> None:
    """Let a restore pass over tombstones, as one would that knows documents only."""
    patch.setattr(reader, "_erased", lambda _record: None)


def _transaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kafka.Cluster, "with_transactions", False)


GUARDS = {
    "journal": Guard(_journal, "decisions: ", ("kills",)),
    "cursor check": Guard(_cursor, "changelog is the store: published, not live", ("losses",), 46),
    "epoch": Guard(_epoch, "decisions: ", ("freezes", "sessions end")),
    "compare": Guard(_compare, "graph of ", ("newcomers",)),
    "cache": Guard(_forgets_to_drop, "decisions: ", ("newcomers",)),
    "memory": Guard(_recalls_what_changed, "decisions: ", ("newcomers",)),
    "naming": Guard(_answers_as_before, "decisions: ", ("newcomers",), 190),
    "sections": Guard(_publishes_as_before, "changelog is the store: ", ("newcomers",)),
    "republishing": Guard(
        _republishing, "changelog ends with the highest: ", ("newcomers", "freezes")
    ),
    "witness of the cursor": Guard(
        _witness(lambda one: structs.replace(one, cursor=None)),
        "changelog is the store: published, not live",
        ("losses", "kills"),
        109,
    ),
    "witness of the seq": Guard(
        _witness(lambda one: structs.replace(one, seq=0)),
        "decisions: ",
        ("losses", "kills"),
        20,
        ONE_USER,
    ),
    "horizon": Guard(
        _horizon, "early: ", ("newcomers", "freezes"), setting="profile_isolation computed"
    ),
    "journal of sweeps": Guard(
        _journal, "flips: ", ("kills",), setting="profile_isolation computed"
    ),
    "compare of ends": Guard(
        _end_without_comparing,
        "graph of ",
        ("newcomers",),
        3,
        setting="profile_isolation computed ageing",
    ),
    "tombstones of a restore": Guard(
        _tombstones,
        "gone: ",
        ("newcomers",),
        6,
        setting="profile_isolation computed ageing",
        restores=True,
    ),
    "transaction": Guard(_transaction, "one outcome each: 2 outcomes", ("kills",)),
}


@contextmanager
def without(name: str) -> Iterator[Guard]:
    """Switch the guard *name* off."""
    with pytest.MonkeyPatch.context() as patch:
        GUARDS[name].switch_off(patch)
        yield GUARDS[name]
