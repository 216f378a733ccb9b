"""Values of records as JSON, whatever their format: for commands that show them."""

from typing import Any, Final

import msgspec

from processor.codecs.avro.reading import AvroReader, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.fault import Fault
from processor.registry import open_registry

_FRAMINGS: Final = (b"\x00", b"\xc3\x01")
"""How Avro begins; JSON never does."""


class Values:
    """Reads values of each role; schemas come from *registry_url*, '' where there is none."""

    def __init__(self, registry_url: str) -> None:
        self._registry = open_registry(registry_url)
        self._readers: dict[str, AvroReader] = {}

    def read(self, role: str, value: bytes | None) -> Any:  # noqa: ANN401 - any JSON value
        """Return what *value* of a topic of *role* holds, None where it cannot be read."""
        try:
            if value is not None and value.startswith(_FRAMINGS) and role in MESSAGES:
                value = self._reader(role).to_json(value)
            return None if value is None else msgspec.json.decode(value)
        except (Fault, RegistryUnavailable, ValueError, RecursionError):
            return None

    def _reader(self, role: str) -> AvroReader:
        if role not in self._readers:
            self._readers[role] = AvroReader(MESSAGES[role], self._registry)
        return self._readers[role]
