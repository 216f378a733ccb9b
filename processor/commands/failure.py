"""How a command says that it failed, and which failures are foreseen."""

from processor.settings import SettingsError
from processor.space import Fenced, IndexUnavailable, LostWrites, NoStart


class Failure(Exception):  # noqa: N818 - the command failed, the program did not
    """A command cannot do what was asked; the message is one line for the person who asked."""


def is_expected(error: Exception) -> bool:
    """Whether *error* explains itself in one line that holds no data."""
    from processor.admin import AdminUnavailable  # noqa: PLC0415 - only a failure pays for it
    from processor.embedded.server import EmbeddedUnavailable  # noqa: PLC0415

    return isinstance(
        error,
        Failure
        | SettingsError
        | AdminUnavailable
        | EmbeddedUnavailable
        | IndexUnavailable
        | LostWrites
        | Fenced
        | NoStart,
    )
