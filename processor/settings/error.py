"""``SettingsError``, and the spellings that its messages suggest."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class SettingsError(Exception):
    """The configuration cannot be used; the message is one line that says where and what to do.

    No message quotes a value of ``[redis]`` or ``kafka.client``, which may be secret.
    """

    def within(self, path: Path) -> "SettingsError":
        """Return the same error, naming the file unless it names its place already."""
        text = str(self)
        named = text.startswith((f"{path}:", "IDSTREAM_"))
        return self if named else SettingsError(f"{path}: {text}")


def hint(key: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where *key* is nearly one of *known*, else nothing."""
    close = closest(key, known)
    return f" (did you mean {close}?)" if close else ""


def closest(key: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *key* nearly is, '' if there is none."""
    return next(iter(difflib.get_close_matches(key, list(known), n=1)), "")
