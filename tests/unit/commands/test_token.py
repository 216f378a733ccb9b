"""``idstream token`` prints a token once, and a table that the service reads."""

from click.testing import CliRunner

from processor.cli import idstream
from processor.serve.credentials import parse_tokens
from tests.docs.pages import ROOT

CONFIG = str(ROOT / "deploy/compose/idstream.toml")


def call(*arguments: str):
    return CliRunner().invoke(idstream, ["token", "-c", CONFIG, *arguments], obj={})


def test_the_table_is_that_of_the_token():
    done = call("crm tool", "--workspace", "retail", "--scope", "ui", "--scope", "activity:read")
    assert done.exit_code == 0
    text = done.stderr.rpartition(" ")[2].strip()
    token = parse_tokens(done.stdout, ["retail"]).find(text, 0.0)
    assert (token.name, token.scopes) == ("crm tool", {"ui", "activity:read"})
    assert text not in done.stdout


def test_another_workspace_is_refused():
    done = call("crm", "--workspace", "elsewhere")
    assert "there is no workspace elsewhere" in str(done.exception)
