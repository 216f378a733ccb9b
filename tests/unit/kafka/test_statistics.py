"""What librdkafka's statistics say of the consumer."""

import json

import pytest

from processor.kafka.errors import Stranded
from processor.kafka.loop.statistics import Sight, Standing, standing

STRANDED = Standing("no broker is known", is_member=False, is_stranded=True)


def said(brokers, group, join="steady", source="learned"):
    return standing(
        json.dumps(
            {
                "name": "idstream#consumer-1",
                "brokers": {str(n): {"state": s, "source": source} for n, s in enumerate(brokers)},
                "cgrp": {"state": group, "join_state": join},
            }
        )
    )


AWAY = said(["DOWN"], "up", source="configured")


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
        (
            said(["DOWN"], "up", source="configured"),
            Standing("no broker is connected", is_member=False),
        ),
        (said(["UP"], "up", source="logical"), STRANDED),
        (standing("{}"), STRANDED),
    ],
)
def test_a_standing_is_read_from_connections_and_membership(found, expected):
    assert found == expected


def test_sight_is_lost_only_where_no_broker_is_known_for_long():
    sight = Sight()
    for told in (STRANDED, STRANDED, AWAY, STRANDED, STRANDED):
        sight.told("consumer", told)
        sight.check()
    sight.told("consumer", STRANDED)
    with pytest.raises(Stranded, match="start the process again"):
        sight.check()


def test_a_producer_that_knows_no_broker_loses_sight_beside_a_consumer_that_does():
    sight = Sight()
    for _ in range(3):
        sight.check()
        sight.told("producer", STRANDED)
        sight.told("consumer", AWAY)
    with pytest.raises(Stranded):
        sight.check()
