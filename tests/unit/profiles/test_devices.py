"""The devices of a profile (docs/messages.md, "Devices")."""

from processor.identity.model import Identifier
from processor.identity.profile import Device
from processor.profiles.update import apply_batch
from processor.rules import Limits
from tests.unit.profiles.people import HOUR, batch, profile, rules

LIMITS = Limits(max_devices=3)
STAMP = Identifier("device_application_stamp", "stamp-1")
IDFV = Identifier("ios_idfv", "idfv-1")


def see(before, *ids, info=None, time_ms=0, limits=LIMITS):
    one = batch(device_ids=ids, device_info=info)
    return apply_batch(before, rules(), one, 99, time_ms, limits).profile


def devices(document):
    data = document.workspaces.get("retail")
    return data.devices if data else ()


def test_a_device_is_noted_with_its_ids_and_facts():
    info = {"brand": "Apple", "ios_idfv": "idfv-1", "os_version": None, "is_tablet": False}
    info |= {"cores": ["a15"], "screen": {"dpi": 460}}
    after = see(profile(), IDFV, STAMP, info=info, time_ms=5)
    ids = {"device_application_stamp": "stamp-1", "ios_idfv": "idfv-1"}
    assert devices(after) == (Device(ids, 5, 5, {"brand": "Apple", "is_tablet": False}),)
    assert [*devices(after)[0].ids] == ["device_application_stamp", "ios_idfv"]


def test_a_device_is_the_same_by_any_of_its_ids():
    before = see(profile(), STAMP, IDFV, info={"brand": "Apple"})
    after = see(before, IDFV, Identifier("push_token", "t"), info={"os_version": "17"}, time_ms=3)
    (device,) = devices(after)
    assert [*device.ids] == ["device_application_stamp", "ios_idfv", "push_token"]
    assert (device.first_seen_ms, device.last_seen_ms) == (0, 3)
    assert device.info == {"brand": "Apple", "os_version": "17"}


def test_the_steadier_id_decides_which_device_it_is():
    before = see(see(profile(), STAMP), IDFV, info={"brand": "Apple"})
    after = see(before, IDFV, STAMP, info={"brand": "Banana"})
    assert [d.info.get("brand") for d in devices(after)] == ["Apple", "Banana"]


def test_a_device_seen_again_as_it_was_writes_nothing_until_the_resolution_has_passed():
    info = {"brand": "Apple", "nothing": None}
    before = see(profile(), STAMP, info=info)
    assert see(before, STAMP, info=info, time_ms=HOUR) is before
    assert see(before, STAMP, time_ms=HOUR) is before
    later = see(before, STAMP, info=info, time_ms=HOUR + 1)
    assert devices(later)[0].last_seen_ms == HOUR + 1


def test_an_older_time_never_makes_a_device_less_recent():
    before = see(profile(), STAMP, time_ms=50)
    after = see(before, STAMP, info={"brand": "Apple"}, time_ms=10)
    assert (devices(after)[0].first_seen_ms, devices(after)[0].last_seen_ms) == (10, 50)


def test_a_batch_without_device_ids_tells_of_no_device():
    before = profile()
    assert see(before, info={"brand": "Apple"}) is before


def test_an_id_of_zeros_does_not_make_one_device_of_many():
    zeros = Identifier("ios_idfa", "00000000-0000-0000-0000-000000000000")
    before = profile()
    assert see(before, zeros) is before
    two = see(see(before, STAMP, zeros), IDFV, zeros)
    assert [d.ids for d in devices(two)] == [dict([STAMP]), dict([IDFV])]


def test_of_too_many_devices_the_least_recently_seen_goes():
    document = profile()
    for place, time_ms in enumerate([30, 10, 20, 40]):
        stamp = Identifier("device_application_stamp", f"stamp-{place}")
        document = see(document, stamp, time_ms=time_ms)
    assert [d.last_seen_ms for d in devices(document)] == [30, 20, 40]
