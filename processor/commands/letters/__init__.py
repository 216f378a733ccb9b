"""``idstream letters``: the dead letters by reason and detail, or one of them in full."""
