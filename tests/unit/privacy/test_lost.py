"""What a profile had lost before an erasure: of weaker identities an older form still counts."""

import pytest
from msgspec.structs import replace

from processor.identity.model import Identifier
from tests.unit.privacy.test_families import DAY_MS, START_MS, World

BEST = """
[privacy]
waiting_days = 0
[workspaces.retail]
strategy = "best_match"
priority = ["customerid", "email", "ios_idfv"]
login_ids = []
unique_ids = []
immutable_ids = []
"""
LOST = {"email": "old@example.com"}


@pytest.mark.parametrize(("letter", "later"), [("w", "suppressed"), ("d", None)])
def test_a_weaker_identity_that_was_noted_as_a_device_keeps_old_records_away(
    tmp_path, letter, later
):
    world = World(tmp_path, BEST)
    ada = world.batch(START_MS, {"customer_id": "A"}).outcome.mpid
    token = world.index.token(Identifier("email", LOST["email"])).hex()
    known = world.index.document("retail", ada)
    known = replace(known, more=replace(known.more, former=(letter + token,)))
    world.index.load([known], {"retail": frozenset({"customerid", "email"}).__contains__})

    assert world.erase("one", {"customerid": "A"}, suppress=True)["marked"] == 2

    old = world.batch(START_MS, LOST).outcome
    assert (old.name, old.reason) == ("dropped", later or "erased")
    assert world.batch(START_MS + 2 * DAY_MS, LOST).outcome.reason == later
