"""idstream: an event-stream processor for customer identity. Importing it does nothing."""

__version__ = "0.2.0"
