"""Profiles that sweeps have set aside, in the log: an operator is to look at them."""

from processor.pipeline.tally import Tally
from processor.watch.logs import Log


def tell_set_aside(log: Log, tally: Tally) -> None:
    """Tell what a committed transaction set aside: of which shard, and how many; never whom."""
    for (space, shard), profiles in tally.set_aside.items():
        log.warning("profiles_set_aside", space=space, shard=shard, profiles=profiles)
