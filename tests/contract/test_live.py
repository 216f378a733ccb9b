"""What explains a record over the live index reads of it what a processor would read."""

import pytest

from processor.commands.offline.live import LiveIndex
from processor.identity.filed import Filing
from processor.identity.marker import Marker
from processor.identity.view import Effects
from processor.index.port import Ask
from processor.redis.index import RedisIndex
from processor.settings import load_text
from tests.contract.people import EMAIL, SPACE

pytestmark = pytest.mark.redis


def test_markers_of_erased_people_are_known_over_the_live_index(redis_url, redis_prefix):
    live = RedisIndex.connect(redis_url, redis_prefix)
    try:
        marks = Filing(marks=[(live.token(EMAIL), Marker(5000))])
        live.commit(SPACE, Effects({}, {}, {}, {}, filing=marks), [])
        index = LiveIndex(load_text('[workspaces.retail]\npreset = "default"', {}), live)
        for _ in range(2):  # the second time it is asked nothing is read anew
            found = index.visit(SPACE, {}, [Ask((EMAIL,))]).found
            assert found.markers == {EMAIL: (Marker(5000),)}
    finally:
        live.close()
