"""What deploy/ and docker-compose.yml name exists."""

import re

import pytest
import yaml

from tests.docs.pages import ROOT, text

MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
def test_a_manifest_is_yaml_with_kinds(path):
    for document in yaml.safe_load_all(path.read_text()):
        assert document["apiVersion"]
        assert document["kind"]


def test_the_kustomization_names_files_that_exist():
    folder = ROOT / "deploy" / "kubernetes"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = kustomization["resources"] + kustomization["configMapGenerator"][0]["files"]
    assert all((folder / name).exists() for name in named)


def test_compose_mounts_and_builds_from_files_that_exist():
    compose = yaml.safe_load(text("docker-compose.yml"))
    services = compose["services"]
    assert {"kafka", "valkey", "processor", "prometheus", "grafana"} <= services.keys()
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in compose["volumes"]
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).exists()
        for other in service.get("depends_on", {}):
            assert other in services


def test_the_image_copies_files_that_exist_and_are_not_ignored():
    allowed = text(".dockerignore").split()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text("deploy/Dockerfile"), re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in allowed


def test_prometheus_scrapes_the_port_that_the_processor_listens_on():
    from processor.settings import ObservabilitySettings

    port = ObservabilitySettings().port
    for name in ("deploy/prometheus/prometheus.yml", "deploy/Dockerfile", "docker-compose.yml"):
        assert str(port) in text(name)
