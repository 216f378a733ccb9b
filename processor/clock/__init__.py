"""The wheel: who is due when, as lists of MPIDs in buckets of time.

A pure room (docs/architecture.md, "The clock"): it asks nobody what time it is. A profile stands in
one bucket, which its document names. Buckets are read when they open; who is not due yet goes on
into a finer or later one. ``bucket`` says which buckets there are, ``place`` what becomes of a
profile when its document is written and when its entry is met, and ``wheel`` keeps the lists in
memory.
"""
