"""A change is told in words, whichever kind it is."""

import pytest

from processor.commands.history import row

ALIAS = {
    "change": "profile_aliased",
    "timestamp_ms": 0,
    "source": "5",
    "role": "destination",
    "destination": "7",
    "start_ms": 0,
    "end_ms": 60_000,
    "scope": "mpid",
    "effective_ms": 86_400_000,
}
TIMES = "from 1970-01-01 00:00:00 to 1970-01-01 00:01:00"
LATER = "from 1970-01-02 00:00:00 on"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (ALIAS, f"what 5 did {TIMES} counts here, {LATER}"),
        ({**ALIAS, "role": "source"}, f"what it did {TIMES} counts for 7, {LATER}"),
        (
            {**ALIAS, "scope": "device", "device": "9f"},
            f"what 5 did on device (token 9f) {TIMES} counts here, {LATER}",
        ),
        ({**ALIAS, "change": "profile_linked", "role": None}, "arose from 5"),
        ({"change": "identity_added", "identity_type": "email", "token": "t1"}, "email a@b.c"),
        ({"change": "identity_added", "identity_type": "email", "token": "t2"}, "email (token t2)"),
        ({"change": "profile_merged", "absorbed": ["1", "2"]}, "absorbed 1, 2"),
        ({"change": "of a later release", "field": 3}, "field 3"),
    ],
)
def test_a_change_says_what_it_means_to_this_profile(change, told):
    cause = {"topic": "in", "partition": 0, "offset": 3}
    cells = row({"timestamp_ms": 0, "cause": cause, **change}, {"t1": "a@b.c"})
    assert cells[2:] == (told, "in/0/3")
