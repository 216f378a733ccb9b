"""From bytes to what the project works with, and back. Nothing in here raises on bad input.

A codec turns a record's value into the top-level fields of a JSON object; ``batch`` and ``request``
read those, whatever format they came in.
"""
