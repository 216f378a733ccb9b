"""Every route under every kind of token: a workspace's people are seen with its tokens only."""

import pytest

from tests.serve.people import ADA, ALIEN, Service, token

ROUTES = [
    ("GET", "/v1/{workspace}/profiles/{mpid}", None),
    ("POST", "/v1/{workspace}/profiles/lookup", {"identity": "email"}),
    ("POST", "/v1/{workspace}/profiles/lookup", {"identities": "email", "as": "search"}),
    ("POST", "/v1/{workspace}/profiles/batch", {"profiles": "both"}),
    ("GET", "/userprofile/v1/o/a/{workspace}/{mpid}?fields=user_identities", None),
    ("POST", "/userprofile/v1/o/a/{workspace}/{mpid}?fields=user_identities", None),
    ("POST", "/userprofile/v1/resolve/o/a/{workspace}?fields=user_identities", "resolve"),
]
PEOPLE = {
    "retail": (ADA, "12345", "ada@example.com"),
    "shop": (ALIEN, "alien", "z@z"),
}


def ask(service: Service, route: tuple, workspace: str, whose: str, name: str | None):
    """Call *route* of *workspace* for a person of the workspace *whose*."""
    method, path, kind = route
    mpid, customer, email = PEOPLE[whose]
    body = None
    if kind == "resolve":
        identity = {"type": "customer_id", "value": customer}
        body = {"environment_type": "production", "identity": identity}
    elif kind is not None:
        body = dict(kind)
        if body.get("identity"):
            body["identity"] = {"type": "email", "value": email}
        if body.get("identities"):
            body["identities"] = {"customerid": customer}
        if body.get("profiles"):
            body["profiles"] = [{"mpid": mpid}, {"identity": {"type": "email", "value": email}}]
    url = path.format(workspace=workspace, mpid=mpid)
    return service.call(method, url, name, json=body)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]} {route[2]}")
def test_a_token_of_one_workspace_sees_nothing_of_another(service: Service, route):
    own = ask(service, route, "shop", "shop", "shop")
    assert own.status_code == 200
    assert str(ALIEN) in own.text
    foreign = ask(service, route, "retail", "retail", "shop")
    unknown = ask(service, route, "nowhere", "retail", "shop")
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.content == unknown.content
    # Another workspace's people, asked for in the own one.
    strayed = ask(service, route, "shop", "retail", "shop")
    assert "12345" not in strayed.text
    assert "lovelace" not in strayed.text
    assert strayed.status_code in (200, 400, 404)
    if strayed.status_code == 200:
        assert set(strayed.json()["profiles"]) <= {None}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]} {route[2]}")
def test_every_route_asks_for_a_token_with_its_scope(service: Service, route):
    assert ask(service, route, "retail", "retail", None).status_code == 401
    assert ask(service, route, "retail", "retail", "nothing").status_code == 403
    assert ask(service, route, "retail", "retail", "reader").status_code == 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]} {route[2]}")
def test_only_the_right_to_it_shows_values_of_identities(service: Service, route):
    assert "12345" in ask(service, route, "retail", "retail", "all").text
    masked = ask(service, route, "retail", "retail", "reader").text
    for value in ("12345", "ada@example.com", "stamp-1", "a5d934n0"):
        assert value not in masked


CHANGES = f"/v1/{{}}/profiles/{ADA}/changes"


def test_changes_are_those_of_the_workspace_for_who_may_read_activity(service: Service):
    for name in ("watcher", "chain"):
        found = service.get(CHANGES.format("retail"), name)
        assert found.status_code == 200
        assert "google" not in found.text  # of the workspace shop
    foreign = service.get(CHANGES.format("shop"), "watcher")
    unknown = service.get(CHANGES.format("nowhere"), "watcher")
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.content == unknown.content
    elsewhere = service.get(f"{CHANGES.format('retail')}?environment=development", "watcher")
    assert elsewhere.status_code == 403
    assert service.get(CHANGES.format("retail"), "reader").status_code == 403
    assert service.get(CHANGES.format("retail"), None).status_code == 401
    # Whoever may read activity alone may not read profiles.
    assert service.get(f"/v1/retail/profiles/{ADA}", "watcher").status_code == 403


def test_nothing_that_was_asked_stands_in_the_log_or_in_a_metric(service: Service):
    before = len(service.log.lines)
    for route in ROUTES:
        for name in ("all", "reader", "shop", "nothing", None):
            ask(service, route, "retail", "retail", name)
    told = "\n".join(service.log.lines[before:])
    counted = str([list(m.samples) for m in service.parts.metrics.registry.collect()])
    for value in ("12345", "ada@example.com", "stamp-1", str(ADA), token("all"), "lovelace"):
        assert value not in told
        assert value not in counted
