"""``idstream restore``: the index, rebuilt from the ``profiles`` topic.

``restore`` is the course of it. ``standstill`` sees that nobody works meanwhile, ``safeguards``
that nothing better is replaced; ``reader`` reads the topic, ``publication`` writes to it;
``switch`` makes the new generation the live one; ``notices`` says what was found. How records
become documents and entries of a generation is in ``processor.redis.restoration``.
"""
