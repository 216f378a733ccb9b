"""What changed lately, over the API."""

import pytest

from tests.serve.people import ADA, ALIEN, MERGED, SURVIVOR, Service, serving

PATH = f"/v1/retail/profiles/{ADA}/changes"


def test_changes_are_told_newest_first_with_those_of_the_profile_it_came_from(service: Service):
    body = service.get(PATH).json()
    kinds = [one["change"] for one in body["changes"]]
    assert kinds == ["violation", "identity_removed", "identity_added", "profile_created"]
    assert body["mpid"] == str(ADA)
    assert body["before"] is None
    assert body["since_ms"] is not None
    assert "merged" not in body


def test_a_limit_leaves_older_ones_to_the_next_question(service: Service):
    first = service.get(f"{PATH}?limit=1").json()
    assert [one["change"] for one in first["changes"]] == ["violation"]
    seen, before = list(first["changes"]), first["before"]
    while before is not None:
        page = service.get(f"{PATH}?limit=2&before={before}").json()
        seen, before = seen + page["changes"], page["before"]
    kinds = [one["change"] for one in seen]
    assert kinds == ["violation", "identity_added", "profile_created"]


def test_changes_of_a_merged_mpid_are_its_survivors(service: Service):
    body = service.get(f"/v1/retail/profiles/{MERGED}/changes").json()
    assert (body["mpid"], body["requested_mpid"], body["merged"]) == (
        str(SURVIVOR),
        str(MERGED),
        True,
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/retail/profiles/{ALIEN}/changes", 404),
        (f"{PATH}?limit=0", 400),
        (f"{PATH}?limit=51", 400),
        (f"{PATH}?before=-1", 400),
        (f"{PATH}?fields=links", 400),
        ("/v1/retail/profiles/x/changes", 400),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(service: Service, path, status):
    assert service.get(path).status_code == status


def test_without_kafka_there_is_a_503_and_profiles_are_there(tmp_path):
    with serving(tmp_path) as service:
        assert service.get(PATH).status_code == 503
        assert service.get(f"/v1/retail/profiles/{ADA}").status_code == 200
