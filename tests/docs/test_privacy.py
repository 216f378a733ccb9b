"""The page of erasure is played as it stands, on a real broker and a real server."""

import re

import pytest

from tests.docs.pages import text
from tests.docs.shell import led, play, serve, written

PAGE = text("docs/privacy.md")
WALK = PAGE.partition("## From beginning to end\n")[2].partition("\n## ")[0]
TOPICS = {
    "PRIVACY": "privacy-requests",
    "RECEIPTS": "privacy-receipts",
    "CASES": "privacy-cases",
    "CLOCK": "idstream-clock",
}


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.timeout(300)
def test_a_person_is_erased_and_nothing_is_left(shell, kafka, redis_url, redis_prefix):
    names = serve(shell, kafka, redis_url, redis_prefix)
    own = {name: kafka.unique(name) for name in TOPICS.values()}
    shell.export(**{f"KAFKA__TOPICS__{role}": own[name] for role, name in TOPICS.items()})
    written(shell.folder, WALK)
    config = shell.folder / "forget.toml"
    config.write_text(led(config.read_text(), {**names, **own}))
    # A broker that has just started knows its groups some time later.
    shell.run("until idstream check -c forget.toml --create > /dev/null; do sleep 1; done")
    play(shell, led(WALK, {**names, **own}))
    assert re.search(r"wrong", (shell.folder / "proof.txt").read_text()) is None
