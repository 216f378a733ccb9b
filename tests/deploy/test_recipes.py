"""What docs/deployment.md tells to write is accepted as it stands."""

import re
import shlex

import pytest

from processor.settings import load_text
from tests.docs.pages import ROOT, text

PAGE = text("docs/deployment.md")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECRETS = "/run/secrets/idstream"


@pytest.mark.parametrize("block", BLOCKS)
def test_a_configuration_is_one_that_the_processor_takes(block, tmp_path):
    for name in re.findall(rf'"{SECRETS}/([\w.-]+)"', block):
        (tmp_path / name).write_text("rediss://redis:6379/0")
    here = block.replace(SECRETS, str(tmp_path))
    settings = load_text(f'{here}\n[workspaces.retail]\npreset = "default"\n', {})
    assert settings.kafka.client_options()["security.protocol"] in ("SSL", "SASL_SSL")


def test_the_commands_name_values_and_files_that_exist():
    (install,) = re.findall(r"^\$ (helm .*)$", PAGE, re.MULTILINE)
    words = shlex.split(install)
    assert (ROOT / words[words.index("install") + 2] / "Chart.yaml").exists()
    values = (ROOT / "deploy" / "chart" / "values.yaml").read_text()
    for path in re.findall(r"`([a-zA-Z]+\.[a-zA-Z]+)(?:=\w+)?`", PAGE.partition("\n## TLS")[0]):
        section, _, key = path.partition(".")
        if re.search(rf"^{section}:", values, re.MULTILINE):
            found = re.search(rf"^{section}:.*?^  {key}:", values, re.MULTILINE | re.DOTALL)
            assert found, path
