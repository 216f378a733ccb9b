"""Usual batches of known users, recalled by native code where that was built.

``batch.c`` does in one pass what takes most of the time of such a batch: opens it, finds what is
remembered of it (``memory``), reads the heads of its events, and lays what is remembered over it.
It takes only what it knows, and gives what Python gives. Anything else it leaves: then the batch is
read in Python, which can do all of it (docs/architecture.md, "Known users write nothing").
"""

from typing import get_args

from processor.codecs.batch import PlainEventType
from processor.codecs.misfit import KNOWN
from processor.pipeline.memory import WORDS, Recall
from processor.records import EventType

recall: Recall | None = None
"""None where it was not built, or is not of this version: of other names than ours."""
try:
    from processor.pipeline.native import _batch
except ImportError:
    pass
else:
    _THEIRS = (_batch.FIELDS, _batch.EVENT_TYPES, _batch.PLAIN_TYPES)
    _OURS = (KNOWN, get_args(EventType), get_args(PlainEventType))
    if _batch.WORDS == WORDS and all(map(set.__eq__, map(set, _THEIRS), map(set, _OURS))):
        recall = _batch.recall
