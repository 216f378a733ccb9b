"""The page of erasure is played as it stands, on a real broker and a real server."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.docs.pages import text
from tests.docs.shell import led, play, serve, written
from tests.servers.ports import free_port

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
    api, admin = str(free_port()), str(free_port())
    shell.export(SERVE__PORT=api)
    names |= {
        "localhost:8080": f"localhost:{api}",
        "IDSTREAM_OBSERVABILITY__PORT=9465": f"IDSTREAM_OBSERVABILITY__PORT={admin}",
    }
    own = {name: kafka.unique(name) for name in TOPICS.values()}
    shell.export(**{f"KAFKA__TOPICS__{role}": own[name] for role, name in TOPICS.items()})
    written(shell.folder, WALK)
    config = shell.folder / "forget.toml"
    config.write_text(led(config.read_text(), {**names, **own}))
    # A broker that has just started knows its groups some time later.
    shell.run("until idstream check -c forget.toml --create > /dev/null; do sleep 1; done")
    play(shell, led(WALK, {**names, **own}))
    assert re.search(r"wrong", (shell.folder / "proof.txt").read_text()) is None
    shell.run("idstream export -c forget.toml -o exported.zip shop customerid=c-8 2> export.txt")
    assert held(shell.folder / "bob.zip") == held(shell.folder / "exported.zip")


def held(path: Path) -> dict[str, object]:
    """Return what a file of results holds, but for when it was made."""
    with zipfile.ZipFile(path) as found:
        files: dict[str, object] = {name: found.read(name) for name in found.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    return {**files, "manifest": manifest | {"made": None}}
