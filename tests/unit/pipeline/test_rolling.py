"""A rolling upgrade: processors with older and newer definitions share one index."""

import json
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.settings import load_text

START, HOUR = 1_767_225_600_000, 3_600_000
OLD = """
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[workspaces.shop.events]
order = { type = "custom_event", name = "Order" }
[workspaces.shop.calculated]
orders = { type = "count", event = "order" }
[workspaces.shop.audiences]
buyers = { all = [{ event = "order", at_least = 2 }] }
keen = { all = [{ event = "order", within = "90d", at_least = 3 }] }
[inputs.default]
workspace = "shop"
"""
NEW = OLD.replace(
    'keen = { all = [{ event = "order", within = "90d", at_least = 3 }] }',
    'keen = { all = [{ event = "order", within = "90d", at_least = 5 }], version = 2 }\n'
    "[workspaces.shop.calculated.since_then]\n"
    'type = "count"\nevent = "order"\n',
)


class Change(NamedTuple):
    """What was told of an audience."""

    audience: str
    change: str
    version: int


class Shop:
    """An older and a newer processor, each with a partition of its own."""

    def __init__(self) -> None:
        index = MemoryIndex()
        self._processors = [processor(text, n, index) for n, text in enumerate((OLD, NEW))]
        self._offsets = [0, 0]
        self._now_ms = START
        self.told: list[Change] = []

    def take(self, event: str, *, newer: bool) -> dict[str, Any]:
        """Let one of the processors take a batch; return the enriched one."""
        self._now_ms += HOUR
        data = {"event_name": event, "custom_attributes": {}}
        value = {
            "environment": "production",
            "user_identities": {"customer_id": "c"},
            "events": [{"event_type": "custom_event", "data": data}],
        }
        offset = self._offsets[newer]
        self._offsets[newer] += 1
        record = Record(
            "batches", int(newer), offset, self._now_ms, b"c", json.dumps(value).encode()
        )
        (settled,) = self._processors[newer].settle([record])
        self._processors[newer].committed()
        for one in settled.audience_changes:
            said = json.loads(one.value or b"{}")
            self.told.append(Change(said["audience"], said["change"], said["definition_version"]))
        assert settled.output is not None
        enriched: dict[str, Any] = json.loads(settled.output.value or b"{}")
        return enriched


def processor(text: str, number: int, index: MemoryIndex) -> Pipeline:
    settings = load_text(text, {})
    made = Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=index,
            owner="group",
            computed=settings.computed,
        )
    )
    made.assign([Assignment("batches", number, "topic", None, "")], [])
    return made


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20))
def test_both_count_what_has_not_changed_and_the_older_leaves_the_newer_version_alone(history):
    shop = Shop()
    for is_order, newer in history:
        shop.take("Order" if is_order else "View", newer=newer)
    shown = shop.take("View", newer=True)
    orders = [newer for is_order, newer in history if is_order]
    values = shown["user_attributes"]
    assert values.get("orders", 0) == len(orders)
    assert values.get("since_then", 0) == sum(orders)
    told = Counter(shop.told)
    assert told[Change("buyers", "entered", 1)] == (len(orders) >= 2)
    assert told[Change("buyers", "left", 1)] == 0
    keen = [one.change for one in shop.told if one.audience == "keen"]
    assert keen == (["entered", "left"] * len(keen))[: len(keen)]


def test_a_member_of_the_newer_version_stays_one_whatever_the_older_processor_counts():
    shop = Shop()
    for _ in range(5):
        shop.take("Order", newer=True)
    for _ in range(3):
        shop.take("Order", newer=False)
    shown = shop.take("Order", newer=True)
    names = [one["audience_name"] for one in shown["audience_memberships"]]
    assert names == ["buyers", "keen"]
    assert [one for one in shop.told if one.audience == "keen"] == [Change("keen", "entered", 2)]
