"""How far the clock may go, with a cluster that answers as the test says."""

from collections.abc import Collection, Mapping

from confluent_kafka import KafkaError, KafkaException

from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.inputs import Ends, Question
from processor.records import RowKey

A, B = RowKey("batches", 0), RowKey("requests", 0)
START = 1_767_261_600


class Cluster:
    """Answers each question at the second look."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ends_of = {A: 5, B: 0}
        self.group = {A: 5}
        self.silent = False
        self.away = False
        self.asked: list[int | None] = []

    def ends(self, since_ms: int | None) -> Question[Ends]:
        self.asked.append(since_ms)
        found = Ends(dict(self.ends_of), self.silent)
        yield
        self._answer()
        return found

    def committed(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        yield
        self._answer()
        return {key: self.group.get(key, -1001) for key in keys}

    def _answer(self) -> None:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def opened(cluster: Cluster, **pace: float) -> Horizon:
    clock = Clock(now=lambda: cluster.seconds, wall=lambda: START + cluster.seconds)
    return Horizon(cluster, HorizonPace(**pace), clock)


def look(horizon: Horizon, cluster: Cluster, seconds: float = 0) -> float:
    """Look again and again, once a second; return the instant, in seconds since the start."""
    for _ in range(int(seconds) + 1):
        for _ in range(5):
            found = horizon.look()
        cluster.seconds += 1
    return found / 1000 - START if found else found


def test_all_that_was_there_at_the_moment_of_asking_is_decided_less_a_grace():
    cluster = Cluster()
    assert look(opened(cluster, grace_s=10), cluster) == -10


def test_while_records_wait_the_clock_stands_at_what_was_asked_before_them():
    cluster = Cluster()
    cluster.ends_of[B] = 7
    horizon = opened(cluster, grace_s=0)
    assert look(horizon, cluster, 20) == 0
    assert horizon.held() == ("lag", 21)
    cluster.ends_of[A] = 99  # came later: it does not matter to what was asked about
    cluster.group[B] = 7
    assert look(horizon, cluster) == 0
    assert horizon._as_of_ms == START * 1000
    assert horizon.held()[1] <= 1


def test_no_more_than_one_question_is_under_way_and_a_new_one_comes_every_five_seconds():
    cluster = Cluster()
    horizon = opened(cluster, grace_s=0)
    look(horizon, cluster, 20)
    assert len(cluster.asked) == 5
    cluster.ends_of[A] = 6
    look(horizon, cluster, 20)
    assert len(cluster.asked) == 6


def test_without_a_record_of_late_the_clock_stands():
    cluster = Cluster()
    cluster.silent = True
    horizon = opened(cluster, max_silence_s=3600)
    assert look(horizon, cluster, 30) == 0
    assert horizon.held() == ("silence", 31)
    assert cluster.asked[0] == (START - 3600) * 1000
    cluster.silent = False
    assert look(horizon, cluster, 5) > 0


def test_where_silence_may_last_for_ever_it_is_not_asked_about():
    cluster = Cluster()
    look(opened(cluster, max_silence_s=0), cluster)
    assert cluster.asked == [None]


def test_without_an_answer_the_clock_stays_where_it_is_and_the_question_is_asked_anew():
    cluster = Cluster()
    horizon = opened(cluster, grace_s=0)
    before = look(horizon, cluster)
    cluster.away = True
    assert look(horizon, cluster, 30) == before
    assert horizon.held()[0] == "unanswered"
    cluster.away = False
    assert look(horizon, cluster, 6) > before + 30


def test_while_nobody_wants_to_know_it_does_not_count_as_held():
    cluster = Cluster()
    horizon = opened(cluster)
    look(horizon, cluster, 30)
    horizon.rest()
    cluster.seconds += 1000
    assert horizon.held()[1] == 0
