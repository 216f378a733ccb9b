"""``idstream recompute``: everybody of a scope is brought up to the settings as they are now."""
