"""Tells controllers what has become of requests under privacy law."""
