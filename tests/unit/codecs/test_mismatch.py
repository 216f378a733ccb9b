"""What msgspec's messages are taken to say. A release that words them otherwise fails here."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from processor.codecs.mismatch import Expected, Mismatch, mismatch_of


class Inner(Struct, forbid_unknown_fields=True):
    name: str
    kind: Literal["a", "b"] = "a"
    code: Annotated[str, Meta(pattern="^[0-9]$")] = "0"


class Outer(Struct):
    count: Annotated[int, Meta(ge=1, le=5)] = 1
    share: Annotated[float, Meta(gt=0, lt=9)] = 1
    size: int | str | None = None
    inner: list[Inner] = []
    by_name: dict[str, Inner] = {}


def mismatch(value: str, kind: type = Outer) -> Mismatch:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(value, type=kind)
    return mismatch_of(caught.value)


def expected(value: str) -> Expected | None:
    return mismatch(value).expected


def test_a_type_that_is_not_the_expected_one():
    assert expected('{"count": "x"}') == Expected("int", "str", None, None, pattern=None)
    assert expected('{"size": 1.5}') == Expected(
        "int | str | null", "float", None, None, pattern=None
    )


@pytest.mark.parametrize(("count", "bound", "limit"), [(0, ">=", 1), (6, "<=", 5)])
def test_a_number_out_of_bounds(count, bound, limit):
    assert expected(f'{{"count": {count}}}') == Expected("int", None, bound, limit, pattern=None)


@pytest.mark.parametrize(("share", "bound", "limit"), [(0, ">", 0), (9, "<", 9)])
def test_a_number_that_is_its_bound(share, bound, limit):
    assert expected(f'{{"share": {share}}}') == Expected("float", None, bound, limit, pattern=None)


def test_text_that_does_not_match_its_pattern():
    found = expected('{"inner": [{"name": "n", "code": "x"}]}')
    assert found == Expected("str", None, None, None, pattern="^[0-9]$")


def test_a_missing_field_and_where_it_is_missing():
    found = mismatch('{"inner": [{}]}')
    assert (found.missing, found.path, found.expected) == ("name", ".inner[0]", None)


def test_an_unknown_field_and_where_it_is():
    found = mismatch('{"inner": [{"name": "n", "a ` b": 1}]}')
    assert (found.unknown, found.path, found.missing) == ("a ` b", ".inner[0]", None)


def test_a_value_that_is_not_in_an_enumeration_has_no_part_that_quotes_it():
    found = mismatch('{"inner": [{"name": "n", "kind": "Ada"}]}')
    assert found.path == ".inner[0].kind"
    assert (found.missing, found.unknown, found.expected) == (None, None, None)


def test_the_keys_of_maps_are_hidden():
    assert mismatch('{"by_name": {"Ada": {"name": 1}}}').path == ".by_name[...].name"


def test_at_the_top_of_a_value_there_is_no_path():
    assert mismatch("[]").path == ""


def test_only_the_end_of_a_sentence_names_the_place():
    imitation = "Expected `int` - at `$.elsewhere"
    found = mismatch(f'{{"inner": [{{"name": "n", "{imitation}": 1}}]}}')
    assert (found.path, found.unknown, found.expected) == (".inner[0]", imitation, None)
