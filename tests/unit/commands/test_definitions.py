"""What ``check`` says of definitions that are others than processors started with."""

import pytest

from processor.commands.check.definitions import changed
from processor.computed.definition import Listed, listing
from processor.settings import load_offline

CONFIG = """
[workspaces.shop]
preset = "default"
[inputs.default]
workspace = "shop"
[workspaces.shop.audiences]
french = { version = 2, all = [{ attribute = "country", op = "equals", value = "FR" }] }
"""
DO = "people are judged by them at their next record, everybody by `idstream recompute shop`"


@pytest.fixture
def scope(tmp_path):
    (tmp_path / "idstream.toml").write_text(CONFIG)
    return load_offline(tmp_path / "idstream.toml", {}).computed["shop"]


def told(scope, **known: Listed) -> list[tuple[str, str]]:
    found = {f"shop/audiences.{name}": one for name, one in known.items()}
    return [(one.verdict, one.says) for one in changed("index shop", scope, found)]


def test_what_is_new_or_changed_is_named_with_the_command_that_judges_everybody(scope):
    old, other = Listed(1, b"mark"), Listed(1, b"other")
    assert told(scope) == [
        ("warning", f"definitions of shop since the last start: new: audiences.french; {DO}")
    ]
    gone = (
        "what is stored of audiences.german of shop is not shown, and stays until"
        " `idstream recompute shop` strikes it off"
    )
    assert told(scope, french=old, german=other) == [
        ("warning", f"definitions of shop since the last start: changed: audiences.french; {DO}"),
        ("ok", gone),
    ]


def test_a_meaning_that_changed_under_its_version_is_wrong_and_a_higher_one_is_told(scope):
    ((verdict, says),) = told(scope, french=Listed(2, b"mark"))
    assert (verdict, says.endswith("its meaning changed; raise its version to 3")) == (
        "wrong",
        True,
    )
    ((verdict, says),) = told(scope, french=Listed(3, b"mark"))
    assert verdict == "warning"
    assert says.startswith("other processors have higher versions of audiences.french of shop")


def test_what_is_left_of_a_workspace_that_defines_nothing_any_more_is_told(scope):
    known = {"app/calculated.n": Listed(1, b"mark"), **listing_of(scope)}
    (found,) = changed("index shop", scope, known)
    assert found.says.startswith("what is stored of calculated.n of app is not shown")
    assert len(list(changed("index shop", None, known))) == 2


def listing_of(scope) -> dict[str, Listed]:
    return {f"shop/{name}": one for name, one in listing(scope.workspaces["shop"]).items()}


def test_nothing_is_said_of_definitions_as_they_were(scope):
    own = listing(scope.workspaces["shop"])
    assert told(scope, french=own["audiences.french"]) == []
