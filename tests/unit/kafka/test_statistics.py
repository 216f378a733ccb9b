"""What librdkafka's statistics say of the consumer."""

import json

import pytest

from processor.kafka.loop.statistics import Standing, standing


def said(brokers, group, join="steady"):
    return standing(
        json.dumps(
            {
                "name": "idstream#consumer-1",
                "brokers": {str(n): {"state": s, "rxidle": 1} for n, s in enumerate(brokers)},
                "cgrp": {"state": group, "join_state": join},
            }
        )
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (said(["DOWN", "UP"], "up"), Standing("", is_member=True)),
        (said(["UPDATE"], "up"), Standing("", is_member=True)),
        (said(["UP"], "up", "wait-join"), Standing("", is_member=False)),
        (said(["DOWN", "TRY_CONNECT"], "up"), Standing("no broker is connected", is_member=False)),
        (
            said(["UP"], "query-coord"),
            Standing("the group's coordinator is not connected", is_member=False),
        ),
        (standing("{}"), Standing("no broker is connected", is_member=False)),
    ],
)
def test_a_standing_is_read_from_connections_and_membership(found, expected):
    assert found == expected
