"""What the extensions of a request say: how it is to be carried out (docs/privacy.md, "A request").

A misspelt wish that was passed over would turn a dry run into an erasure, so that ours are known
by name, every one. What others put into theirs is no concern of ours.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Raw, Struct

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault, fault_of, near_miss
from processor.codecs.fields import mpid_of
from processor.codecs.nearness import likely_meant, ordinal, surely_meant

Follow = Literal["merges", "source", "aliases"]

FOLLOW: Final[tuple[Follow, ...]] = get_args(Follow)
MOST_DELETED: Final = 1000
"""MPIDs that a delete may name."""
_OURS: Final = "idstream"
_THEIRS: Final = "opendsr.mparticle.com"
_KNOWN: Final = (
    "skip_waiting_period",
    "dry_run",
    "suppress",
    "follow",
    "all_holders",
    "mpids",
    "subject_identities",
)
_CALLED: Final = {"skip_waiting": "skip_waiting_period"}
"""Names that ours go by elsewhere: the option of ``idstream privacy submit``."""
_NULL: Final = b"null"

_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_flag = msgspec.json.Decoder(bool).decode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_decode_follow = msgspec.json.Decoder(tuple[Follow, ...]).decode


class Wishes(Struct, frozen=True):
    """What a request says of how it is to be carried out."""

    skip_waiting: bool = False
    dry_run: bool = False
    suppress: bool = False
    all_holders: bool = False
    follow: tuple[Follow, ...] | None = None
    """None: as ``privacy.follow`` says."""


class Extension(Struct, frozen=True):
    """One of the extensions that are read; empty where the request has it not."""

    path: str
    fields: Mapping[str, Raw]

    def read(self, name: str, decode: Callable[[Raw], Any]) -> Any:  # noqa: ANN401 - as *decode* says
        """Return what *decode* makes of a field, None where there is none; Fault names it."""
        return read_at(self.fields.get(name), f"{self.path}.{name}", decode)

    def flag(self, name: str) -> bool:
        """Return whether a flag is set."""
        return self.read(name, _decode_flag) or False


def extensions_of(fields: Fields) -> tuple[Extension, Extension]:
    """Return what a request's extensions hold, ours first.

    Fault where ours has an unknown name, or goes by a misspelt one itself.
    """
    _check_spelling(fields, "extensions", likely_meant, "a request")
    every = read_at(fields.get("extensions"), "extensions", _decode_map) or {}
    _check_spelling(every, _OURS, surely_meant, "extensions")
    ours, theirs = (_extension(every, name) for name in (_OURS, _THEIRS))
    for place, name in enumerate(ours.fields, 1):
        if name not in _KNOWN:
            raise _unknown(ours.path, place, name)
    return ours, theirs


def wishes_of(ours: Extension, theirs: Extension) -> Wishes:
    """Return what both extensions wish."""
    name = "skip_waiting_period"
    follow = ours.read("follow", _decode_follow)
    return Wishes(
        skip_waiting=ours.flag(name) or theirs.flag(name),
        dry_run=ours.flag("dry_run"),
        suppress=ours.flag("suppress"),
        all_holders=ours.flag("all_holders"),
        follow=None if follow is None else tuple(dict.fromkeys(follow)),
    )


def deleted_by(ours: Extension) -> tuple[int, ...]:
    """Return the MPIDs that a delete names."""
    if ours.flag("dry_run"):
        raise Fault(f"{ours.path}.dry_run: a delete has no dry run, it ends profiles at once")
    path = f"{ours.path}.mpids"
    listed = ours.read("mpids", _decode_raws) or []
    if not 1 <= len(listed) <= MOST_DELETED:
        raise Fault(f"{path}: a delete names 1 to {MOST_DELETED} MPIDs")
    mpids = [mpid_of(one, path) for one in listed]
    return tuple(dict.fromkeys(mpid for mpid in mpids if mpid is not None))


def read_at(raw: Raw | None, path: str, decode: Callable[[Raw], Any]) -> Any:  # noqa: ANN401 - as *decode* says
    """Return what *decode* makes of *raw*, None where there is none; Fault names *path*."""
    if raw is None or bytes(raw) == _NULL:
        return None
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, path, {"follow": FOLLOW}) from None


def _extension(every: Mapping[str, Raw], name: str) -> Extension:
    path = f"extensions.{name}"
    return Extension(path, read_at(every.get(name), path, _decode_map) or {})


def _check_spelling(
    names: Collection[str], meant: str, nearest: Callable[[str, tuple[str]], str], path: str
) -> None:
    """Raise Fault where *meant* is not among *names*, but what is *nearest* to it."""
    if meant in names:
        return
    for place, name in enumerate(names, 1):
        if nearest(name, (meant,)):
            raise near_miss(path, place, meant)


def _unknown(path: str, place: int, name: str) -> Fault:
    """Return the fault of a wish of no known name; the name may be anything, even a person's."""
    meant = likely_meant(name, (*_KNOWN, *_CALLED))
    meant = _CALLED.get(meant, meant)
    asked = f"did you mean {meant}?" if meant else f"these are: {', '.join(_KNOWN)}"
    return Fault(f"{path}: its {ordinal(place)} field is none that is known ({asked})")
