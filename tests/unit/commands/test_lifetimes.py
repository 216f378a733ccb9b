"""What ``check`` says of how long profiles live."""

import pytest

from processor.commands.check.computed import ageing
from processor.settings import load_offline

CONFIG = """
[workspaces.retail]
preset = "default"
{more}
[workspaces.retail.retention]
anonymous_days = 30
{days}
[workspaces.other]
preset = "default"
[inputs.default]
workspace = "retail"
[inputs.other]
workspace = "other"
"""


@pytest.mark.parametrize(
    ("more", "days", "says"),
    [
        ("", "", "after the last receipt anonymous profiles live 30 days, known ones for ever"),
        (
            "keep_identity_record = true",
            "known_days = 1.5\nidentity_days = 365",
            (
                "after the last receipt anonymous profiles live 30 days, known ones 1.5 days;"
                " then only who they are is kept, 365 days"
            ),
        ),
    ],
)
def test_workspaces_with_lifetimes_say_them_and_no_others(tmp_path, more, days, says):
    (tmp_path / "idstream.toml").write_text(CONFIG.format(more=more, days=days))
    (told,) = ageing(load_offline(tmp_path / "idstream.toml", {}))
    assert (told.what, told.verdict, told.says) == ("workspaces.retail.retention", "ok", says)
