"""The main journeys through the pages, in a real browser, at the width of a phone and a desk."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.serve.people import ADA, BEN, Service, token

# One worker has the browser, and is done with it before it runs event loops of other tests.
pytestmark = pytest.mark.xdist_group("browser")
PERSON = f"/ui/retail/profiles/{ADA}"
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
SHOTS = os.environ.get("IDSTREAM_TEST_SCREENSHOTS")
"""A folder for pictures of what was seen, for people."""
CONTROLS = "a[href], button, input:not([type=hidden]), select, summary"
PLACES = "(some => [...some].map(e => [...document.querySelectorAll('*')].indexOf(e)))"
OUT_OF_SIGHT = """
[...document.querySelectorAll(".scroll td, .scroll th[scope=row]")].filter(cell =>
  cell.getBoundingClientRect().right > cell.closest(".scroll").getBoundingClientRect().right + 1
).map(cell => cell.textContent)
"""
"""Cells that one would have to scroll to."""
SERIOUS = ("serious", "critical")


@pytest.fixture(params=SIZES)
def context(request, browser: Browser, service: Service) -> Iterator[BrowserContext]:
    width, height = SIZES[request.param]
    opened = browser.new_context(
        base_url=service.url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if request.param == "phone" else "light",
    )
    opened.set_default_timeout(20_000)
    opened.size = request.param
    yield opened
    opened.close()


@pytest.fixture
def visit(context: BrowserContext, axe: str) -> "Visit":
    return Visit(context, axe)


class Visit:
    """Somebody at a browser; wherever they get is looked at for barriers."""

    def __init__(self, context: BrowserContext, axe: str) -> None:
        self.size = context.size
        self.page: Page = context.new_page()
        self.told: list[str] = []
        self.page.on("console", lambda m: self.told.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self._axe = axe

    def sign_in(self, name: str = "all") -> None:
        self.page.goto("/ui")
        self.page.get_by_label("Token").fill(token(name))
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("retail")

    def search(self, value: str, kind: str = "any") -> None:
        self.page.get_by_label("Type", exact=True).select_option(kind)
        self.page.get_by_label("MPID, identity").fill(value)
        self.page.get_by_role("button", name="Search").click()

    def look(self, name: str) -> None:
        """Check what every page must hold, and keep a picture of it."""
        page = self.page
        assert page.get_by_role("heading", level=1).count() == 1
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], f"{name} is wider than the window"
        hidden = page.evaluate(OUT_OF_SIGHT)
        assert not hidden, f"{name} has cells out of sight"
        page.evaluate(self._axe)
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
        barriers = [
            (one["id"], node["target"], node["failureSummary"])
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
        assert not barriers
        assert not self.told
        if SHOTS:
            page.screenshot(path=Path(SHOTS, f"{name}-{self.size}.png"), full_page=True)


def test_signing_in_leads_to_what_happens_now_and_out_again(visit: Visit):
    visit.page.goto("/ui")
    visit.look("sign-in")
    visit.page.get_by_label("Token").fill("ids_wrong")
    visit.page.get_by_role("button", name="Sign in").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("not known")
    visit.told.clear()  # the browser tells of the status 403
    visit.sign_in()
    for heading in ("Inputs", "Recent changes", "Recent refusals"):
        expect(visit.page.get_by_role("heading", name=heading)).to_be_visible()
    expect(visit.page.get_by_text("LOOKUP_ERROR")).to_be_visible()
    visit.look("landing")
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    visit.page.goto(PERSON)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_person_is_found_by_an_identity_and_shown_with_all_that_is_known(visit: Visit):
    visit.sign_in()
    visit.search("a.lovelace@example.com", "email")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(str(ADA))
    for name in ("Identities", "Attributes", "Consent", "Devices", "Where it came from"):
        expect(visit.page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    row = visit.page.get_by_role("row").filter(has=visit.page.get_by_text("$city", exact=True))
    expect(row).to_contain_text("New York")
    expect(row).to_contain_text("custom_feed")
    expect(visit.page.get_by_text("<script>alert('x')</script>").first).to_be_visible()
    drawing = visit.page.get_by_role("img", name=re.compile("Sources, aliases"))
    expect(drawing).to_be_visible(visible=visit.size == "desk")
    expect(visit.page.get_by_text("It arose from the anonymous profile")).to_be_visible()
    visit.look("person")
    folded = visit.page.locator("summary")
    for one in folded.all():
        one.click()
    expect(visit.page.get_by_role("region", name="Devices").last).to_contain_text("V-OLD")
    visit.look("person-unfolded")


def test_of_several_holders_one_is_chosen(visit: Visit):
    visit.sign_in()
    visit.search("V-1", "ios_idfv")
    expect(visit.page.get_by_text("2 people have it")).to_be_visible()
    visit.look("results")
    visit.page.get_by_role("link", name=str(BEN)).click()
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(str(BEN))
    visit.search("nobody@example.com")
    expect(visit.page.get_by_role("status")).to_contain_text("Nobody has nobody@example.com")
    expect(visit.page.get_by_label("MPID, identity")).to_have_value("nobody@example.com")
    visit.look("nobody")


def test_why_a_record_is_this_persons_is_told_and_older_ones_are_reached(visit: Visit):
    visit.sign_in()
    visit.page.goto(PERSON)
    events = visit.page.get_by_role("region", name="Recent events").last
    expect(events).to_contain_text("Found by customerid.")
    expect(events).to_contain_text("<b>Checkout</b>")
    expect(events.get_by_role("row")).to_have_count(4)
    visit.page.get_by_text("5 more events").click()
    expect(visit.page.get_by_role("region", name="More events").get_by_role("row")).to_have_count(6)
    visit.page.get_by_role("link", name="Older events").click()
    visit.page.wait_for_url("**#events")
    expect(visit.page.get_by_role("region", name="Recent events").last).to_be_in_viewport()
    expect(events.get_by_role("row")).to_have_count(11)


def test_who_may_not_see_values_sees_codes_and_what_is_hidden(visit: Visit):
    visit.sign_in("viewer")
    visit.search(str(ADA))
    expect(visit.page.get_by_text("Values of identities are shown as codes")).to_be_visible()
    visit.page.locator("summary", has_text="Devices").click()
    devices = visit.page.get_by_role("region", name="Devices").last
    expect(devices.get_by_text("hidden", exact=True)).to_have_count(2)
    assert "lovelace" not in visit.page.content()
    visit.look("masked")


def test_requests_are_listed_and_somebody_is_tried(visit: Visit):
    visit.sign_in("desk")
    page = visit.page
    page.get_by_role("link", name="Privacy requests").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Privacy requests")
    expect(page.get_by_role("region", name="Requests").last).to_contain_text("portability")
    visit.look("privacy")
    page.get_by_label("Type of identity").select_option("email")
    page.get_by_label("Value, exactly").fill("ada@example.com")
    page.keyboard.press("Enter")  # the first button is the one that changes nothing
    expect(page.get_by_role("status")).to_contain_text("Nothing is known of it yet")


def test_what_was_told_of_a_request_is_read(visit: Visit):
    visit.sign_in("desk")
    page = visit.page
    page.goto("/ui/retail/privacy/tried")
    expect(page.get_by_role("region", name="Receipts").last).to_contain_text("2 would go")
    visit.look("privacy-dry-run")
    page.get_by_role("link", name="All requests").click()
    page.get_by_role("link", name="ada", exact=True).click()
    expect(page.get_by_role("link", name="Fetch the results")).to_be_visible()
    visit.look("privacy-request")


def test_whoever_sends_a_request_is_asked_once_more(visit: Visit):
    visit.sign_in("desk")
    page = visit.page
    page.goto("/ui/retail/privacy")
    page.get_by_label("Value, exactly").fill("x" * 300)
    page.get_by_label("Others of the same person").fill(f"email={'y' * 300}\ncustomerid=12345")
    page.get_by_label("Group").fill("family-7")
    page.get_by_role("button", name="Send a request").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Send this request?")
    visit.look("privacy-ask")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Request")


def test_a_request_that_waits_is_cancelled(visit: Visit):
    visit.sign_in("desk")
    page = visit.page
    page.goto("/ui/retail/privacy/waits")
    page.get_by_role("link", name="Cancel this request").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel this request?")
    visit.look("privacy-cancel")
    page.get_by_role("button", name="Cancel the request").click()
    expect(page.get_by_role("status")).to_contain_text("on its way")
    visit.look("privacy-cancelled")


def _tab_through(page: Page, more: int) -> None:
    """Reach every control of *page* by Tab alone; there are *more* stops at most besides."""
    wanted = set(page.evaluate(f"{PLACES}(document.querySelectorAll('{CONTROLS}'))"))
    reached = set()
    for _ in range(len(wanted) + more):
        page.keyboard.press("Tab")
        reached |= set(page.evaluate(f"{PLACES}([document.activeElement])"))
    assert wanted <= reached


def test_the_keyboard_alone_asks_for_somebody(visit: Visit):
    visit.sign_in("desk")
    visit.page.goto("/ui/retail/privacy")
    _tab_through(visit.page, 10)
    visit.page.get_by_label("Value, exactly").focus()
    visit.page.keyboard.type("ada@example.com")
    for _ in range(7):
        visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("button", name="Send a request")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Send this request?")
    visit.page.get_by_role("button", name="Send the request").focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Request")


def test_the_keyboard_alone_reaches_everything(visit: Visit):
    visit.page.goto("/ui")
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.type(token("all"))
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("retail")
    visit.page.get_by_label("MPID, identity").focus()
    visit.page.keyboard.type("email=ada@example.com")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(str(ADA))
    _tab_through(visit.page, 40)


def test_without_a_script_everything_is_there(browser: Browser, service: Service):
    context = browser.new_context(base_url=service.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/ui")
    page.get_by_label("Token").fill(token("all"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("LOOKUP_ERROR")).to_be_visible()
    expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
    page.get_by_role("link", name="Refresh").click()
    page.get_by_label("MPID, identity").fill("12345")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(ADA))
    context.close()


def test_the_landing_page_keeps_itself_up_to_date_until_it_is_paused(visit: Visit):
    visit.sign_in()
    page = visit.page
    with page.expect_response(lambda answer: answer.url.endswith("/ui/retail")) as fresh:
        pass
    assert fresh.value.ok
    page.get_by_role("button", name="Pause updates").click()
    page.get_by_role("button", name="Resume updates").click()
    expect(page.get_by_role("button", name="Pause updates")).to_be_visible()
