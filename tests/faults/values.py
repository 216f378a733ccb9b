"""No value of an identifier or an attribute is where none belongs, after a run under fire.

Documents, batches, answers and the bodies of dead letters hold values by their nature; tokens,
change events, outcomes, headers, names of keys, committed offsets and logs do not.
"""

from collections.abc import Iterator

from tests.faults.load import MARKS
from tests.faults.oracle import Published, few
from tests.faults.stage import Stage

WITHOUT_VALUES = ("changes", "outcomes")
"""Topics whose records tell of people by MPIDs and tokens alone."""


def told_by_topics(published: Published) -> list[str]:
    """Return where outputs tell a value: whole records of some topics, headers of all."""
    wrong = []
    for role, seens in published.by_role.items():
        for one in seens:
            if role in WITHOUT_VALUES and has_value((one.key or b"") + one.value):
                wrong.append(f"a value in {role}: {one.source}")
            if role == "responses" and has_value(repr(_reasons(one.body)).encode()):
                wrong.append(f"a value in the errors of an answer: {one.source}")
            names = [name for name, value in one.headers.items() if has_value(value)]
            wrong += [f"a value in the header {name} of {role}: {one.source}" for name in names]
    return few(wrong)


def told_by_servers(stage: Stage) -> list[str]:
    """Return where names of keys, shared facts, rows or committed offsets tell a value."""
    wrong = [f"a value in Redis, in {where}" for where, text in _kept(stage) if has_value(text)]
    for topic in ("batches", "requests"):
        offsets = stage.servers.kafka.committed(stage.group, stage.topics[topic]).values()
        told = [one for one in offsets if has_value((one.metadata or "").encode())]
        wrong += [f"a value in the offset of {topic}/{one.partition}" for one in told]
    return few(wrong)


def has_value(text: bytes) -> bool:
    """Whether *text* has the beginning of a value."""
    return any(mark in text for mark in MARKS)


def _kept(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """Yield names of keys, and what control hashes and rows hold."""
    client = stage.servers.redis.client
    for key in client.scan_iter(f"{stage.group}*", count=1000):
        yield "the name of a key", key
        if client.type(key) == b"hash":
            yield "a hash", b" ".join(part for pair in client.hgetall(key).items() for part in pair)


def _reasons(body: dict[str, object]) -> object:
    return [body.get(name) for name in ("errors", "message", "resolution")]
