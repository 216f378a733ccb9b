"""Restore and replay, killed at each of their crash points many times; then all is as it was."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from processor.crash import POINTS
from tests.faults.deployment import Deployment

PUBLISHED = "restore_published"
"""Is passed only where a restore has changes to publish, as a reindex has."""
REINDEX_POINTS = tuple(point for point in POINTS if "restore" in point)
RESTORE_POINTS = tuple(point for point in REINDEX_POINTS if point != PUBLISHED)
REPLAY_POINTS = tuple(point for point in POINTS if "replay" in point)
RECORDS = 300
LETTERS = 20
SIGKILLED = -9
SETTINGS = (
    (("customerid", "email", "ios_idfv"), ("customerid", "email")),
    (
        ("customerid", "ios_idfv"),
        ("customerid", "ios_idfv"),
    ),
)
"""Priority and unique ids of two configurations, each of which makes others of shared values."""

Tell = Callable[[str], object]


class Killed(NamedTuple):
    """What happened when a command was killed again and again."""

    kills: Counter[str]
    """How often it died at each point."""
    wrong: list[str]

    def expect(self, point: str, died: subprocess.CompletedProcess[str]) -> None:
        """Count a death at *point*, or tell that there was none."""
        if died.returncode == SIGKILLED:
            self.kills[point] += 1
        else:
            self.wrong.append(f"{point}: not killed: {died.stdout}{died.stderr}")


def restores_killed(deployment: Deployment, times: int, tell: Tell) -> Killed:
    """Kill restores at each point *times* times; each time one that is left alone mends it all.

    Every other time the index is empty before: what a restore dies of must not depend on it.
    """
    deployment.produce(RECORDS)
    deployment.run_to_the_end()
    before, killed = deployment.state(), Killed(Counter(), [])
    for turn in range(times):
        is_emptied = turn % 2 == 1
        if is_emptied:
            deployment.node.client.flushall()
        for point in RESTORE_POINTS:
            killed.expect(point, deployment.restore("--wait", IDSTREAM_CRASH_AT=point))
            if not is_emptied and deployment.state() != before:
                killed.wrong.append(f"{point}: the state is another")
        done = deployment.restore("--wait")
        if done.returncode != 0:
            killed.wrong.append(f"restore: {done.stdout}{done.stderr}")
            return killed
        if deployment.state() != before:
            killed.wrong.append("restored to another state")
        killed.wrong.extend(_left_behind(deployment))
        tell(f"restores killed: turn {turn + 1}")
    deployment.produce(RECORDS // 3)
    deployment.run_to_the_end()
    return killed


def reindexes_killed(deployment: Deployment, times: int, tell: Tell) -> Killed:
    """Kill reindexes, from one of two settings to the other, at each point *times* times.

    Before each, two people share an address and a device: one of these is unique under the settings
    to come and was not under those before, so there is a change to publish.
    """
    deployment.produce(RECORDS)
    killed = Killed(Counter(), [])
    for turn in range(times):
        deployment.produce_sharers(turn)
        deployment.run_to_the_end()
        priority, unique = SETTINGS[(turn + 1) % 2]
        deployment.configure(json.dumps(priority), json.dumps(unique))
        for point in REINDEX_POINTS:
            died = deployment.restore("--wait", "--reindex", IDSTREAM_CRASH_AT=point)
            killed.expect(point, died)
        done = deployment.restore("--wait", "--reindex")
        if done.returncode != 0:
            killed.wrong.append(f"restore: {done.stdout}{done.stderr}")
            return killed
        deployment.check_entries(priority, unique)
        killed.wrong.extend(_left_behind(deployment))
        tell(f"reindexes killed: turn {turn + 1}")
    deployment.produce(RECORDS // 3)
    deployment.run_to_the_end()
    killed.wrong.extend(_changelog_differs(deployment))
    return killed


def _left_behind(deployment: Deployment) -> list[str]:
    found = sorted(deployment.generations())
    return [] if len(found) == 1 else [f"generations are left: {found}"]


def _changelog_differs(deployment: Deployment) -> list[str]:
    """Tell versions published with two contents, and a changelog that is not the store."""
    versions: dict[tuple[bytes, int], set[bytes]] = {}
    last: dict[str, bytes] = {}
    for message in deployment.kafka.read(deployment.topics["profiles"]):
        version = json.loads(message.value())["version"]
        versions.setdefault((message.key(), version), set()).add(message.value())
        last[message.key().decode()] = message.value()
    wrong = [f"two contents of {at}" for at, contents in versions.items() if len(contents) > 1]
    return wrong if last == deployment.state()[0] else [*wrong, "the changelog is not the store"]


def replays_killed(deployment: Deployment, times: int, tell: Tell) -> Killed:
    """Kill replays at each point *times* times; then each letter has gone back once."""
    values = [b"{" + b"%d" % number for number in range(LETTERS)]
    deployment.kafka.produce(deployment.topics["batches"], values, 1, b"k")
    deployment.sent += LETTERS
    deployment.run_to_the_end()
    letters = len(deployment.kafka.read(deployment.topics["dead_letters"]))
    killed = Killed(Counter(), [])
    for turn in range(times):
        for point in REPLAY_POINTS:
            killed.expect(point, deployment.command("replay", IDSTREAM_CRASH_AT=point))
        tell(f"replays killed: turn {turn + 1}")
    for expected in (LETTERS, 0):
        done = deployment.command("replay")
        if not done.stdout.strip().splitlines()[-1:][0].startswith(f"{expected} letters"):
            killed.wrong.append(f"replay: not {expected} letters: {done.stdout}{done.stderr}")
    came = Counter(m.value() for m in deployment.kafka.read(deployment.topics["batches"]))
    odd = [came[value] for value in values if came[value] != 2]
    killed.wrong.extend(f"came {count} times, not once more" for count in odd)
    deployment.sent += LETTERS
    deployment.run_to_the_end()
    again = len(deployment.kafka.read(deployment.topics["dead_letters"])) - letters
    if again != LETTERS:
        killed.wrong.append(f"{again} letters after the replay")
    return killed
