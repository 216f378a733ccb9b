"""How a profile came to be, as a drawing: sources, aliases and merges around it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from processor.identity.profile import Profile

MOST_DRAWN: Final = 12
"""Profiles at either side that are drawn; the others are in the list below the drawing."""
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 200, 40, 170, 18
_EDGE: Final = 8
"""How far from the corners of a box its arrows keep."""
_Arrow = tuple[str, str]
"""Its kind and text."""
_Side = list[tuple[int, list[_Arrow]]]
"""Profiles with the arrows between them and the one that is drawn, each kind once."""


class Node(Struct, frozen=True):
    """A profile in the drawing, by the place of its left upper corner."""

    mpid: str
    is_self: bool
    x: int
    y: int


class Edge(Struct, frozen=True):
    """An arrow between two profiles, and what it says."""

    kind: str
    """source, alias or merge: how the line is drawn."""
    text: str
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def middle(self) -> tuple[int, int]:
        """Where the text stands."""
        return (self.x1 + self.x2) // 2, (self.y1 + self.y2) // 2


class Lineage(Struct, frozen=True):
    """The drawing."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int
    """How many profiles are not drawn."""


def lineage(profile: Profile) -> Lineage | None:
    """Return the drawing around *profile*; None where it came from nobody else."""
    before, after = _beside(profile)
    if not before and not after:
        return None
    left, right = before[:MOST_DRAWN], after[:MOST_DRAWN]
    height = max(len(left), len(right)) * (_HEIGHT + _GAP_Y)
    own_x = _WIDTH + _GAP_X if left else 0
    own_y = (height - _HEIGHT) // 2
    own_end, right_x = own_x + _WIDTH, own_x + _WIDTH + _GAP_X
    nodes = [Node(str(profile.mpid), is_self=True, x=own_x, y=own_y)]
    edges = []
    for row, (mpid, arrows) in enumerate(left):
        y = _row_y(row, len(left), height)
        nodes.append(Node(str(mpid), is_self=False, x=0, y=y))
        edges += [Edge(*it, _WIDTH, y + down, own_x, own_y + down) for it, down in _spread(arrows)]
    for row, (mpid, arrows) in enumerate(right):
        y = _row_y(row, len(right), height)
        nodes.append(Node(str(mpid), is_self=False, x=right_x, y=y))
        edges += [
            Edge(*it, own_end, own_y + down, right_x, y + down) for it, down in _spread(arrows)
        ]
    width = right_x + _WIDTH if right else own_end
    left_out = len(before) - len(left) + len(after) - len(right)
    return Lineage(width, height, tuple(nodes), tuple(edges), left_out)


def _beside(profile: Profile) -> tuple[_Side, _Side]:
    """Return the profiles that led to *profile*, and those that it counts for."""
    before = [(mpid, "merge", "merged") for mpid in profile.absorbed]
    if profile.source_mpid is not None:
        before.append((profile.source_mpid, "source", "became known"))
    aliases = profile.more.aliases
    before += [(a.mpid, "alias", f"alias ({a.scope})") for a in aliases if a.role == "destination"]
    after = [(a.mpid, "alias", f"alias ({a.scope})") for a in aliases if a.role == "source"]
    return _by_profile(before), _by_profile(after)


def _by_profile(found: Iterable[tuple[int, str, str]]) -> _Side:
    arrows: dict[int, dict[_Arrow, None]] = {}
    for mpid, kind, text in found:
        arrows.setdefault(mpid, {})[kind, text] = None
    return [(mpid, list(its)) for mpid, its in arrows.items()]


def _spread(arrows: Sequence[_Arrow]) -> Iterator[tuple[_Arrow, int]]:
    """Give arrows, and how far below the upper edge of a box each begins and ends."""
    room, first = _HEIGHT - 2 * _EDGE, _EDGE if len(arrows) > 1 else _HEIGHT // 2
    for number, arrow in enumerate(arrows):
        yield arrow, first + room * number // max(1, len(arrows) - 1)


def _row_y(row: int, rows: int, height: int) -> int:
    step = height // rows
    return row * step + (step - _HEIGHT) // 2
