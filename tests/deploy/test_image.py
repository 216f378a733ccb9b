"""The Dockerfile copies files that exist, from an image that is pinned."""

import re

from tests.docs.pages import ROOT, text

DOCKERFILE = text("deploy/Dockerfile")


def test_the_image_copies_files_that_exist_and_are_not_ignored():
    allowed = text(".dockerignore").split()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in allowed


def test_what_the_image_is_built_on_has_a_version_and_a_digest():
    (python,) = re.findall(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"3\.\d+\.\d+-slim@sha256:[0-9a-f]{64}", python)
    assert {*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)} == {"python:${PYTHON}"}


def test_the_health_check_asks_the_port_that_the_environment_names():
    assert "IDSTREAM_OBSERVABILITY__PORT" in DOCKERFILE.partition("HEALTHCHECK")[2]
