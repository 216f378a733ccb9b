"""Requests of people under privacy law: erasure and access (docs/privacy.md). Pure."""
