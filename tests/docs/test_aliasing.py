"""The SQL of docs/aliasing.md copies each event once, whatever is loaded or run again."""

import json
import re
import sqlite3

import pytest

from processor.profiles.document import to_json
from tests.docs.pages import text
from tests.unit.pipeline.aliases import DAY, NOW, Play

PAGE = text("docs/aliasing.md")
TABLES, COPY = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


class Warehouse:
    """The topics as tables."""

    def __init__(self):
        self.base = sqlite3.connect(":memory:")
        self.base.executescript(TABLES)

    def load(self, play):
        """Load the changes of the last record, and all profiles as they are."""
        for change in play.changes():
            if change["change"] == "profile_aliased":
                self.change(**change)
        for document in (json.loads(to_json(p)) for p in play.index.profiles()):
            for n, alias in enumerate(document.get("aliases", ()), 1):
                row = document["mpid"], n, alias["device"]
                self.base.execute("INSERT OR REPLACE INTO profile_aliases VALUES (?, ?, ?)", row)

    def change(self, **change):
        if "cause" in change:
            cause = change["cause"]
            change["cause"] = f"{cause['topic']}/{cause['partition']}/{cause['offset']}"
        names = [row[1] for row in self.base.execute("PRAGMA table_info(identity_changes)")]
        values = [change.get(name) for name in names]
        marks = ", ".join("?" * len(names))
        self.base.execute(f"INSERT INTO identity_changes VALUES ({marks})", values)

    def event(self, event_id, mpid, time_ms, device=None):
        self.base.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?)", (event_id, mpid, device, time_ms)
        )

    def copied(self, now_ms):
        """Run the page's statement and return all copies."""
        self.base.execute(COPY, {"now_ms": now_ms})
        return sorted(self.base.execute("SELECT event_id, mpid FROM copied_events"))


@pytest.fixture
def play():
    return Play()


def test_events_of_the_window_are_copied_once_and_not_before_they_may_be(play):
    source, user = play.person(ios_idfv="D"), play.person(customerid="A")
    warehouse = Warehouse()
    for event, at in (("early", NOW - 1), ("first", NOW), ("last", NOW + 9), ("late", NOW + 10)):
        warehouse.event(event, source, at)
    warehouse.event("own", user, NOW)
    window = {"start_unixtime_ms": NOW, "end_unixtime_ms": NOW + 10}
    effective = play.alias(source, user, **window)["alias"]["effective_ms"]
    warehouse.load(play)
    assert warehouse.copied(effective - 1) == []
    assert warehouse.copied(effective) == [("first", user), ("last", user)]
    warehouse.load(play)  # under at_least_once changes may come twice
    assert warehouse.copied(effective + DAY) == [("first", user), ("last", user)]


def test_of_a_device_only_its_own_events_are_copied_also_where_two_have_one_window(play):
    source = play.person(ios_idfv="D")
    first, second = play.person(customerid="A"), play.person(customerid="B")
    warehouse = Warehouse()
    for device in ("a", "b", "c"):
        warehouse.event(f"of {device}", source, NOW, device)
    warehouse.event("of none", source, NOW)
    window = {"start_unixtime_ms": NOW, "end_unixtime_ms": NOW + 10, "scope": "device"}
    for device, user in (("b", first), ("a", first), ("c", second)):
        play.alias(source, user, **window, device_application_stamp=device)
        warehouse.load(play)
    assert warehouse.copied(NOW + 4 * DAY) == [("of b", first)]  # the first one's day is over
    assert warehouse.copied(NOW + 9 * DAY) == [("of a", first), ("of b", first), ("of c", second)]


def test_a_source_that_is_erased_before_the_copy_is_not_copied(play):
    source, user = play.person(ios_idfv="D"), play.person(customerid="A")
    warehouse = Warehouse()
    warehouse.event("e", source, NOW)
    effective = play.alias(source, user, start_unixtime_ms=NOW)["alias"]["effective_ms"]
    warehouse.load(play)
    warehouse.change(change="profile_erased", mpid=source, timestamp_ms=effective - 1)
    assert warehouse.copied(effective) == []
