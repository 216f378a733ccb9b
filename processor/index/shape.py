"""TODO processor.index.shape."""

from processor.identity.model import IdentityPolicy, Space


def shape(policy: IdentityPolicy) -> str:
    """Return the identity settings that index entries are derived by, as a text to compare.

    Under others the entries would contradict the documents: they must be rebuilt first
    (``idstream restore --reindex``).
    """
    kinds = {
        "lookups": policy.priority,
        "unique": policy.unique_ids,
        "login": policy.login_ids,
    }
    return " ".join(f"{kind}={','.join(sorted(types))}" for kind, types in kinds.items())


def begun(shape: str, *, is_new: bool) -> str:
    """Return the announcement in place of a shape: a rebuild publishes, and is not live yet.

    Whoever went on with the old entries would make the versions that it has published once more.
    """
    return f"{'reindexing' if is_new else 'restoring'}:{shape}"


def unfinished(space: Space, held: str) -> str | None:
    """Return the way out where *held* announces a rebuild, None where it is a shape."""
    kind, _, wanted = held.rpartition(":")
    if not kind:
        return None
    what, option = ("reindex", " --reindex") if kind == "reindexing" else ("restore", "")
    return (
        f"a {what} of space {space.name} to ({wanted}) was begun and its changes are published:"
        f" finish it with `idstream restore{option}` under these settings"
    )
