"""``idstream.toml`` as a document of tables, and the files of secrets that it names."""

import tomllib
from pathlib import Path
from typing import Any

from processor.settings.error import SettingsError

Document = dict[str, Any]


def read(path: Path) -> Document:
    """Return the tables of the TOML file at *path*."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; name a configuration with -c FILE") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: cannot be read: it is not UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None


def parse(text: str) -> Document:
    """Return the tables of *text*, a TOML document."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser names line and column, and quotes no more than a character or a key.
        raise SettingsError(f"is not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError("is no configuration: it nests lists or tables too deep") from None


def read_secret(path: str, setting: str) -> str:
    """Return the text of a secret's file without its final line break."""
    try:
        return read_bytes(path, setting).decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: the file {path} is not UTF-8") from None


def read_bytes(path: str, setting: str) -> bytes:
    """Return the content of a secret's file without its final line break."""
    try:
        return Path(path).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise SettingsError(
            f"{setting}: the file {path} cannot be read: {error.strerror}"
        ) from None
