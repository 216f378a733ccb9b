"""Records that pass are put together with what came of them, and told without values."""

import json

import click
import msgspec
import pytest

from processor.codecs.avro.reading import AvroWriter
from processor.codecs.avro.schemas import MESSAGES
from processor.commands.tail import joining
from processor.commands.tail.joining import Joining, source_of
from processor.commands.tail.tail import OUTCOMES, Columns, TailOptions, asked, print_told, types_of
from processor.commands.tail.telling import NOTHING, Told, tell
from processor.commands.terminal import console
from processor.commands.terminal.failure import Failure
from processor.records import Record
from processor.serve.values import Values
from processor.settings import load_text

BATCH = {
    "user_identities": {"email": "ed@example.com"},
    "device_info": {"ios_idfv": "9876", "platform": "iOS"},
    "events": [{"event_type": "screen_view"}, {"event_type": "screen_view"}],
}
SETTINGS = load_text(
    """
[redis]
url = "redis://localhost"
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv", "roku_aid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
customer_id = { limit = 1 }
[inputs.app]
workspace = "retail"
[inputs.shop]
workspace = "shop"
""",
    {},
)
RESOLUTION = b'{"outcome":"matched","matched_on":"email"}'


def came(offset, body=BATCH, topic="in"):
    return Record(topic, 0, offset, 1000, b"k", json.dumps(body).encode(), (("input", b"app"),))


def output(offset, topic="out", value=b"{}", **headers):
    named = {"source-topic": "in", "source-partition": "0", "source-offset": str(offset)}
    pairs = tuple((n, v if isinstance(v, bytes) else v.encode()) for n, v in named.items())
    return Record(
        topic, 0, offset, 2000, b"k", value, (*pairs, *((n, v) for n, v in headers.items()))
    )


def joined(*parts, now=10.0, **how):
    found = Joining(**how)
    for role, record, at in parts:
        found.add(role, record, at)
    return found, [one.source.offset for one in found.ready(now)]


def test_a_record_is_told_once_its_output_has_settled():
    parts = [("batches", came(1), 0.0), ("enriched", output(1), 1.0)]
    assert joined(*parts, now=1.0 + joining.SETTLE_S / 2)[1] == []
    found, ready = joined(*parts, now=2.0)
    assert ready == [1]
    assert list(found.ready(99.0)) == []


def test_an_output_may_come_before_its_input():
    assert joined(("enriched", output(1), 0.0), ("batches", came(1), 0.1))[1] == [1]


def test_outputs_of_records_from_before_are_forgotten_silently():
    found, ready = joined(("enriched", output(1), 0.0))
    assert ready == []
    assert list(found.ready(99.0)) == []


def test_a_record_without_output_is_told_once_a_later_one_had_some():
    waiting = [("batches", came(n), 0.0) for n in (1, 2, 3)]
    assert joined(*waiting, now=99.0)[1] == [], "they may only be waiting"
    assert joined(*waiting, ("enriched", output(2), 1.0), now=99.0)[1] == [1, 2]


def test_with_outcomes_every_record_has_its_outcome_and_nothing_is_inferred():
    parts = [
        ("batches", came(1), 0.0),
        ("enriched", output(1), 1.0),
        ("batches", came(2), 1.0),
        ("outcomes", output(2), 1.0),
    ]
    _, ready = joined(*parts, now=2.0, has_outcomes=True)
    assert ready == [2]


def test_what_is_waited_for_is_bounded(monkeypatch):
    monkeypatch.setattr(joining, "MOST", 5)
    found, _ = joined(*[("batches", came(n), 0.0) for n in range(8)])
    assert found.forgotten == 3


@pytest.mark.parametrize("headers", [(), (("source-topic", b"t"), ("source-partition", b"x"))])
def test_a_record_that_names_no_place_belongs_to_nothing(headers):
    assert source_of(Record("out", 0, 0, 0, None, None, headers)) is None
    _, ready = joined(("enriched", Record("out", 0, 0, 0, None, None, headers), 0.0))
    assert ready == []


def told(role, source, *outputs, clear=False):
    found = Joining()
    found.add(role, source, 0.0)
    for name, record in outputs:
        found.add(name, record, 0.0)
    found.add("enriched", output(source.offset + 1), 0.0)
    (passage,) = found.ready(99.0)
    return tell(passage, role, Values("").read, types_of(SETTINGS), clear=clear)


def test_a_batch_is_told_with_its_events_and_the_types_of_its_identities():
    changes = [
        output(1, "changes", b'{"change":"profile_created"}'),
        output(1, "changes", b'{"change":"identity_added","identity_type":"email"}'),
        output(1, "changes", b'{"change":"profile_linked"}'),
    ]
    enriched = output(1, mpid=b"12", resolution=RESOLUTION)
    found = told("batches", came(1), ("enriched", enriched), *(("changes", c) for c in changes))
    assert found == Told(
        place="in/0/1",
        time_ms=1000,
        input="app",
        what="screen_view x2",
        identities={"email": "•••", "ios_idfv": "•••"},
        outcome="forwarded",
        decision="matched by email",
        mpid="12",
        changes=("+email", "profile linked"),
    )


def test_values_are_shown_when_asked():
    found = told("batches", came(1), ("enriched", output(1)), clear=True)
    assert found.identities == {"email": "ed@example.com", "ios_idfv": "9876"}


def test_a_request_is_told_with_its_answer():
    body = {"request_type": "login", "known_identities": {"email": "ed@example.com"}}
    answer = b'{"resolution":{"outcome":"created","matched_on":null}}'
    found = told("requests", came(1, body), ("responses", output(1, value=answer, mpid=b"7")))
    assert (found.what, found.outcome, found.decision, found.mpid) == (
        "login",
        "answered",
        "created",
        "7",
    )
    refused = b'{"status":400,"errors":[{"code":"LOOKUP_ERROR","message":"why"}]}'
    found = told("requests", came(1, body), ("responses", output(1, value=refused)))
    assert (found.reason, found.decision) == ("LOOKUP_ERROR", "400: why")


def test_a_call_of_segments_and_a_dead_letter_are_told():
    call = {"type": "track", "event": "Signed up", "userId": "u1"}
    letter = output(1, reason=b"invalid", detail=b"type: must be identify")
    found = told("batches", came(1, call), ("dead_letters", letter))
    assert (found.what, found.identities) == ("track Signed up", {"userId": "•••"})
    assert (found.outcome, found.reason) == ("dead_letter", "invalid")
    assert found.decision == "type: must be identify"
    assert found.letter == "0/1"


def test_an_outcome_that_is_published_is_the_outcome():
    outcome = output(1, value=b'{"outcome":"dropped","reason":"unknown_user","mpid":null}')
    found = told("batches", came(1), ("outcomes", outcome))
    assert (found.outcome, found.reason) == ("dropped", "unknown_user")


def test_what_cannot_be_read_and_what_nothing_came_of_say_so():
    found = told("batches", came(1)._replace(value=b"undefined"))
    assert (found.what, found.outcome) == ("(unreadable)", NOTHING)
    assert told("batches", came(1, [1])).what == "(unreadable)"
    assert told("batches", came(1, {"events": []})).what == "no events"


def test_values_in_avro_are_read_too():
    values = Values("")
    bodies = {"batches": b'{"events":[],"mpid":12}', "requests": b'{"request_type":"login"}'}
    for role, body in bodies.items():
        written = AvroWriter(MESSAGES[role]).write(body)
        assert json.loads(body).items() <= values.read(role, written).items()
    assert values.read("batches", b"\xc3\x01nothing") is None
    assert values.read("batches", None) is None


def test_an_identity_is_named_by_its_type_as_what_came_of_it_is():
    body = {"user_identities": {"customer_id": "C1"}, "device_info": {"roku_advertising_id": "R"}}
    assert set(told("batches", came(1, body)).identities) == {"customerid", "roku_aid"}
    elsewhere = came(1, body)._replace(headers=(("input", b"shop"),))
    assert set(told("batches", elsewhere).identities) == {"customer_id", "roku_advertising_id"}, (
        "flat matching takes names as they are"
    )
    nobody = came(1, body)._replace(headers=(("input", b"none"),))
    assert "customer_id" in told("batches", nobody).identities


TOLD = Told("in/0/1", 0, "app", "screen_view", {"email": "•••"}, "forwarded", mpid="12")


def test_filters_let_through_what_they_name():
    assert TailOptions().wants(TOLD)
    assert asked(["app"], ["forwarded"], [], mpid="12").wants(TOLD)
    for others in (
        asked(["web"], [], []),
        asked([], ["answered"], []),
        asked([], [], ["invalid"]),
        asked([], [], [], mpid="13"),
    ):
        assert not others.wants(TOLD)
    with pytest.raises(Failure, match="no outcome forwared; there are forwarded"):
        asked([], ["forwared"], [])
    assert NOTHING in OUTCOMES


def test_a_line_is_printed_whole_or_in_two(capsys, monkeypatch):
    print_told(TOLD, Columns())
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "00:00:00  app       screen_view    email=•••  → in/0/1  forwarded  12"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for width, count in (("60", 2), ("40", 3)):
        monkeypatch.setenv("COLUMNS", width)
        print_told(TOLD, Columns())
        shown = [click.unstyle(one) for one in capsys.readouterr().out.splitlines()]
        assert len(shown) == count
        assert all(len(one) <= int(width) for one in shown)
        assert " ".join(shown).split() == line.split()


def test_columns_widen_with_longer_names_so_that_places_and_outcomes_stand_below_each_other(
    capsys, monkeypatch
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    columns = Columns()
    longer = {"input": "no-such-input", "place": "identity-requests/0/1"}
    for told in (TOLD, msgspec.structs.replace(TOLD, **longer), TOLD):
        print_told(told, columns)
    shown = [click.unstyle(one) for one in capsys.readouterr().out.splitlines()]
    below, last, beneath = shown[1], *shown[-2:]
    assert last.startswith(f"00:00:00  {'app':13}  screen_view")
    assert below.index("→") == beneath.index("→") == 2
    assert beneath == f"  → {'in/0/1':21}  forwarded  12"


def test_what_follows_a_record_is_told_apart_and_a_dead_letter_by_its_next_step(capsys):
    changes = ("+customerid", "+email", "profile linked", "violation")
    told = msgspec.structs.replace(TOLD, changes=changes, decision="matched by email")
    print_told(told, Columns())
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("forwarded  by email  12  +customerid +email, profile linked, violation")
    print_told(msgspec.structs.replace(TOLD, letter="0/7"), Columns(), " -c x.toml")
    assert capsys.readouterr().out.endswith("  idstream letters -c x.toml 0/7\n")


def test_a_value_cannot_steer_the_terminal():
    assert console.visible("a\x1b[31mb\u202e") == r"a\x1b[31mb\x202e"
