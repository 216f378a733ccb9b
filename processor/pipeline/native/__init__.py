"""Usual batches of known users, recalled by native code where that was built.

``batch.c`` does in one pass what takes most of the time of such a batch: opens it, finds what is
remembered of it (``memory``), reads the heads of its events, and lays what is remembered over it.
It takes only what it knows, and gives what Python gives. Anything else it leaves: then the batch is
read in Python, which can do all of it (docs/architecture.md, "Known users write nothing").
"""

from types import ModuleType
from typing import Final, get_args

from processor.codecs.batch import PlainEventType
from processor.codecs.misfit import KNOWN
from processor.pipeline.memory import WORDS, Recall
from processor.records import EventType

SOURCE: Final = "68fab0e4c9682389"
"""The fingerprint of ``batch.c``: to be set anew with each change there.

What was compiled in place is of another one where the sources went on, and nobody has installed
them again.
"""


def recall_of(built: ModuleType) -> Recall | None:
    """Return the function of a module that was built; None where it is not of this version."""
    if getattr(built, "SOURCE", None) != SOURCE:
        return None
    theirs = (built.FIELDS, built.EVENT_TYPES, built.PLAIN_TYPES)
    ours = (KNOWN, get_args(EventType), get_args(PlainEventType))
    is_ours = all(set(one) == set(other) for one, other in zip(theirs, ours, strict=True))
    found: Recall = built.recall
    return found if is_ours and built.WORDS == WORDS else None


recall: Recall | None = None
"""None where it was not built, or not of this version."""
try:
    from processor.pipeline.native import _batch
except ImportError:
    pass
else:
    recall = recall_of(_batch)
