"""The cases over the index in a real Redis-compatible server."""

from pathlib import Path

import pytest

from processor.redis.index import RedisIndex
from tests.conformance.cases import Case, played
from tests.conformance.flat_story import FlatCase, FlatStory, flat_cases
from tests.conformance.players import play, play_flat
from tests.conformance.story import Story

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("case", played(), ids=str)
def test_a_case_holds(case: Case, redis_url: str, redis_prefix: str, tmp_path: Path):
    index = RedisIndex.connect(redis_url, redis_prefix)
    try:
        play(Story(case), index, tmp_path)
    finally:
        index.close()


@pytest.mark.parametrize("case", flat_cases(), ids=str)
def test_a_case_of_flat_matching_holds(
    case: FlatCase, redis_url: str, redis_prefix: str, tmp_path: Path
):
    index = RedisIndex.connect(redis_url, redis_prefix)
    try:
        play_flat(FlatStory(case), index, tmp_path)
    finally:
        index.close()
