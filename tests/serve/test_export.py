"""``idstream export --request`` writes what the results of the request are over HTTP."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from processor.cli import idstream
from processor.commands.export import ExportOptions, export
from processor.commands.terminal.failure import Failure
from processor.identity.filed import Filing
from processor.identity.model import Space
from processor.identity.view import Effects
from processor.kafka.clock import Clock
from processor.privacy.case import Case, case_number, filed
from processor.redis.index import RedisIndex
from tests.serve.happenings import happened
from tests.serve.people import CONFIG, NOW_MS, Service, asked, bury, living_in, scoped, serving

pytestmark = pytest.mark.redis

NOW = Clock(wall=lambda: NOW_MS / 1000)
SPACE = Space("retail", "production")


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    with happened() as address:
        yield address


@pytest.fixture
def environ(redis_url: str, redis_prefix: str) -> dict[str, str]:
    """Where the people of the tests live, in Redis."""
    index = RedisIndex.connect(redis_url, redis_prefix)
    index.commit(SPACE, Effects({}, {}, {}, {one.mpid: one for one in living_in("retail")}), ())
    bury(index)
    index.close()
    return {"IDSTREAM_REDIS__URL": redis_url, "IDSTREAM_REDIS__PREFIX": redis_prefix}


@pytest.fixture
def config(tmp_path: Path, kafka: str) -> Path:
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.format(serve="privacy = true", kafka=kafka))
    return path


@pytest.fixture
def service(tmp_path: Path, kafka: str) -> Iterator[Service]:
    with serving(tmp_path, "privacy = true", clock=NOW, kafka=kafka) as running:
        yield running


def file(case: Case, environ: dict[str, str]) -> None:
    """Let there be one more request."""
    index = RedisIndex.connect(environ["IDSTREAM_REDIS__URL"], environ["IDSTREAM_REDIS__PREFIX"])
    filing = Filing({case.number: filed(case)})
    index.visit(case.space, {}, [])
    index.commit(case.space, Effects({}, {}, {}, {}, filing=filing), ())
    index.close()


@pytest.mark.parametrize("request_id", ["ada", "merged"])
def test_it_writes_byte_for_byte_what_the_results_are_over_http(
    service: Service, config: Path, environ: dict[str, str], tmp_path: Path, request_id: str
):
    output = tmp_path / "results.zip"
    export(config, environ, ExportOptions(output, request_id=request_id), NOW)
    found = service.get(
        f"/dsr/v3/requests/{request_id}/results?workspace=retail", scoped(["privacy:read"])
    )
    assert found.status_code == 200
    assert output.read_bytes() == found.content
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("request_id", "why"),
    [
        ("over", "a request of type erasure has no results"),
        ("nobody", "the request found nobody"),
        ("late", "the results were to be fetched earlier"),
        ("ended", "the profile has ended: deleted"),
        ("unknown", "no case of a request unknown"),
    ],
)
def test_where_there_is_nothing_to_export_it_is_said_why(
    config: Path, environ: dict[str, str], tmp_path: Path, request_id: str, why: str
):
    output = tmp_path / "results.zip"
    with pytest.raises(Failure, match=why):
        export(config, environ, ExportOptions(output, request_id=request_id), NOW)
    assert not output.exists()


def test_of_two_requests_with_one_id_the_workspace_says_which(
    config: Path, environ: dict[str, str], tmp_path: Path
):
    number = case_number("ada", "outlet", b"")
    file(replace(asked("ada"), workspace="outlet", number=number), environ)
    output = tmp_path / "results.zip"
    options = ExportOptions(output, request_id="ada")
    with pytest.raises(Failure, match=r"retail \(production\), outlet \(production\)"):
        export(config, environ, options, NOW)
    with pytest.raises(Failure, match="found nobody"):
        export(config, environ, replace(options, workspace="outlet"), NOW)
    with pytest.raises(Failure, match="no case"):
        export(config, environ, replace(options, environment="development"), NOW)
    export(config, environ, replace(options, workspace="retail"), NOW)
    assert output.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retail"], "WORKSPACE KEY, or --request ID"),
        ([], "WORKSPACE KEY, or --request ID"),
        (["--request", "ada", "retail", "7"], "leave out KEY"),
    ],
)
def test_whom_it_is_about_is_said_once(arguments: list[str], said: str):
    done = CliRunner().invoke(idstream, ["export", "-o", "x.zip", *arguments], obj={})
    assert (done.exit_code, said in done.output) == (2, True), done.output
