"""docker-compose.yml names files, services and images that exist, and keeps what must be kept."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from processor.serve.credentials import TokenFile
from processor.settings import ObservabilitySettings, load_text
from tests.docs.pages import ROOT, text

COMPOSE = yaml.safe_load(text("docker-compose.yml"))
SERVICES = COMPOSE["services"]
CONNECT = yaml.safe_load(text("deploy/connect/docker-compose.yml"))["services"]
PINNED = re.compile(r"[\w./-]+:v?[0-9][\w.-]*@sha256:[0-9a-f]{64}")


def test_what_a_newcomer_needs_is_there():
    wanted = {"kafka", "valkey", "processor", "kafka-ui", "prometheus", "grafana", "registry"}
    assert wanted <= SERVICES.keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_mounts_builds_and_waits_for_what_exists(name):
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]
    if "build" in service:
        assert (ROOT / service["build"]["dockerfile"]).exists()
    for other, how in service.get("depends_on", {}).items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        assert not SERVICES[other].get("profiles"), f"{other} may not be there"


@pytest.mark.parametrize("name", sorted(n for n, s in SERVICES.items() if "image" in s))
def test_an_image_has_an_exact_version_and_a_digest(name):
    assert PINNED.fullmatch(SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_for_this_machine_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_broker_and_index_keep_their_data_where_a_volume_is():
    # One without the other: the index would hold people of whom the topics know nothing.
    logs = SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]
    assert f"kafka:{logs}" in SERVICES["kafka"]["volumes"]
    assert "valkey:/data" in SERVICES["valkey"]["volumes"]
    assert "--appendonly yes" in SERVICES["valkey"]["command"]
    assert COMPOSE["volumes"].keys() == {"kafka", "valkey"}


def test_topics_have_partitions_enough_for_several_processors():
    assert SERVICES["kafka"]["environment"]["KAFKA_NUM_PARTITIONS"] >= 4


def test_the_processor_reads_the_address_that_the_broker_tells_of():
    settings = load_text(text("deploy/compose/idstream.toml"), {})
    told = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{settings.kafka.bootstrap_servers}" in told
    for service, variable in (
        ("kafka-ui", "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"),
        ("registry", "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"),
    ):
        assert SERVICES[service]["environment"][variable] == settings.kafka.bootstrap_servers


def test_what_the_configuration_says_of_avro_is_accepted():
    commented = text("deploy/compose/idstream.toml").split("--profile avro up, and\n")[1]
    lines = [line.removeprefix("# ") for line in commented.partition("\n\n")[0].splitlines()]
    settings = load_text(text("deploy/compose/idstream.toml") + "\n".join(["", *lines]), {})
    ui = SERVICES["kafka-ui"]["environment"]["KAFKA_CLUSTERS_0_SCHEMAREGISTRY"]
    assert settings.registry_url() == ui


def test_prometheus_scrapes_the_port_that_the_processor_listens_on():
    port = ObservabilitySettings().port
    for name in ("deploy/prometheus/prometheus.yml", "deploy/Dockerfile", "docker-compose.yml"):
        assert str(port) in text(name)


def test_the_front_comes_before_the_services_of_the_main_file():
    assert PINNED.fullmatch(CONNECT["front"]["image"])
    assert CONNECT.keys() - {"front"} <= SERVICES.keys()
    assert CONNECT["front"]["depends_on"].keys() <= SERVICES.keys()
    for service in CONNECT.values():
        for volume in service["volumes"]:
            assert (ROOT / volume.partition(":")[0]).exists()


def test_the_token_that_serve_begins_with_is_one_for_the_pages(tmp_path):
    service = SERVICES["serve"]
    script, tokens = service["entrypoint"][2], tmp_path / "tokens.toml"
    script = script.replace("/etc/idstream/", f"{ROOT}/deploy/compose/")
    script = script.replace("/tmp/tokens.toml", str(tokens)).replace("exec idstream", "echo")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, **service["environment"], "PATH": path}
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("serve -c ")
    file = TokenFile(tokens, ["retail"])
    assert file.look()
    assert file.tokens.find(done.stderr.split()[-1], 0.0).may("ui")
