"""Every route of the application: which scopes it asks for, and that none reaches elsewhere."""

import re
from typing import Any, NamedTuple

import pytest
import requests

from processor.serve.credentials import SCOPES
from processor.serve.door import Way
from processor.serve.service import application
from tests.serve.people import ADA, ERASE, EVERY_SCOPES, Service, scoped, token

READS, ACTS = frozenset({"profiles:read"}), frozenset({"activity:read"})
ASKS, SEES = frozenset({"privacy:request"}), frozenset({"privacy:read"})
SIGNS_IN = frozenset({"ui"})
NAMED = {"identity": {"type": "email", "value": "ada@example.com"}}
KEY = {"environment_type": "production", "identity": {"type": "customer_id", "value": "12345"}}


WHOSE = "?workspace={workspace}"


FORM = {
    "request_type": "erasure",
    "type": "email",
    "value": "ada@example.com",
    "regulation": "gdpr",
    "environment": "production",
    "request_id": "by-form",
}


class Route(NamedTuple):
    """What a route asks for."""

    needs: frozenset[str] | None
    """None: it shows nothing of anybody, and asks for no token."""
    query: str = ""
    body: dict[str, Any] | None = None


TABLE = {
    ("GET", "/v1/{workspace}/profiles/{mpid}"): Route(READS),
    ("GET", "/v1/{workspace}/profiles/{mpid}/changes"): Route(ACTS),
    ("POST", "/v1/{workspace}/profiles/lookup"): Route(READS, "", NAMED),
    ("POST", "/v1/{workspace}/profiles/batch"): Route(READS, "", {"profiles": [NAMED]}),
    ("GET", "/userprofile/v1/{org}/{account}/{workspace}/{mpid}"): Route(
        READS, "?fields=user_identities"
    ),
    ("POST", "/userprofile/v1/{org}/{account}/{workspace}/{mpid}"): Route(
        READS, "?fields=user_identities"
    ),
    ("POST", "/userprofile/v1/resolve/{org}/{account}/{workspace}"): Route(
        READS, "?fields=user_identities", KEY
    ),
    ("POST", "/dsr/v3/requests"): Route(ASKS, WHOSE, ERASE),
    ("GET", "/dsr/v3/requests"): Route(SEES, f"{WHOSE}&group_id=g"),
    ("GET", "/dsr/v3/requests/{id}"): Route(SEES, WHOSE),
    ("DELETE", "/dsr/v3/requests/{id}"): Route(ASKS, WHOSE),
    ("GET", "/dsr/v3/requests/{id}/results"): Route(SEES, WHOSE),
    ("GET", "/dsr/v3/discovery"): Route(SEES, WHOSE),
    ("GET", "/openapi.json"): Route(None),
    ("GET", "/ui/sign-in"): Route(None),
    ("POST", "/ui/sign-in"): Route(None),
    ("GET", "/ui/static/{name}"): Route(None),
    ("GET", "/ui"): Route(SIGNS_IN),
    ("GET", "/ui/{workspace}"): Route(SIGNS_IN),
    ("POST", "/ui/sign-out"): Route(SIGNS_IN),
    ("GET", "/ui/{workspace}/search"): Route(SIGNS_IN | READS),
    ("POST", "/ui/{workspace}/search"): Route(SIGNS_IN | READS, "", {"value": "ada@example.com"}),
    ("GET", "/ui/{workspace}/profiles/{mpid}"): Route(SIGNS_IN | READS),
    ("GET", "/ui/{workspace}/privacy"): Route(SIGNS_IN | SEES),
    ("POST", "/ui/{workspace}/privacy"): Route(SIGNS_IN | SEES | ASKS, "", FORM),
    ("GET", "/ui/{workspace}/privacy/{id}"): Route(SIGNS_IN | SEES),
    ("GET", "/ui/{workspace}/privacy/{id}/results"): Route(SIGNS_IN | SEES),
    ("GET", "/ui/{workspace}/privacy/{id}/cancel"): Route(SIGNS_IN | SEES | ASKS),
    ("POST", "/ui/{workspace}/privacy/{id}/cancel"): Route(SIGNS_IN | SEES | ASKS),
}
GUARDED = [key for key, route in TABLE.items() if route.needs is not None]
WITH_WORKSPACE = [key for key in GUARDED if "{workspace}" in key[1] + TABLE[key].query]
OF_ADA = (b"lovelace", b"stamp-1", b"V-OLD", b"favorite_drink", b"orders_30d")


def ask(service: Service, key: tuple[str, str], name: str, workspace: str = "retail"):
    """Call the route *key* with the token called *name*: on a page, by who signed in with it."""
    method, path = key
    _, query, body = TABLE[key]
    request_id = "waits" if method == "DELETE" or path.endswith("/cancel") else "ada"
    whose = {"workspace": workspace, "mpid": ADA, "id": request_id, "org": "o", "account": "a"}
    url = (path + query).format(**whose)
    if not path.startswith("/ui"):
        return service.call(method, url, name, json=body)
    with requests.Session() as browser:
        browser.post(
            f"{service.url}/ui/sign-in", {"token": token(name)}, timeout=20, allow_redirects=False
        )
        start = browser.get(f"{service.url}/ui", timeout=20)
        form = re.search(r'name="form_token" value="(\w+)"', start.text)
        data = {**(body or {}), "form_token": form[1] if form else ""} if method == "POST" else None
        return browser.request(
            method, service.url + url, data=data, timeout=20, allow_redirects=False
        )


def test_every_route_of_the_application_is_in_the_table(service: Service):
    ways = [way for way in application(service.parts).routes if isinstance(way, Way)]
    assert len(ways) == len(application(service.parts).routes)
    assert {(m, way.path) for way in ways for m in way.methods - {"HEAD"}} == TABLE.keys()


@pytest.mark.parametrize("key", GUARDED, ids=" ".join)
def test_a_route_opens_for_the_scopes_it_asks_for_and_for_no_others(service: Service, key):
    needs = TABLE[key].needs
    assert needs <= set(SCOPES)
    for scopes in EVERY_SCOPES:
        found = ask(service, key, scoped(scopes))
        is_page = key[1].startswith("/ui")
        if needs <= scopes:
            leads_on = found.headers.get("Location") in (
                "/ui/retail",
                "/ui/sign-in" if key[1] == "/ui/sign-out" else None,
                f"/ui/retail/profiles/{ADA}",
                "/ui/retail/privacy/by-form",
                "/ui/retail/privacy/waits?sent=cancel",
            )
            assert found.status_code in (200, 201, 202) or (is_page and leads_on), sorted(scopes)
            continue
        if is_page and "ui" not in scopes:
            assert found.headers["Location"] == "/ui/sign-in"
        else:
            assert found.status_code == 403, sorted(scopes)
        assert not [value for value in OF_ADA if value in found.content]


@pytest.mark.parametrize("key", WITH_WORKSPACE, ids=" ".join)
def test_every_scope_of_one_workspace_is_none_of_another(service: Service, key):
    foreign = ask(service, key, "stranger", "retail")
    unknown = ask(service, key, "stranger", "nowhere")
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.content == unknown.content
    strayed = ask(service, key, "stranger", "shop")  # for somebody of retail
    assert strayed.status_code in (200, 303, 400, 404, 501)
    assert not [value for value in OF_ADA if value in strayed.content]
