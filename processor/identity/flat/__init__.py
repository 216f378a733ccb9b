"""What flat matching consists of: evidence, limits, merges, records (semantics §12).

The algorithm itself is ``strategies.flat_matching``.
"""
