"""Strict validation: the published shape of a batch, checked field by field."""
