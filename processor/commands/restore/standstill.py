"""The standstill that a restore needs: the consumer group has no members, and stays as it was.

Members that commit while the index is replaced would make decisions over entries that are about to
go, so the group is looked at before anything is built and again before anything is switched.
"""

import time
from collections.abc import Sequence
from typing import Final

from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.index.port import Assignment
from processor.kafka.group import Group, Unsettled

ASK_AGAIN_S: Final = 0.5


def standing_of(group: Group) -> tuple[Assignment, ...]:
    """Return the group's committed offsets of all input partitions."""
    try:
        return group.standing()
    except Unsettled as error:
        raise Failure(str(error)) from None


def wait_alone(group: Group, *, wait: bool) -> None:
    """Return once the group has no members; where it has some, refuse, or wait with *wait*."""
    told: list[str] = []
    while members := group.members():
        if not wait:
            raise Failure(
                f"the group has {len(members)} live members ({', '.join(members)}): stop them, or"
                " let restore wait for their sessions to end with --wait"
            )
        if members != told:
            say(f"waiting for {len(members)} members to leave: {', '.join(members)}")
            told = members
        time.sleep(ASK_AGAIN_S)


def check_unchanged(group: Group, standing: Sequence[Assignment], *, wait: bool) -> None:
    """Refuse to go on if the group has committed since *standing* was read."""
    wait_alone(group, wait=wait)
    if standing_of(group) != standing:
        raise Failure("the group has gone on meanwhile: nothing was switched, begin again")
