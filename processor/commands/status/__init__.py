"""``idstream status``: how a deployment stands now, seen from outside."""
