"""The shape of a space: the settings by which its index entries are derived, as one text.

The index keeps it. A processor with another shape does not start, since the entries would
contradict its documents. While a restore has published changes and is not live yet, an announcement
stands in place of the shape, so that no processor starts at all.
"""

from processor.identity.model import IdentityPolicy, Space


def shape(policy: IdentityPolicy) -> str:
    """Return the shape that *policy* asks for; ``idstream restore --reindex`` changes a space's."""
    kinds = {
        "lookups": policy.priority,
        "unique": policy.unique_ids,
        "login": policy.login_ids,
    }
    return " ".join(f"{kind}={','.join(sorted(types))}" for kind, types in kinds.items())


def announcement(shape: str, *, is_new: bool) -> str:
    """Return what stands in place of a shape while a restore to *shape* publishes changes.

    A processor that kept using the old entries would publish other documents under the same
    versions.
    """
    return f"{'reindexing' if is_new else 'restoring'}:{shape}"


def unfinished(space: Space, held: str) -> str | None:
    """Return the way out where *held* announces a restore, None where it is a shape."""
    kind, _, wanted = held.rpartition(":")
    if not kind:
        return None
    what, option = ("reindex", " --reindex") if kind == "reindexing" else ("restore", "")
    return (
        f"a {what} of space {space.name} to ({wanted}) was begun and its changes are published:"
        f" finish it with `idstream restore{option}` under these settings"
    )
