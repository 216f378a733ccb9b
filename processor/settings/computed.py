"""Definitions as ``load`` compiles them: of events, calculated attributes and audiences."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from processor.computed.definition import Definitions, definitions
from processor.settings.audiences import AudienceReader, AudienceSettings
from processor.settings.calculated import CalculatedSettings, calculated
from processor.settings.events import SelectorSettings, selectors


class DefinitionSettings(Struct, frozen=True):
    """What one workspace defines, as written."""

    events: dict[str, SelectorSettings] = {}
    calculated: dict[str, CalculatedSettings] = {}
    audiences: dict[str, AudienceSettings] = {}


class DefinitionReader(Struct, frozen=True):
    """Compiles what workspaces define."""

    inputs: Mapping[str, str]
    """The workspace of each input, by its name."""
    max_bytes: int
    """``limits.max_computed_bytes``."""
    hash_key: bytes = b""
    """What unique_count hashes values under."""

    def workspace(
        self, name: str, written: DefinitionSettings, identity_type: Callable[[str], str | None]
    ) -> Definitions:
        """Return the definitions of a workspace; SettingsError names what cannot be.

        *identity_type* tells the canonical type that a name spells there, None where it is none.
        """
        path = f"workspaces.{name}"
        found = selectors(written.events, self.inputs, name)
        attributes = calculated(written.calculated, found, path, self.max_bytes, self.hash_key)
        audiences = AudienceReader(
            f"{path}.audiences", written.audiences, found, identity_type, self.max_bytes
        ).read()
        running = [
            one for key, one in audiences.items() if written.audiences[key].status != "draft"
        ]
        return definitions(name, found.values(), attributes.values(), running)
