"""Tokens of callers: what each may do, and the file that has their hashes (docs/serve.md)."""

import tomllib
from base64 import b32encode
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from processor.identity.model import Environment
from processor.settings import SettingsError

Scope = Literal[
    "profiles:read", "identities:clear", "activity:read", "ui", "privacy:read", "privacy:request"
]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
TOKEN_BYTES: Final = 20
"""160 bits: nobody guesses one, so a fast hash keeps it safe."""
_PREFIX: Final = "ids_"
OTHERS: Final = 0o037
"""Modes of a file that others may read, or that its group may change."""
_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


def read_secret(where: str, path: Path) -> bytes:
    """Return what a file of the setting *where* holds; SettingsError where others may read it."""
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{where}: cannot be read ({error.strerror})") from None
    if mode & OTHERS:
        raise SettingsError(f"{where}: others may read it; run chmod 600 on it")
    return data


class TokensRefused(Exception):
    """The file of tokens cannot be used; the message is one line, and shows no token."""


class Token(Struct, frozen=True, cache_hash=True):
    """What the bearer of a token may do."""

    name: str
    workspaces: frozenset[str]
    environments: frozenset[str]
    scopes: frozenset[str]
    rate: float
    """Requests a second."""
    attributes: tuple[str, ...]
    """Globs of the attributes that may be read."""
    expires_s: float | None
    """In seconds since 1970."""

    def may(self, scope: Scope) -> bool:
        """Return whether the token has *scope*."""
        return scope in self.scopes

    def may_read(self, attribute: str) -> bool:
        """Return whether the token may read *attribute*."""
        return any(fnmatchcase(attribute, glob) for glob in self.attributes)

    @property
    def reads_all(self) -> bool:
        """Whether the token may read every attribute."""
        return "*" in self.attributes


class _Entry(Struct, forbid_unknown_fields=True):
    """A table of the file."""

    sha256: _Hash | list[_Hash]
    workspaces: list[str]
    scopes: list[Scope]
    environments: tuple[Environment, ...] = ("production",)
    rate: Annotated[float, Meta(gt=0)] = 15.0
    attributes: tuple[str, ...] = ("*",)
    expires: Any = None


class Tokens(Struct, frozen=True):
    """All tokens, by the hash of their text: to compare hashes tells nothing of it."""

    by_hash: Mapping[str, Token]

    def find(self, presented: str, now_s: float) -> Token | None:
        """Return what the bearer of *presented* may do; None where it is unknown or has expired."""
        token = self.by_hash.get(hash_of(presented))
        return token if token is not None and is_valid(token, now_s) else None

    def begins_with(self, digits: str, now_s: float) -> Token | None:
        """Return the token whose hash begins with *digits*, which a session has of it."""
        found = (token for known, token in self.by_hash.items() if known.startswith(digits))
        token = next(found, None)
        return token if token is not None and is_valid(token, now_s) else None


def is_valid(token: Token, now_s: float) -> bool:
    """Return whether *token* has not expired yet."""
    return token.expires_s is None or now_s < token.expires_s


def hash_of(text: str) -> str:
    """Return the hash of a token's *text*, as the file has it."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def mint(entropy: bytes) -> str:
    """Return the text of a new token, made of *entropy*."""
    return _PREFIX + b32encode(entropy).decode().lower()


def table(name: str, token: str, workspaces: Iterable[str], scopes: Iterable[str]) -> str:
    """Return the table of a new token for the file."""

    def listed(items: Iterable[str]) -> str:
        return msgspec.json.encode(list(items)).decode().replace(",", ", ")

    head = name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else None
    key = head or msgspec.json.encode(name).decode()
    return (
        f'[{key}]\nsha256 = "{hash_of(token)}"\n'
        f"workspaces = {listed(workspaces)}\nscopes = {listed(scopes)}\n"
    )


def parse_tokens(text: str, workspaces: Collection[str]) -> Tokens:
    """Return the tokens of a file's *text*; their workspaces must be among *workspaces*."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TokensRefused(f"is no TOML: {error}") from None
    found: dict[str, Token] = {}
    for name, entry in tables.items():
        hashes, token = _token(name, entry, workspaces)
        for one in hashes:
            if one in found:
                raise TokensRefused(f"{name}: has the hash of {found[one].name} too")
            found[one] = token
    return Tokens(found)


def _token(name: str, entry: object, workspaces: Collection[str]) -> tuple[list[str], Token]:
    try:
        read = msgspec.convert(entry, _Entry)
    except msgspec.ValidationError as error:
        raise TokensRefused(f"{name}: {error}") from None
    unknown = sorted(set(read.workspaces) - set(workspaces))
    if unknown:
        raise TokensRefused(f"{name}.workspaces: there is no workspace {unknown[0]}")
    hashes = [read.sha256] if isinstance(read.sha256, str) else read.sha256
    return hashes, Token(
        name=name,
        workspaces=frozenset(read.workspaces),
        environments=frozenset(read.environments),
        scopes=frozenset(read.scopes),
        rate=read.rate,
        attributes=read.attributes,
        expires_s=_expiry(name, read.expires),
    )


def _expiry(name: str, expires: object) -> float | None:
    if expires is None:
        return None
    if isinstance(expires, datetime):
        moment = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        return moment.timestamp()
    if isinstance(expires, date):
        return datetime(expires.year, expires.month, expires.day, tzinfo=UTC).timestamp()
    raise TokensRefused(f"{name}.expires: expected a date, such as 2027-01-01")


class TokenFile:
    """The file of tokens, read again when it changes; a broken one keeps what was read before."""

    def __init__(self, path: Path, workspaces: Collection[str]) -> None:
        self._path = path
        self._workspaces = frozenset(workspaces)
        self._seen: tuple[int, ...] | None = None
        self.tokens = Tokens({})

    def look(self) -> bool:
        """Read the file if it is not what it was; return whether it was read.

        Raises TokensRefused, once for each state of the file.
        """
        try:
            seen, mode = self._state()
            if seen == self._seen:
                return False
            self._seen = seen
            if mode & OTHERS:
                raise TokensRefused(f"{self._path}: others may read it; run chmod 600 on it")
            text = self._path.read_text("utf-8")
        except OSError as error:
            raise TokensRefused(f"{self._path}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise TokensRefused(f"{self._path}: is no UTF-8") from None
        try:
            self.tokens = parse_tokens(text, self._workspaces)
        except TokensRefused as error:
            raise TokensRefused(f"{self._path}: {error}") from None
        return True

    def _state(self) -> tuple[tuple[int, ...], int]:
        """Return what changes with the file, and its mode; no file is a state too."""
        try:
            its = self._path.stat()
        except FileNotFoundError:
            if self._seen == ():
                return (), 0
            self._seen = ()
            raise
        # The time of the last change of status tells of a chmod, which the others do not.
        return (its.st_mtime_ns, its.st_ctime_ns, its.st_size, its.st_ino), its.st_mode
