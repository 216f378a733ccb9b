"""What the loop tells becomes health and gauges; what was owned waits while Kafka is away."""

from processor.kafka.loop.statistics import Standing
from processor.watch.admin import Health
from processor.watch.contact import Contact
from processor.watch.metrics import Metrics
from processor.watch.watch import Watch
from tests.unit.watch.lines import Lines

AWAY = Standing("no broker is connected", is_member=False)
JOINING = Standing("", is_member=False)
MEMBER = Standing("", is_member=True)


class NoGarbage:
    def collect(self) -> None: ...


class Play:
    def __init__(self) -> None:
        self.metrics = Metrics()
        kafka = Contact("kafka", "k:1", Lines(), lambda: 0.0, self.metrics.connection("kafka"))
        self.health = Health(clock=lambda: 0.0, contacts=(kafka,))
        self.watch = Watch(self.metrics, self.health, kafka, lambda: None, NoGarbage())
        self.watch.turn()

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"idstream_{name}", labels)

    def partitions(self) -> tuple[float | None, float | None]:
        return (
            self.value("partitions", state="processed"),
            self.value("partitions", state="waiting"),
        )


def test_partitions_lost_in_an_outage_wait_until_the_group_has_let_us_in_again():
    play = Play()
    play.watch.cluster(MEMBER)
    play.watch.partitions(4, 0)
    assert play.health.missing() == ()
    assert play.value("connected", to="kafka") == 1
    play.watch.cluster(AWAY)
    assert play.partitions() == (4, 0)
    assert play.health.missing() == ("Kafka does not answer since 0 s (no broker is connected)",)
    play.watch.partitions(0, 0)
    assert play.partitions() == (0, 4)
    play.watch.cluster(JOINING)
    assert play.value("connected", to="kafka") == 0
    assert play.partitions() == (0, 4)
    play.watch.cluster(MEMBER)
    assert play.value("connected", to="kafka") == 1
    assert play.partitions() == (0, 0)
    play.watch.partitions(2, 0)
    assert play.health.missing() == ()


def test_a_standby_is_ready():
    play = Play()
    play.watch.cluster(MEMBER)
    play.watch.partitions(0, 0)
    assert play.health.missing() == ()


def test_a_rebalance_is_no_outage():
    play = Play()
    play.watch.cluster(MEMBER)
    play.watch.partitions(4, 0)
    play.watch.cluster(JOINING)
    assert play.health.missing() == ()


def test_lags_are_kept_while_partitions_wait():
    play = Play()
    play.watch.partitions(4, 0)
    play.watch.lag("in", 0, 17)
    play.watch.partitions(0, 4)
    assert play.value("consumer_lag_records", topic="in", partition="0") == 17
    play.watch.partitions(3, 0)
    assert play.value("consumer_lag_records", topic="in", partition="0") is None
