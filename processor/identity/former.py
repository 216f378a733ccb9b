"""Identities that profiles lost: their tokens are remembered, so that an erasure marks them too.

(docs/privacy.md, "What keeps the erased away")
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from processor.identity.difference import difference
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile
from processor.identity.screening import lasting_types, marking_types
from processor.identity.view import View

MOST: Final = 100
"""Tokens that a profile remembers."""
STRONG, WEAK, DEVICE = "s", "w", "d"
"""First letters of ``More.former``: what the identity behind a token says of a record.

Weak ones say whose a record is that has no stronger one, and are those of no device.
"""

Former = tuple[str, ...]


def note_former(view: View, policy: IdentityPolicy, token: Callable[[Identifier], bytes]) -> None:
    """Note with every profile that a record has changed what it lost, and nobody gained."""
    edits = view.record.edits()
    changes = [(edit, *difference(edit.before, edit.after)) for edit in edits]
    gained = {identifier for _, _, added in changes for identifier in added}
    for edit, removed, _ in changes:
        lost = [i for i in removed if i not in gained and view.is_lookup(i.identity_type)]
        if not lost or edit.after.merged_into is not None:
            continue
        texts = [_letter(i.identity_type, policy) + token(i).hex() for i in lost]
        more = replace(edit.after.more, former=joined(edit.after.more.former, texts))
        view.put(replace(edit.after, more=more))


def _letter(identity_type: str, policy: IdentityPolicy) -> str:
    if identity_type in marking_types(policy):
        return STRONG
    return WEAK if identity_type in lasting_types(policy) else DEVICE


def joined(former: Iterable[str], more: Iterable[str]) -> Former:
    """Return two lists as one: of too many the later ones."""
    return tuple(dict.fromkeys((*former, *more)))[-MOST:]


def tokens_of(profiles: Sequence[Profile], kind: str) -> list[bytes]:
    """Return the tokens of one kind that *profiles* remember."""
    texts = [text for profile in profiles for text in profile.more.former]
    return [bytes.fromhex(text[1:]) for text in texts if text[:1] == kind]
