"""Enrichment: an event batch with what its user's profile adds (semantics §7.3)."""

from processor.enrichment.outgoing import FieldCache, enrich, profile_fields, splice

__all__ = ["FieldCache", "enrich", "profile_fields", "splice"]
