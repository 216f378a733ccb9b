"""Every query of the dashboard has data while made-up people are under way."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from tests.docs.pages import text
from tests.servers.ports import free_port
from tests.servers.prometheus import program
from tests.servers.waiting import eventually
from tests.views.conftest import Deployment

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.redis,
    pytest.mark.timeout(240),
]

MORE = """
[workspaces.retail.events.purchase]
type = "commerce_event"
action = "purchase"
[workspaces.retail.calculated.purchases]
type = "count"
event = "purchase"
[workspaces.retail.audiences.buyers]
all = [{ attribute = "purchases", op = "at_least", value = 1 }]
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
user_id = { limit = 1 }
email = { limit = 1 }
anonymous_id = { limit = 1 }
[inputs.shop]
workspace = "shop"
source = "sdk"
"""
ODD = (
    b'{"user_identities":{"email":"ed@example.com"},"user_attributes":{"a":{"b":1}},'
    b'"events":[{"event_type":"session_start"}]}'
)
"""An attribute that is an object is left out, and counted."""


FAULTS = ("idstream_computed_bounded_total", "idstream_hidden_attributes_total")
"""Metrics without any series until a definition goes wrong, which nobody here does."""


def queries() -> Iterator[tuple[str, str]]:
    """Yield the title of each panel, and each of its queries."""
    waiting = list(json.loads(text("deploy/grafana/dashboard.json"))["panels"])
    while waiting:
        panel = waiting.pop(0)
        waiting += panel.get("panels", [])
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))


class Prometheus:
    """A running Prometheus that scrapes one process every second."""

    def __init__(self, folder, target: int) -> None:
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs: [{job_name: idstream, static_configs:"
            f' [{{targets: ["127.0.0.1:{target}"]}}]}}]\n'
        )
        self.url = f"http://127.0.0.1:{free_port()}"
        address = self.url.removeprefix("http://")
        with (folder / "prometheus.log").open("w") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address={address}",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, query: str) -> list[dict[str, object]]:
        """Return what *query*, with Grafana's variables filled in, finds now."""
        filled = query.replace("$__rate_interval", "1m")
        filled = re.sub(r"\$(workspace|input)", ".*", filled)
        asked = urllib.parse.urlencode({"query": filled})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []

    def has_data(self, query: str) -> bool:
        """Whether *query* finds a number."""
        return any(one["value"][1] != "NaN" for one in self.ask(query))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def watched(kafka, redis_url, redis_prefix, tmp_path) -> Iterator[tuple[Deployment, Prometheus]]:
    found = Deployment(tmp_path, kafka, redis_url, redis_prefix)
    found.config.write_text(found.config.read_text() + MORE)
    found.done("check", "--create")
    prometheus = Prometheus(tmp_path, found.port)
    found.start()
    eventually(found.is_ready, within=60)
    yield found, prometheus
    found.close()
    prometheus.close()


def test_every_query_has_data_under_load(watched):
    deployment, prometheus = watched
    deployment.kafka.produce(deployment.topics["batches"], [ODD])
    deployment.done("generate", "--rate", "60", "--records", "1500", "--bad", "0.05", "--seed", "1")
    without = {one for one in queries() if not any(name in one[1] for name in FAULTS)}
    assert len(without) > 35

    def all_have_data() -> bool:
        without.difference_update(one for one in tuple(without) if prometheus.has_data(one[1]))
        return not without

    try:
        eventually(all_have_data, within=60, every=1.0)
    finally:
        assert not without
