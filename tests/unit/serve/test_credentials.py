"""Tokens are found by their hash, expire, and are refused where the file is not as it should be."""

import pytest

from processor.serve.credentials import TokenFile, TokensRefused, hash_of, mint, parse_tokens, table

TOKEN = mint(bytes(range(20)))
CRM = table("crm", TOKEN, ["retail"], ["profiles:read"])


def test_a_token_has_160_bits_in_lower_case_base32():
    assert TOKEN == "ids_aaaqeayeaudaocajbifqydiob4ibceqt"


def test_a_token_is_found_by_its_text_and_by_nothing_else():
    tokens = parse_tokens(CRM, ["retail"])
    assert tokens.find(TOKEN, 0.0).name == "crm"
    assert tokens.find(hash_of(TOKEN), 0.0) is None
    assert tokens.find(TOKEN.upper(), 0.0) is None
    assert tokens.find("\ud800", 0.0) is None
    assert TOKEN not in CRM


def test_both_tokens_of_a_rotation_are_valid():
    new = mint(b"n" * 20)
    text = CRM.replace(f'"{hash_of(TOKEN)}"', f'["{hash_of(TOKEN)}", "{hash_of(new)}"]')
    tokens = parse_tokens(text, ["retail"])
    assert tokens.find(new, 0.0) == tokens.find(TOKEN, 0.0)


@pytest.mark.parametrize("expires", ["2027-01-01", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00"])
def test_a_token_is_unknown_from_the_moment_on_at_which_it_expires(expires):
    tokens = parse_tokens(f"{CRM}expires = {expires}\n", ["retail"])
    assert tokens.find(TOKEN, 1798761599.9).name == "crm"
    assert tokens.begins_with(hash_of(TOKEN)[:16], 0.0).name == "crm"
    assert tokens.find(TOKEN, 1798761600.0) is None
    assert tokens.begins_with(hash_of(TOKEN)[:16], 1798761600.0) is None


def test_attributes_are_allowed_by_globs():
    tokens = parse_tokens(f'{CRM}attributes = ["favorite_*", "$zip"]\n', ["retail"])
    token = tokens.find(TOKEN, 0.0)
    names = ("favorite_drink", "$zip", "$city", "Favorite_drink")
    assert [name for name in names if token.may_read(name)] == ["favorite_drink", "$zip"]
    assert not token.reads_all


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[crm", "is no TOML"),
        (CRM.replace("retail", "elsewhere"), "crm.workspaces: there is no workspace elsewhere"),
        (CRM.replace("profiles:read", "everything"), "crm: Invalid enum value 'everything'"),
        (CRM.replace("sha256", "sha1"), "crm: Object contains unknown field `sha1`"),
        (CRM + CRM.replace("[crm]", "[other]"), "other: has the hash of crm too"),
        (CRM + "expires = 5\n", "crm.expires: expected a date"),
        (CRM + "rate = 0\n", "crm"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(text, told):
    with pytest.raises(TokensRefused) as refused:
        parse_tokens(text, ["retail"])
    assert str(refused.value).startswith(told)


def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(tmp_path):
    path = tmp_path / "tokens.toml"
    file = TokenFile(path, ["retail"])
    with pytest.raises(TokensRefused, match="cannot be read"):
        file.look()
    path.write_text(CRM)
    path.chmod(0o644)
    with pytest.raises(TokensRefused, match="others may read it"):
        file.look()
    path.unlink()
    path.write_text(CRM)
    path.chmod(0o600)
    assert file.look()
    assert not file.look()
    path.write_text(CRM + "[broken")
    with pytest.raises(TokensRefused, match="no TOML"):
        file.look()
    assert not file.look()
    assert file.tokens.find(TOKEN, 0.0)
    path.write_text("")
    assert file.look()
    assert file.tokens.find(TOKEN, 0.0) is None


def test_a_file_is_read_again_when_its_mode_was_put_right(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text(CRM)
    path.chmod(0o644)
    file = TokenFile(path, ["retail"])
    with pytest.raises(TokensRefused, match="others may read it"):
        file.look()
    path.chmod(0o600)
    assert file.look()
    assert file.tokens.find(TOKEN, 0.0)


def test_a_file_that_is_gone_is_told_once_and_changes_nothing(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text(CRM)
    path.chmod(0o600)
    file = TokenFile(path, ["retail"])
    file.look()
    path.unlink()
    with pytest.raises(TokensRefused, match="cannot be read"):
        file.look()
    assert not file.look()
    assert file.tokens.find(TOKEN, 0.0)
    path.write_text("")
    path.chmod(0o600)
    assert file.look()
    assert file.tokens.find(TOKEN, 0.0) is None
