"""A deployment of its own: topics, an index, and the program with one configuration."""

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.security.program import Idstream
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

ROLES = ("batches", "requests", "enriched", "responses", "changes", "profiles", "dead_letters")
WORKSPACE = """
[workspaces.retail]
strategy = "profile_link"
priority = ["customerid", "email", "ios_idfv", "android_uuid", "roku_aid"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "retail"
source = "sdk"
[inputs.support]
workspace = "retail"
source = "custom_feed"
"""


class Deployment(Idstream):
    """The program, its broker, and the names of its topics."""

    def __init__(self, folder: Path, kafka: Kafka, redis_url: str, prefix: str) -> None:
        self.kafka = kafka
        self.topics = {role: kafka.unique(role.replace("_", "-")) for role in ROLES}
        self.port = free_port()
        names = "".join(f'{role} = "{name}"\n' for role, name in self.topics.items())
        path = folder / "idstream.toml"
        path.write_text(
            f'[kafka]\nbootstrap_servers = "{kafka.bootstrap}"\ngroup_id = "{prefix}"\n'
            f"[kafka.topics]\n{names}"
            f'[redis]\nurl = "{redis_url}"\nprefix = "{prefix}"\n'
            f'[observability]\nhost = "127.0.0.1"\nport = {self.port}\n{WORKSPACE}'
        )
        super().__init__(path)

    def is_ready(self) -> bool:
        """Return whether the processor has its partitions."""
        assert not self.ended(), self.log.read_text()[-3000:]
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return answer.status == 200
        except URLError:
            return False

    def done(self, word: str, *arguments: str) -> str:
        """Run a command that has to succeed; return what it printed."""
        done = self.command(word, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def deployment(kafka, redis_url, redis_prefix, tmp_path) -> Iterator[Deployment]:
    """A running processor, its topics made."""
    found = Deployment(tmp_path, kafka, redis_url, redis_prefix)
    found.done("check", "--create")
    found.start()
    eventually(found.is_ready, within=50)
    yield found
    found.close()
