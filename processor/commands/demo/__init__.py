"""``idstream demo``: the documented journeys, played through the whole processor."""
