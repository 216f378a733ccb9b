"""``SettingsError`` with all mistakes of a configuration, and the spellings that it suggests."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn


class SettingsError(Exception):
    """The configuration cannot be used: one line for each mistake, with its place and the remedy.

    No message quotes a value of ``[redis]`` or ``kafka.client``, which may be secret.
    """

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = tuple(" ".join(one.split()) for one in mistakes)
        super().__init__("\n".join(self.mistakes))

    def within(self, path: Path) -> "SettingsError":
        """Return the same error, naming the file where a mistake names no place of its own."""
        return SettingsError(*(_placed(one, path) for one in self.mistakes))

    def from_variables(self, names: Mapping[str, str]) -> "SettingsError":
        """Return the same error, naming the variables that values came from, by path."""
        return SettingsError(*(_attributed(one, names) for one in self.mistakes))


class Mistakes:
    """Collects mistakes, so that all of them can be told at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def are_below(self, path: str) -> bool:
        """Return whether anything was noted of *path*, or of a key below it."""
        return any(one.startswith((f"{path}:", f"{path}.", f"{path}[")) for one in self._found)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the mistakes of one part, and go on with the next."""
        try:
            yield
        except SettingsError as error:
            self.add(error)

    def add(self, error: SettingsError) -> None:
        """Note the mistakes of *error*, each once."""
        self._found += [one for one in error.mistakes if one not in self._found]

    def are_about(self, path: str) -> bool:
        """Return whether anything was noted of *path* itself."""
        return any(one.startswith(f"{path}:") for one in self._found)

    def tell(self, mistake: str) -> None:
        """Note one mistake."""
        self.add(SettingsError(mistake))

    def refuse(self) -> NoReturn:
        """Raise SettingsError with everything that was noted."""
        raise SettingsError(*self._found)

    def check(self) -> None:
        """Raise SettingsError if anything was noted."""
        if self._found:
            self.refuse()


def hint(key: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where *key* is nearly one of *known*, else nothing."""
    close = closest(key, known)
    return f" (did you mean {close}?)" if close else ""


def closest(key: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *key* nearly is, '' if there is none."""
    by_word = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(key.casefold(), list(by_word), n=1)
    return by_word[near[0]] if near else ""


def _placed(mistake: str, path: Path) -> str:
    named = mistake.startswith((f"{path}:", "IDSTREAM_"))
    return mistake if named else f"{path}: {mistake}"


def _attributed(mistake: str, names: Mapping[str, str]) -> str:
    for path, name in names.items():
        if mistake.startswith((f"{path}:", f"{path}.", f"{path}[")):
            return f"{name}: {mistake}"
    return mistake
