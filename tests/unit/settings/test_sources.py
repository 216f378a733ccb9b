"""Where settings come from: files, variables, secrets; and what is worth a warning."""

import random
import re
from pathlib import Path

import pytest

from processor.settings import Secret, SettingsError, addresses, load, load_offline, load_text
from tests.unit.settings.test_load import RETAIL, loaded, refusal

# ---- secrets -------------------------------------------------------------------------------------


def test_secrets_come_from_files_and_are_shown_nowhere(tmp_path):
    for name, content in {
        "url": "redis://:hidden1@h:1/0\n",
        "key": "hidden2" * 5,
        "pw": "hidden3\n",
    }.items():
        (tmp_path / name).write_text(content)
    settings = loaded(
        f"""{RETAIL}
[kafka]
client.'security.protocol' = "SASL_SSL"
client.'sasl.username' = "me"
client.'ssl.key.password' = "hidden4"
client_files = {{ "sasl.password" = "{tmp_path}/pw" }}
[redis]
url_file = "{tmp_path}/url"
key_file = "{tmp_path}/key"
[schema_registry]
url = "http://u:hidden5@h"
"""
    )
    assert settings.redis.url.reveal() == "redis://:hidden1@h:1/0"
    assert len(settings.key()) == 32
    assert settings.kafka.client_options() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "ssl.key.password": "hidden4",
        "sasl.password": "hidden3",
    }
    for shown in (repr(settings), str(settings), repr(settings.kafka), f"{settings.redis}"):
        assert "hidden" not in shown
        assert settings.key().hex() not in shown


def test_a_url_and_a_file_for_it_do_not_go_together(tmp_path):
    text = f'{RETAIL}[redis]\nurl = "redis://h"\nurl_file = "{tmp_path}"\n'
    assert "redis.url_file: redis.url is set too" in refusal(text)


def test_the_url_of_a_schema_registry_may_come_from_a_file(tmp_path):
    (tmp_path / "url").write_text("https://u:hidden@h\n")
    settings = loaded(f'{RETAIL}[schema_registry]\nurl_file = "{tmp_path}/url"\n')
    assert settings.registry_url() == "https://u:hidden@h"
    assert "hidden" not in repr(settings)
    both = f'{RETAIL}[schema_registry]\nurl = "http://h"\nurl_file = "{tmp_path}/url"\n'
    assert "schema_registry.url_file: schema_registry.url is set too" in refusal(both)
    wrong = f'{RETAIL}[schema_registry]\nurl = "h:8081"\n'
    assert "schema_registry.url: must begin with http:// or https://" in refusal(wrong)


def test_a_short_key_is_refused(tmp_path):
    (tmp_path / "key").write_text("short")
    message = refusal(f'{RETAIL}[redis]\nkey_file = "{tmp_path}/key"\n')
    assert "redis.key_file: holds less than 16 bytes" in message


def test_a_key_may_be_any_bytes_and_its_final_line_break_does_not_count(tmp_path):
    content = random.Random(1).randbytes(40).rstrip(b"\r\n")
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content + b"\n")
    keys = [loaded(f'{RETAIL}[redis]\nkey_file = "{tmp_path}/{n}"\n').key() for n in "ab"]
    assert keys[0] == keys[1]


def test_no_message_quotes_an_address():
    for url in ("http://:hidden@h", "redis://:hidden@h:port"):
        assert "hidden" not in refusal(f'{RETAIL}[redis]\nurl = "{url}"\n')


# ---- the environment -----------------------------------------------------------------------------


def test_variables_override_the_file_in_the_type_of_the_setting():
    settings = loaded(
        RETAIL + '[kafka]\ngroup_id = "file"\n',
        IDSTREAM_KAFKA__GROUP_ID="env",
        IDSTREAM_KAFKA__MAX_BATCH_RECORDS="7",
        IDSTREAM_KAFKA__TOPICS__BATCHES='["a", "b"]',
        IDSTREAM_KAFKA__TOPICS__REQUESTS="r",
        IDSTREAM_KAFKA__CLIENT__SECURITY_PROTOCOL="SSL",
        IDSTREAM_REDIS__CLUSTER="true",
        IDSTREAM_REDIS__URL="redis://elsewhere",
        IDSTREAM_LIMITS__MAX_DEVICES="4",
        IDSTREAM_OBSERVABILITY__LOG_LEVEL="debug",
        IDSTREAM_WORKSPACES__RETAIL__STRATEGY="profile_link",
        IDSTREAM_WORKSPACES__RETAIL__BLOCKED_VALUES="['x', 'y']",
        IDSTREAM_WORKSPACES__RETAIL__NORMALIZERS='{ email = ["trim"] }',
        IDSTREAM_INPUTS__FEED='{"workspace": "retail", "source": "csv"}',
        IDSTREAM_INPUTS__FEED__PROTECTION="read_only",
    )
    assert settings.kafka.group_id == "env"
    assert settings.kafka.max_batch_records == 7
    assert settings.kafka.topics.inputs == ("a", "b", "r")
    assert settings.kafka.client == {"security.protocol": "SSL"}
    assert settings.redis.cluster is True
    assert settings.redis.url.reveal() == "redis://elsewhere"
    assert settings.limits.max_devices == 4
    assert settings.observability.log_level == "debug"
    assert settings.policy("retail").strategy == "profile_link"
    assert settings.workspaces["retail"].blocklist.values == {"x", "y"}
    assert "email" in settings.workspaces["retail"].normalizers.steps
    feed = settings.inputs["feed"]
    assert (feed.source, feed.protection) == ("csv", "read_only")


def test_a_variable_reaches_into_a_key_that_may_be_a_table():
    settings = loaded(
        '[workspaces.retail]\nstrategy = "flat_matching"\nidentifiers = { email = {} }\n',
        IDSTREAM_WORKSPACES__RETAIL__IDENTIFIERS__EMAIL__LIMIT__COUNT="3",
    )
    assert settings.policy("retail").limits["email"].count == 3


def test_a_variable_finds_a_name_with_a_dash():
    text = RETAIL.replace("retail", "my-shop")
    settings = loaded(text, IDSTREAM_WORKSPACES__MY_SHOP__TIE_BREAK="oldest")
    assert settings.policy("my-shop").tie_break == "oldest"


def test_variables_that_are_no_settings_are_left_alone():
    loaded(
        IDSTREAM_CRASH_AT="after_trim",
        IDSTREAM_TEST_REDIS_URL="x",
        IDSTREAM_PORT="tcp://10.0.0.1:9464",
        OTHER__THING="1",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("IDSTREAM_KAFKA__GROUPID", "x", "(did you mean IDSTREAM_KAFKA__GROUP_ID?)"),
        ("IDSTREAM_KAFKAA__GROUP_ID", "x", "(did you mean IDSTREAM_KAFKA__GROUP_ID?)"),
        (
            "IDSTREAM_WORKSPACES__RETAIL__PRIORITIES",
            "x",
            "(did you mean IDSTREAM_WORKSPACES__RETAIL__PRIORITY?)",
        ),
        ("IDSTREAM_KAFKA__MAX_BATCH_RECORDS", "many", "must be an integer"),
        ("IDSTREAM_REDIS__CLUSTER", "yes", "must be true or false"),
        ("IDSTREAM_KAFKA__GUARANTEE", "twice", "use one of exactly_once, at_least_once"),
        ("IDSTREAM_KAFKA__TOPICS", "x", "write lists and tables as JSON or TOML"),
        ("IDSTREAM_KAFKA__GROUP_ID__X", "x", "there is no setting of this name"),
        ("IDSTREAM_KAFKA__", "x", "there is no setting of this name"),
    ],
)
def test_a_variable_that_fits_no_setting_is_refused_by_its_name(name, text, message):
    found = refusal(**{name: text})
    assert found.startswith(f"{name}: ")
    assert message in found


def test_no_message_quotes_a_variable():
    assert "hidden" not in refusal(IDSTREAM_REDIS__CLUSTER="hidden")
    assert "hidden" not in refusal(IDSTREAM_REDIS__URL="hidden://x")


# ---- files ---------------------------------------------------------------------------------------


def test_a_message_names_the_file(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text("[kafka]\nx = 1\n")
    with pytest.raises(SettingsError, match=re.escape(f"{path}: workspaces: ")):
        load(path, {})
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(path, {})
    with pytest.raises(SettingsError, match="no such file; name a configuration with -c"):
        load(tmp_path / "none.toml", {})


def test_where_nothing_is_written_the_environment_is_all_there_is():
    found = load_text("", {"IDSTREAM_WORKSPACES__RETAIL__PRESET": "default"})
    assert found.policy("retail").strategy == "default"


def test_offline_no_secret_is_read_and_topics_are_the_kinds(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(
        RETAIL
        + """
[kafka]
topics = { batches = ["web", "feed"], requests = "asks" }
client_files = { "sasl.password" = "/nowhere" }
[redis]
url_file = "/nowhere"
key_file = "/nowhere"
[inputs.default]
workspace = "retail"
[inputs.feed]
workspace = "retail"
topics = ["feed"]
[inputs.asks]
workspace = "retail"
topics = ["asks"]
[inputs.elsewhere]
workspace = "retail"
topics = ["another-topic"]
"""
    )
    settings = load_offline(path, {})
    rules = settings.rules()
    assert rules.roles == {"batches": "batches", "requests": "requests", "privacy": "privacy"}
    assert settings.kafka.topics.requests == ("requests",)
    everything = {"batches", "requests", "privacy"}
    assert {n: set(i.topics) for n, i in rules.inputs.items()} == {
        "default": everything,
        "feed": {"batches", "privacy"},
        "asks": {"requests", "privacy"},
        "elsewhere": everything,
    }
    assert settings.key() == b""


# ---- advice --------------------------------------------------------------------------------------


def advised(text: str) -> dict[str, str]:
    return {a.path: a.text for a in loaded(text).advice()}


def test_a_sound_configuration_is_advised_only_of_its_missing_key():
    assert list(advised(RETAIL)) == ["redis.key_file"]


def test_a_login_id_below_a_weaker_type_is_pointed_out():
    text = RETAIL.replace(
        '["customerid", "email", "ios_idfv", "roku_aid"]', '["ios_idfv", "email", "customerid"]'
    )
    found = [a.text for a in loaded(text).advice() if a.path == "workspaces.retail.priority"]
    assert len(found) == 2
    assert "email" in found[0]
    assert "ios_idfv" in found[0]
    assert "converts" not in found[0]
    conversion = text.replace("profile_isolation", "profile_conversion")
    assert "converts the anonymous profile" in advised(conversion)["workspaces.retail.priority"]


@pytest.mark.parametrize("source", ["calculated", "account"])
def test_a_privileged_input_that_is_not_bound_is_pointed_out(source):
    inputs = f'[inputs.default]\nworkspace = "retail"\nsource = "{source}"\n'
    assert "privileged" in advised(RETAIL + inputs)["inputs.default.topics"]
    bound = advised(RETAIL + inputs + 'topics = ["event-batches"]\n')
    assert "inputs.default.topics" not in bound


def test_a_workspace_without_input_and_conversion_without_login_are_pointed_out():
    text = RETAIL + '[inputs.default]\nworkspace = "retail"\n'
    text += '[workspaces.idle]\nstrategy = "profile_conversion"\npriority = ["email"]\n'
    found = advised(text)
    assert "no input belongs to it" in found["workspaces.idle"]
    assert "no profile ever becomes known" in found["workspaces.idle.login_ids"]


def test_the_complete_example_is_valid():
    example = Path(__file__).parents[3] / "deploy" / "idstream.toml"
    text = re.sub(r"^(url_file|key_file) = .*$", "", example.read_text(), flags=re.MULTILINE)
    assert loaded(text).spaces()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:hidden@h:7000/3", "h:7000"),
        ("rediss://h", "h:6379"),
        ("redis://", "localhost:6379"),
        ("unix:///run/redis.sock?password=hidden", "/run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url, address):
    assert addresses.shown(Secret(url)) == address
