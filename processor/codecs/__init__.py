"""From the values of records to what the processor works with, and back.

An opener turns a value of any format into the top-level fields of a JSON object; ``batch`` and
``request`` read those. Nothing here raises on bad input: it is a dead letter or an error to answer.
"""
