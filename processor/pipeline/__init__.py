"""What happens to a record, from its bytes to its outputs.

``pipeline`` is the path of a poll batch. ``intake`` sorts its records by kind; each kind has one
room for its whole life (``batches``, ``requests``). ``session`` and ``round`` are the steps on the
index of one space.
"""
