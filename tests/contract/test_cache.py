"""The memory of decoded documents: right, and bounded."""

from processor.profiles.document import pack
from processor.redis.cache import ProfileCache
from tests.contract.people import EMAIL, profile


def test_what_is_used_stays_and_the_rest_goes():
    documents = ProfileCache(max_count=8)
    often = pack(profile(1, EMAIL))
    first = documents.profile(b"1", often)
    for number in range(2, 100):
        documents.profile(b"%d" % number, pack(profile(number)))
        assert documents.profile(b"1", often) is first
        assert len(documents._young) + len(documents._old) <= 10


def test_big_documents_are_bounded_by_their_bytes():
    documents = ProfileCache(max_bytes=4000)
    data = pack(profile(1, EMAIL))
    for number in range(100):
        documents.remember(b"%d" % number, data, profile(1, EMAIL))

    assert (len(documents._young) + len(documents._old)) * len(data) <= 4000 + 2 * len(data)


def test_other_bytes_are_another_document():
    documents = ProfileCache()
    documents.profile(b"1", pack(profile(1, EMAIL)))

    assert documents.profile(b"1", pack(profile(1))) == profile(1)
