"""The ``[schema_registry]`` section: an address that can work."""

from urllib.parse import urlsplit

from msgspec.structs import replace

from processor.settings.document import SettingsError, read_secret
from processor.settings.secret import Secret
from processor.settings.shape import RegistrySettings


def with_url(registry: RegistrySettings | None, table: object) -> RegistrySettings | None:
    """Return *registry* with its URL, from ``url_file`` if that is set; *table* is as written."""
    if registry is None:
        return None
    if registry.url_file is not None:
        if isinstance(table, dict) and "url" in table:
            raise SettingsError(
                "schema_registry.url_file: schema_registry.url is set too; remove one of the two"
            )
        url = Secret(read_secret(registry.url_file, "schema_registry.url_file"))
        registry = replace(registry, url=url)
    url_text = registry.url.reveal()
    if url_text and urlsplit(url_text).scheme not in ("http", "https"):
        raise SettingsError("schema_registry.url: must begin with http:// or https://")
    return registry
