"""What is remembered of how a batch was resolved holds while the index answers alike."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from processor.codecs.batch import read_again, read_batch
from processor.codecs.envelope import open_object
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.profile import Identity, Profile, WorkspaceData
from processor.identity.resolve import resolve
from processor.identity.types import IdentityKeys
from processor.identity.view import ReadSet, View
from processor.pipeline.naming import Answer, answer_of
from tests.unit.identity.world import SPACE, START_MS

HOUR = 3_600_000
EMAIL, DEVICE = Identifier("email", "e@x.example"), Identifier("ios_idfv", "a")
NEW = Identifier("customerid", "C")
POLICY = IdentityPolicy(strategy="best_match", priority=("email", "ios_idfv"))
PROFILE = Profile(
    SPACE.scope,
    SPACE.environment,
    7,
    1,
    START_MS,
    START_MS,
    identities=tuple(Identity(*i, START_MS, START_MS, "default") for i in (EMAIL, DEVICE)),
)
REQUEST = IdentityRequest("batch", (EMAIL, DEVICE), time_ms=START_MS)


def view_of(profile: Profile | None = PROFILE, holders: tuple[int, ...] = (7,)) -> View:
    profiles = {7: profile, 8: replace(PROFILE, mpid=8)}
    return View(ReadSet({EMAIL: holders, DEVICE: (7,), NEW: ()}, profiles), lambda _: True, SPACE)


def answered(view: View, request: IdentityRequest = REQUEST) -> Answer | None:
    return answer_of(resolve(request, view, POLICY), request, view, POLICY)


@pytest.fixture
def answer() -> Answer:
    found = answered(view_of())
    assert found is not None
    return found


def test_an_answer_is_given_while_only_data_changes(answer):
    data = {"shop": WorkspaceData()}
    changed = view_of(replace(PROFILE, version=2, workspaces=data, last_seen_ms=START_MS + 1))
    assert answer.is_given(view_of(), START_MS + HOUR, POLICY)
    assert answer.is_given(changed, START_MS + HOUR, POLICY)


def test_an_answer_asks_for_all_that_it_presupposes(answer):
    asked, resolved = view_of(), view_of()
    answer.is_given(asked, START_MS, POLICY)
    resolve(REQUEST, resolved, POLICY)
    its, all_of_it = asked.asked(), resolved.asked()
    assert (set(its.identifiers), its.mpids) == (set(all_of_it.identifiers), all_of_it.mpids)


@pytest.mark.parametrize(
    "view",
    [
        lambda: view_of(holders=(7, 8)),
        lambda: view_of(holders=()),
        lambda: view_of(None),
        lambda: view_of(replace(PROFILE, contested=True)),
        lambda: view_of(replace(PROFILE, source_mpid=8)),
        lambda: view_of(replace(PROFILE, identities=PROFILE.identities[1:])),
    ],
    ids=["holders", "nobody", "gone", "contested", "source", "identities"],
)
def test_an_answer_is_not_given_where_the_index_says_otherwise(answer, view: Callable[[], View]):
    assert not answer.is_given(view(), START_MS, POLICY)


def test_an_answer_is_not_given_when_activity_is_due(answer):
    seen_late = view_of(replace(PROFILE, last_seen_ms=START_MS + 2 * HOUR))
    seen_early = view_of(replace(PROFILE, last_seen_ms=START_MS - HOUR))
    assert not answer.is_given(seen_late, START_MS + HOUR + 1, POLICY)
    assert not answer.is_given(seen_early, START_MS + 1, POLICY)


def test_what_chose_among_several_or_changed_somebody_is_no_answer():
    new = replace(REQUEST, identifiers=(EMAIL, NEW))
    assert answered(view_of(holders=(7, 8))) is None
    assert answered(view_of(replace(PROFILE, contested=True))) is None
    assert answered(view_of(), new) is None
    assert answered(view_of(), replace(REQUEST, time_ms=START_MS + HOUR + 1)) is None


@pytest.mark.parametrize(
    ("more", "is_read"),
    [
        (b'"user_attributes":{"n":2}', True),
        (b'"consent_state":{"gdpr":{"ads":{"consented":true,"timestamp_unixtime_ms":"?"}}}', False),
        (b'"user_attributes":5', False),
        (b'"events":[{"event_type":"custom_event","data":{"custom_event_type":"odd"}}]', False),
    ],
)
def test_what_is_odd_is_read_as_a_whole(more: bytes, is_read: bool):
    names = b'"user_identities":{"email":"e@x.example"}'
    keys = IdentityKeys({}, {"email": "email"}, is_literal=False)
    named = read_batch(open_object(b"{%b}" % names, 10_000), keys)
    fields = open_object(b"{%b,%b}" % (names, more), 10_000)
    assert read_again(fields, named) == (read_batch(fields, keys) if is_read else None)
