"""The embedded mode of ``run --embedded`` and ``demo``: servers and a configuration of its own."""

from importlib.resources import files


def default_configuration() -> str:
    """Return the TOML document that the embedded mode uses where no file is named."""
    return files("processor.embedded").joinpath("idstream.toml").read_text(encoding="utf-8")
