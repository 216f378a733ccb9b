"""What a profile lost and gained: the difference of its identities before and after."""

from collections.abc import Iterable
from itertools import compress
from operator import is_not

from processor.identity.model import Identifier
from processor.identity.profile import Identity, Profile


def difference(before: Profile | None, after: Profile) -> tuple[list[Identifier], list[Identifier]]:
    """Return the identifiers that a profile lost and gained; a merged one has none.

    Most of a profile with many identities is the same objects in the same places: they are passed
    over at the speed of C.
    """
    had = () if before is None or before.merged_into is not None else before.identities
    has = () if after.merged_into is not None else after.identities
    if had is has:
        return [], []
    if not had:
        return [], list(_identifiers(has))
    if len(had) == len(has):
        old = _identifiers(compress(had, map(is_not, had, has)))
        new = _identifiers(compress(has, map(is_not, had, has)))
    else:
        least = min(len(had), len(has))
        start = next(compress(range(least), map(is_not, had, has)), least)
        old, new = _identifiers(had[start:]), _identifiers(has[start:])
    removed = [i for i in old if i not in new]
    if removed:  # a document from elsewhere may list an identity twice
        left = _identifiers(has)
        removed = [i for i in removed if i not in left]
    return removed, [i for i in new if i not in old]


def _identifiers(identities: Iterable[Identity]) -> dict[Identifier, None]:
    """Return identifiers in their order, each once, for quick and repeatable differences."""
    new = tuple.__new__  # half the time of Identifier(...)
    return {new(Identifier, (i.identity_type, i.value)): None for i in identities}
