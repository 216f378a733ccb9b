"""The JSON Schema of the file takes what is taken, and refuses what an editor can see is wrong."""

import tomllib

import pytest
from jsonschema import Draft202012Validator

from processor.settings import SettingsError, load_text
from processor.settings.schema import json_schema
from tests.unit.settings.test_load import RETAIL

VALIDATOR = Draft202012Validator(json_schema())


def mistakes(text: str) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_it_is_a_schema():
    Draft202012Validator.check_schema(json_schema())
    assert "client_secrets" not in json_schema()["$defs"]["KafkaSettings"]["properties"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[redis]\nurl = "redis://localhost"\n',
        '[kafka.topics]\nbatches = "one"\nrequests = ["two", "other"]\n',
        '[kafka.client]\n"security.protocol" = "SSL"\n',
        '[inputs.default]\nworkspace = "retail"\ntopics = "event-batches"\nsource = "csv"\n',
        '[workspaces.retail.normalizers]\nemail = ["trim"]\n',
        "[limits]\nmax_future_ms = 0\nmax_devices = 1\n",
        '[check]\naccept = ["redis.appendfsync"]\n',
    ],
)
def test_what_is_taken_fits(text):
    assert load_text(RETAIL + text, {})
    assert mistakes(RETAIL + text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[observabilty]\nport = 1\n", "$"),
        ("[kafka]\ngroup = 1\n", "$.kafka"),
        ('[kafka]\nguarantee = "twice"\n', "$.kafka.guarantee"),
        ('[kafka.client]\nsecurity.protocol = "SSL"\n', "$.kafka.client"),
        ("[limits]\nmax_devices = 0\n", "$.limits.max_devices"),
        ('[inputs.x]\nworkspace = "retail"\nsource = "mobile"\n', "$.inputs.x.source"),
        ('[inputs.x]\nsource = "sdk"\n', "$.inputs.x"),
        ("[workspaces.retail.identifiers]\na = { priority = 0 }\n", "$.workspaces.retail"),
    ],
)
def test_what_is_refused_does_not_fit(text, place):
    with pytest.raises(SettingsError):
        load_text(RETAIL + text, {})
    found = mistakes(RETAIL + text)
    assert found
    assert all(one.startswith(place) for one in found)


def test_an_unknown_identity_type_does_not_fit():
    assert mistakes(RETAIL.replace("roku_aid", "roku")) == ["$.workspaces.retail.priority[3]"]
