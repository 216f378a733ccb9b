"""Avro: reading foreign values under their writer's schema, and our own schemas."""
