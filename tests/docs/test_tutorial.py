"""The page of the first hour is played as it stands, on a real broker and a real server."""

import re

import pytest

from tests.docs.pages import text
from tests.docs.shell import led, play, serve, written

PAGE = text("docs/tutorial.md")
PARTS = re.split(r"^## (?=Whose policy|The same on Kafka)", PAGE, flags=re.MULTILINE)


def test_the_parts_of_the_page_are_found():
    assert len(PARTS) == 3
    assert "./dev setup" in PARTS[0]


def test_what_needs_no_server_comes_out_as_shown(shell):
    written(shell.folder, PARTS[1])
    play(shell, PARTS[1])


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.timeout(180)
def test_what_needs_servers_comes_out_as_shown(shell, kafka, redis_url, redis_prefix):
    part = led(PARTS[2], serve(shell, kafka, redis_url, redis_prefix))
    written(shell.folder, PARTS[1])
    written(shell.folder, part)
    play(shell, part)
