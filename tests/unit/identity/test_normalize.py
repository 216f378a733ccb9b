"""Blocked values and normal forms (docs/decisions.md, "Values")."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.identity.model import Identifier, IdentityChange
from processor.identity.normalize import (
    NORMALIZERS,
    Blocklist,
    Normalizers,
    admit,
    admit_changes,
)
from processor.identity.placeholder import is_own_name, is_placeholder, stands_for_none

NONE = Normalizers()
PLACEHOLDERS = [
    "",
    " ",
    "\t\n",
    "0",
    "0000",
    "-",
    "00000000-0000-0000-0000-000000000000",
    "-1",
    "null",
    "none",
    "nil",
    "undefined",
    "nan",
    "anonymous",
    "guest",
    "unknown",
    "true",
    "false",
    "[object object]",
    "not_set",
    "not set",
    "n/a",
    "user_id",
    "userId",
    "Distinct ID",
]


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_placeholder_is_blocked_in_any_case_and_in_quotes(value):
    spelled = (value, value.upper(), value.title())
    around = (
        "'{}'",
        '"{}"',
        "({})",
        "<{}>",
        "[ {} ]",
        "{{{{{}}}}}",
        " {}\n",
        "\u200b{}\ufeff",
        "( '{}' )",
    )
    for variant in (form.format(text) for text in spelled for form in ("{}", *around)):
        assert is_placeholder(variant), variant


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "100",
        "-2",
        "nullable",
        "guest1",
        "'null",
        'null"',
        "0x0",
        "true north",
        "(null",
        "null@example.com",
        "1)",
        "(1)",
        "nulls and voids",
    ],
)
def test_what_only_resembles_one_is_not(value):
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    ("identity_type", "value"),
    [
        ("shopify_id", "shopify_id"),
        ("shopify_id", "<shopifyId>"),
        ("facebook", " Facebook"),
        ("email", "e-mail"),
    ],
)
def test_the_name_of_its_own_type_is_no_value(identity_type, value):
    assert is_own_name(identity_type, value)
    assert Blocklist.build().blocks(Identifier(identity_type, value))
    assert not Blocklist.build().blocks(Identifier("other", "shopify id 7"))


def test_the_name_of_another_type_may_be_a_value():
    assert not Blocklist.build().blocks(Identifier("twitter", "google"))


def email(value):
    return Identifier("email", value)


def test_configured_values_are_compared_exactly_and_patterns_found_anywhere():
    blocklist = Blocklist.build(values=["abc123"], patterns=["^test-", "(?i)@example\\.org$"])
    blocked = ["abc123", "test-1", "a@EXAMPLE.org", "null"]
    passed = ["ABC123", "abc1234", "a test-1", "a@example.com"]
    assert [blocklist.blocks(email(v)) for v in blocked + passed] == [True] * 4 + [False] * 4


def test_the_default_list_can_be_turned_off():
    blocklist = Blocklist.build(default=False, values=["x"])
    assert not blocklist.blocks(email("null"))
    assert blocklist.blocks(email("x"))


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(a)\\1", "a{1000}{1000}"])
def test_a_pattern_that_cannot_be_taken_is_refused_in_plain_words(pattern, capfd):
    with pytest.raises(ValueError, match="pattern 2 is not a regular expression"):
        Blocklist.build(patterns=["ok", pattern])
    assert "re2" not in capfd.readouterr().err


def test_no_pattern_can_stall_the_processor():
    blocklist = Blocklist.build(patterns=["(a+)+$", "(a|aa)+$"])
    start = time.monotonic()
    blocklist.blocks(email("a" * 4000 + "!"))
    assert time.monotonic() - start < 1


def test_normal_forms_are_off_by_default_and_apply_in_order():
    assert NONE.apply(email(" A@B ")) == email(" A@B ")
    chosen = Normalizers.build({"email": ["trim", "lower"], "mobile_number": ["e164"]})
    assert chosen.apply(email(" A@B ")) == email("a@b")
    assert chosen.apply(Identifier("other", " A ")) == Identifier("other", " A ")


def test_a_custom_normal_form_is_a_function_with_a_name():
    chosen = Normalizers.build({"other": ["reverse"]}, custom={"reverse": lambda v: v[::-1]})
    assert chosen.apply(Identifier("other", "abc")).value == "cba"
    with pytest.raises(ValueError, match="shout is no normalizer"):
        Normalizers.build({"other": ["shout"]})


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("+47 123 45 678", "+4712345678"),
        ("0047 (123) 45-678", "+4712345678"),
        ("+1.555.010.0123", "+15550100123"),
        ("123 45 678", "123 45 678"),
        ("+12", "+12"),
        ("+0123456789", "+0123456789"),
        ("+1234567890123456", "+1234567890123456"),
        ("no number", "no number"),
        ("+47123x5678", "+47123x5678"),
        ("+49 (0)30 1234567", "+49301234567"),
        ("+44 (0) 20 7946 0958", "+442079460958"),
        ("+39 06 1234567", "+39061234567"),
        ("\uff0b\uff14\uff19 30 1234567", "+49301234567"),
        ("", ""),
    ],
)
def test_phone_numbers_with_a_country_get_one_form_and_others_stay(written, normal):
    assert NORMALIZERS["e164"]()(written) == normal


def test_admission_splits_evidence_from_blocked_values_and_drops_repetitions():
    given = (email("a"), email("null"), Identifier("other", "0000"), email("a"), email("b"))
    kept, refused = admit(given, Blocklist.build(), NONE)
    assert kept == (email("a"), email("b"))
    assert refused == ((email("null"), "blocked"), (Identifier("other", "0000"), "blocked"))


def test_normal_forms_come_before_the_block_list():
    chosen = Normalizers.build({"email": ["trim", "lower"]})
    kept, refused = admit(
        (email(" X "), email("x"), email("   ")), Blocklist(default=False), chosen
    )
    assert kept == (email("x"),)
    assert refused == ((email(""), "blocked"),)


def test_a_change_to_a_blocked_value_is_left_out_and_a_removal_never_is():
    chosen = Normalizers.build({"email": ["lower"]})
    changes = (
        IdentityChange("email", "Old", "New"),
        IdentityChange("email", "a", "NULL"),
        IdentityChange("email", "null", None),
    )
    kept, refused = admit_changes(changes, Blocklist.build(), chosen)
    assert kept == (IdentityChange("email", "old", "new"), IdentityChange("email", "null", None))
    assert refused == ((email("null"), "blocked"),)


def test_patterns_that_are_too_large_together_are_refused_too():
    with pytest.raises(ValueError, match="together are too large"):
        Blocklist.build(patterns=[f"(?:[a-z{n}]{{900}}){{1}}x{n}" for n in range(2000)])


def test_any_normal_form_takes_what_looks_alike_for_the_same():
    chosen = Normalizers.build({"email": ["trim", "lower"], "other": ["nfc"], "alias": ["visible"]})
    assert chosen.apply(email("\u200bJose\u0301@example.com\ufeff")) == email(
        "jos\u00e9@example.com"
    )
    assert chosen.apply(Identifier("other", "A\u00adb ")) == Identifier("other", "Ab ")
    assert chosen.apply(Identifier("alias", "A\x00b")) == Identifier("alias", "Ab")
    assert chosen.apply(Identifier("yahoo", "A\u00adb")) == Identifier("yahoo", "A\u00adb")


TYPES = [
    "customerid",
    "email",
    "other2",
    "ios_idfv",
    "id_2",
    "id2_",
    "id2.-",
    "device_id",
    "\u00e92",
]
SPELLED = st.text("0129aiduzmel_-. @'()\u00e9\u200b", max_size=24) | st.sampled_from(
    [*TYPES, *PLACEHOLDERS, "userid2", "id2", "Other2", "customer_id9", "0-0", "00-1"]
)


@given(st.sampled_from(TYPES), SPELLED)
def test_the_short_way_for_most_values_says_what_the_long_one_says(identity_type, value):
    said = is_placeholder(value) or is_own_name(identity_type, value)
    assert stands_for_none(identity_type, value) == said
