"""Redis is emptied under load: everybody stops, restore mends it, nothing shows of it outside."""

import threading
import time

import pytest

from processor.app import How, build_pipeline
from processor.codecs.formats import Codecs
from processor.crash import CrashPoints
from processor.index.memory import MemoryIndex
from processor.metrics import Metrics
from processor.settings import load as load_settings
from processor.space import Assigned
from tests.faults import oracle
from tests.faults.deployment import SPACE, Deployment
from tests.faults.processors import Processor, identifiers_by_token, live_holders, live_profiles
from tests.faults.test_first_proof import Reader, _inputs
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

RECORDS = 1500
RATE = 100
PRIORITY, UNIQUE = ("customerid", "email", "ios_idfv"), ("customerid", "email")


def produce(deployment: Deployment) -> None:
    for _ in range(RECORDS // 10):
        due = time.monotonic() + 10 / RATE
        deployment.produce(10)
        time.sleep(max(0.0, due - time.monotonic()))


def test_an_index_emptied_under_load_is_restored_and_the_run_goes_on_as_if_nothing_had_happened(
    deployment: Deployment,
):
    # The memory of duplicates is not restored, so nobody may rely on it here.
    deployment.config.write_text(deployment.config.read_text() + "dedup_window_s = 0\n")
    topics = deployment.topics
    outputs = {role: name for role, name in topics.items() if role not in ("batches", "requests")}
    reader = Reader(deployment.kafka.bootstrap, outputs)
    reader.start()
    processors = [Processor(name, deployment.config) for name in ("first", "second")]
    producing = threading.Thread(target=produce, args=(deployment,))
    try:
        for processor in processors:
            processor.start()
        producing.start()
        for _ in range(2):
            reached = reader.outcomes + RECORDS // 5
            eventually(lambda reached=reached: reader.outcomes >= reached, within=90)
            deployment.node.client.flushall()
            for processor in processors:
                assert processor.wait() == 1
                assert "`idstream restore`" in processor.log().splitlines()[-1]
            done = deployment.restore("--wait")
            assert done.returncode == 0, done.stderr
            for processor in processors:
                processor.start()
        producing.join()
        eventually(lambda: reader.outcomes >= RECORDS, within=120)
        time.sleep(3)  # what they owe the changelog goes out in quiet moments
        for processor in processors:
            processor.terminate()
            assert processor.wait() == 0
    finally:
        for processor in processors:
            processor.close()
        producing.join()
        reader.stop()
    wrong = check(deployment, reader)
    assert not wrong, wrong


def check(deployment: Deployment, reader: Reader) -> dict[str, list[str]]:
    topics, settings = deployment.topics, load_settings(deployment.config, {})
    published = oracle.Published(_inputs(deployment.kafka, topics), reader.seen)
    client = deployment.node.client
    live = live_profiles(client, "idstream", SPACE)
    index = MemoryIndex(settings.key())
    by_token = identifiers_by_token(live, index.token)
    holders = {by_token[t]: m for t, m in live_holders(client, "idstream", SPACE).items()}
    pipeline = build_pipeline(
        settings, (index, Codecs()), "oracle", Metrics(), (CrashPoints({}), How())
    )
    inputs = [(topics[role], p) for role in ("batches", "requests") for p in range(3)]
    pipeline.assign([Assigned(topic, p, "", None, "") for topic, p in inputs], [])
    found = {
        "one outcome each": oracle.one_outcome_each(published),
        "outputs agree": oracle.outputs_agree(published),
        "changes told once": oracle.changes_are_told_once(published),
        "changelog is the store": oracle.changelog_is_the_store(published, live),
        "graph is valid": oracle.graph_is_valid(live, holders, PRIORITY, UNIQUE),
        "changes replay": oracle.changes_replay_to_the_records(published, live, index.token),
        "decisions": oracle.decisions_are_those_of_one_processor(published, pipeline),
    }
    return {name: wrong for name, wrong in found.items() if wrong}
