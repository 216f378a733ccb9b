"""An index that lost its data, the message that leads to ``restore``, and what comes of it."""

import json

import pytest

from processor.codecs.avro.reading import AvroReader
from processor.profiles.document import from_json, to_json
from processor.settings import load
from tests.faults.commands import PUBLISHED, RESTORE_POINTS
from tests.faults.deployment import Deployment
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]


def test_an_emptied_index_leads_to_restore_and_restore_to_where_it_was(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    before = deployment.state()
    assert len(before[0]) > 20
    deployment.produce(200)

    deployment.node.client.flushall()
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    last = deployment.processor.log().splitlines()[-1]
    assert "lost acknowledged writes" in last
    assert "`idstream restore`" in last

    done = deployment.restore("--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "processors may be started" in done.stdout
    assert deployment.state() == before
    deployment.run_to_the_end()
    assert len(deployment.kafka.read(deployment.topics["outcomes"])) == deployment.sent
    deployment.check_entries(("customerid", "email", "ios_idfv"), ("customerid", "email"))


def test_restore_refuses_while_the_group_lives_and_touches_nothing(deployment: Deployment):
    deployment.produce(50)
    deployment.processor.start()
    eventually(deployment._is_done, within=60, every=0.5)
    before = deployment.state()

    done = deployment.restore()

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "live members" in line
    assert "--wait" in line
    assert deployment.state() == before
    assert deployment.processor.is_running
    deployment.processor.terminate()
    assert deployment.processor.wait() == 0


def test_part_of_the_documents_lost_is_restored_too(deployment: Deployment):
    deployment.produce(400)
    deployment.run_to_the_end()
    before = deployment.state()
    client = deployment.node.client
    lost = list(client.scan_iter("*:p:*", count=1000))[::3]
    client.delete(*lost)
    client.delete(*list(client.scan_iter("*:i:*", count=1000))[::4])
    assert deployment.state() != before

    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert deployment.state() == before
    assert deployment.generations() == {b"2"}, "the old generation is deleted"


def test_a_restore_that_died_at_any_point_is_begun_again(deployment: Deployment):
    deployment.produce(300)
    deployment.run_to_the_end()
    before = deployment.state()

    for point in RESTORE_POINTS:
        died = deployment.restore("--wait", IDSTREAM_CRASH_AT=point)
        assert died.returncode == -9, died.stdout + died.stderr
        assert deployment.state() == before, "what was live, or all that was restored"
    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert deployment.state() == before
    assert len(deployment.generations()) == 1
    deployment.produce(100)
    deployment.run_to_the_end()


def test_other_settings_are_refused_until_the_index_is_derived_anew(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    documents, _ = deployment.state()

    deployment.configure('["customerid", "ios_idfv"]', '["customerid", "ios_idfv"]')
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    assert "`idstream restore --reindex`" in deployment.processor.log().splitlines()[-1]
    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    assert "--reindex" in refused.stderr
    assert deployment.state()[0] == documents

    done = deployment.restore("--wait", "--reindex")

    assert done.returncode == 0, done.stderr
    assert "more holders than they can have" in done.stdout
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))
    changed = sum(deployment.state()[0][key] != value for key, value in documents.items())
    assert changed
    published = {m.key(): m.value() for m in deployment.kafka.read(deployment.topics["profiles"])}
    assert {k.encode(): v for k, v in deployment.state()[0].items()} == published
    deployment.produce(200)
    deployment.run_to_the_end()
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))


def test_the_key_is_changed_with_a_restore_and_nobody_becomes_a_second_person(
    deployment: Deployment, tmp_path
):
    file = tmp_path / "key"
    file.write_bytes(b"o" * 32)
    keyed = deployment.config.read_text().replace("[redis]", f'[redis]\nkey_file = "{file}"')
    deployment.config.write_text(keyed)
    types = (("customerid", "email", "ios_idfv"), ("customerid", "email"))
    deployment.produce(400)
    deployment.run_to_the_end()
    documents, entries = deployment.state()
    deployment.check_entries(*types, load(deployment.config, {}).key())

    file.write_bytes(b"n" * 32)
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    assert "made with another redis.key_file" in deployment.processor.log().splitlines()[-1]
    done = deployment.restore("--wait")
    assert done.returncode == 0, done.stderr

    after = deployment.state()
    assert after[0] == documents, "everybody has their MPID and their data"
    assert not after[1].keys() & entries.keys(), "no token of the old key is left"
    deployment.produce(200)
    deployment.run_to_the_end()
    deployment.check_entries(*types, load(deployment.config, {}).key())
    file.write_bytes(b"o" * 32)
    refused = deployment.command("check")
    assert refused.returncode == 1
    assert "made with another redis.key_file" in refused.stdout


def test_a_topic_that_has_fewer_profiles_than_the_index_does_not_replace_it(deployment: Deployment):
    deployment.produce(300)
    deployment.run_to_the_end()
    before = deployment.state()
    deployment.kafka.empty(deployment.topics["profiles"], partitions=(0, 2))

    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    left = {m.key() for m in deployment.kafka.read(deployment.topics["profiles"])}
    assert f"has {len(left)} profiles of space retail/production" in line
    assert f"the index has {len(before[0])}" in line
    assert "--accept-loss" in line
    assert deployment.state() == before

    deployment.kafka.empty(deployment.topics["profiles"], partitions=(1,))
    deployment.node.client.flushall()
    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    assert "no profiles of space retail/production, but committed offsets" in refused.stderr
    assert deployment.restore("--wait", "--accept-loss").returncode == 0
    deployment.produce(50)
    deployment.run_to_the_end()


def test_records_under_way_are_settled_before_a_sound_index_is_restored(deployment: Deployment):
    deployment.produce(300)
    deployment.run_to_the_end()
    deployment.produce(100)
    deployment.processor.start(IDSTREAM_CRASH_AT="after_index_commit")
    assert deployment.processor.wait() == -9
    before = deployment.state()

    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "records are under way: the index of space retail/production lost nothing" in line
    assert deployment.state() == before

    deployment.run_to_the_end()
    before = deployment.state()
    done = deployment.restore("--wait")
    assert done.returncode == 0, done.stderr
    assert deployment.state() == before


def profiles(deployment: Deployment) -> dict[bytes, list[bytes]]:
    """Return the documents of the changelog by key."""
    found: dict[bytes, list[bytes]] = {}
    for message in deployment.kafka.read(deployment.topics["profiles"]):
        found.setdefault(message.key(), []).append(message.value())
    return found


def test_what_a_lower_version_came_after_is_published_again(deployment: Deployment):
    for _ in range(2):
        deployment.produce(300)
        deployment.run_to_the_end()
    before = deployment.state()
    found = profiles(deployment)
    changed = {key: values for key, values in found.items() if values[0] != values[-1]}
    assert len(changed) > 5
    changed = dict(list(changed.items())[:8])
    for key, values in changed.items():
        place = deployment.place_of(key.decode())
        deployment.kafka.produce(deployment.topics["profiles"], [values[0]], place, key)

    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert f"{len(changed):,} profiles published again, over a lower version" in done.stdout
    assert deployment.state() == before
    last = {key.decode(): values[-1] for key, values in profiles(deployment).items()}
    assert last == before[0]
    assert "published again" not in deployment.restore().stdout


def test_two_documents_of_one_version_are_refused_and_told(deployment: Deployment):
    deployment.produce(200)
    deployment.run_to_the_end()
    before = deployment.state()
    key, document = next(iter(before[0].items()))
    other = json.loads(document) | {"last_seen_ms": 7}
    place = deployment.place_of(key)
    deployment.kafka.produce(
        deployment.topics["profiles"], [json.dumps(other).encode()], place, key.encode()
    )

    refused = deployment.restore("--wait")

    assert refused.returncode == 1
    assert f"of 1 profiles: {key} version {other['version']}. Nothing was" in refused.stderr
    assert deployment.state() == before
    assert deployment.restore("--accept-loss").returncode == 0
    assert json.loads(deployment.state()[0][key])["last_seen_ms"] == 7


def test_a_record_that_cannot_be_read_is_made_up_for_by_a_later_one(deployment: Deployment):
    deployment.produce(200)
    deployment.run_to_the_end()
    before = deployment.state()
    topic = deployment.topics["profiles"]
    key, document = next(iter(before[0].items()))
    for name, place in ((key, deployment.place_of(key)), ("garbage", 0)):
        deployment.kafka.produce(topic, [b"{"], place, name.encode())

    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    assert "2 records of the profiles topic cannot be read" in refused.stderr
    assert f"{topic}/" in refused.stderr
    assert deployment.restore("--accept-loss").returncode == 0
    assert deployment.state() == before

    deployment.kafka.produce(topic, [document], deployment.place_of(key), key.encode())
    deployment.kafka.produce(topic, [None], 0, b"garbage")
    done = deployment.restore()
    assert done.returncode == 0, done.stderr
    assert deployment.state() == before


def test_a_topic_that_is_missing_is_named(deployment: Deployment):
    deployment.produce(50)
    deployment.run_to_the_end()
    before = deployment.state()
    name = f"{deployment.topics['profiles']}-typo"
    text = deployment.config.read_text()
    deployment.config.write_text(text.replace(deployment.topics["profiles"], name))

    refused = deployment.restore("--wait")

    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert f"topic {name} of the configuration: " in line
    assert deployment.state() == before


def test_changes_are_published_slice_by_slice_and_gone_on_with(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    deployment.configure(OTHER, OTHER)
    count = sum(map(len, profiles(deployment).values()))

    died = deployment.restore_in_slices(
        5, "--wait", "--reindex", IDSTREAM_CRASH_AT=f"{PUBLISHED}:2"
    )

    assert died.returncode == -9, died.stderr
    assert sum(map(len, profiles(deployment).values())) == count + 10
    done = deployment.restore_in_slices(5, "--wait", "--reindex")
    assert done.returncode == 0, done.stderr
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))
    found = profiles(deployment)
    assert {key.decode(): values[-1] for key, values in found.items()} == deployment.state()[0]
    assert all(len(values) == len(set(values)) for values in found.values()), "each change once"


OTHER = '["customerid", "ios_idfv"]'


def test_a_reindex_whose_changes_are_published_must_be_finished(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    before = deployment.state()
    deployment.configure(OTHER, OTHER)
    died = deployment.restore("--wait", "--reindex", IDSTREAM_CRASH_AT="before_restore_switch")
    assert died.returncode == -9
    assert deployment.state() == before

    deployment.configure()
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    refusals = [deployment.processor.log().splitlines()[-1]]
    refusals += [deployment.restore("--wait", *how).stderr for how in ((), ("--reindex",))]
    deployment.configure(OTHER, OTHER)
    refusals.append(deployment.restore("--wait").stderr)
    for refusal in refusals:
        assert "finish it with `idstream restore --reindex` under these settings" in refusal
        assert "lookups=customerid,ios_idfv" in refusal
    assert deployment.state() == before

    done = deployment.restore("--wait", "--reindex")
    assert done.returncode == 0, done.stderr
    deployment.produce(200)
    deployment.run_to_the_end()
    live = deployment.state()
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))
    contents: dict[tuple[bytes, int], set[bytes]] = {}
    for message in deployment.kafka.read(deployment.topics["profiles"]):
        version = json.loads(message.value())["version"]
        contents.setdefault((message.key(), version), set()).add(message.value())
    assert all(len(values) == 1 for values in contents.values())
    deployment.node.client.flushall()
    assert deployment.restore("--wait").returncode == 0
    assert deployment.state() == live


def test_a_changelog_in_avro_is_restored_and_derived_anew(deployment: Deployment):
    deployment.configure(avro=("profiles", "changes"))
    deployment.produce(300)
    deployment.run_to_the_end()
    before = deployment.state()
    deployment.node.client.flushall()

    done = deployment.restore("--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployment.state() == before

    deployment.configure(
        '["customerid", "ios_idfv"]', '["customerid", "ios_idfv"]', avro=("profiles", "changes")
    )
    done = deployment.restore("--wait", "--reindex")
    assert done.returncode == 0, done.stdout + done.stderr
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))
    read = AvroReader("profile").to_json
    published = {
        message.key().decode(): json.loads(to_json(from_json(read(message.value()))))
        for message in deployment.kafka.read(deployment.topics["profiles"])
    }
    live = deployment.state()[0]
    assert published == {key: json.loads(value) for key, value in live.items()}
    assert live != before[0]
    kinds = {
        json.loads(AvroReader("identity-change").to_json(message.value()))["change"]
        for message in deployment.kafka.read(deployment.topics["changes"])
    }
    assert "identity_removed" in kinds


def test_a_restore_that_wakes_up_late_takes_nothing_back(deployment: Deployment):
    deployment.produce(200)
    deployment.run_to_the_end()
    with deployment.restore_that_stops("after_restore_switch:1") as wake:
        deployment.produce(200)
        deployment.run_to_the_end()
        before, committed = deployment.state(), deployment.committed()
        status, _, error = wake()

    assert status == 1
    assert "was not switched: a processor has claimed it" in error
    assert (deployment.state(), deployment.committed()) == (before, committed)
    with deployment.restore_that_stops("after_restore_switch:2") as wake:  # of the last space
        deployment.produce(200)
        deployment.run_to_the_end()
        before, committed = deployment.state(), deployment.committed()
        status, said, _ = wake()

    assert status == 0
    assert "the group is at work already" in said
    assert (deployment.state(), deployment.committed()) == (before, committed)
    deployment.run_to_the_end()
    assert len(deployment.kafka.read(deployment.topics["outcomes"])) == deployment.sent


def test_a_space_that_is_left_out_for_a_while_does_not_forget_its_loss(deployment: Deployment):
    one = deployment.config.read_text()
    two = one + OUTLET
    deployment.config.write_text(two)
    deployment.produce(100)
    deployment.produce(100, input="outlet")
    deployment.run_to_the_end()
    deployment.node.client.flushall()
    deployment.config.write_text(one)

    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert "outlet/production" in done.stdout
    deployment.config.write_text(two)
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    assert "lost acknowledged writes" in deployment.processor.log().splitlines()[-1]
    assert deployment.restore("--wait").returncode == 0
    deployment.run_to_the_end()


def test_what_restores_that_died_have_left_is_deleted_before_more_is_written(
    deployment: Deployment,
):
    deployment.produce(200)
    deployment.run_to_the_end()
    for left in ({b"1", b"2"}, {b"1", b"3"}):
        assert (
            deployment.restore("--wait", IDSTREAM_CRASH_AT="before_restore_switch").returncode < 0
        )
        assert deployment.generations() == left


OUTLET = """
[workspaces.outlet]
strategy = "profile_isolation"
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[inputs.outlet]
workspace = "outlet"
"""
