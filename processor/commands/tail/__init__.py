"""``idstream tail``: records as they pass, and what becomes of each.

``joining`` puts an input and its outputs together, ``telling`` says it in a line: both pure.
"""
