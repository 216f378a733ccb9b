"""The recipes for audiences do what the page says, played through ``resolve``."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from processor.commands.check.computed import computed
from processor.commands.offline.resolve import resolve
from processor.settings import Settings
from processor.settings.load import load_offline
from tests.docs.pages import text
from tests.docs.shell import BLOCK

HOUR, DAY, START = 3_600_000, 86_400_000, 1_767_225_600_000
BASE = """
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "shop"
source = "custom_feed"
"""
PAGE = [block for kind, _, block in BLOCK.findall(text("docs/audiences.md")) if kind == "toml"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "recipes.toml"
    path.write_text(BASE + "\n".join(PAGE))
    return load_offline(path, {})


def shopped(action: str, at: int, amount: float = 0.0) -> dict[str, Any]:
    product = {"product": {"name": "shoe"}, "total_product_amount": amount}
    data = {"product_action": {"action": action, "products": [product]}}
    return batch({"event_type": "commerce_event", "data": data}, at)


def batch(event: dict[str, Any], at: int, name: str = "default", **fields: Any) -> dict[str, Any]:
    value = {"user_identities": {"customer_id": "A"}, "events": [event], **fields}
    return {"topic": "batches", "input": name, "timestamp_ms": START + at, "value": value}


def clock(at: int) -> dict[str, Any]:
    return {"topic": "clock", "timestamp_ms": START + at}


def told(settings: Settings, audience: str, *lines: dict[str, Any]) -> list[tuple[str, int]]:
    """Return what is told of one audience, with the hours after the start."""
    sink = BytesIO()
    resolve(settings, [json.dumps(line).encode() for line in lines], sink)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    return [
        (one["change"], (one["timestamp_ms"] - START) // HOUR)
        for answer in answers
        for one in answer.get("audience_changes", ())
        if one["audience"] == audience
    ]


def test_a_cart_that_is_left_is_told_after_two_hours_until_something_is_bought(settings):
    consent = {"consent_state": {"gdpr": {"marketing": {"consented": True}}}}
    cart = shopped("add_to_cart", 0)
    cart["value"] |= consent
    found = told(settings, "abandoned_cart", cart, clock(3 * HOUR), shopped("purchase", 4 * HOUR))
    assert [change for change, _ in found] == ["entered", "left"]
    assert found[0][1] == 2 or found[0][1] == 3  # late by less than a part of the window
    assert found[1][1] == 4


def test_a_cart_is_told_at_the_instants_that_the_page_gives(settings):
    cart = shopped("add_to_cart", 10 * HOUR + HOUR // 12)
    cart["value"] |= {"consent_state": {"gdpr": {"marketing": {"consented": True}}}}
    assert told(settings, "abandoned_cart", cart, clock(13 * HOUR - 1)) == []
    found = told(settings, "abandoned_cart", cart, clock(13 * HOUR), clock(35 * HOUR))
    assert found == [("entered", 13), ("left", DAY // HOUR + 11)]


def test_a_customer_of_three_purchases_lapses_after_a_month(settings):
    bought = [shopped("purchase", n * DAY) for n in range(3)]
    found = told(settings, "lapsed", *bought, clock(40 * DAY))
    assert found == [("entered", 32 * 24)]


def test_a_first_purchase_is_one_until_the_second(settings):
    found = told(settings, "first_purchase", shopped("purchase", 0), shopped("purchase", DAY))
    assert found == [("entered", 0), ("left", 24)]


def test_whoever_is_silent_for_seven_days_is_not_active_any_more(settings):
    seen = batch({"event_type": "session_start", "data": {}}, 30 * 60_000)
    assert told(settings, "active", seen, clock(8 * DAY)) == [("entered", 0), ("left", 7 * 24 + 1)]


def test_who_misses_one_audience_is_in_the_other(settings):
    lines = [shopped("purchase", 0, 450), shopped("purchase", HOUR, 100)]
    assert told(settings, "nearly_big", *lines) == [("entered", 0), ("left", 1)]


def test_a_person_is_to_be_enriched_once_in_seven_days(settings):
    seen = {"event_type": "session_start", "data": {}}
    person = batch(seen, 0, user_identities={"customer_id": "A", "email": "a@x.example"})
    event = {"event_type": "custom_event", "data": {"event_name": "UID2 Enriched"}}
    answer = batch(event, HOUR, "uid2_feed", partner_identities={"TradeDesk_UID2": "uid"})
    found = told(settings, "needs_uid2", person, answer, clock(9 * DAY))
    assert found == [("entered", 0), ("left", 1), ("entered", 7 * 24 + 1)]


def test_a_check_says_how_large_the_recipes_may_grow(settings):
    (finding,) = computed(settings)
    assert finding.verdict == "ok"
    assert finding.says.startswith("computes up to ")
    assert "audiences.abandoned_cart" in finding.says
