"""``idstream privacy``: what it sends is checked before, and what it says is what is next."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from processor.cli import idstream
from processor.commands.privacy.person import known_in, read_person
from processor.commands.privacy.request import (
    SubmitOptions,
    about,
    body_of,
    completed,
    door,
    door_of,
    encode,
)
from processor.commands.privacy.sending import next_lines, sent
from processor.commands.privacy.verify import waits
from processor.commands.terminal.failure import Failure
from processor.identity.model import Identifier
from processor.kafka.appending import Appended
from processor.privacy.receipt import Told, receipt_of
from processor.settings import Settings, load
from tests.unit.privacy.test_receipts import CASE

CONFIG = """
[kafka.topics]
privacy = ["privacy-requests"]
[privacy]
waiting_days = 7
[workspaces.retail]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
immutable_ids = []
[inputs.default]
workspace = "retail"
[inputs.privacy_office]
workspace = "retail"
topics = ["privacy-requests"]
"""
NOW = "2026-11-01T15:00:00Z"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return settings_of(tmp_path, CONFIG)


def settings_of(folder: Path, text: str) -> Settings:
    path = folder / "idstream.toml"
    path.write_text(text)
    return load(path, {})


def call(*arguments: str, given: str = "") -> Any:
    return CliRunner().invoke(idstream, ["privacy", *arguments], obj={}, input=given)


def test_a_request_of_options_is_one_that_the_processor_takes(settings):
    options = SubmitOptions(
        kind="erasure", skip_waiting=True, suppress=True, follow=["merges"], group_id="g"
    )
    body = body_of(options, [("email", "ada@example.com"), ("email", "a@b.c")], "new", NOW)

    request = door(settings, None).checked(encode(body))

    assert (request.request_id, request.request_type, request.group_id) == ("new", "erasure", "g")
    assert request.identifiers == (
        Identifier("email", "ada@example.com"),
        Identifier("email", "a@b.c"),
    )
    assert (request.wishes.skip_waiting, request.wishes.suppress) == (True, True)
    assert (request.wishes.dry_run, request.wishes.follow) == (False, ("merges",))


def test_a_delete_names_mpids_and_an_erasure_by_mpid_only_that(settings):
    way = door(settings, None)
    deleted = way.checked(encode(body_of(SubmitOptions(kind="delete", mpids=[7]), [], "n", NOW)))
    erased = way.checked(encode(body_of(SubmitOptions(mpids=[7]), [], "n", NOW)))
    assert (deleted.mpids, erased.mpid, erased.identifiers) == ((7,), 7, ())


def test_a_delete_that_is_to_be_a_dry_run_is_refused_and_deletes_nobody(settings):
    way, dry = door(settings, None), SubmitOptions(kind="delete", mpids=[7], dry_run=True)
    made = body_of(dry, [], "n", NOW)
    filed = completed(body_of(SubmitOptions(kind="delete", mpids=[7]), [], "n", NOW), dry, "n", NOW)
    for body in (made, filed):
        with pytest.raises(Failure, match="a delete has no dry run"):
            way.checked(encode(body))


def test_a_dry_run_leaves_what_a_file_says_otherwise(settings):
    body = body_of(SubmitOptions(suppress=True), [("email", "a@b.c")], "its own", NOW)
    dry = completed(body, SubmitOptions(dry_run=True), "new", NOW)
    wishes = door(settings, None).checked(encode(dry)).wishes
    assert (dry["subject_request_id"], wishes.dry_run, wishes.suppress) == ("its own", True, True)


@pytest.mark.parametrize("kind", ["cancel", "lift"])
def test_what_is_said_about_a_request_is_taken_too(settings, kind):
    request = door_of(settings, "retail").checked(encode(about("one", kind, "development", NOW)))
    found = request.request_id, request.request_type, request.environment
    assert found == ("one", kind, "development")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject_identities": {"shoe": {"value": "1"}}}, "no known type"),
        ({"subject_identities": {}}, "names nobody"),
        ({"subject_request_type": "forget"}, "subject_request_type"),
        ({"subject_request_id": None}, "subject_request_id"),
        ({"subject_identities": {"email": {"value": "null"}}}, "blocked"),
        ({"extensions": {"idstream": {"dryrun": True}}}, "did you mean dry_run"),
    ],
)
def test_a_mistake_is_told_before_it_is_sent_and_without_the_value(settings, change, said):
    body = {**body_of(SubmitOptions(), [("email", "ada@example.com")], "n", NOW), **change}
    with pytest.raises(Failure, match=said) as failure:
        door(settings, None).checked(encode(body))
    assert "ada@" not in str(failure.value)


def test_only_an_input_that_is_bound_to_the_topic_may_send(settings):
    assert door(settings, None).rules.name == "privacy_office"
    with pytest.raises(Failure, match="these may: privacy_office"):
        door(settings, "default")


def test_without_a_topic_it_says_what_is_missing(tmp_path):
    plain = CONFIG.partition("[workspaces")[2].partition("[inputs.privacy_office]")[0]
    with pytest.raises(Failure, match=r"kafka\.topics\.privacy"):
        door(settings_of(tmp_path, f"[workspaces{plain}"), None)


def test_it_says_the_id_and_what_is_next_and_no_value(settings):
    way = door(settings, None)
    body = body_of(SubmitOptions(), [("email", "ada@example.com"), ("customerid", "C1")], "n", NOW)
    request = way.checked(encode(body))
    text = "\n".join(
        [
            sent(request, way, Appended("privacy-requests", 0, 12)),
            *next_lines(request, way, 1_793_545_200_000, ""),
        ]
    )
    assert text.splitlines() == [
        "Sent: erasure n of retail (production), to privacy-requests/0 at 12",
        "It names email, customerid.",
        "It waits 7 days, until about 2026-11-08 15:00:00 UTC, and can be cancelled until then.",
        "How it stands: idstream privacy show n",
        "To stop it: idstream privacy cancel n",
        "When it is completed: idstream privacy verify --request n",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# Ada\nemail=ada@example.com\n\ncustomer_id = C1\nmpid=7\ntext=Ada Lovelace\n",
        '{"email": "ada@example.com", "customer_id": ["C1"], "mpid": 7, "text": "Ada Lovelace"}',
    ],
)
def test_a_person_is_read_from_lines_or_json(settings, tmp_path, text):
    path = tmp_path / "ada"
    path.write_text(text)
    known = known_in(settings.workspaces["retail"], read_person(path), path)
    assert {one.identity_type: one.value for one in known.identifiers} == {
        "email": "ada@example.com",
        "customerid": "C1",
    }
    assert (known.mpids, known.texts) == ((7,), ("Ada Lovelace",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("somebody@example.com", "line 1: write type=value"),
        ("shoe=1", "is no identity type"),
        ("", "names nobody"),
        ('{"email": {}}', "one JSON object"),
        ("mpid=x", "no number"),
    ],
)
def test_a_file_of_a_person_that_is_none_is_refused_without_its_values(
    settings, tmp_path, text, said
):
    path = tmp_path / "ada"
    path.write_text(text)
    with pytest.raises(Failure, match=said) as failure:
        known_in(settings.workspaces["retail"], read_person(path), path)
    assert "somebody" not in str(failure.value)


def receipts(key: bytes = b"") -> list[str]:
    return [receipt_of(CASE, Told(201, state), key).decode() for state in ("pending", "completed")]


def test_proofs_of_receipts_are_checked_one_by_one(tmp_path):
    config = tmp_path / "idstream.toml"
    config.write_text(CONFIG)
    mine, changed = receipts()
    path = tmp_path / "receipts.jsonl"

    path.write_text(f"{mine}\n{changed}\n")
    done = call("verify", "-c", str(config), str(path))
    assert "2 of 2 receipts are as they were told" in done.stdout

    path.write_text(f"{mine}\n{changed.replace('completed', 'cancelled')}\nno receipt\n")
    done = call("verify", "-c", str(config), str(path), "--json")
    told = [json.loads(line)["verdict"] for line in done.stdout.splitlines()]
    assert told == ["ok", "wrong", "no receipt"]
    assert "2 of 3 receipts were not told by this deployment" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit"], "say whom it is about"),
        (["submit", "file.json", "--suppress"], "leave out --suppress"),
        (["verify"], "name either"),
        (["verify", "file", "--request", "one"], "name either"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(arguments, said):
    done = call(*arguments)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_a_request_whose_time_has_come_is_not_said_to_wait_for_it():
    assert waits(CASE, CASE.expected_ms - 1).startswith("waits until 1970-01-02 00:00:00")
    due = waits(CASE, CASE.expected_ms)
    assert due.startswith("is due since 1970-01-02 00:00:00")
    assert "next sweep" in due
