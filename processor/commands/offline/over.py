"""The index that a record is explained over: a snapshot, or the live one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from processor.commands.offline.resolve import load_index
from processor.index.memory import MemoryIndex
from processor.settings import load, load_offline


@contextmanager
def index_for(
    config: Path, environ: Mapping[str, str], profiles: Path | None, *, live: bool
) -> Iterator[MemoryIndex]:
    """Give the index of the snapshot *profiles*, or one that reads the live index."""
    if not live:
        yield load_index(load_offline(config, environ), profiles)
        return
    from processor.commands.offline.live import LiveIndex  # noqa: PLC0415 - only it needs Redis
    from processor.redis.index import open_index  # noqa: PLC0415

    settings = load(config, environ)
    redis = open_index(settings)
    try:
        yield LiveIndex(settings, redis)
    finally:
        redis.close()
