"""The processor with one of its guards switched off: ``python -m tests.faults.unguarded GUARD …``.

From outside, on the names that modules hold: no setting of the processor can do it. The suite has
to notice; guards that only rare orders of steps need are switched off in ``tests/model`` instead.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from processor.cli import main
from processor.kafka.loop.horizon import Horizon
from processor.pipeline import session, witness
from processor.redis import index
from processor.redis.connection import Script


def _journal() -> None:
    """What was decided is decided anew, and written over an index that holds the effects."""
    assert hasattr(session.SpaceSession, "replayed")
    session.SpaceSession.replayed = lambda _self, _key, _offset: None  # type: ignore[method-assign]


def _compare() -> None:
    text = index._COMMIT.text
    check = "if not is_as_read() then"
    assert check in text
    patched = text.replace(check, "if false then")
    import hashlib

    index._COMMIT = Script(patched, hashlib.sha1(patched.encode()).hexdigest())


def _republishing() -> None:
    """What a row owes the topic of profiles is not published again."""
    visit = index.RedisIndex.visit

    def forgetful(self: Any, *asked: Any, **more: Any) -> Any:
        reading = visit(self, *asked, **more)
        return replace(reading, owed=tuple(() for _ in reading.owed), newer={})

    index.RedisIndex.visit = forgetful  # type: ignore[method-assign]


def _witness() -> None:
    """Offsets bear witness to nothing."""
    read_witnesses = witness.read_witnesses

    def none(metadata: str) -> dict[str, witness.Witness] | None:
        found = read_witnesses(metadata)
        return None if found is None else dict.fromkeys(found, witness.Witness(cursor=None, seq=0))

    witness.read_witnesses = none


def _horizon() -> None:
    """The clock goes on though records wait."""

    def compare(self: Any, _committed: object) -> None:
        self._ends, self._as_of_ms = None, self._asked_ms

    assert hasattr(Horizon, "_compare")
    Horizon._compare = compare  # type: ignore[method-assign]


def _transaction() -> None:
    os.environ["IDSTREAM_KAFKA__GUARANTEE"] = "at_least_once"


GUARDS: dict[str, Callable[[], None]] = {
    "journal": _journal,
    "compare": _compare,
    "republishing": _republishing,
    "witness": _witness,
    "transaction": _transaction,
    "horizon": _horizon,
}


if __name__ == "__main__":
    GUARDS[sys.argv.pop(1)]()
    main()
