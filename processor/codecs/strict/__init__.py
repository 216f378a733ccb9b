"""Strict validation: the published schema of a batch, as types, and the check against it."""
