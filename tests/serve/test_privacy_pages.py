"""The pages of requests under privacy law, without a browser."""

import io
import json
import re
import zipfile
from contextlib import suppress

import pytest

from processor.kafka import forward, recent
from processor.serve.pages import privacy
from tests.serve.people import ADA, ANONYMOUS, HOSTILE, WAITS, Service, scoped, serving
from tests.serve.test_pages import Visitor
from tests.serve.test_subjects import newest

PATH = "/ui/retail/privacy"
VALUE, OTHER = "ada@example.com", "a.lovelace@example.com"
LINK = ">Privacy requests</a>"


@pytest.fixture
def desk(service: Service) -> Visitor:
    visitor = Visitor(service)
    visitor.sign_in("desk")
    return visitor


def sent(visitor: Visitor, step: str, **fields: str):
    """What comes of the form that the page has, with *fields* filled in."""
    form = {"request_type": "erasure", "type": "email", "value": VALUE, "regulation": "gdpr"}
    form |= {"environment": "production", "step": step, "form_token": visitor.form_token()}
    return visitor.post(PATH, **(form | fields))


def hidden(text: str) -> dict[str, str]:
    """The fields of the form that asks once more."""
    form = text[text.index("<h1>") :]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_the_requests_are_listed_the_newest_first_without_a_value(desk: Visitor):
    text = desk.get(PATH).text
    links = re.findall(r'class="id"><a href="/ui/retail/privacy/([\w-]+)"', text)
    assert links == ["ended", "merged", "nobody", "over", "waits", "ada", "late"]
    assert "All 7 that are kept" in text
    assert re.findall(r'"/ui/retail/privacy/(\w+)/results"', text) == ["ended", "merged", "ada"]
    for path in (PATH, f"{PATH}/waits"):
        assert WAITS.value not in desk.get(path).text


def test_of_many_requests_the_newest_are_listed_and_it_is_said(desk: Visitor, monkeypatch):
    monkeypatch.setattr(privacy, "MOST_CASES", 5)
    text = desk.get(PATH).text
    assert "The newest 5; older ones are not shown." in text
    assert f"{PATH}/waits" in text
    assert f"{PATH}/ada" not in text


def test_a_request_is_shown_with_what_was_told_of_it(desk: Visitor):
    waits, ada = desk.get(f"{PATH}/waits").text, desk.get(f"{PATH}/ada").text
    assert "<dt>Not before</dt>" in waits
    assert "<dt>Completed</dt>" in ada
    assert f"/ui/retail/profiles/{ADA}" in ada
    assert f'href="{PATH}/ada/results"' in ada
    assert "Nothing is known of it yet" in desk.get(f"{PATH}/unknown").text
    assert "; more than 200, where nobody is followed further</dd>" in desk.get(f"{PATH}/over").text
    refused = desk.get(f"{PATH}/refused").text
    assert "IN_PROGRESS" in refused
    assert HOSTILE not in refused


def test_a_dry_run_tells_what_would_go_and_nothing_of_another_workspace(desk: Visitor):
    text = desk.get(f"{PATH}/tried").text
    assert "2 would go" in text
    assert f"/ui/retail/profiles/{ANONYMOUS}" in text
    assert "2 email" in text
    assert "event-batches" in text
    assert "no end is known" in text
    assert "OF_SHOP" not in text


def test_a_dry_run_is_sent_without_its_value_in_an_address_or_a_log(desk: Visitor):
    found = sent(desk, "dry_run")
    name = found.url.rpartition("/")[2]
    assert found.status_code == 200
    assert "Nothing is known of it yet" in found.text
    body, headers = newest(desk.service, name.encode())
    assert headers == {"input": b"office"}
    assert body["extensions"] == {"idstream": {"dry_run": True, "suppress": False}}
    assert body["subject_identities"] == {"email": [{"value": VALUE, "encoding": "raw"}]}
    assert body["group_id"] is None
    told = desk.service.log.lines
    line = {"event": "subject_request_sent", "token": "desk", "workspace": "retail"}
    assert json.dumps(line | {"type": "erasure", "dry_run": True}) in told
    assert VALUE not in "".join([found.url, *told])


def test_a_request_is_sent_once_it_was_confirmed_and_is_one_however_often(desk: Visitor):
    asked = sent(desk, "ask", value=f" {VALUE} ", suppress="yes")
    assert "<h1>Send this request?</h1>" in asked.text
    assert "after 7 days" in asked.text
    form = hidden(asked.text)
    name = form["request_id"]
    with pytest.raises(ValueError, match="unpack"):
        newest(desk.service, name.encode())
    bodies = []
    for _ in range(2):
        assert desk.post(PATH, **form, step="send").url.endswith(f"{PATH}/{name}")
        bodies.append(newest(desk.service, name.encode())[0])
    assert bodies[0] == bodies[1]
    assert bodies[0]["extensions"] == {"idstream": {"dry_run": False, "suppress": True}}


def test_a_request_names_several_identities_and_its_group(desk: Visitor):
    others = f"customerid=C 1\r\n\r\n email = {OTHER} "
    asked = sent(desk, "ask", others=others, group_id=" family-7 ")
    for shown in ("customerid <bdi", "C 1", VALUE, OTHER, "family-7"):
        assert shown in asked.text
    form = hidden(asked.text)
    desk.post(PATH, **form, step="send")
    body, _ = newest(desk.service, form["request_id"].encode())
    assert body["group_id"] == "family-7"
    assert {
        kind: [one["value"] for one in named] for kind, named in body["subject_identities"].items()
    } == {"email": [VALUE, OTHER], "customerid": ["C 1"]}
    assert OTHER not in "".join(desk.service.log.lines)


def test_a_request_that_waits_is_cancelled_once_it_was_confirmed(desk: Visitor):
    assert f'href="{PATH}/waits/cancel"' in desk.get(f"{PATH}/waits").text
    before = told_of(desk.service, "waits")
    asked = desk.get(f"{PATH}/waits/cancel")
    assert "<h1>Cancel this request?</h1>" in asked.text
    assert WAITS.value not in asked.text
    assert told_of(desk.service, "waits") == before
    sent = desk.post(f"{PATH}/waits/cancel", **hidden(asked.text))
    assert "A cancel of it is on its way" in sent.text
    assert told_of(desk.service, "waits") != before
    body, headers = newest(desk.service, b"waits")
    assert headers == {"input": b"office"}
    kind = body["subject_request_id"], body["subject_request_type"], body["environment"]
    assert kind == ("waits", "cancel", "production")
    line = {"event": "subject_request_sent", "token": "desk", "workspace": "retail"}
    assert json.dumps(line | {"type": "cancel", "dry_run": False}) in desk.service.log.lines


def told_of(service: Service, name: str) -> str | None:
    """When the newest request of that id was sent; None where none was."""
    with suppress(ValueError):
        return newest(service, name.encode())[0]["submitted_time"]
    return None


@pytest.mark.parametrize(("name", "status"), [("ada", 409), ("over", 409), ("unknown", 404)])
def test_what_does_not_wait_is_not_cancelled(desk: Visitor, name, status):
    path, form = f"{PATH}/{name}/cancel", {"form_token": desk.form_token()}
    assert f'href="{path}"' not in desk.get(f"{PATH}/{name}").text
    before = told_of(desk.service, name)
    assert desk.get(path).status_code == status
    assert desk.post(path, **form).status_code == status
    assert told_of(desk.service, name) == before


def test_a_cancel_of_another_site_is_refused(desk: Visitor):
    assert desk.post(f"{PATH}/waits/cancel", form_token="0" * 64).status_code == 403
    assert desk.post(f"{PATH}/waits/cancel").status_code == 403


def test_what_a_value_holds_is_text_where_one_is_asked_once_more(desk: Visitor):
    asked = sent(desk, "ask", value=HOSTILE, others=f"email={HOSTILE}", group_id=HOSTILE)
    assert "<h1>Send this request?</h1>" in asked.text
    assert HOSTILE not in asked.text


@pytest.mark.parametrize("step", ["dry_run", "ask", "send"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": " "}, "has no value"),
        ({"type": "shoe"}, "no known type"),
        ({"type": "mpid", "value": "x"}, "subject_identities.mpid"),
        ({"request_type": "delete"}, "what is asked for"),
        ({"regulation": ""}, "regulation: is required"),
        ({"others": "\nemail"}, "line 1 of the other identities"),
        ({"others": f"email={OTHER}\n = x"}, "line 2 of the other identities"),
        ({"others": "mpid=7"}, "mpid must be the only identity"),
    ],
)
def test_a_mistake_is_told_above_the_form_that_was_filled_in(desk: Visitor, step, fields, said):
    found = sent(desk, step, **fields)
    assert found.status_code == 400
    assert said in re.search(r'role="alert">([^<]*)', found.text)[1]
    assert f'value="{fields.get("value", VALUE).strip()}"' in found.text
    assert f">{fields.get('others', '').strip()}</textarea>" in found.text


def test_a_form_of_another_site_is_refused(desk: Visitor):
    for wrong in ("", "0" * 64):
        assert sent(desk, "dry_run", form_token=wrong).status_code == 403
    assert sent(desk, "erase").status_code == 400


def test_who_may_not_send_is_told_why_there_is_no_form(service: Service):
    clerk = Visitor(service)
    clerk.sign_in(scoped(["ui", "privacy:read"]))
    text = clerk.get(PATH).text
    assert "lacks the scope privacy:request" in text
    assert 'name="step"' not in text
    assert "/cancel" not in clerk.get(f"{PATH}/waits").text
    assert "/ui/retail/profiles/" not in clerk.get(f"{PATH}/ada").text
    stranger = Visitor(service)
    stranger.sign_in("stranger")
    assert "no input of this workspace" in stranger.get("/ui/shop/privacy").text


def test_results_are_fetched_from_the_page(desk: Visitor):
    found = desk.get(f"{PATH}/ada/results")
    assert found.headers["Content-Disposition"] == 'attachment; filename="results.zip"'
    assert "profile.jsonl" in zipfile.ZipFile(io.BytesIO(found.content)).namelist()
    assert desk.get(f"{PATH}/unknown/results").status_code == 404
    assert desk.get(f"{PATH}/waits/results").status_code == 404
    assert desk.get(f"{PATH}/ended/results").status_code == 410


def test_the_page_is_led_to_where_requests_are_taken_and_may_be_seen(service: Service, tmp_path):
    for name, is_there in (("desk", True), ("all", False)):
        visitor = Visitor(service)
        visitor.sign_in(name)
        assert (LINK in visitor.get("/ui/retail").text) == is_there
    with serving(tmp_path) as plain:
        visitor = Visitor(plain)
        visitor.sign_in("desk")
        assert LINK not in visitor.get("/ui/retail").text
        assert visitor.get(PATH).status_code == 404


def test_where_kafka_is_away_the_page_says_so_and_has_its_form(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "_ANSWER_S", 0.2)
    monkeypatch.setattr(recent, "_ANSWER_S", 0.2)
    with serving(tmp_path, "privacy = true\ntimeout_ms = 10000") as alone:
        visitor = Visitor(alone)
        visitor.sign_in("desk")
        text = visitor.get(PATH).text
        assert "Kafka did not answer" in text
        assert 'name="step"' in text
        shown = visitor.get(f"{PATH}/ada").text
        assert "Kafka did not answer" in shown
        assert "<dt>Completed</dt>" in shown
