"""Refusals: answers of the API that are no profile."""

from collections.abc import Mapping

from msgspec import Struct


class ErrorEntry(Struct):
    """One error: a code for programs, and a sentence for people, without any value."""

    code: str
    message: str


class ErrorBody(Struct):
    """The body of every answer that is not 2xx."""

    errors: list[ErrorEntry]


class Refusal(Exception):
    """A request is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    @property
    def body(self) -> ErrorBody:
        """What the caller gets."""
        return ErrorBody([ErrorEntry(self.code, self.message)])


def bad_request(message: str) -> Refusal:
    """Return the refusal of a request that is not as it should be."""
    return Refusal(400, "BAD_REQUEST", message)


def not_found() -> Refusal:
    """Return the answer about nobody: never there, aged out and erased look alike."""
    return Refusal(404, "NOT_FOUND", "there is no such profile")


def not_yet() -> Refusal:
    """Return the answer of a profile that is older than the caller wants it."""
    message = "the profile has not that version yet"
    return Refusal(409, "NOT_YET", message, {"Retry-After": "1"})


def not_pending() -> Refusal:
    """Return the answer to a cancel of what is carried out already, or cancelled."""
    return Refusal(409, "NOT_PENDING", "only a request that waits can be cancelled")


def gone(why: str) -> Refusal:
    """Return the answer about a profile that has ended, for who may know that there was one."""
    return Refusal(410, "GONE", f"the profile has ended: {why}")


def forbidden() -> Refusal:
    """Return the answer about a workspace that is not the caller's, or that does not exist."""
    return Refusal(403, "FORBIDDEN", "this token may not do that, or there is no such workspace")


def unavailable(message: str) -> Refusal:
    """Return the answer of a service that cannot answer now."""
    return Refusal(503, "UNAVAILABLE", message, {"Retry-After": "1"})
