"""The service under test."""

from collections.abc import Iterator

import pytest

from tests.serve.happenings import happened
from tests.serve.people import Service, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("serve")
    with happened() as kafka, serving(folder, "privacy = true", kafka=kafka) as running:
        yield running
