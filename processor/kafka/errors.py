"""librdkafka's error codes, sorted by what follows from them."""
# ruff: noqa: SLF001 - its own codes, as against the broker's, begin with an underscore.

from typing import Final

from confluent_kafka import KafkaError

ALL_DOWN: Final = KafkaError._ALL_BROKERS_DOWN
TIMED_OUT: Final = KafkaError._TIMED_OUT
NOT_DELIVERED: Final = KafkaError._MSG_TIMED_OUT
END: Final = KafkaError._PARTITION_EOF
FATAL: Final = KafkaError._FATAL
NO_MEMBER: Final = KafkaError.UNKNOWN_MEMBER_ID
OLD_GENERATION: Final = KafkaError.ILLEGAL_GENERATION

NOT_TAKEN: Final = KafkaError._NO_OFFSET
"""Stands for a commit whose offsets the group does not have: librdkafka's nearest code."""

OUT_OF_RANGE: Final = frozenset(
    {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION}
)
"""The position of a partition is not in its log."""

_TRANSIENT: Final = frozenset(
    {
        ALL_DOWN,
        KafkaError._MAX_POLL_EXCEEDED,  # on_lost follows
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # not created yet, or not known everywhere yet
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)

_PERMANENT: Final = frozenset(
    {
        FATAL,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)

_OF_A_RECORD: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})


class Stranded(Exception):
    """The loop's consumer or producer knows no broker any more and looks for none.

    Only a new process goes on.
    """

    def __init__(self) -> None:
        super().__init__(
            "Kafka's client has lost sight of every broker, also of those of"
            " kafka.bootstrap_servers, and looks for none any more (librdkafka's issue 5301);"
            " start the process again"
        )


def is_transient(error: KafkaError) -> bool:
    """Return whether *error* is transient: librdkafka recovers when the cluster does."""
    return error.retriable() or error.code() in _TRANSIENT


def ends_the_process(error: KafkaError) -> bool:
    """Return whether *error* is permanent: trying again cannot help.

    The producer is fenced or dead, or somebody has to change a topic, an ACL or a setting first.
    """
    return error.fatal() or error.code() in _PERMANENT


def is_of_a_record(error: KafkaError) -> bool:
    """Return whether an output's content caused *error*: the same record would cause it again."""
    return error.code() in _OF_A_RECORD
