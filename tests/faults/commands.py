"""Restore and replay, killed at each of their crash points many times; then all is as it was."""

from collections import Counter
from collections.abc import Callable

from processor.crash import POINTS
from tests.faults.deployment import Deployment

PUBLISHED = "restore_published"
"""Is passed only where a restore has changes to publish."""
RESTORE_POINTS = tuple(point for point in POINTS if "restore" in point and point != PUBLISHED)
REPLAY_POINTS = tuple(point for point in POINTS if "replay" in point)
RECORDS = 300
LETTERS = 20
SIGKILLED = -9

Tell = Callable[[str], object]


def restores_killed(deployment: Deployment, times: int, tell: Tell) -> list[str]:
    """Kill restores at each point *times* times; each time one that is left alone mends it all.

    Every other time the index is empty before: what a restore dies of must not depend on it.
    """
    deployment.produce(RECORDS)
    deployment.run_to_the_end()
    before, wrong = deployment.state(), []
    for turn in range(times):
        is_emptied = turn % 2 == 1
        if is_emptied:
            deployment.node.client.flushall()
        for point in RESTORE_POINTS:
            died = deployment.restore("--wait", IDSTREAM_CRASH_AT=point)
            if died.returncode != SIGKILLED:
                wrong.append(f"{point}: not killed: {died.stdout}{died.stderr}")
            if not is_emptied and deployment.state() != before:
                wrong.append(f"{point}: the state is another")
        done = deployment.restore("--wait")
        if done.returncode != 0:
            return [*wrong, f"restore: {done.stdout}{done.stderr}"]
        if deployment.state() != before:
            wrong.append("restored to another state")
        if len(deployment.generations()) != 1:
            wrong.append(f"generations are left: {sorted(deployment.generations())}")
        tell(f"restores killed: turn {turn + 1}")
    deployment.produce(RECORDS // 3)
    deployment.run_to_the_end()
    return wrong


def replays_killed(deployment: Deployment, times: int, tell: Tell) -> list[str]:
    """Kill replays at each point *times* times; then each letter has gone back once."""
    values = [b"{" + b"%d" % number for number in range(LETTERS)]
    deployment.kafka.produce(deployment.topics["batches"], values, 1, b"k")
    deployment.sent += LETTERS
    deployment.run_to_the_end()
    letters = len(deployment.kafka.read(deployment.topics["dead_letters"]))
    wrong = []
    for turn in range(times):
        for point in REPLAY_POINTS:
            died = deployment.command("replay", IDSTREAM_CRASH_AT=point)
            if died.returncode != SIGKILLED:
                wrong.append(f"{point}: not killed: {died.stdout}{died.stderr}")
        tell(f"replays killed: turn {turn + 1}")
    for expected in (LETTERS, 0):
        done = deployment.command("replay")
        if not done.stdout.strip().splitlines()[-1:][0].startswith(f"{expected} letters"):
            wrong.append(f"replay: not {expected} letters: {done.stdout}{done.stderr}")
    came = Counter(m.value() for m in deployment.kafka.read(deployment.topics["batches"]))
    wrong += [f"came {came[value]} times, not once more" for value in values if came[value] != 2]
    deployment.sent += LETTERS
    deployment.run_to_the_end()
    again = len(deployment.kafka.read(deployment.topics["dead_letters"])) - letters
    return wrong if again == LETTERS else [*wrong, f"{again} letters after the replay"]
