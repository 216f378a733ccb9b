"""The key of sessions is a secret, and long enough to be one."""

import pytest

from processor.serve.service import session_key
from processor.settings import SettingsError
from processor.settings.sections import ServeSettings


def key_of(path):
    return session_key(ServeSettings(tokens_file="unused", session_key_file=str(path)))


def test_a_file_that_nobody_else_reads_is_the_key(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    assert key_of(path) == b"k" * 32


@pytest.mark.parametrize(
    ("size", "mode", "told"),
    [(32, 0o644, "others may read it"), (31, 0o600, "less than 32 bytes"), (0, 0o600, "less than")],
)
def test_a_file_that_is_open_or_short_is_refused(tmp_path, size, mode, told):
    path = tmp_path / "key"
    path.write_bytes(b"k" * size)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=told):
        key_of(path)


def test_without_a_file_every_process_has_a_key_of_its_own():
    served = ServeSettings(tokens_file="unused")
    assert session_key(served) != session_key(served)
