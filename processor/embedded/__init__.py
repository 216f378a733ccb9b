"""What ``run --embedded`` and ``demo`` bring along: a server of their own and a configuration."""

from importlib.resources import files


def default_configuration() -> str:
    """Return the TOML document that the embedded mode uses where no file is named."""
    return files("processor.embedded").joinpath("idstream.toml").read_text(encoding="utf-8")
