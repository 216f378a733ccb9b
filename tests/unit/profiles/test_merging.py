"""What becomes of the data of profiles that are merged, and of attributes by event time."""

from msgspec.structs import replace

from processor.identity.model import Traits
from processor.identity.profile import Attribution, Device, WorkspaceData, WorkspaceMore
from processor.profiles.attributes import newest
from processor.profiles.consent import join_consent
from processor.profiles.devices import join_devices
from processor.profiles.merging import combine
from processor.profiles.update import apply_batch
from processor.rules import Limits
from tests.unit.profiles.people import attribute, batch, profile, rules

LIMITS = Limits()


def with_attributes(**values):
    return profile(attributes=values)


def combined(*profiles, limits=LIMITS):
    survivor, *absorbed = profiles
    return combine(survivor, absorbed, limits)


def attributes_of(whole):
    return {k: a.value for k, a in whole.workspaces["retail"].attributes.items()}


def test_the_newer_attribute_of_one_source_stays_whoever_holds_it():
    old = with_attributes(color=attribute("red", updated_ms=1), size=attribute("S", updated_ms=5))
    new = with_attributes(color=attribute("blue", updated_ms=2), size=attribute("M", updated_ms=4))
    assert attributes_of(combined(old, new)) == {"color": "blue", "size": "S"}
    assert attributes_of(combined(new, old)) == {"color": "blue", "size": "S"}


def test_a_higher_source_stays_however_old_it_is():
    feed = with_attributes(tier=attribute("gold", source="custom_feed", updated_ms=1))
    app = with_attributes(tier=attribute("silver", source="sdk", updated_ms=9))
    assert attributes_of(combined(feed, app)) == {"tier": "gold"}
    assert attributes_of(combined(app, feed)) == {"tier": "gold"}


def test_of_two_partner_feeds_the_survivors_stays():
    one = with_attributes(name=attribute("Ed", "partner_feed", "punchh", 1))
    other = with_attributes(name=attribute("Jo", "partner_feed", "appsflyer", 9))
    assert attributes_of(combined(one, other)) == {"name": "Ed"}


def test_of_two_writes_of_one_time_the_survivors_stays():
    one, other = with_attributes(a=attribute(1)), with_attributes(a=attribute(2))
    assert attributes_of(combined(one, other)) == {"a": 1}


def test_where_an_install_came_from_is_what_the_survivor_says_or_else_the_absorbed():
    one, other = (
        profile(more=WorkspaceMore(Attribution(name, None, None, 1))) for name in ("a", "b")
    )
    bare = profile(attributes={})
    for members, publisher in (((one, other), "a"), ((bare, other), "b"), ((one, bare), "a")):
        data = combined(*members).workspaces["retail"]
        assert data.more.attribution.publisher == publisher


def test_workspaces_stay_apart():
    one = with_attributes(a=attribute(1))
    data = WorkspaceData({"a": attribute(2)})
    other = replace(profile(), workspaces={"other": data})
    whole = combined(one, other)
    assert whole.workspaces == {**one.workspaces, "other": data}


def test_consent_goes_by_its_own_times():
    given = {"gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": 2}, "a": {"x": 1}}}
    taken = {"gdpr": {"ads": {"consented": False, "timestamp_unixtime_ms": 3}, "a": {"x": 2}}}
    assert join_consent(given, taken)["gdpr"]["ads"]["consented"] is False
    assert join_consent(taken, given)["gdpr"]["ads"]["consented"] is False
    assert join_consent(given, taken)["gdpr"]["a"] == {"x": 1}
    ccpa = {"ccpa": {"data_sale_opt_out": {"consented": True}}}
    assert join_consent(given, ccpa) == {**given, **ccpa}


def test_devices_that_share_an_id_are_one_and_the_last_seen_comes_last():
    phone = Device({"ios_idfv": "1"}, 5, 20, {"brand": "Apple"})
    same = Device({"ios_idfv": "1", "push_token": "t"}, 1, 10, {"os": "17", "brand": "?"})
    other = Device({"ios_idfv": "2"}, 3, 15)
    merged = Device({"ios_idfv": "1", "push_token": "t"}, 1, 20, {"brand": "Apple", "os": "17"})
    assert join_devices((phone,), (same, other)) == (other, merged)
    assert join_devices((same, other), (phone,)) == (other, merged)


def test_of_too_many_devices_the_recent_ones_stay():
    first = profile(devices=(Device({"ios_idfv": "1"}, 0, 1),))
    second = profile(devices=(Device({"ios_idfv": "2"}, 0, 2),))
    whole = combined(first, second, limits=Limits(max_devices=1))
    assert [d.ids["ios_idfv"] for d in whole.workspaces["retail"].devices] == ["2"]


def test_a_merge_that_would_pass_a_bound_is_not_made():
    one = with_attributes(a=attribute("x" * 600))
    other = with_attributes(b=attribute("y" * 600))
    assert combined(one, other, limits=Limits(max_profile_bytes=1500)) is None
    assert combined(one, other, limits=Limits(max_attributes=1)) is None
    assert combined(one, other, limits=Limits(max_attributes=2)) is not None


# ------------------------------------------------------------------------ writes by event time


def flat_rules(source="sdk", name="default"):
    usual = rules(source, name)
    policy = replace(usual.workspace.policy, traits=Traits(newest_wins=True))
    return replace(usual, workspace=replace(usual.workspace, policy=policy))


def written(before, time_ms, source="sdk", **said):
    applied = apply_batch(before, flat_rules(source), batch(**said), 10**9, time_ms, LIMITS)
    return applied.profile


def test_the_newest_write_wins_in_whatever_order_they_arrive():
    blue = written(profile(), 5, user_attributes={"color": "blue"})
    assert attributes_of(written(blue, 4, user_attributes={"color": "red", "size": "S"})) == {
        "color": "blue",
        "size": "S",
    }
    assert attributes_of(written(blue, 6, user_attributes={"color": "red"})) == {"color": "red"}


def test_a_value_seen_again_is_renewed_once_it_is_older_than_the_resolution():
    resolution_ms = Limits().activity_resolution_s * 1000
    blue = written(profile(), 5, user_attributes={"color": "blue"})
    assert written(blue, 5 + resolution_ms, user_attributes={"color": "blue"}) is blue
    again = written(blue, 6 + resolution_ms, user_attributes={"color": "blue"})
    assert attributes_of(written(again, 7, user_attributes={"color": "red"})) == {"color": "blue"}


def test_a_repeated_write_changes_nothing():
    blue = written(profile(), 5, user_attributes={"color": "blue"})
    assert written(blue, 5, user_attributes={"color": "blue"}) is blue
    assert written(blue, 3, user_attributes={"color": "red"}) is blue


def test_null_deletes_and_an_older_null_deletes_nothing():
    blue = written(profile(), 5, user_attributes={"color": "blue"})
    assert written(blue, 4, user_attributes={"color": None}) is blue
    assert attributes_of(written(blue, 6, user_attributes={"color": None})) == {}
    assert attributes_of(written(blue, 6, deleted_user_attributes=("color",))) == {}
    assert written(blue, 4, deleted_user_attributes=("color",)) is blue


def test_source_decides_before_time():
    feed = written(profile(), 9, "custom_feed", user_attributes={"tier": "gold"})
    assert written(feed, 10, "sdk", user_attributes={"tier": "silver"}) is feed
    assert written(feed, 10, "sdk", user_attributes={"tier": None}) is feed
    app = written(profile(), 9, "sdk", user_attributes={"tier": "silver"})
    assert attributes_of(written(app, 1, "custom_feed", user_attributes={"tier": "gold"})) == {
        "tier": "gold"
    }


def test_what_finds_no_place_is_counted():
    limits = Limits(max_attributes=1)
    said = batch(user_attributes={"a": 1, "b": 2, "c": 3})
    applied = apply_batch(profile(), flat_rules(), said, 0, 5, limits)
    assert (attributes_of(applied.profile), applied.bounded) == ({"a": 1}, 2)
    again = apply_batch(applied.profile, flat_rules(), said, 0, 5, limits)
    assert again.profile is applied.profile


def test_what_was_stored_is_never_changed_in_place():
    stored = {"a": attribute(1)}
    newest(stored, {"a": 2, "b": None}, ("a",), attribute(None, updated_ms=5), 0)
    assert stored == {"a": attribute(1)}
