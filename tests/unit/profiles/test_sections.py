"""Sections of published profiles are encoded once, while they are the same objects."""

from hypothesis import given
from msgspec import Raw
from msgspec.structs import replace

from processor.identity.profile import NO_DATA, Identity, Profile, WorkspaceData
from processor.profiles.document import to_json
from processor.profiles.sections import BESIDE, Sections
from tests.unit.profiles.people import profiles

ROOM = 1_000_000
EMAIL = (Identity("email", "e@x.example", 1, 1, "default"),)
OTHER = (Identity("email", "f@x.example", 1, 1, "default"),)


def profile(identities: tuple[Identity, ...] = EMAIL, **more) -> Profile:
    return Profile("retail", "production", 7, 2, 1, 1, identities=identities, **more)


@given(profiles, profiles)
def test_what_is_published_is_the_same_whatever_was_published_before(one, other):
    sections = Sections(ROOM)
    other = replace(other, mpid=one.mpid)
    for published in (one, other, one, replace(one, version=9), other):
        assert to_json(published, sections.encoded) == to_json(published)


def test_a_section_is_encoded_again_where_it_is_another_one():
    sections, made = Sections(ROOM), []

    def make(value):
        made.append(value)
        return value

    for value in (EMAIL, EMAIL, OTHER, OTHER, EMAIL):
        sections.encoded(7, value, make)
    assert made == [EMAIL, OTHER, EMAIL]


def test_workspaces_of_a_profile_have_devices_of_their_own():
    sections = Sections(ROOM)
    devices = ({"a": "1"},), ({"b": "2"},)
    encoded = [sections.encoded((7, n), d, list) for n, d in zip("xy", devices, strict=True)]
    assert encoded == [Raw(b'[{"a":"1"}]'), Raw(b'[{"b":"2"}]')]
    both = {"x": WorkspaceData(), "y": NO_DATA}
    assert to_json(profile(workspaces=both), sections.encoded) == to_json(profile(workspaces=both))


def test_sections_stay_within_their_bound():
    sections = Sections(10 * BESIDE)
    for number in range(100):
        sections.encoded(number, (number,), list)
        assert 0 < sections.bytes <= 10 * BESIDE
    none = Sections(0)
    assert none.encoded(1, EMAIL, list) == sections.encoded(1, EMAIL, list)
    assert none.bytes == 0
