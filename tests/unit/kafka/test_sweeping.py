"""The clock of a process: which partitions it knows of, and which may hold sweeps already."""

from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ClusterMetadata, PartitionMetadata, TopicMetadata

from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Held, Horizon, HorizonPace
from processor.kafka.loop.inputs import Ends, Question
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.sweeping import WIDTH_S, Sweeping, SweepParts
from processor.pipeline.sweeps import Due
from processor.records import Output, RowKey
from tests.kafka.deaf import Deaf

OWN = RowKey("clock", 1)


class Cluster:
    """Says what the test says of the topic; what is asked of a horizon it leaves open."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wrong: Exception | None = None
        self.error: KafkaError | None = None
        self.asked: list[Mapping[int, int]] = []
        self.behind: list[Collection[int]] = []
        self.high = 0
        """Where a partition ended as the last of it was fetched."""
        self.due = Due(is_open=False, lag_s=0.0, set_aside=0)
        self.told: list[Due] = []

    def list_topics(self, topic: str, timeout: float) -> ClusterMetadata:
        if self.wrong is not None:
            raise self.wrong
        found, its = ClusterMetadata(), TopicMetadata()
        its.error = self.error
        its.partitions = {} if self.error else {0: PartitionMetadata(), 1: PartitionMetadata()}
        found.topics = {topic: its}
        return found

    def ends(self, since_ms: int | None) -> Question[Ends]:
        yield

    def committed(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        yield

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        pass

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        pass

    def get_watermark_offsets(self, _: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached, "the loop waits for no answer"
        return 0, self.high

    def look(self, shards: Mapping[int, int], wall_ms: int, behind: Collection[int]) -> Due:
        self.asked.append(shards)
        self.behind.append(behind)
        return self.due

    def issue(self, as_of_ms: int) -> Sequence[Output]:
        return ()

    def clock(self, due: Due, held: Held, seconds: float) -> None:
        self.told.append(due)


def clock_of(cluster: Cluster) -> Sweeping:
    clock = Clock(now=lambda: cluster.seconds, wall=lambda: cluster.seconds)
    horizon = Horizon(cluster, HorizonPace(), clock)
    return Sweeping(SweepParts(cluster, "clock", horizon, cluster, cluster, clock))


def started_of(cluster: Cluster) -> Partitions:
    partitions = Partitions(cluster, Deaf())
    partitions.given([OWN])
    partitions.start({OWN: 0})
    return partitions


def test_while_the_cluster_does_not_know_the_topic_the_clock_stands_and_goes_on_after_it():
    cluster = Cluster()
    cluster.error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    sweeping, own = clock_of(cluster), started_of(cluster)
    assert not sweeping.turn(own)
    assert cluster.asked == []
    cluster.error, cluster.seconds = None, 1.0
    sweeping.turn(own)
    assert [set(shards.values()) for shards in cluster.asked] == [{1}]


def test_what_was_known_of_the_topic_stays_while_the_cluster_says_nothing_or_denies_it():
    cluster = Cluster()
    sweeping, own = clock_of(cluster), started_of(cluster)
    sweeping.turn(own)
    cluster.error, cluster.seconds = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), WIDTH_S + 1
    sweeping.turn(own)
    cluster.wrong, cluster.seconds = KafkaException(KafkaError(KafkaError._TIMED_OUT)), WIDTH_S + 2
    sweeping.turn(own)
    first, *rest = cluster.asked
    assert rest == [first, first]


def test_a_partition_may_hold_sweeps_until_it_was_read_to_its_end_and_again_after_every_start():
    cluster = Cluster()
    sweeping, own = clock_of(cluster), started_of(cluster)
    sweeping.turn(own)
    cluster.seconds = 1.0
    own.ended(OWN, 3)
    sweeping.turn(own)
    cluster.seconds = 2.0
    own.stop()
    own.ended(OWN, 3)  # of before: it was on its way
    own.start({OWN: 3})
    sweeping.turn(own)
    assert cluster.behind == [{1}, set(), {1}]


def test_an_end_of_a_partition_that_is_not_read_any_more_passes_over_nothing():
    own = started_of(Cluster())
    own.stop()
    own.ended(OWN, 3)  # it was on its way
    own.start({OWN: 0})
    assert own.passed() == {}


def test_where_records_keep_coming_a_partition_is_read_up_once_those_of_before_were_processed():
    cluster = Cluster()
    own = started_of(cluster)
    cluster.high = 4
    own.moved({OWN: 2})
    assert not own.read_up
    cluster.high = 9
    own.moved({OWN: 4})
    assert own.read_up == {OWN}
    own.stop()
    own.start({OWN: 4})
    own.moved({OWN: 7})
    assert not own.read_up


def test_nothing_is_read_up_as_long_as_nobody_says_where_it_ends():
    cluster = Cluster()
    own = started_of(cluster)
    cluster.high = -1001
    own.moved({OWN: 2})
    assert not own.read_up


def test_while_own_partitions_wait_the_clock_is_told_to_fall_behind_further():
    cluster = Cluster()
    sweeping, own = clock_of(cluster), started_of(cluster)
    cluster.due = Due(is_open=True, lag_s=40.0, set_aside=3)
    sweeping.turn(own)
    own.stop()
    for cluster.seconds in (1.0, 2.0):
        sweeping.turn(own)
    own.taken([OWN])
    cluster.seconds = 3.0
    sweeping.turn(own)
    assert [one.lag_s for one in cluster.told] == [40, 41, 42, 0]
    assert [one.set_aside for one in cluster.told] == [3, 3, 3, 0]
    assert [one.is_open for one in cluster.told] == [True, False, False, False]


def test_partitions_that_wait_while_nothing_is_due_make_nothing_late():
    cluster = Cluster()
    sweeping, own = clock_of(cluster), started_of(cluster)
    sweeping.turn(own)
    own.stop()
    cluster.seconds = 5.0
    sweeping.turn(own)
    assert [one.lag_s for one in cluster.told] == [0, 0]
