"""Who goes with whom, what others keep, and what a dry run says of it."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from processor.commands.offline.resolve import offline_pipeline
from processor.identity.profile import Identity, Profile
from processor.index.memory import MemoryIndex
from processor.records import Record
from processor.settings.load import load_offline

FLAT = """
[privacy]
waiting_days = 0
[workspaces.retail]
strategy = "flat_matching"
default_blocked_values = false
[workspaces.retail.identifiers]
user_id = { priority = 1, limit = 1 }
email = { priority = 2, limit = 5 }
anonymous_id = { priority = 3, limit = 5 }
"""
POLICY = """
identity_scope = "both"
strategy = "profile_conversion"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
immutable_ids = []
"""
SHARED = f"""
[privacy]
waiting_days = 0
[workspaces.shop]{POLICY}
[workspaces.news]{POLICY}
[inputs.shop]
workspace = "shop"
[inputs.news]
workspace = "news"
"""
ANONYMOUS = f"""
[privacy]
waiting_days = 0
[workspaces.retail]{POLICY.replace('identity_scope = "both"', "")}
"""
START_MS, DAY_MS = 1_767_225_600_000, 86_400_000


class World:
    """A pipeline over an index in memory."""

    def __init__(self, folder: Path, configuration: str) -> None:
        path = folder / "idstream.toml"
        path.write_text(configuration)
        self.index = MemoryIndex(b"key")
        self._pipeline = offline_pipeline(load_offline(path, {}), self.index)
        self._offset = 0

    def send(self, topic: str, time_ms: int, source: str, value: dict[str, Any]) -> Any:
        record = Record(
            topic,
            0,
            self._offset,
            time_ms,
            None,
            json.dumps(value).encode(),
            (("input", source.encode()),),
        )
        self._offset += 1
        (settled,) = self._pipeline.settle([record])
        self._pipeline.committed()
        return settled

    def batch(self, time_ms: int, identities: dict[str, str], source: str = "default") -> Any:
        value = {
            "user_identities": identities,
            "user_attributes": {"seen": source},
            "events": [{"event_type": "session_start", "data": {}}],
        }
        return self.send("batches", time_ms, source, value)

    def erase(
        self, name: str, identities: dict[str, str], source: str = "default", **wishes: Any
    ) -> dict[str, Any]:
        value = {
            "subject_request_id": name,
            "subject_request_type": "erasure",
            "regulation": "gdpr",
            "submitted_time": "2026-01-01T00:00:00Z",
            "subject_identities": identities,
            "extensions": {"idstream": wishes},
        }
        settled = self.send("privacy", START_MS + DAY_MS, source, value)
        told = json.loads(settled.output.value)
        told["ended"] = sorted(
            json.loads(one.value)["mpid"] for one in settled.changes if b"erased" in one.value
        )
        return told


def test_a_shared_profile_loses_one_workspace_and_goes_with_the_last(tmp_path):
    world = World(tmp_path, SHARED)
    ada = world.batch(START_MS, {"customer_id": "A"}, "shop").outcome.mpid
    world.batch(START_MS, {"customer_id": "A"}, "news")

    told = world.erase("one", {"customerid": "A"}, "shop")

    assert (told["mpids"], told["kept"], told["ended"]) == ([], [str(ada)], [])
    assert world.index.document("both", ada).workspaces.keys() == {"news"}
    again = world.batch(START_MS, {"customer_id": "A"}, "shop").outcome
    assert (again.name, again.reason) == ("dropped", "erased")
    assert world.batch(START_MS, {"customer_id": "A"}, "news").outcome.mpid == ada

    told = world.erase("two", {"customerid": "A"}, "news")

    assert (told["mpids"], told["kept"], told["ended"]) == ([str(ada)], [], [str(ada)])
    assert world.index.document("both", ada) is None


def test_one_workspace_of_a_shared_scope_does_not_wait_for_the_request_of_another(tmp_path):
    world = World(tmp_path, SHARED.replace("waiting_days = 0", "waiting_days = 7"))
    world.batch(START_MS, {"customer_id": "A"}, "shop")

    assert world.erase("one", {"customerid": "A"}, "shop")["state"] == "pending"
    assert world.erase("two", {"customerid": "A"}, "news")["state"] == "pending"
    assert world.erase("three", {"customerid": "A"}, "news")["status"] == 409


@pytest.mark.parametrize("is_suppressed", [False, True])
def test_records_that_name_a_kept_profile_by_mpid_bring_no_erased_data_back(
    tmp_path, *, is_suppressed
):
    world = World(tmp_path, SHARED)
    ada = world.batch(START_MS, {"customer_id": "A"}, "shop").outcome.mpid
    world.batch(START_MS, {"customer_id": "A"}, "news")
    named = {"mpid": ada, "user_attributes": {"seen": "shop"}}

    told = world.erase("one", {"customerid": "A"}, "shop", suppress=is_suppressed)

    assert told["kept"] == [str(ada)]
    assert told["marked"] == 1, "an MPID is no identity"
    old = world.send("batches", START_MS, "shop", named).outcome
    assert (old.name, old.reason) == ("dropped", "suppressed" if is_suppressed else "erased")
    assert world.index.document("both", ada).workspaces.keys() == {"news"}
    assert world.send("batches", START_MS, "news", named).outcome.mpid == ada
    later = world.send("batches", START_MS + 2 * DAY_MS, "shop", named).outcome
    assert (later.reason, later.mpid) == (("suppressed", None) if is_suppressed else (None, ada))
    if not is_suppressed:  # what is remembered of a later record says nothing of old ones
        assert world.send("batches", START_MS + 2 * DAY_MS, "shop", named).outcome.mpid == ada
        assert world.send("batches", START_MS, "shop", named).outcome.reason == "erased"


@pytest.mark.parametrize("is_suppressed", [False, True])
def test_who_goes_as_a_whole_for_one_workspace_takes_no_records_of_the_other_along(
    tmp_path, *, is_suppressed
):
    world = World(tmp_path, SHARED)
    ada = world.batch(START_MS, {"customer_id": "A"}, "shop").outcome.mpid
    told = world.erase("one", {"customerid": "A"}, "shop", suppress=is_suppressed)
    assert told["mpids"] == [str(ada)]
    named = {"mpid": ada, "user_identities": {"customer_id": "A"}}

    old = world.send("batches", START_MS, "shop", named).outcome

    assert (old.name, old.reason) == ("dropped", "suppressed" if is_suppressed else "erased")
    for time_ms in (START_MS, START_MS + 2 * DAY_MS):
        theirs = world.send("batches", time_ms, "news", named).outcome
        assert theirs.reason is None
        assert theirs.mpid not in {None, ada}
        bare = world.send("batches", time_ms, "news", {"mpid": ada}).outcome
        assert (bare.name, bare.reason) == ("dropped", "erased")


def test_who_was_kept_at_first_is_kept_away_under_the_mpid_once_the_last_workspace_erases(
    tmp_path,
):
    world = World(tmp_path, SHARED)
    ada = world.batch(START_MS, {"customer_id": "A"}, "shop").outcome.mpid
    world.batch(START_MS, {"customer_id": "A"}, "news")
    world.erase("one", {"customerid": "A"}, "shop")
    assert world.erase("two", {"customerid": "A"}, "news")["ended"] == [str(ada)]

    named = {"mpid": ada, "user_identities": {"email": "other@example.com"}}

    for source in ("shop", "news"):
        old = world.send("batches", START_MS, source, named).outcome
        assert (old.name, old.reason) == ("dropped", "erased")


def people(world: World, *persons: tuple[int, int], **identities: str) -> None:
    """Put persons into *world*, of an MPID each and with so many who were merged into them."""
    held = tuple(Identity(kind, value, 1, 1, "default") for kind, value in identities.items())
    known = Profile("retail", "production", 0, 1, 1, 1, identities=held)
    found = []
    for mpid, merges in persons:
        absorbed = tuple(range(mpid + 1, mpid + 1 + merges))
        found.append(replace(known, mpid=mpid, absorbed=absorbed, merges=merges))
        found += [replace(known, mpid=m, identities=(), merged_into=mpid) for m in absorbed]
    world.index.load(found, {"retail": frozenset(identities).__contains__})


@pytest.mark.parametrize(("merges", "is_bounded"), [(100, False), (199, False), (200, True)])
def test_whoever_goes_takes_along_all_who_were_merged_into_them(tmp_path, merges, is_bounded):
    world = World(tmp_path, FLAT)
    people(world, (1000, merges), user_id="A")

    would = world.erase("dry", {"user_id": "A"}, dry_run=True)
    told = world.erase("one", {"user_id": "A"})

    assert len(would["would_erase"]) == len(told["ended"]) == merges + 1
    assert [one.get("bound", False) for one in (would, told)] == [is_bounded] * 2
    assert list(world.index.profiles()) == []


def test_beyond_200_profiles_nobody_is_taken_along_and_another_request_finds_them(tmp_path):
    world = World(tmp_path, ANONYMOUS)
    people(world, *((n, 0) for n in range(1, 251)), ios_idfv="D")

    told = world.erase("one", {"ios_vendor_id": "D"}, all_holders=True)
    rest = world.erase("two", {"ios_vendor_id": "D"}, all_holders=True)

    assert [len(one["ended"]) for one in (told, rest)] == [200, 50]
    assert [one.get("bound", False) for one in (told, rest)] == [True, False]


identities = st.dictionaries(
    st.sampled_from(["user_id", "email", "anonymous_id"]),
    st.sampled_from(["1", "2", "3"]),
    min_size=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("worlds")


@settings(max_examples=60, deadline=None)
@given(history=st.lists(identities, min_size=1, max_size=12), named=identities)
def test_a_dry_run_says_what_the_erasure_does_and_nobody_of_it_comes_back(folder, history, named):
    world = World(folder, FLAT)
    for number, each in enumerate(history):
        world.batch(START_MS + number, each)
    before = {one.mpid: one for one in world.index.profiles()}

    would = world.erase("dry", named, dry_run=True)
    assert {one.mpid: one for one in world.index.profiles()} == before
    told = world.erase("real", named)

    assert sorted(would["would_erase"]) == sorted(told["mpids"]) == told["ended"]
    left = {one.mpid: one for one in world.index.profiles()}
    assert left == {m: one for m, one in before.items() if str(m) not in told["mpids"]}
    gone = {
        (i.identity_type, i.value)
        for mpid, one in before.items()
        if str(mpid) in told["mpids"]
        for i in one.identities
    }
    assert sum(told["identities"].values()) == len(gone)
    for number, each in enumerate(history):
        outcome = world.batch(START_MS + number, each).outcome
        assert (outcome.reason == "erased") == (not gone.isdisjoint(each.items()))
    again = world.erase("again", named)
    others = {(i.identity_type, i.value) for one in left.values() for i in one.identities}
    assert set(again["mpids"]).isdisjoint(told["mpids"])
    assert again["found"] == 0 or not others.isdisjoint(named.items())


@settings(max_examples=60, deadline=None)
@given(history=st.lists(identities, max_size=6), named=identities, late=st.lists(identities))
def test_nobody_comes_in_late_by_what_a_request_named_and_everybody_else_lives_on(
    folder, history, named, late
):
    world = World(folder, FLAT)
    for number, each in enumerate(history):
        world.batch(START_MS + number, each)
    before = {i for one in world.index.profiles() for i in one.identities}

    told = world.erase("one", named)

    left = {one.mpid: one for one in world.index.profiles()}
    others = {(i.identity_type, i.value) for one in left.values() for i in one.identities}
    gone = {(i.identity_type, i.value) for i in before} | named.items()
    gone -= others
    assert told["marked"] == len(gone)
    for number, each in enumerate([*late, named]):
        outcome = world.batch(START_MS + number, each).outcome
        assert (outcome.reason == "erased") == (not gone.isdisjoint(each.items()))
    assert left.keys() <= {one.mpid for one in world.index.profiles()}
