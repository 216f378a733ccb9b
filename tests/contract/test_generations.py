"""A generation built beside the live one, from records in any order, and switched to at once."""

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS
from processor.clock.wheel import Take
from processor.computed.definition import Listed
from processor.identity.grave import Grave
from processor.identity.marker import Marker
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile
from processor.index.derivation import Tombstone, derive
from processor.index.errors import Fenced, IndexUnavailable, LostWrites, NoStart
from processor.index.port import Ask, RowClaim
from processor.index.shape import announcement, unfinished
from processor.privacy.case import Case, Found, Marked, case_number, unpack_case
from processor.redis.generations import (
    Generations,
    Life,
    LiveRow,
    NewRow,
    OtherShape,
    Superseded,
    definitions_in,
    profiles_in,
)
from processor.redis.index import RedisIndex
from processor.redis.keys import control_key
from processor.redis.restoration import Restoration
from tests.contract.people import (
    DEVICE,
    EMAIL,
    LOOKUPS,
    OTHER_ROW,
    OWNER,
    ROW,
    SPACE,
    advance,
    claim,
    is_lookup,
    profile,
    store,
)

pytestmark = pytest.mark.redis

POLICY = IdentityPolicy(
    strategy="profile_isolation", priority=tuple(sorted(LOOKUPS)), unique_ids=frozenset({"email"})
)
LIFE = Life(owner=OWNER, config="c", shape="s", least_seq=500, rows=(NewRow(ROW, "id-1", 40),))


@pytest.fixture(params=["redis", "cluster"])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[RedisIndex, Generations]]:
    is_cluster = request.param == "cluster"
    url = request.getfixturevalue("redis_cluster" if is_cluster else "redis_url")
    prefix = f"test-{random.randrange(10**9)}*[x]"
    index = RedisIndex.connect(url, prefix, b"key", cluster=is_cluster)
    generations = Generations.connect(url, prefix, b"key", cluster=is_cluster)
    yield index, generations
    building = generations.begin(SPACE, OWNER)
    building.switch(replace(LIFE, rows=()))
    for number in [*generations.discarded(SPACE), building.number]:
        list(generations.delete(SPACE, number))
    index.close()
    generations.close()


def built(generations: Generations, *batches: list[Profile | Tombstone], new: bool = False):
    building = generations.begin(SPACE, OWNER)
    rebuilding = Restoration(building, POLICY, is_new_policy=new)
    for batch in batches:
        rebuilding.add(batch)
    rebuilding.finish()
    return building, rebuilding


def read(index: RedisIndex, *identifiers: Identifier, mpids: tuple[int, ...] = ()):
    return index.visit(SPACE, {}, [Ask(identifiers, mpids)]).found


def erasing_case(generations: Generations, *mpids: int, **more: Any) -> Case:
    """Return a case that has erased profiles, one of which had the email."""
    return Case(
        scope=SPACE.scope,
        environment=SPACE.environment,
        number=case_number("one", "retail", b"key"),
        version=2,
        request_id="one",
        request_type="erasure",
        workspace="retail",
        state="in_progress",
        digest=b"",
        about="",
        received_ms=0,
        expected_ms=0,
        found=Found(1, mpids),
        marked=Marked(5000, strong=(generations.token(EMAIL),)),
        due_ms=7000,
        **more,
    )


@pytest.mark.parametrize("last", ["a document", "its tombstone"])
def test_whom_a_case_has_erased_no_record_of_the_topic_brings_back(servers, last):
    index, generations = servers
    building = generations.begin(SPACE, OWNER)
    rebuilding = Restoration(building, POLICY, is_new_policy=False)
    case = erasing_case(generations, 2, 3)
    rebuilding.erasures.set_up([case])
    erased = [profile(2, EMAIL, version=9), Tombstone(SPACE.scope, SPACE.environment, 2, 7)]
    rebuilding.add(erased[::-1] if last == "a document" else erased)
    rebuilding.add([profile(1, EMAIL), profile(3, DEVICE, version=4)])
    again = {one.mpid: one.version for lot in rebuilding.overtaken() for one in lot}
    assert again == ({2: 10, 3: 5} if last == "a document" else {3: 5})
    rebuilding.finish()
    edits, _ = rebuilding.reconcile()
    rebuilding.write(edits)
    building.switch(LIFE)

    found = read(index, EMAIL, DEVICE, mpids=(1, 2, 3, case.number))

    assert {m: (g.version, g.why) for m, g in found.graves.items()} == {
        2: (10, "erased"),
        3: (5, "erased"),
    }
    assert (found.holders[EMAIL], found.holders[DEVICE]) == ((1,), ())
    assert found.markers[EMAIL] == (Marker(5000),)
    assert unpack_case(found.filed[case.number].data) == case
    number = generations.survey(SPACE, ()).number
    documents = [one for lot in generations.documents(SPACE, number) for one, _ in lot]
    assert set(documents) == {1, 2, 3, case.number}
    assert [one.mpid for lot in profiles_in(generations, SPACE, number) for one in lot] == [1]
    assert generations.count(SPACE, number, 0) == 1, "graves and cases are no profiles"


@pytest.mark.parametrize("is_over", [False, True])
def test_of_two_cases_that_keep_an_mpid_away_the_grave_is_that_of_who_erased_it(
    servers, *, is_over
):
    index, generations = servers
    first = erasing_case(generations, 2)
    number = case_number("late", "retail", b"key")
    late = replace(
        first, number=number, found=Found(), roots=(2,), marked=Marked(6000), due_ms=8000
    )
    building = generations.begin(SPACE, OWNER)
    rebuilding = Restoration(building, POLICY, is_new_policy=False)
    rebuilding.erasures.set_up([late] if is_over else [first, late])
    rebuilding.add([profile(2, EMAIL, version=9)])
    rebuilding.finish()
    building.switch(LIFE)

    (grave,) = read(index, mpids=(2,)).graves.values()

    assert (grave.why, grave.version, grave.time_ms) == ("erased", 10, 6000 if is_over else 5000)


def test_the_grave_of_somebody_erased_whose_case_is_over_goes_as_others_do(servers):
    index, generations = servers
    building, _ = built(
        generations, [Tombstone(SPACE.scope, SPACE.environment, 2, 7, 1000, "erased")]
    )
    building.switch(LIFE)
    (grave,) = read(index, mpids=(2,)).graves.values()
    assert (grave.why, grave.version) == ("deleted", 7)


def test_records_in_any_order_and_any_batches_give_what_the_pure_function_gives(servers):
    index, generations = servers
    chance = random.Random(4)
    identifiers = [Identifier(t, str(n)) for t in ("ios_idfv", "other") for n in range(4)]
    records: list[Profile | Tombstone] = []
    for mpid in (-9, -1, 1, 2, 3, 2**63 - 1):
        for version in range(1, 5):
            held = chance.sample(identifiers, 3)
            merged = 1 if chance.random() < 0.2 and mpid != 1 else None
            records.append(profile(mpid, *held, version=version, merged_into=merged))
    records += [
        Tombstone(SPACE.scope, SPACE.environment, 2, 4),
        Tombstone(SPACE.scope, SPACE.environment, 3, 2),
    ]
    expected = derive(records, {SPACE.scope: is_lookup})[SPACE]
    for _ in range(4):
        chance.shuffle(records)
        cuts = [0, *sorted(chance.sample(range(len(records)), 5)), len(records)]
        building, rebuilding = built(generations, *(records[a:b] for a, b in pairwise(cuts)))
        building.switch(LIFE)
        found = read(
            RedisIndex(index._connection, index._prefix, b"key"), *identifiers, mpids=MPIDS
        )
        assert {m: p for m, p in found.profiles.items() if p} == expected.profiles
        assert {i: h for i, h in found.holders.items() if h} == expected.holders
        assert rebuilding.profiles == len(expected.profiles)


MPIDS = (-9, -1, 1, 2, 3, 2**63 - 1)


def test_nobody_sees_the_new_generation_before_the_switch_and_everybody_after_it(servers):
    index, generations = servers
    claim(index)
    store(index, profile(1, EMAIL))
    building, _ = built(generations, [profile(2, EMAIL, version=3)])
    assert read(index, EMAIL).holders == {EMAIL: (1,)}

    building.switch(LIFE)

    assert read(index, EMAIL).holders == {EMAIL: (2,)}
    assert read(index, EMAIL, mpids=(1,)).profiles[1] is None


def test_owners_of_before_are_fenced_and_rows_begin_at_the_committed_offsets(servers):
    index, generations = servers
    epochs = claim(index, ROW, OTHER_ROW)
    building, _ = built(generations, [])
    seq = building.switch(LIFE)

    assert seq > LIFE.least_seq
    with pytest.raises(Fenced):
        index.visit(SPACE, {ROW: epochs[ROW]}, [])
    with pytest.raises(LostWrites):
        index.visit(SPACE, {OTHER_ROW: epochs[OTHER_ROW]}, [])
    wanted = [RowClaim(ROW, "id-1"), RowClaim(OTHER_ROW, "id-1")]
    refused = index.claim(SPACE, OWNER, "d", wanted, "t")
    assert (refused.shape, refused.rows) == ("s", ())
    mine, other = index.claim(SPACE, OWNER, "d", wanted, "s").rows
    assert (mine.cursor, mine.config, mine.epoch > seq) == (40, "c", True)
    assert (other.cursor, other.chunks) == (None, ())
    assert mine.epoch == seq + 1, "a refused claim has raised nothing"


def test_what_was_begun_before_cannot_be_ended_and_is_deleted(servers):
    _, generations = servers
    first, rebuilding = built(generations, [profile(1, EMAIL, version=1)])
    second, _ = built(generations, [profile(2, EMAIL, version=1)])
    with pytest.raises(Superseded):
        rebuilding.add([profile(3, version=1)])
    with pytest.raises(Superseded):
        first.switch(LIFE)
    second.switch(LIFE)
    with pytest.raises(Superseded):
        second.switch(LIFE)

    discarded = generations.discarded(SPACE)
    assert first.number in discarded
    assert second.number not in discarded
    assert sum(sum(generations.delete(SPACE, number)) for number in discarded) == 2
    assert generations.discarded(SPACE) == []
    assert first.values([first.document_name(1), first.entry_name(EMAIL)]) == [None, None]


def test_a_deletion_that_stopped_is_gone_on_with(servers):
    _, generations = servers
    people = [profile(n, version=1) for n in range(1, 2500)]
    first, _ = built(generations, people)
    generations.begin(SPACE, OWNER)
    slices = generations.delete(SPACE, first.number)
    count = next(slices)
    slices.close()

    assert first.number in generations.discarded(SPACE)
    assert sum(generations.delete(SPACE, first.number)) == len(people) - count


def test_spaces_of_other_groups_and_other_settings_are_refused(servers):
    index, generations = servers
    index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "a shape")
    with pytest.raises(Fenced):
        generations.begin(SPACE, "somebody@else")
    with pytest.raises(OtherShape, match="a shape"):
        generations.begin(SPACE, OWNER, "another")
    assert generations.begin(SPACE, OWNER, "a shape").number == "2"
    assert generations.begin(SPACE, OWNER, "another", is_new=True).number == "3"


def test_the_first_key_binds_a_space_until_a_restore_builds_it_with_another(servers):
    index, generations = servers
    claim(index, ROW)
    generations.remember(SPACE, OWNER, "")
    assert not generations.survey(SPACE, []).is_of_other_key
    others = Generations(index._connection, index._prefix, b"another key")
    assert others.survey(SPACE, []).is_of_other_key
    with pytest.raises(NoStart, match=r"another redis\.key_file"):
        others.remember(SPACE, OWNER, "topic-id")
    others.begin(SPACE, OWNER).switch(LIFE)
    assert not others.survey(SPACE, []).is_of_other_key
    with pytest.raises(NoStart, match=r"another redis\.key_file"):
        generations.remember(SPACE, OWNER, "")


def test_a_survey_tells_when_the_space_was_changed_last(servers):
    index, generations = servers
    assert generations.survey(SPACE, []).changed_ms is None
    before_ms = time.time_ns() // 1_000_000
    claim(index, ROW)
    assert before_ms <= generations.survey(SPACE, []).changed_ms <= time.time_ns() // 1_000_000


def test_a_survey_tells_how_request_ids_are_kept(servers):
    index, generations = servers
    assert generations.survey(SPACE, []).request_ids == "short", "nobody has begun it"
    for kept in ("long", "short"):
        teller = RedisIndex(index._connection, index._prefix, b"key", request_ids=kept)
        claim(teller, ROW)
        claim(index, ROW)
        assert generations.survey(SPACE, []).request_ids == kept


def test_a_survey_tells_that_a_space_of_a_release_before_keeps_request_ids_long(servers):
    index, generations = servers
    claim(index, ROW)
    index._connection._connected().hdel(control_key(index._prefix, SPACE), "uses")
    assert generations.survey(SPACE, []).request_ids == "long"


def test_a_survey_tells_rows_and_journals_and_the_number_of_documents(servers):
    index, generations = servers
    assert generations.survey(SPACE, [ROW]).rows[ROW] == LiveRow("", None, ())
    epochs = claim(index, ROW, OTHER_ROW)
    for at in range(2):
        advances = [advance(epochs[ROW], at or None, at + 1, chunk=b"chunk:%d" % at)]
        store(index, profile(at, Identifier("email", str(at))), advances=advances)

    survey = generations.survey(SPACE, [ROW, OTHER_ROW])

    assert survey.rows[ROW] == LiveRow("id-1", 2, ((2, b"chunk:0"), (3, b"chunk:1")), "c")
    assert survey.rows[OTHER_ROW] == LiveRow("id-1", None, (), "c")
    assert (survey.owner, survey.changelog) == (OWNER, "")
    assert (survey.seq, survey.shape) == (3, "")
    assert [generations.count(SPACE, survey.number, most) for most in (0, 2, 9)] == [2, 2, 2]
    assert generations.count(SPACE, "7", 0) == 0


def test_a_tombstone_leaves_a_grave_that_a_late_older_version_does_not_dig_up(servers):
    index, generations = servers
    time_ms = 1_767_225_600_000
    erased = Tombstone(SPACE.scope, SPACE.environment, 7, 5, time_ms, "aged_out")
    for_good = Tombstone(SPACE.scope, SPACE.environment, 8, 2**63 - 1, time_ms)
    building, rebuilding = built(
        generations,
        [profile(7, EMAIL, version=3), erased],
        [profile(7, EMAIL, version=4), for_good, profile(9, DEVICE, version=1)],
    )
    building.switch(LIFE)

    found = read(index, EMAIL, DEVICE, mpids=(7, 8))

    assert {m: p and p.version for m, p in found.profiles.items()} == {7: None, 8: None, 9: 1}
    assert found.holders == {EMAIL: (), DEVICE: (9,)}
    assert found.graves == {
        7: Grave(7, 5, time_ms, "aged_out"),
        8: Grave(8, 2**62, time_ms, "deleted"),
    }
    assert rebuilding.profiles == 1
    assert generations.count(SPACE, building.number, 0) == 1, "graves are no profiles"
    census = generations.censuses({SPACE: building.number})[SPACE]
    assert (census.profiles, census.graves, census.identifiers) == (1, 2, 1)
    (due, _) = (index.visit(SPACE, {}, [Ask(take=Take(s, time_ms + 10 * DAY_MS))]) for s in (7, 8))
    assert [entry.mpid for entry in due.entries] == [7]
    assert due.needed == frozenset()


def test_what_a_lower_version_came_after_is_told_until_a_higher_one_comes(servers):
    _, generations = servers
    erased = Tombstone(SPACE.scope, SPACE.environment, 3, 9)
    high = [profile(n, EMAIL, version=5) for n in (1, 2)]
    low = [profile(n, DEVICE, version=4) for n in (1, 2, 3)]
    for batches in ([[*high, erased, *low]], [high, [erased], low]):
        building = generations.begin(SPACE, OWNER)
        rebuilding = Restoration(building, POLICY, is_new_policy=False)
        for batch in batches:
            rebuilding.add(batch)
        assert list(rebuilding.overtaken()) == [[*high, erased]]
        rebuilding.add([high[0], profile(2, EMAIL, version=6)])
        assert list(rebuilding.overtaken()) == [[erased]]


def test_two_records_of_one_version_that_differ_are_told_and_the_last_counts(servers):
    index, generations = servers
    one, other = profile(1, EMAIL, version=6), profile(1, DEVICE, version=6)
    for batches in ([[one, other]], [[one], [other]]):
        building, rebuilding = built(generations, *batches)
        assert rebuilding.twofold == [(1, 6)]
        assert (rebuilding.profiles, list(rebuilding.overtaken())) == (1, [])
    building.switch(LIFE)
    assert read(index, EMAIL, DEVICE).holders == {EMAIL: (), DEVICE: (1,)}
    later = profile(1, version=7)
    for batches in ([[one], [one]], [[one, other], [later]], [[later], [one, other]]):
        assert built(generations, *batches)[1].twofold == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_rebuild_that_was_announced_is_ended_as_it_was_begun(servers, is_new: bool):
    index, generations = servers
    wanted = [RowClaim(ROW, "id-1")]
    index.claim(SPACE, OWNER, "c", wanted, "a shape")
    to = "another" if is_new else "a shape"
    announced = announcement(to, is_new=is_new)
    first = generations.begin(SPACE, OWNER, to, is_new=is_new)
    assert first.announce(announced) == "a shape"

    assert index.claim(SPACE, OWNER, "c", wanted, "a shape").shape == announced
    assert f"({to})" in (unfinished(SPACE, announced) or "")
    assert unfinished(SPACE, to) is None
    others = [("third", True), ("third", False), *([("a shape", True)] if is_new else [])]
    for shape, how in [*others, *([(to, False)] if is_new else [])]:
        with pytest.raises(OtherShape, match=announced):
            generations.begin(SPACE, OWNER, shape, is_new=how)
    second = generations.begin(SPACE, OWNER, to, is_new=is_new)
    with pytest.raises(Superseded):
        first.announce("too late")
    second.switch(replace(LIFE, shape=to))
    assert index.claim(SPACE, OWNER, "c", wanted, to).shape == to


def test_an_announcement_is_taken_back_to_what_stood_there(servers):
    _, generations = servers
    building = generations.begin(SPACE, OWNER)
    assert building.announce("restoring:s") == ""
    assert building.announce("") == "restoring:s"
    assert building.announce("restoring:s") == ""


def test_unique_identifiers_get_one_holder_and_the_losers_a_version(servers):
    index, generations = servers
    people = [profile(n, EMAIL, DEVICE, version=7, last_seen_ms=n) for n in (1, 2, 3)]
    building, rebuilding = built(generations, people[:1], people[1:])

    edits, verdicts = rebuilding.reconcile()
    rebuilding.write(edits)
    building.switch(LIFE)

    (verdict,) = verdicts
    assert (verdict.identity_type, verdict.kept_by, verdict.lost_by) == ("email", (3,), (1, 2))
    assert verdict.token == index.token(EMAIL).hex()
    found = read(index, EMAIL, DEVICE)
    assert found.holders == {EMAIL: (3,), DEVICE: (1, 2, 3)}
    assert {m: p.version for m, p in found.profiles.items() if p} == {1: 8, 2: 8, 3: 7}
    assert not any(p.contested for p in found.profiles.values() if p)


def test_under_new_settings_those_who_can_tie_are_contested(servers):
    index, generations = servers
    people = [profile(n, DEVICE, version=1) for n in (1, 2)]
    building, rebuilding = built(generations, people, new=True)

    edits, verdicts = rebuilding.reconcile()
    rebuilding.write(edits)
    building.switch(LIFE)

    assert verdicts == []
    assert all(p and p.contested for p in read(index, DEVICE).profiles.values())


def test_a_rebuild_of_which_the_server_lost_writes_cannot_go_on_nor_be_switched(start_redis):
    node = start_redis("--dbfilename", "kept.rdb")
    generations = Generations.connect(node.url, "test", b"key")
    building, rebuilding = built(generations, [profile(1, EMAIL, version=1)])
    node.client.save()
    rebuilding.add([profile(2, DEVICE, version=1)])

    node.restart()

    for go_on in (
        lambda: rebuilding.add([profile(3, version=1)]),
        lambda: building.announce("restoring:s"),
        lambda: building.switch(LIFE),
    ):
        with pytest.raises(Superseded, match="has lost what this one wrote"):
            go_on()
    assert generations.survey(SPACE, []).number == "1"
    again, _ = built(generations, [profile(n, version=1) for n in (1, 2, 3)])
    again.switch(LIFE)
    generations.close()


def test_a_space_that_was_claimed_or_written_to_since_is_not_switched(servers):
    index, generations = servers
    epochs = claim(index)
    before_commit = generations.begin(SPACE, OWNER)
    store(index, profile(1, EMAIL), advances=[advance(epochs[ROW], None, 1)])
    with pytest.raises(Superseded, match="a processor has claimed it"):
        before_commit.switch(LIFE)
    before_claim = generations.begin(SPACE, OWNER)
    claim(index)
    with pytest.raises(Superseded, match="a processor has claimed it"):
        before_claim.switch(LIFE)
    index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "s")
    before_refusal = generations.begin(SPACE, OWNER)
    index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "another")
    assert before_refusal.switch(LIFE)
    claim(index)
    store(index, profile(1, EMAIL))

    assert read(index, EMAIL).holders == {EMAIL: (1,)}
    building, _ = built(generations, [profile(2, EMAIL, version=1)])
    read(index, EMAIL)
    building.switch(LIFE)


def test_a_full_server_lets_a_rebuild_begin_and_make_room(start_redis):
    node = start_redis()
    generations = Generations.connect(node.url, "test", b"key")
    left, _ = built(generations, [profile(n, version=1) for n in range(1, 3000)])
    node.client.config_set("maxmemory", int(node.client.info("memory")["used_memory"]) - 1000)
    with pytest.raises(IndexUnavailable, match="OutOfMemory"):
        left.write({left.document_name(1): b"x" * 1000})

    building = generations.begin(SPACE, OWNER)
    assert generations.survey(SPACE, [ROW]).number == "1"
    assert generations.discarded(SPACE) == [left.number]
    assert sum(generations.delete(SPACE, left.number)) == 2999
    building.write({building.document_name(1): b"x"})
    building.switch(LIFE)
    generations.close()


def test_what_definitions_mean_is_remembered_and_handed_to_whoever_starts_next(servers):
    _, generations = servers
    seen = []

    def decide(known):
        seen.append(dict(known))
        return {**known, f"shop/audiences.a{len(seen)}": Listed(1, bytes((len(seen), 255)))}

    generations.define(SPACE, OWNER, decide)
    generations.define(SPACE, OWNER, decide)
    assert seen == [{}, {"shop/audiences.a1": Listed(1, b"\x01\xff")}]
    assert definitions_in(generations, SPACE, OWNER).keys() == {
        "shop/audiences.a1",
        "shop/audiences.a2",
    }


def test_what_another_process_defines_meanwhile_is_decided_upon_again(servers):
    _, generations = servers
    seen = []

    def decide(known):
        seen.append(set(known))
        if len(seen) == 1:  # another starts between the question and the answer
            generations.define(SPACE, OWNER, lambda one: {**one, "other": Listed(3, b"o")})
        return {**known, "mine": Listed(1, b"m")}

    generations.define(SPACE, OWNER, decide)
    generations.define(SPACE, OWNER, lambda known: seen.append(set(known)) or known)
    assert seen == [set(), {"other"}, {"other", "mine"}]


def test_a_refusal_leaves_what_is_remembered_as_it_was(servers):
    index, generations = servers
    generations.define(SPACE, OWNER, lambda known: {**known, "one": Listed(1, b"m")})

    def refuse(known):
        raise ValueError(str(set(known)))

    with pytest.raises(ValueError, match="one"):
        generations.define(SPACE, OWNER, refuse)
    claim(index, ROW)
    with pytest.raises(Fenced):
        generations.define(SPACE, "another@cluster", lambda known: known)
