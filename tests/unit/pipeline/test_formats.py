"""What an input reads, and how a batch that goes out as it came says what it is."""

import pytest

from processor.codecs.avro.reading import CONTENT_TYPE, AvroWriter
from processor.codecs.formats import Codecs
from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.tally import Tally
from processor.records import Output, Record
from processor.settings import load_text

CONFIGURATION = """
[kafka.topics]
batches = "batches"
requests = "requests"
[workspaces.retail]
preset = "default"
[inputs.default]
workspace = "retail"
format = "avro"
protection = "read_only"
"""
BATCH = b'{"user_identities":{"email":"a@b"},"events":[{"event_type":"session_start","data":{}}]}'
REQUEST = b'{"request_type":"search","environment":"production","known_identities":{"email":"a"}}'
AVRO = ("content-type", CONTENT_TYPE.encode())
JSON = ("content-type", b"application/json")


def output_of(topic: str, value: bytes, written: tuple[str, ...], *headers) -> Output:
    settings = load_text(CONFIGURATION, {})
    spaces = settings.space_rules()
    codecs = Codecs.build(written)
    pipeline = Pipeline(Parts(settings.rules(), spaces, MemoryIndex(), "t", codecs=codecs))
    pipeline.assign([Assignment(topic, 0, "id", None, "")], [])
    (output,) = pipeline.process([Record(topic, 0, 0, 1, None, value, headers)])
    return output


@pytest.mark.parametrize(
    ("written", "headers", "told"),
    [
        ((), (), AVRO),
        (("enriched",), (), None),
        ((), (AVRO,), AVRO),
        ((), (JSON,), JSON),
        (("enriched",), (JSON,), JSON),
    ],
)
def test_a_batch_that_goes_out_as_it_came_says_what_it_is_where_readers_expect_another(
    written, headers, told
):
    value = BATCH if JSON in headers else AvroWriter("event-batch").write(BATCH)
    output = output_of("batches", value, written, *headers)
    assert (output.role, output.value) == ("enriched", value)
    types = [header for header in output.headers if header[0] == "content-type"]
    assert types == ([told] if told else [])


def test_the_format_of_an_input_is_that_of_its_batches_and_not_of_its_requests():
    assert output_of("requests", REQUEST, ()).role == "responses"
    avro = AvroWriter("identity-request").write(REQUEST)
    assert output_of("requests", avro, ()).role == "dead_letters"
    assert output_of("requests", avro, (), AVRO).role == "responses"


def test_what_is_remembered_of_batches_in_avro_is_told_beside_the_other_caches():
    settings = load_text(CONFIGURATION.replace('protection = "read_only"', ""), {})
    codecs, tallies = Codecs.build(["enriched"], memory_bytes=100_000), list[Tally]()
    pipeline = Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=CachedIndex(MemoryIndex(), 100_000),
            owner="t",
            codecs=codecs,
            memory_bytes=100_000,
            counted=tallies.append,
        )
    )
    pipeline.assign([Assignment("batches", 0, "id", None, "")], [])
    for offset in range(2):  # the tally is of what stood when the batch began to be written
        value = AvroWriter("event-batch").write(BATCH)
        pipeline.process([Record("batches", 0, offset, 1, None, value, ())])
        pipeline.committed()
    assert codecs.repeats is not None
    assert tallies[-1].cache_bytes["avro"] == codecs.repeats.bytes > 0
    assert tallies[-1].evicted["avro"] == 0
