"""Examples of what can be built on the topics of idstream; none of it is part of the processor."""
