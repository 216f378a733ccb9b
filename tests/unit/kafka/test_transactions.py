"""The transactional producer whose last call is in doubt: it is replaced, and heard no more."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from processor.kafka.clock import Clock
from processor.kafka.loop.publishing import Undone
from processor.kafka.loop.transactions import Producers, Transactions
from processor.records import Output

FENCED = KafkaError(KafkaError._FENCED, fatal=True)
OUTPUTS = [Output("enriched", b"k", b"v", ())]


class Producer:
    """A producer that answers at once, but for what the test has it fail with."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.calls: list[str] = []
        self.is_away = is_away
        self.heard = 0
        """How often its callbacks could run."""
        self.commit_fails: KafkaError | None = None
        self.is_fenced = False

    def init_transactions(self, _within: float) -> None:
        self.calls.append("init")
        if self.is_away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, retriable=True))

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def produce(self, *_record, **_delivery) -> None:
        self.calls.append("produce")

    def poll(self, _seconds: float) -> int:
        self.heard += 1
        if self.is_fenced:
            raise KafkaException(FENCED)
        return 0

    def flush(self, _seconds: float) -> int:
        return 0

    def commit_transaction(self, _within: float) -> None:
        self.calls.append("commit")
        if self.commit_fails is not None:
            raise KafkaException(self.commit_fails)

    def abort_transaction(self, _within: float) -> None:
        self.calls.append("abort")
        if self.is_fenced:
            raise KafkaException(FENCED)


class Play:
    """Transactions over producers that the test sees."""

    def __init__(self) -> None:
        self.producers: list[Producer] = []
        self.is_away = False
        self.seconds = 0.0
        self.transactions = Transactions(
            Producers(self._new, 10),
            None,
            {"enriched": "out"},
            lambda _point: None,
            Clock(lambda: self.seconds),
            None,
        )
        assert self.transactions.ready(1.0)

    def _new(self, _delivered) -> Producer:
        self.producers.append(Producer(is_away=self.is_away))
        return self.producers[-1]

    def fail_a_commit(self, error: KafkaError) -> None:
        self.producers[-1].commit_fails = error
        self.transactions.publish(OUTPUTS)
        with pytest.raises(Undone):
            self.transactions.commit([], 10)
        self.transactions.abort(5)


def test_a_producer_whose_commit_is_in_doubt_is_replaced_and_not_asked_to_abort():
    play = Play()
    play.fail_a_commit(KafkaError(KafkaError._TIMED_OUT))
    first = play.producers[0]
    assert first.calls == ["init", "begin", "produce", "commit"]
    assert play.transactions.ready(1.0)
    assert [one.calls for one in play.producers] == [first.calls, ["init"]]


def test_a_producer_that_does_not_become_ready_is_heard_meanwhile():
    play = Play()
    play.fail_a_commit(KafkaError(KafkaError._TIMED_OUT))
    play.is_away = True
    assert not any(play.transactions.ready(1.0) for _ in range(3))
    assert play.producers[1].heard == 3, "its statistics tell where it knows no broker any more"


def test_what_becomes_of_a_producer_that_is_to_be_replaced_does_not_end_the_process():
    play = Play()
    play.fail_a_commit(KafkaError(KafkaError._TIMED_OUT))
    play.producers[0].is_fenced = True
    play.transactions.serve()
    assert play.transactions.ready(1.0)
    play.producers[1].is_fenced = True
    with pytest.raises(KafkaException):
        play.transactions.serve()


def test_a_transaction_that_requires_an_abort_is_aborted_by_its_own_producer():
    play = Play()
    play.fail_a_commit(KafkaError(KafkaError.INVALID_TXN_STATE, txn_requires_abort=True))
    assert play.producers[0].calls[-1] == "abort"
    assert play.transactions.ready(1.0)
    assert len(play.producers) == 1


def test_a_producer_fenced_in_a_commit_after_its_transaction_expired_is_replaced():
    play = Play()
    play.transactions.publish(OUTPUTS)
    play.producers[0].commit_fails = FENCED
    play.seconds = 10.0
    with pytest.raises(Undone):
        play.transactions.commit([], 10)
    play.transactions.abort(5)
    assert play.producers[0].calls[-1] == "commit"
    assert play.transactions.ready(1.0)
    play.transactions.publish(OUTPUTS)
    play.transactions.commit([], 10)
    assert play.producers[1].calls == ["init", "begin", "produce", "commit"]


def test_a_producer_fenced_in_an_abort_after_its_transaction_expired_is_replaced():
    play = Play()
    play.transactions.publish(OUTPUTS)
    play.producers[0].is_fenced = True
    play.seconds = 10.0
    play.transactions.abort(5)
    assert play.transactions.ready(1.0)
    assert len(play.producers) == 2


def test_a_producer_fenced_while_publishing_after_its_transaction_expired_is_replaced():
    play = Play()
    play.transactions.publish(OUTPUTS)
    play.producers[0].is_fenced = True
    play.seconds = 10.0
    with pytest.raises(Undone):
        play.transactions.publish(OUTPUTS)


@pytest.mark.parametrize("call", ["commit", "abort", "publish"])
def test_a_producer_fenced_before_its_transaction_expired_ends_the_process(call):
    play = Play()
    play.transactions.publish(OUTPUTS)
    play.producers[0].commit_fails = FENCED
    play.producers[0].is_fenced = True
    play.seconds = 9.9
    calls = {
        "commit": lambda: play.transactions.commit([], 10),
        "abort": lambda: play.transactions.abort(5),
        "publish": lambda: play.transactions.publish(OUTPUTS),
    }
    with pytest.raises(KafkaException):
        calls[call]()
