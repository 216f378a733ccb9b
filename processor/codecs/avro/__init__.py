"""Avro: values read with the schema that wrote them, and written with our own schemas."""
