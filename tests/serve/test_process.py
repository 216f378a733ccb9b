"""``idstream serve`` as a process, on a real Redis."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from processor.redis.index import RedisIndex
from tests.contract.people import EMAIL, profile, store
from tests.docs.pages import ROOT
from tests.serve.people import CONFIG, token, token_tables
from tests.servers.logs import events_of
from tests.servers.redis import StartRedis
from tests.servers.waiting import eventually

PATH = "/v1/retail/profiles/1"
NOWHERE = "127.0.0.1:9"


class Process:
    """A serving process, and what it logged."""

    def __init__(self, folder: Path, redis_url: str, workers: int = 1) -> None:
        tokens = folder / "tokens.toml"
        tokens.write_text(token_tables())
        tokens.chmod(0o600)
        config = folder / "idstream.toml"
        key = folder / "session.key"
        key.touch(mode=0o600)
        key.write_bytes(bytes(32))
        more = f'redis_timeout_ms = 300\nworkers = {workers}\nsession_key_file = "{key}"'
        text = CONFIG.format(serve=more, kafka=NOWHERE).replace("unused", str(tokens))
        more = '[observability]\nhost = "127.0.0.1"\nport = 0\n'
        config.write_text(f'{more}[redis]\nurl = "{redis_url}"\n{text}')
        self._log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "processor", "serve", "-c", str(config)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self._log,
            stderr=self._log,
        )
        self._workers = workers
        eventually(self._has_begun)
        told = {line["event"]: line for line in self.lines()}
        self.url = f"http://127.0.0.1:{told['serving']['port']}"
        admin_port = told.get("supervising", told["serving"])["admin_port"]
        self.admin = f"http://127.0.0.1:{admin_port}"

    def told(self) -> str:
        return Path(self._log.name).read_text()

    def lines(self) -> list[dict]:
        return events_of(self.told())

    def _has_begun(self) -> bool:
        assert self.process.poll() is None, self.told()
        return [line["event"] for line in self.lines()].count("serving") >= self._workers

    def get(self, path: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token('all')}"}
        return requests.get(self.url + path, headers=headers, timeout=10)

    def ready(self) -> int:
        return requests.get(f"{self.admin}/readyz", timeout=10).status_code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.mark.redis
def test_a_process_serves_survives_an_outage_of_redis_and_leaves_on_sigterm(
    tmp_path: Path, start_redis: StartRedis
):
    node = start_redis()
    index = RedisIndex.connect(node.url, "idstream")
    store(index, profile(1, EMAIL))
    index.close()
    served = Process(tmp_path, node.url)
    try:
        assert served.get(PATH).json()["version"] == 1
        eventually(lambda: served.ready() == 200)
        node.pause()
        away = served.get(PATH)
        assert (away.status_code, away.headers["Retry-After"]) == (503, "1")
        assert away.elapsed.total_seconds() < 5
        eventually(lambda: served.ready() == 503)
        node.resume()
        eventually(lambda: served.get(PATH).status_code == 200)
        eventually(lambda: served.ready() == 200)
        metrics = requests.get(f"{served.admin}/metrics", timeout=10).text
        assert re.search(
            r'idstream_api_requests_total\{route="profile",status="503"\} [1-9]', metrics
        )
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
        assert EMAIL.value not in served.told()
        assert PATH not in served.told()
        events = [line["event"] for line in served.lines()]
        assert events[0] == "serving"
        assert events[-1] == "stopped"
    finally:
        served.close()


@pytest.mark.redis
def test_a_token_that_is_taken_out_of_the_file_is_refused(tmp_path: Path, redis_url: str):
    served = Process(tmp_path, redis_url)
    try:
        assert served.get(PATH).status_code == 404
        (tmp_path / "tokens.toml").write_text("")
        eventually(lambda: served.get(PATH).status_code == 401)
    finally:
        served.close()


WITHOUT = """
[workspaces.retail]
strategy = "profile_isolation"
priority = ["email"]
login_ids = ["email"]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            CONFIG.format(serve="", kafka=NOWHERE),
            "serve.tokens_file: unused: cannot be read (No such file or",
        ),
        (WITHOUT, "serve: is missing"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(tmp_path: Path, text, told):
    config = tmp_path / "idstream.toml"
    config.write_text(text)
    command = [sys.executable, "-m", "processor", "serve", "-c", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.redis
def test_workers_share_an_address_and_answer_as_one(tmp_path: Path, redis_url: str):
    served = Process(tmp_path, redis_url, workers=2)
    counted = re.compile(
        r'idstream_api_requests_total\{worker="([12])",route="profile",status="404"\}'
    )
    try:
        eventually(lambda: served.ready() == 200)

        def who_answered() -> set[str]:
            assert served.get(PATH).status_code == 404
            return set(counted.findall(requests.get(f"{served.admin}/metrics", timeout=10).text))

        eventually(lambda: who_answered() == {"1", "2"})
        pids = {line["worker"]: line["pid"] for line in served.lines() if "pid" in line}
        os.kill(pids[1], signal.SIGKILL)
        for _ in range(20):
            assert served.get(PATH).status_code == 404  # by the other one, and soon by both
        eventually(lambda: [one["event"] for one in served.lines()].count("serving") == 3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
        assert served.lines()[-1]["event"] == "stopped"
    finally:
        served.close()
