"""What ``idstream.toml`` and the environment become, and what they may not say."""

import pytest

from processor.identity.model import Identifier, Space
from processor.identity.types import PRESETS
from processor.settings import Settings, SettingsError, load_offline, load_text

RETAIL = """
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv", "roku_aid"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""
SHOP = RETAIL.replace("retail", "shop")


def loaded(text: str = RETAIL, **environ: str) -> Settings:
    return load_text(text, environ)


def refusal(text: str = RETAIL, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_text(text, environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


def workspace(**keys: str) -> str:
    return "[workspaces.retail]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())


# ---- what is there where nothing is said ---------------------------------------------------------


def test_a_workspace_is_enough():
    settings = loaded()
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.kafka.topics.inputs == ("event-batches", "identity-requests")
    assert settings.redis.url.reveal() == "redis://localhost:6379/0"
    assert settings.limits.max_identities == 200
    assert settings.observability.port == 9464
    assert settings.schema_registry is None


def test_one_workspace_without_a_word_of_inputs_has_the_input_default():
    rules = loaded().inputs["default"]
    assert (rules.workspace.name, rules.source, rules.protection) == (
        "retail",
        "sdk",
        "create_and_update",
    )
    assert rules.dedup_window_ms == 600_000


def test_no_input_is_made_up_beside_those_that_are_named():
    settings = loaded(RETAIL + '[inputs.warehouse]\nworkspace = "retail"\n')
    assert list(settings.inputs) == ["warehouse"]
    assert ("inputs", "none is called default") in [
        (a.path, a.text[:22]) for a in settings.advice()
    ]


def test_two_workspaces_need_inputs():
    assert refusal(RETAIL + SHOP).startswith("inputs: say which")


def test_a_configuration_without_workspaces_is_refused():
    assert refusal("").startswith("workspaces: configure at least one")


# ---- rules ---------------------------------------------------------------------------------------


def test_rules_hold_what_a_record_can_meet():
    rules = loaded(
        RETAIL
        + """
[kafka]
topics = { batches = ["a", "b"], requests = "r" }
formats = { batches = "avro", b = "json", enriched = "avro" }
[limits]
max_devices = 3
[inputs.feed]
workspace = "retail"
source = "partner_feed"
protection = "update_only"
topics = ["b"]
dedup_window_s = 0
"""
    ).rules()
    assert {t for t, role in rules.roles.items() if role == "batches"} == {"a", "b"}
    assert rules.limits.max_devices == 3
    feed = rules.inputs["feed"]
    assert (feed.source, feed.protection, feed.topics, feed.dedup_window_ms) == (
        "partner_feed",
        "update_only",
        {"b"},
        0,
    )
    assert rules.formats == {"a": "avro", "b": "json", "r": "json"}


def test_a_policy_takes_its_limits_and_switches_from_the_settings():
    policy = loaded(
        RETAIL
        + 'tie_break = "newest"\nunique_conflict = "move"\nhigher_conflict = "new_profile"\n'
        + 'immutable_protects = "search"\nsearch_any_identity = true\n'
        + "[limits]\nmax_holders = 7\nmax_identities = 8\nactivity_resolution_s = 9\n"
    ).policy("retail")
    assert policy.strategy == "profile_isolation"
    assert policy.priority == ("customerid", "email", "ios_idfv", "roku_aid")
    assert (policy.max_holders, policy.max_identities, policy.activity_resolution_ms) == (
        7,
        8,
        9000,
    )
    assert (policy.tie_break, policy.unique_conflict, policy.higher_conflict) == (
        "newest",
        "move",
        "new_profile",
    )
    assert (policy.immutable_protects, policy.search_any_identity) == ("search", True)


def test_other_spellings_of_identity_types_are_taken():
    text = workspace(
        strategy='"profile_conversion"', priority='["customer_id", "other_id_2", "android_id"]'
    )
    assert loaded(text).policy("retail").priority == ("customerid", "other2", "android_uuid")


def test_blocked_values_patterns_and_normalizers_reach_the_workspace():
    from processor.identity.model import Identifier

    rules = loaded(
        RETAIL
        + 'blocked_values = ["abc123"]\nblocked_patterns = ["^test-"]\n'
        + 'default_blocked_values = false\nnormalizers = { email = ["trim", "lower"] }\n'
    ).workspaces["retail"]
    blocked = [
        v for v in ("abc123", "test-1", "null") if rules.blocklist.blocks(Identifier("email", v))
    ]
    assert blocked == ["abc123", "test-1"]
    assert rules.normalizers.apply(Identifier("email", " A@B.c ")).value == "a@b.c"


# ---- presets and strategies ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "default_2023"])
def test_a_preset_is_the_published_default_configuration(name):
    policy = loaded(workspace(preset=f'"{name}"')).policy("retail")
    preset = PRESETS[name]
    assert policy.strategy == "default"
    assert policy.priority == preset.priority
    assert policy.login_ids == policy.unique_ids == {"customerid"}
    assert policy.immutable_ids == preset.immutable_ids


def test_what_the_strategy_default_does_not_say_comes_from_its_preset():
    text = workspace(strategy='"default"', immutable_ids="[]")
    policy = loaded(text).policy("retail")
    assert policy.priority == PRESETS["default"].priority
    assert policy.immutable_ids == frozenset()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "workspaces.retail: set strategy (one of"),
        ({"strategy": '"flat_matching"'}, "workspaces.retail.identifiers: flat_matching needs"),
        ({"strategy": '"profile_lnk"'}, "did you mean profile_link?"),
        ({"strategy": "1"}, "workspaces.retail.strategy: must be a string"),
        ({"preset": '"default"', "priority": '["email"]'}, "retail.priority: is fixed by preset"),
        ({"preset": '"default"', "strategy": '"best_match"'}, "retail.preset: fixes the strategy"),
        ({"strategy": '"best_match"'}, "workspaces.retail.priority: list at least one"),
        (
            {"strategy": '"best_match"', "priority": '["email"]', "login_ids": '["email"]'},
            "workspaces.retail.login_ids: best_match has none",
        ),
        (
            {"strategy": '"best_match"', "priority": '["email"]', "unique_ids": '["email"]'},
            "workspaces.retail.unique_ids: best_match has none",
        ),
        (
            {"strategy": '"default"', "login_ids": '["email"]'},
            "workspaces.retail.login_ids: the strategy default fixes it",
        ),
        (
            {"strategy": '"profile_link"', "priority": '["email"]'},
            "workspaces.retail.login_ids: profile_link needs at least one",
        ),
        (
            {"strategy": '"profile_isolation"', "priority": '["email"]', "login_ids": "[]"},
            "workspaces.retail.login_ids: profile_isolation needs at least one",
        ),
        (
            {"strategy": '"profile_conversion"', "priority": '["e-mail"]'},
            "workspaces.retail.priority: e-mail is no identity type",
        ),
        (
            {"strategy": '"profile_conversion"', "priority": '["email", "email"]'},
            "workspaces.retail.priority: email is listed twice",
        ),
        (
            {"strategy": '"profile_conversion"', "priority": '["customerid", "customer_id"]'},
            "workspaces.retail.priority: customer_id is listed twice",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "login_ids": '["customerid"]',
            },
            "workspaces.retail.login_ids: customerid must also be in priority",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "unique_ids": '["customerid"]',
            },
            "workspaces.retail.unique_ids: customerid must also be in priority",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["customerid", "email"]',
                "login_ids": '["customerid"]',
                "unique_ids": '["email"]',
                "immutable_ids": '["customerid"]',
            },
            "workspaces.retail.immutable_ids: customerid must also be in login_ids and unique_ids",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "blocked_patterns": '["(?=x)"]',
            },
            "workspaces.retail.blocked_patterns: pattern 1 is not a regular expression",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "normalizers": '{ email = ["shout"] }',
            },
            "workspaces.retail.normalizers.email: shout is no normalizer",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "normalizers": '{ mail = ["trim"] }',
            },
            "workspaces.retail.normalizers.mail: is no identity type",
        ),
        (
            {
                "strategy": '"profile_conversion"',
                "priority": '["email"]',
                "identity_scope": '"a/b"',
            },
            "workspaces.retail.identity_scope: 'a/b' is no name",
        ),
    ],
)
def test_an_impossible_workspace_is_refused_by_path(keys, message):
    assert message in refusal(workspace(**keys))


# ---- scopes --------------------------------------------------------------------------------------

SHARED = (
    RETAIL
    + 'identity_scope = "people"\n'
    + SHOP
    + 'identity_scope = "people"\n'
    + '[inputs.default]\nworkspace = "retail"\n[inputs.shop]\nworkspace = "shop"\n'
)


def test_workspaces_of_one_scope_share_its_spaces():
    settings = loaded(SHARED)
    assert settings.spaces() == (Space("people", "production"), Space("people", "development"))
    assert {w.scope for w in settings.workspaces.values()} == {"people"}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("tie_break", 'tie_break = "oldest"\n'),
        ("blocked_values", 'blocked_values = ["x"]\n'),
        ("normalizers", 'normalizers = { email = ["trim"] }\n'),
    ],
)
def test_workspaces_of_one_scope_must_agree_on_identity(key, change):
    text = SHARED.replace("[inputs.default]", change + "[inputs.default]")
    message = refusal(text)
    assert message.startswith(f"workspaces.shop.{key}: differs from workspace retail")


def test_workspaces_of_one_scope_may_differ_in_what_is_their_own():
    change = 'forward_empty_batches = true\nerror_envelope = "both"\n'
    settings = loaded(SHARED.replace("[inputs.default]", change + "[inputs.default]"))
    assert settings.workspaces["shop"].forward_empty_batches
    assert not settings.workspaces["retail"].forward_empty_batches


@pytest.mark.parametrize(
    "change",
    [
        ("profile_isolation", "profile_link"),
        ('"ios_idfv", "roku_aid"', '"roku_aid", "ios_idfv"'),
        ('login_ids = ["customerid", "email"]', 'login_ids = ["email"]'),
        ("[workspaces.retail]", '[workspaces.retail]\nblocked_values = ["x"]'),
        ("[workspaces.retail]", "[workspaces.retail]\nsearch_any_identity = true"),
        ("[workspaces.retail]", "[limits]\nmax_holders = 3\n[workspaces.retail]"),
    ],
)
def test_a_fingerprint_changes_with_the_identity_settings(change):
    assert loaded(RETAIL.replace(*change)).fingerprint("retail") != loaded().fingerprint("retail")


def test_a_fingerprint_does_not_change_with_the_order_of_sets_or_with_other_settings():
    other = RETAIL.replace(
        'unique_ids = ["customerid", "email"]', 'unique_ids = ["email", "customerid"]'
    )
    other += "forward_empty_batches = true\n[limits]\nmax_devices = 3\n"
    assert loaded(other).fingerprint("retail") == loaded().fingerprint("retail")


def test_a_fingerprint_changes_with_the_key(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    keyed = loaded(f'{RETAIL}[redis]\nkey_file = "{key}"\n')
    assert keyed.fingerprint("retail") != loaded().fingerprint("retail")


# ---- inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('workspace = "retial"', "inputs.x.workspace: there is no workspace retial"),
        ('workspace = "retial"', "did you mean retail?"),
        ('source = "sdk"', "inputs.x: must have the key workspace; add it"),
        ('workspace = "retail"\nsource = "web"', "inputs.x.source: invalid value"),
        ('workspace = "retail"\nprotection = "none"', "inputs.x.protection: invalid value"),
        (
            'workspace = "retail"\ndedup_window_s = -1',
            "inputs.x.dedup_window_s: must be an integer of 0 or more",
        ),
        ('workspace = "retail"\ntopics = ["z"]', "inputs.x.topics: z is not consumed"),
        ('workspace = "retail"\ntopic = "z"', "inputs.x.topic: unknown key"),
    ],
)
def test_an_impossible_input_is_refused_by_path(text, message):
    assert message in refusal(f"{RETAIL}[inputs.x]\n{text}\n")


def test_one_topic_of_an_input_may_be_written_without_a_list():
    settings = loaded(f'{RETAIL}[inputs.x]\nworkspace = "retail"\ntopics = "event-batches"\n')
    assert settings.inputs["x"].topics == {"event-batches"}


# ---- the other sections --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[kafkaa]",
            "kafkaa: unknown section; remove it or correct its spelling (did you mean kafka?)",
        ),
        ("kafka = 1", "kafka: expected a table; write [kafka]"),
        ("[kafka]\nmax_batch_record = 1", "kafka.max_batch_record: unknown key"),
        ("[kafka]\nmax_batch_record = 1", "did you mean max_batch_records?"),
        ('[kafka]\nmax_batch_records = "1"', "kafka.max_batch_records: must be an integer"),
        (
            "[kafka]\nmax_batch_records = 0",
            "kafka.max_batch_records: must be an integer of 1 or more",
        ),
        ('[kafka]\nguarantee = "twice"', "kafka.guarantee: invalid value"),
        ('[kafka]\nguarantee = "twice"', "; use one of exactly_once, at_least_once"),
        ('[kafka]\ngroup_id = ""', "kafka.group_id: must not be empty"),
        ('[kafka.topics]\nbatchs = "a"', "kafka.topics.batchs: unknown key"),
        ('[kafka.topics]\nbatchs = "a"', "did you mean batches?"),
        ('[kafka.topics]\nprofiles = ""', "kafka.topics.profiles: '' cannot name a topic"),
        ('[kafka.topics]\nprofiles = "a b"', "kafka.topics.profiles: 'a b' cannot name a topic"),
        ("[kafka.topics]\nbatches = []\nrequests = []", "kafka.topics: name at least one topic"),
        ('[kafka.topics]\nenriched = "event-batches"', "event-batches is the topic of batches too"),
        ('[kafka.topics]\nbatches = ["a", "a"]', "a is listed twice; list it once"),
        ("[kafka.topics]\nbatches = [1]", "kafka.topics.batches[0]: must be a string"),
        (
            '[kafka]\nformats = { dead_letters = "avro" }',
            "kafka.formats.dead_letters: they go out as they came",
        ),
        ('[kafka]\nformats = { batch = "json" }', "kafka.formats.batch: neither a role"),
        ("[kafka]\nclient_secrets = {}", "kafka.client_secrets: unknown key"),
        ('[kafka]\nformats = { enriched = "avroo" }', "kafka.formats.enriched: invalid value"),
        ('[kafka]\nformats = { enriched = "avroo" }', "; use one of json, avro, segment"),
        ('[kafka.client]\n"a" = []', "kafka.client.a: must be a string, a number, true or false"),
        ('[redis]\nurl = "http://x"', "redis.url: must begin with redis://"),
        ('[redis]\nurl = "redis://h:port"', "redis.url: is no URL"),
        ("[redis]\nurl = 1", "redis.url: must be a string"),
        ('[redis]\nprefix = "{a}"', "redis.prefix: use 1 to 64"),
        ('[redis]\ncluster = true\nurl = "redis://h/1"', "redis.url: a Redis Cluster has only"),
        ('[redis]\nurl_file = "nowhere"', "redis.url_file: the file nowhere cannot be read"),
        ('[redis]\nkey_file = "nowhere"', "redis.key_file: the file nowhere cannot be read"),
        ("[limits]\nmax_devices = 0", "limits.max_devices: must be 1 or more"),
        ("[limits]\nactivity_resolution_s = -1", "limits.activity_resolution_s: must be 0 or more"),
        ("[limits]\nmax_device = 5", "limits.max_device: unknown key"),
        (
            "[observability]\nport = 70000",
            "observability.port: must be an integer of 65535 or less",
        ),
        ('[observability]\nlog_level = "loud"', "observability.log_level: invalid value"),
        ("[schema_registry]\nuri = ''", "schema_registry.uri: unknown key"),
        ('[inputs."a b"]\nworkspace = "retail"', "inputs: 'a b' is no name"),
        ("a = [", "is not valid TOML: "),
        ("a = " + "[" * 3000, "is no configuration: it nests lists or tables too deep"),
    ],
)
def test_an_impossible_section_is_refused_by_path(text, message):
    assert message in refusal(f"{text}\n{RETAIL}")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("record_days", "0", "a number of more than 0"),
        ("record_days", "-1", "a number of more than 0"),
        ("record_days", "1e9", "a number of 36500 or less"),
        ("waiting_days", "-1", "a number of 0 or more"),
        ("waiting_days", '"7"', "a number"),
    ],
)
def test_a_number_of_days_that_is_out_of_its_range_is_told_the_range(key, value, rule):
    with pytest.raises(SettingsError) as caught:
        loaded(f"{RETAIL}[privacy]\n{key} = {value}\n")
    assert any(one.startswith(f"privacy.{key}: must be {rule}") for one in caught.value.mistakes)


def test_an_unknown_key_of_a_workspace_is_refused_by_path():
    assert "workspaces.retail.login_id: unknown key" in refusal(RETAIL + "login_id = []\n")


FLAT = """
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
email = {}
phone = { priority = 1, limit = { count = 2, window = "monthly" } }
user_id = {}
anonymous_id = { limit = { window = "weekly" }, blocked = ["void"], blocked_patterns = ["^x-"] }
ga_client_id = { limit = 7 }
"""


def test_identifiers_of_flat_matching_are_ordered_and_limited():
    policy = load_text(FLAT, {}).workspaces["shop"].policy
    assert policy.priority == ("phone", "user_id", "email", "anonymous_id", "ga_client_id")
    day = 24 * 3_600_000
    limits = {name: (limit.count, limit.window_ms) for name, limit in policy.limits.items()}
    assert limits == {
        "phone": (2, 30 * day),
        "user_id": (1, None),
        "email": (5, None),
        "anonymous_id": (5, 7 * day),
        "ga_client_id": (7, None),
    }
    assert (policy.demotion, policy.max_merges, policy.max_mappings) == (
        "lowest_relevant",
        100,
        1000,
    )


def test_identifiers_of_flat_matching_have_block_lists_of_their_own():
    blocks = load_text(FLAT, {}).workspaces["shop"].blocklist.blocks
    assert blocks(Identifier("anonymous_id", "void"))
    assert blocks(Identifier("anonymous_id", "x-1"))
    assert blocks(Identifier("anonymous_id", "undefined"))
    assert not blocks(Identifier("user_id", "void"))
    assert not blocks(Identifier("user_id", "x-1"))


def test_the_preset_segment_is_flat_matching_with_the_default_identifiers():
    text = '[workspaces.shop]\npreset = "segment"\nidentifiers = { user_id = { limit = 2 } }\n'
    policy = load_text(text, {}).workspaces["shop"].policy
    assert policy.strategy == "flat_matching"
    assert len(policy.priority) == 11
    assert policy.priority[:3] == ("user_id", "email", "android.id")
    assert policy.limits["user_id"].count == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('priority = ["email"]', "workspaces.shop.priority: flat_matching has none"),
        ('tie_break = "newest"', "workspaces.shop.tie_break: has no meaning"),
        ('demotion = "highest"', "workspaces.shop.demotion: invalid value"),
        ("max_merges = -1", "workspaces.shop.max_merges: must be an integer of 0 or more"),
        (
            "identifiers = { email = { limit = -1 } }",
            "workspaces.shop.identifiers.email.limit: must be an integer of 0 or more",
        ),
        (
            "identifiers = { a = {}, b = { limit = { window = 'hourly' } } }",
            "workspaces.shop.identifiers.b.limit.window: invalid value 'hourly'; use one of",
        ),
        ("identifiers = { a = {}, b = { limits = 1 } }", "b.limits: unknown key"),
        ("identifiers = { a = {}, b = { limits = 1 } }", "did you mean limit?"),
        ("normalizers = { other = ['trim', 1] }", "shop.normalizers.other[1]: must be a string"),
        (
            "normalizers = { email = ['trim'], other = 'lower' }",
            "normalizers.other: must be a list",
        ),
        (
            "identifiers = { email = { window = 1 } }",
            "workspaces.shop.identifiers.email.window: unknown",
        ),
        (
            "identifiers = { a = { priority = 1 }, b = { priority = 1 } }",
            "workspaces.shop.identifiers.b.priority: a has the same",
        ),
        (
            'identifiers = { a = { blocked_patterns = ["("] } }',
            "workspaces.shop.identifiers.a.blocked_patterns: pattern 1",
        ),
        ("identifiers = { 'a\tb' = {} }", "workspaces.shop.identifiers: "),
    ],
)
def test_what_cannot_work_under_flat_matching_is_refused_by_path(lines, message):
    head = '[workspaces.shop]\nstrategy = "flat_matching"\n'
    if "identifiers" not in lines:
        lines += "\nidentifiers = { email = {} }"
    assert message in refusal(f"{head}{lines}\n")


def test_keys_of_flat_matching_are_refused_elsewhere():
    for key in ("demotion = 'lowest'", "max_merges = 3", "identifiers = { email = {} }"):
        name = key.partition(" ")[0]
        text = f'[workspaces.shop]\npreset = "default"\n{key}\n'
        assert f"workspaces.shop.{name}: belongs to the strategy flat_matching" in refusal(text)


def test_a_fingerprint_is_the_one_that_rows_of_earlier_releases_hold():
    assert loaded().fingerprint("retail") == "f1d9c7b8f0f3bcf3a362a631ad42bfd0"
    assert load_text(FLAT, {}).fingerprint("shop") == "5dfca6dd00af5914a362a631ad42bfd0"


def test_limits_and_block_lists_of_identifiers_are_part_of_the_fingerprint():
    def fingerprint(change):
        return load_text(FLAT.replace('blocked = ["void"]', change), {}).fingerprint("shop")

    first = fingerprint('blocked = ["void"]')
    assert first != fingerprint('blocked = ["voids"]')
    assert first == fingerprint('blocked = ["void"]')


def test_a_segment_input_needs_flat_matching():
    text = '[workspaces.retail]\npreset = "default"\n[inputs.default]\nworkspace = "retail"\n'
    assert "inputs.default.format: segment" in refusal(f'{text}format = "segment"\n')
    assert load_text(f'{FLAT}[inputs.s]\nworkspace = "shop"\nformat = "segment"\n', {}).inputs


def test_a_topic_of_segments_messages_is_one_offline_too(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(f'{FLAT}[kafka]\nformats = {{ event-batches = "segment" }}\n')
    assert load_offline(path, {}).rules().formats["batches"] == "segment"
    assert "kafka.formats.requests" in refusal(
        f'{FLAT}[kafka]\nformats = {{ requests = "segment" }}\n'
    )


def test_identifiers_can_be_overridden_from_the_environment():
    name = "IDSTREAM_WORKSPACES__SHOP__IDENTIFIERS__GA_CLIENT_ID__LIMIT"
    policy = load_text(FLAT, {name: "9"}).workspaces["shop"].policy
    assert policy.limits["ga_client_id"].count == 9


def test_a_commit_interval_ends_before_its_transaction_times_out():
    with pytest.raises(SettingsError, match=r"kafka\.commit_interval_ms"):
        load_text(
            '[kafka]\ncommit_interval_ms = 30000\n[workspaces.retail]\npreset = "default"\n', {}
        )


def test_links_can_be_aliased_only_where_there_are_links():
    with pytest.raises(SettingsError, match=r"retail\.auto_alias: only profile_link links"):
        loaded(RETAIL + 'auto_alias = "on_link"\n')
    linking = RETAIL.replace("profile_isolation", "profile_link")
    aliasing = loaded(linking + 'auto_alias = "on_link"\n')
    assert aliasing.workspaces["retail"].auto_alias == "on_link"
    assert loaded(linking).workspaces["retail"].auto_alias == "off"
    assert aliasing.fingerprints == loaded(linking).fingerprints  # it decides who is who nowhere


# ---- several mistakes, each in a line ------------------------------------------------------------


def mistakes(text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_text(text, environ)
    assert str(caught.value).splitlines() == list(caught.value.mistakes)
    return list(caught.value.mistakes)


def test_a_required_key_that_is_wrong_is_not_told_as_missing_too():
    with pytest.raises(SettingsError) as caught:
        load_text(f"{RETAIL}[inputs.x]\nworkspace = 5\n", {})
    assert caught.value.mistakes == ("inputs.x.workspace: must be a string",)


def test_all_mistakes_are_told_at_once():
    text = """
[kafka]
max_batch_records = "many"
group = "x"
guarantee = "twice"
[kafka.client]
"sesion.timeout.ms" = 1
"acks" = 1
[redis]
prefix = ""
[limits]
max_devices = 0
max_holders = -1
[observabilty]
port = 1
[workspaces.one]
strategy = "profile_isolation"
priority = ["customerid", "roku", "mail"]
login_ids = ["costumerid"]
blocked_patterns = ["(a"]
[workspaces.two]
strategy = "best_mach"
[inputs.first]
workspace = "one"
source = "skd"
protection = "none"
[inputs.second]
workspace = "three"
"""
    assert mistakes(text) == [
        (
            "observabilty: unknown section; remove it or correct its spelling"
            " (did you mean observability?)"
        ),
        "limits.max_devices: must be 1 or more",
        "limits.max_holders: must be 1 or more",
        "workspaces.one.priority: roku is no identity type (did you mean roku_aid?)",
        "workspaces.one.priority: mail is no identity type (did you mean email?)",
        "workspaces.one.login_ids: costumerid is no identity type (did you mean customerid?)",
        (
            "workspaces.one.blocked_patterns: pattern 1 is not a regular expression that RE2"
            " understands: missing ): (a (look-around, back-references and long repetitions are not"
            " supported)"
        ),
        (
            "workspaces.two.strategy: unknown strategy; use one of default, profile_conversion,"
            " profile_link, profile_isolation, best_match, flat_matching (did you mean best_match?)"
        ),
        (
            "inputs.first.source: invalid value 'skd'; use one of calculated, account,"
            " custom_feed, sdk, csv, partner_feed (did you mean sdk?)"
        ),
        (
            "inputs.first.protection: invalid value 'none'; use one of create_and_update,"
            " update_only, read_only"
        ),
        "inputs.second.workspace: there is no workspace three; add [workspaces.three]",
        "kafka.max_batch_records: must be an integer, without quotes and unit",
        "kafka.group: unknown key; did you mean group_id?",
        "kafka.guarantee: invalid value 'twice'; use one of exactly_once, at_least_once",
        (
            "kafka.client.sesion.timeout.ms: no setting that may be given to librdkafka; remove it"
            " or correct its spelling (did you mean session.timeout.ms?)"
        ),
        (
            "kafka.client.acks: refused, it is the processor's to set: its guarantees rest on it;"
            " remove it"
        ),
        "redis.prefix: use 1 to 64 letters, digits, dots, dashes or underscores",
    ]


def test_all_settings_of_the_client_that_are_refused_are_told():
    assert mistakes(RETAIL + '[kafka.client]\n"sesion.timeout.ms" = 1\nacks = 1\n') == [
        (
            "kafka.client.sesion.timeout.ms: no setting that may be given to librdkafka; remove it"
            " or correct its spelling (did you mean session.timeout.ms?)"
        ),
        (
            "kafka.client.acks: refused, it is the processor's to set: its guarantees rest on it;"
            " remove it"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            '[kafka.client]\nsecurity.protocol = "SSL"\n',
            (
                "kafka.client.security.protocol: TOML reads a name with dots as tables; quote it:"
                ' "security.protocol"'
            ),
        ),
        (
            '[kafka]\nformats = { event.batches = "avro" }\n',
            (
                "kafka.formats.event.batches: TOML reads a name with dots as tables; quote it:"
                ' "event.batches"'
            ),
        ),
        (
            (
                '[workspaces.shop]\nstrategy = "flat_matching"\n[workspaces.shop.identifiers]\n'
                "android.id = { limit = 5 }\n"
            ),
            (
                "workspaces.shop.identifiers.android.id: TOML reads a name with dots as tables;"
                ' quote it: "android.id"'
            ),
        ),
    ],
)
def test_a_name_with_dots_that_is_not_quoted_is_told_as_such(text, mistake):
    assert mistakes(RETAIL + '[inputs.default]\nworkspace = "retail"\n' + text) == [mistake]


def test_a_mistake_in_a_variable_names_it():
    assert mistakes(
        RETAIL,
        IDSTREAM_WORKSPACES__RETAIL__PRIORITY="customerid,email",
        IDSTREAM_KAFKA__GROUPID="x",
        IDSTREAM_KAFKA__CLIENT__ACKS="1",
    ) == [
        (
            "IDSTREAM_KAFKA__GROUPID: there is no setting of this name"
            " (did you mean IDSTREAM_KAFKA__GROUP_ID?)"
        ),
        (
            "IDSTREAM_WORKSPACES__RETAIL__PRIORITY: workspaces.retail.priority: customerid,email"
            ' is no identity type; write a list, ["customerid", "email"]'
        ),
        (
            "IDSTREAM_KAFKA__CLIENT__ACKS: kafka.client.acks: refused, it is the processor's to"
            " set: its guarantees rest on it; remove it"
        ),
    ]


def test_what_a_wrong_workspace_would_follow_from_is_not_told():
    text = '[workspaces.a]\nstrategy = "x"\n[inputs.a]\nworkspace = "a"\nsource = "y"\n'
    assert [one.partition(":")[0] for one in mistakes(text)] == [
        "workspaces.a.strategy",
        "inputs.a.source",
    ]
