"""A pipeline under profile_link, played a record a transaction, a day between records."""

import json

from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.settings import load_text
from tests.unit.pipeline.stream import Stream

ROOM = 10_000_000
NOW = 1_782_900_000_000
DAY = 86_400_000
LINK = """
[workspaces.retail]
strategy = "profile_link"
priority = ["customerid", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
{more}
[inputs.default]
workspace = "retail"
[inputs.trial]
workspace = "retail"
protection = "read_only"
[inputs.careful]
workspace = "retail"
protection = "update_only"
"""
PLAIN = LINK.format(more="")
ON_LINK = LINK.format(more='auto_alias = "on_link"')


def request(kind, **fields):
    return {"request_type": kind, "request_id": "r", "environment": "production", **fields}


class Play:
    """A pipeline, one record a transaction, a day between records."""

    def __init__(self, text=PLAIN, *, remembers=False):
        settings = load_text(text, {})
        self.index = MemoryIndex()
        self.tallies = []
        parts = Parts(
            settings.rules(),
            settings.space_rules(),
            CachedIndex(self.index, ROOM) if remembers else self.index,
            "test",
            counted=self.tallies.append,
            memory_bytes=ROOM,
        )
        self.pipeline = Pipeline(parts)
        stream = Stream({("event-batches", 0): [], ("identity-requests", 0): []})
        stream.start(self.pipeline)
        self.offset = 0

    def say(self, value, topic="identity-requests", through="default"):
        headers = (("input", through.encode()),)
        at, self.offset = NOW + self.offset * DAY, self.offset + 1
        record = Record(topic, 0, self.offset, at, None, json.dumps(value).encode(), headers)
        (self.settled,) = self.pipeline.settle([record])
        self.pipeline.committed()
        return json.loads(self.settled.output.value) if self.settled.output else None

    def changes(self):
        return [json.loads(output.value) for output in self.settled.changes]

    def person(self, **known):
        return self.say(request("identify", known_identities=known))["mpid"]

    def alias(self, source, destination, through="default", **data):
        ends = {"source_mpid": source, "destination_mpid": destination}
        return self.say(request("alias", data={**ends, **data}), through=through)
