"""``idstream demo``: the documented journeys, played through the whole processor.

``journeys`` has them as data, ``player`` plays and compares them, ``stage`` writes and reads the
topics, ``background`` runs the processor, and ``demo`` starts broker and index around it all.
"""
