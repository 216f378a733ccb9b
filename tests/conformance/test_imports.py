"""The cases of imports, as `idstream import --dry-run --print` plays them."""

import base64
import gzip
import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from processor.cli import main

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "imports.yaml").read_text())["cases"]
CONVERSION = {
    "strategy": "profile_conversion",
    "priority": ["customerid", "email", "ios_idfv", "ios_idfa"],
    "login_ids": ["customerid"],
    "unique_ids": ["customerid", "email"],
    "immutable_ids": [],
}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def workspace(case: dict[str, Any]) -> str:
    given = case.get("config") or {}
    config = given if "strategy" in given else {**CONVERSION, **given}
    lines = [f"{key} = {toml(value)}" for key, value in config.items() if value is not None]
    of_input = ["[inputs.default]", 'workspace = "retail"', *case.get("input", ())]
    return "\n".join(("[workspaces.retail]", *lines, *of_input))


@pytest.fixture
def rehearse(tmp_path, capsys):
    """Run the command over a file, return its exit status, output and complaints."""

    def run(case: dict[str, Any], content: bytes, name: str, *more: str) -> tuple[int, str, str]:
        (tmp_path / "idstream.toml").write_text(workspace(case))
        file = tmp_path / name
        file.write_bytes(content)
        arguments = ["-c", str(tmp_path / "idstream.toml"), "--input", "default", "--dry-run"]
        if "manifest" in case:
            (tmp_path / "manifest.json").write_text(json.dumps(case["manifest"]))
            arguments += ["--manifest", str(tmp_path / "manifest.json")]
        with pytest.raises(SystemExit) as ended:
            main(["import", *arguments, *more, str(file)])
        output, complaint = capsys.readouterr()
        return ended.value.code, output, complaint

    return run


def content_of(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["base64"]) if "base64" in case else case["text"].encode()


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_case_holds_packed_or_not(case, packed, rehearse, tmp_path):
    content, name = content_of(case), f"rows.{case['format']}{packed}"
    packed_content = gzip.compress(content) if packed else content
    status, output, complaint = rehearse(case, packed_content, name, "--print")
    rejected = tmp_path / f"{name}.rejected.jsonl"
    if "refused" in case:
        assert (status, output) == (1, "")
        assert case["refused"] in complaint
        return
    batches = lines_of(output)
    for batch in batches:
        batch.pop("source_request_id")
    assert batches == case["batches"]
    found = lines_of(rejected.read_text()) if rejected.exists() else []
    assert [[one["row"], one["field"]] for one in found] == case["rejected"]
    assert status == 0


def test_rejected_rows_tell_their_line_and_nothing_that_they_say(rehearse, tmp_path):
    text = 'user_identities.email,mpid\n"a\nb@example.com",secret\n,7\nx@example.com,secret,1\n'
    status, output, complaint = rehearse({}, text.encode(), "rows.csv")
    told = (tmp_path / "rows.csv.rejected.jsonl").read_text()
    assert [one["line"] for one in lines_of(told)] == [3, 5]
    assert "secret" not in told + output + complaint
    assert status == 0


def test_a_quote_that_is_not_closed_says_how_many_lines_it_costs(rehearse, tmp_path):
    text = 'user_identities.email,user_attributes.k\na@x.org,"k\nb@x.org,k\nc@x.org,k\n'
    status, output, _ = rehearse({}, text.encode(), "rows.csv")
    (told,) = lines_of((tmp_path / "rows.csv.rejected.jsonl").read_text())
    assert (told["row"], told["line"]) == (1, 4)
    assert "3 lines are lost: a quote is not closed" in told["rule"]
    assert "3 lines are lost" in output
    assert status == 0


def test_more_rejected_rows_than_are_allowed_are_a_failure_after_all_were_read(rehearse, tmp_path):
    text = "user_identities.email\n" + '""\n' * 3
    status, output, complaint = rehearse({}, text.encode(), "rows.csv", "--max-errors", "2")
    assert status == 1
    assert "--max-errors 2" in complaint
    assert "rejected  3" in output


def test_a_cell_of_a_mebibyte_is_over_the_limit_and_costs_its_row_alone(rehearse, tmp_path):
    text = f"user_identities.email,user_attributes.k\na@x.org,{'x' * 2**20}\nb@x.org,y\n"
    _, output, _ = rehearse({}, text.encode(), "rows.csv", "--print")
    assert [b["user_identities"]["email"] for b in lines_of(output)] == ["b@x.org"]
    (rejected,) = lines_of((tmp_path / "rows.csv.rejected.jsonl").read_text())
    assert rejected["field"] == "user_attributes.k"


def test_against_a_snapshot_it_tells_what_would_become_of_the_rows(rehearse, tmp_path):
    snapshot = tmp_path / "none.jsonl"
    snapshot.write_text("")
    text = "user_identities.customer_id,user_attributes.k\n1,a\n1,b\n1,b\n2,a\n"
    _, output, _ = rehearse({}, text.encode(), "rows.csv", "--against", str(snapshot))
    assert would_be(output) == {"created": 2, "changed": 1, "unchanged": 1}
    case = {"input": ['protection = "update_only"']}
    _, output, _ = rehearse(case, text.encode(), "rows.csv", "--against", str(snapshot))
    assert would_be(output) == {
        "created": 0,
        "changed": 0,
        "unchanged": 0,
        "dropped (unknown_user)": 4,
    }


def would_be(output: str) -> dict[str, int]:
    lines = [line.removeprefix("would be ") for line in output.splitlines() if "would be" in line]
    return {name.strip(): int(count) for name, count in (line.rsplit("  ", 1) for line in lines)}


def test_what_is_packed_is_unpacked_whatever_its_name(rehearse):
    packed = gzip.compress(b"user_identities.email\na@example.com\n")
    status, output, _ = rehearse({}, packed, "rows.csv", "--print")
    assert (status, len(lines_of(output))) == (0, 1)


def test_a_disk_that_is_full_is_told_with_the_file_that_could_not_be_written(rehearse):
    text = "user_identities.email,mpid\n" + "a@example.com,x\n" * 3000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # smaller than what is rejected
    try:
        status, _, complaint = rehearse({}, text.encode(), "rows.csv", "--max-errors", "9999")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1
    assert "cannot write" in complaint
    assert "rows.csv.rejected.jsonl" in complaint


def test_a_gzip_file_that_is_cut_off_is_told(rehearse):
    packed = gzip.compress(b"user_identities.email\n" + b"a@example.com\n" * 1000)[:-12]
    status, _, complaint = rehearse({}, packed, "rows.csv.gz")
    assert status == 1
    assert "no whole gzip file" in complaint
