"""Names that the index lists as defined, and that the configuration does not have any more."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

from processor.computed.definition import Listed
from processor.identity.model import Space
from processor.redis.generations import Generations, definitions_in, open_generations
from processor.settings import Settings
from processor.settings.computed import dropped

_MOST_TOLD: Final = 20


def dropped_names(settings: Settings, scope: str) -> list[str]:
    """Return the names that no definition of *scope* has and its spaces list; it writes nothing."""
    with closing(open_generations(settings)) as generations:
        names = {
            name
            for space, owner in _owned(settings, scope, generations)
            for name in dropped(
                settings.computed.get(scope), definitions_in(generations, space, owner)
            )
        }
    return sorted(names)


def strike(settings: Settings, scope: str) -> None:
    """Strike such names off the lists: a later definition of that name is a new one."""

    def kept(known: Mapping[str, Listed]) -> dict[str, Listed]:
        gone = dropped(settings.computed.get(scope), known)
        return {name: one for name, one in known.items() if name not in gone}

    with closing(open_generations(settings)) as generations:
        for space, owner in _owned(settings, scope, generations):
            generations.define(space, owner, kept)


def in_words(names: list[str]) -> str:
    """Return what is to be said of *names*."""
    shown = [f"workspaces.{name.replace('/', '.', 1)}" for name in names[:_MOST_TOLD]]
    return ", ".join(shown) + (", …" if len(names) > _MOST_TOLD else "")


def _owned(settings: Settings, scope: str, generations: Generations) -> Iterator[tuple[Space, str]]:
    """Yield the spaces of *scope* that were ever used, each with whose it is."""
    for space in settings.spaces():
        if space.scope == scope and (owner := generations.survey(space, ()).owner):
            yield space, owner
