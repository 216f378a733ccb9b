"""Enrichment: an event batch with what its user's profile adds (semantics §7.3)."""

from processor.enrichment.outgoing import enrich, profile_fields

__all__ = ["enrich", "profile_fields"]
