"""The rights that the page of operations names for the Redis user are enough, and are needed."""

import re
from pathlib import Path

import pytest
import redis

from processor.identity.model import Space
from processor.redis.connection import Connection, Timeouts
from processor.redis.contents import Contents
from processor.redis.index import RedisIndex
from tests.conformance.cases import played
from tests.conformance.players import play
from tests.conformance.story import Story
from tests.docs.pages import ROOT, redis_rights

pytestmark = pytest.mark.redis


def test_a_user_with_the_documented_rights_can_do_the_work(start_redis, tmp_path: Path):
    node = start_redis()
    admin = redis.Redis.from_url(node.url, protocol=2)
    plain, checks, _ = redis_rights()
    admin.execute_command("ACL", "SETUSER", "idstream", *plain)
    url = node.url.replace("redis://", "redis://idstream:PASSWORD@")
    index = RedisIndex.connect(url, "idstream")
    play(Story(next(c for c in played() if c.id == "PL-01")), index, tmp_path)
    admin.execute_command("ACL", "SETUSER", "idstream", *checks)
    assert index.server_report()
    assert looked_through(url, admin)
    assert not admin.execute_command("ACL", "LOG"), "something was refused"
    index.close()
    admin.close()


def looked_through(url: str, admin: redis.Redis) -> bool:
    """Return whether a search has read every kind of key."""
    scope, environment = re.findall(r"{(\w+)/(\w+)}", str(admin.keys("idstream:1:*:p:*")))[0]
    contents = Contents(Connection(url, Timeouts(), is_cluster=False), "idstream")
    found = {one.kind for lot in contents.of(Space(scope, environment)) for one in lot}
    contents.close()
    return found >= {"", "i", "l", "n", "p", "r"}


def test_the_documented_rights_are_those_that_the_scripts_use():
    folder = Path(ROOT / "processor" / "redis" / "scripts")
    scripts = "".join(p.read_text() for p in folder.glob("*.lua"))
    used = {name.lower() for name in re.findall(r"redis\.call\('([A-Z]+)'", scripts)}
    given = {right.removeprefix("+") for right in redis_rights()[0] if right.startswith("+")}
    assert given == used | {"eval", "evalsha", "select", "client|setinfo"}
