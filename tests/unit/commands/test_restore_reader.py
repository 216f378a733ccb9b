"""Records of the profiles topic, those that cannot be read among them."""

import pytest

from processor.commands.restore import reader as reader_module
from processor.commands.restore.reader import ChangelogReader, TooManyUnreadable
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import Tombstone
from processor.profiles.document import to_json
from processor.records import Record

KEY = b"retail/production/7"
DOCUMENT = to_json(
    Profile(
        scope="retail", environment="production", mpid=7, version=3, created_ms=1, last_seen_ms=1
    )
)


def record(offset: int, value: bytes | None, key: bytes = KEY) -> Record:
    return Record("profiles", 2, offset, 0, key, value)


def test_a_record_that_cannot_be_read_is_told_by_its_place():
    reader = ChangelogReader("")
    found = reader.read([record(0, DOCUMENT), record(1, b"{"), record(2, b"x", b"garbage")])
    assert [one.version for one in found[Space("retail", "production")]] == [3]
    assert list(reader.unreadable) == [KEY, b"garbage"]
    assert reader.unreadable[KEY].startswith("profiles/2 offset 1: ")


@pytest.mark.parametrize("value", [DOCUMENT, None])
def test_a_later_record_of_its_key_makes_up_for_it(value):
    reader = ChangelogReader("")
    reader.read([record(1, b"{")])
    (found,) = reader.read([record(2, value)]).values()
    assert isinstance(found[0], Tombstone if value is None else Profile)
    assert not reader.unreadable


def test_a_tombstone_makes_up_for_a_record_whose_key_names_no_profile():
    reader = ChangelogReader("")
    assert reader.read([record(1, b"{", b"garbage"), record(2, None, b"garbage")]) == {}
    assert not reader.unreadable


def test_many_that_cannot_be_read_end_the_reading(monkeypatch):
    monkeypatch.setattr(reader_module, "_MOST_UNREADABLE", 3)
    reader = ChangelogReader("")
    with pytest.raises(TooManyUnreadable):
        reader.read([record(n, b"{", b"%d" % n) for n in range(4)])
