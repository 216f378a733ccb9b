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


@pytest.mark.parametrize(
    ("more", "days", "doubt"),
    [
        ("", "identity_days = 365", "counts only with keep_identity_record"),
        ("keep_identity_record = true", "identity_days = 30", "is emptied then ends at once"),
        ("keep_identity_record = true", "known_days = 9\nidentity_days = 31", ""),
        ("keep_identity_record = true", "identity_days = 0", ""),
    ],
)
def test_how_long_an_identity_is_kept_is_doubted_where_it_keeps_nothing(
    tmp_path, more, days, doubt
):
    (tmp_path / "idstream.toml").write_text(CONFIG.format(more=more, days=days))
    _, *warnings = ageing(load_offline(tmp_path / "idstream.toml", {}))
    assert [one.verdict for one in warnings] == ["warning"] * bool(doubt)
    assert all(doubt in one.says and one.name for one in warnings)
