"""The profile API and its pages: everything behind ``idstream serve`` (docs/serve.md)."""
