"""``idstream generate``: records as apps and feeds of a configuration would send them.

``people`` has who they are, ``visits`` what they do, ``forms`` how an input says it, ``wrongs``
what is wrong with bad records, ``traffic`` mixes it all: pure, time and chance are arguments.
``generate`` sends or prints it.
"""
