"""``idstream restore``: the index, rebuilt from the ``profiles`` topic."""
