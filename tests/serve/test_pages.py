"""The pages, without a browser: who gets in, and what nobody gets to see."""

import re

import pytest
import requests

from processor.kafka.clock import Clock
from tests.serve.people import ADA, ALIEN, BEN, HOSTILE, MALLORY, MERGED, Service, serving, token

VALUES = ("12345", "lovelace", "ada@example.com", "a5d934n0", "stamp-1", "V-OLD", "Android")
VALUES += ("IDFA-1", "Cherry Tree", "uid2-of-ada")
PERSON = f"/ui/retail/profiles/{ADA}"


class Visitor:
    """Somebody with a browser that keeps cookies."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.service.url + path, timeout=30)

    def post(self, path: str, **fields: str) -> requests.Response:
        return self.session.post(self.service.url + path, data=fields, timeout=30)

    def sign_in(self, name: str) -> requests.Response:
        return self.post("/ui/sign-in", token=token(name))

    def form_token(self) -> str:
        return re.search(r'name="form_token" value="(\w+)"', self.get("/ui/retail").text)[1]

    def search(self, value: str, kind: str = "", **more: str) -> requests.Response:
        form = {"value": value, "type": kind, "form_token": self.form_token()} | more
        return self.post("/ui/retail/search", **form)


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return Visitor(service)


@pytest.fixture
def ada_fan(visitor: Visitor) -> Visitor:
    visitor.sign_in("all")
    return visitor


def test_who_is_not_signed_in_is_led_to_the_sign_in(visitor: Visitor):
    for path in ("/ui", "/ui/retail", PERSON):
        found = visitor.get(path)
        assert found.url.endswith("/ui/sign-in")
        assert "<h1>Sign in</h1>" in found.text


@pytest.mark.parametrize("name", ["reader", "shop", "nothing", "unknown"])
def test_only_a_token_with_the_scope_signs_in(visitor: Visitor, name):
    found = visitor.sign_in(name)
    assert found.status_code == 403
    assert not visitor.session.cookies
    assert token(name) not in found.text


def test_the_cookie_is_for_the_pages_alone_and_holds_no_token(service: Service):
    data = {"token": token("all")}
    found = requests.post(f"{service.url}/ui/sign-in", data=data, timeout=30, allow_redirects=False)
    cookie = found.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/ui" in cookie
    assert token("all") not in cookie


def test_a_cookie_that_is_not_ours_or_has_expired_is_none(service: Service, tmp_path):
    visitor = Visitor(service)
    visitor.sign_in("all")
    (cookie,) = [c.value for c in visitor.session.cookies]
    body, _, signature = cookie.partition(".")
    for wrong in (f"{body}.{'0' * 64}", f"{body}x.{signature}", body, "", "é.x", "."):
        asked = requests.get(
            f"{service.url}/ui/retail",
            cookies={"idstream_session": wrong.encode("utf-8").decode("latin-1")},
            timeout=30,
            allow_redirects=False,
        )
        assert asked.status_code == 303
    wall = [1000.0]
    with serving(tmp_path, clock=Clock(wall=lambda: wall[0])) as other:
        late = Visitor(other)
        late.sign_in("all")
        assert "Sign out" in late.get("/ui/retail").text
        wall[0] += 8 * 3600
        assert "Sign in" in late.get("/ui/retail").text


def test_a_token_out_of_the_file_ends_its_sessions(tmp_path):
    with serving(tmp_path) as service:
        visitor = Visitor(service)
        visitor.sign_in("all")
        assert "Sign out" in visitor.get("/ui/retail").text
        (tmp_path / "tokens.toml").write_text("")
        service.parts.tokens.look()
        assert visitor.get("/ui/retail").url.endswith("/ui/sign-in")


def test_a_form_without_its_token_is_refused(ada_fan: Visitor):
    for form in ({}, {"form_token": "0" * 64}, {"form_token": "é"}):
        assert ada_fan.post("/ui/retail/search", value="x", **form).status_code == 403
        assert ada_fan.post("/ui/sign-out", **form).status_code == 403
    assert "Sign out" in ada_fan.get("/ui/retail").text
    ada_fan.post("/ui/sign-out", form_token=ada_fan.form_token())
    assert "Sign in" in ada_fan.get("/ui/retail").text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (str(ADA), "mpid"),
        (str(ADA), ""),
        ("12345", "customerid"),
        ("ada@example.com", "email"),
        ("email=ada@example.com", ""),
        ("ada@example.com", ""),
        ("  ada@example.com ", ""),
    ],
)
def test_a_person_is_found_by_each_of_their_keys(ada_fan: Visitor, value, kind):
    found = ada_fan.search(value, kind)
    assert found.url.endswith(PERSON)
    assert f'<span class="mpid">{ADA}</span>' in found.text


def test_several_holders_are_listed_and_nobody_is_told(ada_fan: Visitor):
    several = ada_fan.search("V-1", "ios_idfv")
    assert "2 people have it" in several.text
    assert f"/ui/retail/profiles/{BEN}" in several.text
    assert ada_fan.search("x", "shoe_size").status_code == 400
    assert ada_fan.search("99", "mpid").status_code == 404


@pytest.mark.parametrize(
    ("value", "kind"), [("no<b>ody@example.com", "email"), ("email=no<b>ody@example.com", "")]
)
def test_what_nobody_has_stays_in_the_form_and_in_no_address(ada_fan: Visitor, value, kind):
    found = ada_fan.search(value, kind)
    assert "Nobody has" in found.text
    assert ">no&lt;b&gt;ody@example.com</bdi> as email" in found.text
    assert f'value="{value.replace("<b>", "&lt;b&gt;")}"' in found.text
    assert ("<option selected>email" in found.text) == bool(kind)
    assert "example.com" not in found.url
    assert "ody@example.com" not in "".join(ada_fan.service.log.lines)


def test_contents_of_a_person_have_the_words_of_the_headings(ada_fan: Visitor):
    text = ada_fan.get(PERSON).text
    contents = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', text)
    assert contents == re.findall(r'<h2 id="(\w+)">([^<]+)</h2>', text)
    assert len(contents) == 10


def test_each_cell_is_labelled_as_its_column(ada_fan: Visitor):
    pages = [ada_fan.get("/ui/retail"), ada_fan.get(PERSON), ada_fan.search("V-1", "ios_idfv")]
    shown = "".join(page.text for page in pages)
    tables = re.findall(r"<table.*?</table>", shown, re.DOTALL)
    assert len(tables) == 14
    for table in tables:
        heads = re.findall(r'<th scope="col"[^>]*>([^<]+)', table)
        for row in table.split("<tr>")[2:]:
            cells = re.findall(r'<(?:th scope="row"|td data-label="([^"]+)")', row)
            assert len(cells) == len(heads)
            assert all(cell in ("", head) for cell, head in zip(cells, heads, strict=True))
            assert "" not in cells[1:], "only the first cell may be the head of its row"


def test_what_a_person_is_shown_with(ada_fan: Visitor):
    text = ada_fan.get(PERSON).text
    for word in ("12345", "a.lovelace@example.com", "New York", "custom_feed", "gold", "given"):
        assert word in text
    assert "sdk, csv, partner_feed" in text  # what cannot overwrite a custom feed's attribute
    assert "email was added" in text
    assert "ios_idfv was removed" in text  # of the anonymous profile before
    assert "google was added" not in text  # of another workspace of the scope
    assert "Found by customerid." in text
    assert "&lt;b&gt;Checkout&lt;/b&gt;" in text
    assert "event-batches/0/7" in text
    assert "Older events" in text
    for word in ("TradeDesk_UID2", "orders_30d", "big_spenders", "of the last write held until"):
        assert word in text
    assert "secret_of_shop" not in text
    assert "<script>alert" not in text
    assert "<svg" in text


def test_hostile_values_are_text_wherever_they_stand(ada_fan: Visitor):
    found = ada_fan.get(f"/ui/retail/profiles/{MALLORY}")
    assert found.status_code == 200
    pages = [found.text, ada_fan.search(HOSTILE).text, ada_fan.get("/ui/retail").text]
    for text in pages:
        assert "<svg/onload" not in text
        assert ">49" not in text
    assert found.text.count("&lt;svg/onload=alert(1)&gt;") > 20
    assert "{{ 7 * 7 }}" in found.text


def test_older_events_are_a_link_away(ada_fan: Visitor):
    text, seen = ada_fan.get(PERSON).text, 0
    while older := re.search(r'href="(\?events=[^"]+)"', text):
        shown = text.count("Found by customerid.")
        assert shown == (10 if seen else 8), "two of the newest may be another workspace's"
        seen += shown
        text = ada_fan.get(PERSON + older[1].replace("&amp;", "&")).text
    assert seen + text.count("Found by customerid.") == 60
    assert text.count("This is all that the topic still keeps") == 2, "of changes and events"


def test_batches_of_another_workspace_of_the_scope_are_seen_by_who_may_see_both(service: Service):
    one, both = Visitor(service), Visitor(service)
    one.sign_in("all")
    both.sign_in("chain")
    text = one.get(PERSON).text
    assert "Seen in the outlet" not in text
    assert "outlet-batches" not in text
    assert "Not shown: 2 of the newest batches" in text
    assert both.get(PERSON).text.count("Seen in the outlet") == 2


def test_a_merged_person_is_the_survivor(ada_fan: Visitor):
    found = ada_fan.get(f"/ui/retail/profiles/{MERGED}")
    assert f"{MERGED} was merged into this profile" in found.text


def test_who_may_not_see_values_finds_none_in_any_page(service: Service):
    visitor = Visitor(service)
    visitor.sign_in("viewer")
    pages = [visitor.get("/ui/retail"), visitor.get(PERSON), visitor.search("V-1", "ios_idfv")]
    pages.append(visitor.search("ada@example.com", "email"))
    for found in pages:
        assert found.status_code == 200
        shown = found.text.replace("a.lovelace", "lovelace")
        assert not [value for value in VALUES if value in shown]


def test_what_a_token_may_not_read_is_told_once_and_is_no_error(service: Service):
    visitor = Visitor(service)
    visitor.sign_in("viewer")
    for path in ("/ui/retail", PERSON):
        text = visitor.get(path).text
        assert text.count("your token lacks the scope activity:read") == 1
        assert 'class="problem"' not in text
        assert re.search(r'<p class="notice">[^<]*activity:read', text)


def test_facts_of_devices_are_shown_hidden_or_told_to_be_none(ada_fan: Visitor):
    clear = ada_fan.get(PERSON).text
    assert "limit_ad_tracking" in clear
    assert 'data-label="Facts">\N{EN DASH}</td>' in clear, "a device has no facts"
    assert "hidden</span>" not in clear
    masked = Visitor(ada_fan.service)
    masked.sign_in("viewer")
    assert masked.get(PERSON).text.count(">hidden</span>") == 2


def test_who_may_only_sign_in_sees_nobody(service: Service):
    visitor = Visitor(service)
    visitor.sign_in("clerk")
    found = [visitor.get(PERSON), visitor.search("ada@example.com"), visitor.search("V-1")]
    assert [one.status_code for one in found] == [403] * 3
    for one in found:
        assert "Ada" not in one.text
        assert f"profiles/{BEN}" not in one.text
    assert "your token lacks the scope activity:read" in visitor.get("/ui/retail").text


def test_another_workspace_is_nowhere(ada_fan: Visitor):
    assert ada_fan.get("/ui/shop").status_code == 403
    assert ada_fan.get(f"/ui/shop/profiles/{ALIEN}").status_code == 403
    assert ada_fan.get(f"/ui/retail/profiles/{ALIEN}").status_code == 404
    assert ada_fan.get(f"{PERSON}?environment=development").status_code == 403


def test_what_happens_now_is_that_of_the_workspace(ada_fan: Visitor):
    text = ada_fan.get("/ui/retail").text
    assert "LOOKUP_ERROR: a login request needs a login ID" in text
    assert "invalid: mpid: is none" in text
    assert "OF_SHOP" not in text
    assert "outlet" not in text  # neither its topic nor its dead letter
    assert "email was kept out: blocked" in text
    assert re.search(r"event-batches</th><td[^>]*>1</td><td[^>]*>1</td>", text)


def test_refused_requests_and_dead_letters_stand_in_one_list_newest_first(ada_fan: Visitor):
    text = ada_fan.get("/ui/retail").text
    places = [
        text.index(why) for why in ("invalid: value: is none", "LOOKUP_ERROR", "mpid: is none")
    ]
    assert places == sorted(places)


def test_pages_are_private_and_run_nothing_of_others(ada_fan: Visitor):
    found = ada_fan.get(PERSON)
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert found.headers["Cache-Control"] == "no-store"
    assert found.headers["Referrer-Policy"] == "no-referrer"
    style = re.search(r'href="(/ui/static/style-\w+\.css)"', found.text)[1]
    assert "immutable" in ada_fan.get(style).headers["Cache-Control"]
    assert ada_fan.get("/ui/static/views.py").status_code == 404


def test_looking_is_logged_without_a_value(ada_fan: Visitor):
    before = len(ada_fan.service.log.lines)
    ada_fan.search("ada@example.com", "email")
    told = "\n".join(ada_fan.service.log.lines[before:])
    assert '"event": "viewed"' in told
    assert f'"mpid": "{ADA}"' in told
    assert '"event": "revealed"' in told
    assert '"types": ["android_uuid", "customerid"' in told
    assert not [value for value in VALUES if value in told]
    masked, before = Visitor(ada_fan.service), len(ada_fan.service.log.lines)
    masked.sign_in("viewer")
    masked.get(PERSON)
    assert "revealed" not in "\n".join(ada_fan.service.log.lines[before:])


def test_a_value_with_an_equals_sign_is_searched_for_as_it_is(ada_fan: Visitor):
    assert 'Nobody has <bdi class="value">dGVzdA=</bdi>' in ada_fan.search("dGVzdA=").text
    assert "Nobody has" in ada_fan.search("customer_id=nobody").text
    assert ada_fan.search(f"mpid={ADA}").url.endswith(PERSON)


def test_pages_count_for_the_rate_of_their_token(tmp_path):
    with serving(tmp_path, rate=2, clock=Clock(now=lambda: 0.0)) as service:
        visitor = Visitor(service)
        visitor.sign_in("viewer")
        found = [visitor.get(f"/ui/retail/profiles/{BEN}") for _ in range(4)]
        assert found[0].status_code == 200
        assert found[-1].status_code == 429
        assert int(found[-1].headers["Retry-After"]) >= 1
        assert "beyond the rate" in found[-1].text


def test_nobody_is_signed_in_by_another_site(service: Service):
    url, form = f"{service.url}/ui/sign-in", {"token": token("all")}

    def status(site: str) -> int:
        headers = {"Sec-Fetch-Site": site}
        found = requests.post(url, form, headers=headers, timeout=10, allow_redirects=False)
        assert ("Set-Cookie" in found.headers) == (found.status_code == 303)
        return found.status_code

    assert [status(site) for site in ("cross-site", "same-site", "same-origin")] == [403, 403, 303]


@pytest.mark.parametrize(
    ("host", "is_secure"),
    [("localhost:8080", False), ("[::1]:80", False), ("idstream.example", True)],
)
def test_a_cookie_is_for_tls_only_but_at_home(service: Service, host, is_secure):
    found = service.call(
        "POST", "/ui/sign-in", None, data={"token": token("all")}, headers={"Host": host}
    )
    assert found.status_code == 303
    assert ("secure" in found.headers["Set-Cookie"].lower()) == is_secure


def test_without_kafka_a_page_says_so(tmp_path):
    with serving(tmp_path) as service:
        visitor = Visitor(service)
        visitor.sign_in("all")
        text = visitor.get(PERSON).text
        assert text.count('<p class="problem">Not shown: Kafka did not answer in time') == 1


def test_topics_in_avro_are_told_to_be_unread_and_others_are_shown(service: Service, tmp_path):
    kafka = service.parts.settings.kafka.bootstrap_servers
    formats = """
[kafka.formats]
changes = "avro"
responses = "avro"
"""
    with serving(tmp_path, formats, kafka=kafka) as other:
        visitor = Visitor(other)
        visitor.sign_in("all")
        person, start = visitor.get(PERSON).text, visitor.get("/ui/retail").text
        unread = "identity-changes is written in Avro, and only JSON is read here"
        for text in (person, start):
            assert text.count(f'<p class="notice">Not shown: {unread}.</p>') == 1
            assert 'class="problem"' not in text
        assert "Found by customerid." in person
        assert "identity-responses is written in Avro" in start
        assert "invalid: mpid: is none" in start
        assert re.search(r"event-batches</th><td[^>]*>1</td>", start)
        asked = other.get(f"/v1/retail/profiles/{ADA}/changes")
        assert (asked.status_code, asked.json()["errors"][0]["message"]) == (501, unread)


def test_a_long_list_is_folded_and_says_how_much_of_it(ada_fan: Visitor):
    text = ada_fan.get(PERSON).text
    said = dict(re.findall(r'<h2 id="(\w+)">[^<]+</h2> <span class="faint">([^<]+)</span>', text))
    assert said == {
        "computed": "2 attributes, 3 audiences",
        "consent": "1 purpose",
        "devices": "2 devices",
        "partners": "1 identity",
    }
    folded = re.findall(
        r"<summary>(\d+) more (\w+)</summary>.*?<tbody>(.*?)</tbody>", text, re.DOTALL
    )
    assert [(n, what, rows.count("<tr>")) for n, what, rows in folded] == [("5", "events", 5)]
    older = re.search(r'href="(\?events=[^"]+)"', text)[1].replace("&amp;", "&")
    assert "more events</summary>" not in ada_fan.get(PERSON + older).text


def test_without_the_pages_there_is_only_the_api(tmp_path):
    with serving(tmp_path, "ui = false") as service:
        assert service.get("/ui").status_code == 404


def test_a_token_of_development_alone_lands_there_and_sees_nobody_of_production(visitor: Visitor):
    found = visitor.sign_in("developer")
    assert (found.status_code, found.url.endswith("/ui/retail")) == (200, True)
    assert "<option selected>development</option>" in found.text
    assert "<option>production</option>" not in found.text
    assert visitor.get("/ui/retail?environment=production").status_code == 403
    for path in (PERSON, f"{PERSON}?environment=development"):
        assert visitor.get(path).status_code == 404
    assert visitor.get(f"{PERSON}?environment=production").status_code == 403
    assert visitor.get("/ui/retail/search").url.endswith("/ui/retail")
