"""How a profile came to be, as a drawing: sources, aliases and merges around it."""

from typing import Final

from msgspec import Struct

from processor.identity.profile import Profile

MOST_DRAWN: Final = 12
"""Profiles of one kind that are drawn; the others are in the list below the drawing."""
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 200, 40, 130, 18


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
    before = [(mpid, "merge", "merged") for mpid in profile.absorbed]
    if profile.source_mpid is not None:
        before.append((profile.source_mpid, "source", "became known"))
    aliases = profile.more.aliases
    before += [(a.mpid, "alias", f"alias ({a.scope})") for a in aliases if a.role == "destination"]
    after = [(a.mpid, "alias", f"alias ({a.scope})") for a in aliases if a.role == "source"]
    if not before and not after:
        return None
    left, right = before[:MOST_DRAWN], after[:MOST_DRAWN]
    rows = max(len(left), len(right), 1)
    height = rows * (_HEIGHT + _GAP_Y)
    own_x = _WIDTH + _GAP_X if left else 0
    own_y = (height - _HEIGHT) // 2
    nodes = [Node(str(profile.mpid), is_self=True, x=own_x, y=own_y)]
    edges = []
    for row, (mpid, kind, text) in enumerate(left):
        y = _row_y(row, len(left), height)
        nodes.append(Node(str(mpid), is_self=False, x=0, y=y))
        edges.append(Edge(kind, text, _WIDTH, y + 20, own_x, own_y + 20))
    for row, (mpid, kind, text) in enumerate(right):
        x, y = own_x + _WIDTH + _GAP_X, _row_y(row, len(right), height)
        nodes.append(Node(str(mpid), is_self=False, x=x, y=y))
        edges.append(Edge(kind, text, own_x + _WIDTH, own_y + 20, x, y + 20))
    width = own_x + _WIDTH + (_GAP_X + _WIDTH if right else 0)
    left_out = len(before) - len(left) + len(after) - len(right)
    return Lineage(width, height, tuple(nodes), tuple(edges), left_out)


def _row_y(row: int, rows: int, height: int) -> int:
    step = height // rows
    return row * step + (step - _HEIGHT) // 2
