"""The broker away for longer than a transaction may be open: everybody waits and goes on.

``./dev faults outages`` is the long form, with minutes, and a Prometheus that looks on.
"""

import pytest

from tests.faults.outages import away, told
from tests.faults.stage import TRANSACTION_S, Servers

pytestmark = [pytest.mark.kafka, pytest.mark.redis]
AWAY_S = TRANSACTION_S + 4
APART = (
    "before_index_commit",
    "after_index_commit",
    "after_produce",
    "before_kafka_commit",
    "after_kafka_commit",
)
"""Points between which the broker knows of something else; the others are in the long form."""


@pytest.mark.timeout(400)
def test_a_broker_away_past_the_transaction_is_waited_for_at_points_of_a_commit(
    servers: Servers,
):
    found = away(servers, AWAY_S, APART, transaction_s=TRANSACTION_S)
    shown = "\n".join(told(found, AWAY_S))
    assert not [one for one in found if one.wrong], shown
    assert not [one for one in found if one.end], shown
