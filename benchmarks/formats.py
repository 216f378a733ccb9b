"""What does Avro cost beside JSON? ``python -m benchmarks.formats``

One process, no servers: batches of users who come back, decoded, decided over an index in memory,
enriched and encoded, 500 at a time, in both formats. CPU time per batch, best of several rounds.
"""

import gc
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.batches import batches
from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.formats import Codecs
from processor.identity.types import STANDARD_KEYS
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.rules import Limits
from processor.settings import load_offline

COUNT, USERS, AT_ONCE, ROUNDS = 10_000, 500, 500, 5
CONFIGURATION = """
[workspaces.shop]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""
AVRO = (("content-type", b"application/vnd.apache.avro+binary"),)


def microseconds(work, things) -> float:
    """Return the CPU time of *work* for one of *things*."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        for one in things:
            work(one)
        best = min(best, (time.process_time() - began) / len(things))
    return best * 1e6


def pipeline(codecs: Codecs) -> Pipeline:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "idstream.toml"
        path.write_text(CONFIGURATION)
        settings = load_offline(path, {})
    spaces = settings.space_rules()
    made = Pipeline(
        Parts(rules=settings.rules(), spaces=spaces, index=MemoryIndex(), owner="b", codecs=codecs)
    )
    made.assign([Assignment("batches", 0, "t", None, "")], [])
    return made


def whole(values: list[bytes], codecs: Codecs, headers) -> float:
    """Return the CPU time of a batch from its bytes to its outputs."""
    best = float("inf")
    for _ in range(ROUNDS):
        running, offset = pipeline(codecs), 0
        gc.collect()
        began = time.process_time()
        for at in range(0, len(values), AT_ONCE):
            records = []
            for value in values[at : at + AT_ONCE]:
                records.append(
                    Record("batches", 0, offset, 1_782_900_000_000, b"k", value, headers)
                )
                offset += 1
            running.process(records)
            running.committed()
        best = min(best, (time.process_time() - began) / len(values))
    return best * 1e6


def main() -> None:
    """Measure and print."""
    json = [value for _, value in batches(0, COUNT, USERS)]
    writer = AvroWriter("event-batch")
    avro = [writer.write(value) for value in json]
    opener = AvroReader("event-batch").open_object
    enriched = AvroWriter("enriched-batch")
    rows = [
        ("bytes of a batch", len(json[0]), len(avro[0])),
        (
            "decode, us",
            microseconds(lambda v: decode_batch(v, STANDARD_KEYS, Limits(), open_object), json),
            microseconds(lambda v: decode_batch(v, STANDARD_KEYS, Limits(), opener), avro),
        ),
        ("encode beyond JSON, us", 0.0, microseconds(enriched.write, json)),
        (
            "bytes to outputs, us",
            whole(json, Codecs.build([]), ()),
            whole(avro, Codecs.build(["enriched", "changes", "profiles"]), AVRO),
        ),
    ]
    print(f"{'':24}{'JSON':>10}{'Avro':>10}{'ratio':>8}")
    for name, one, other in rows:
        ratio = f"{other / one:.2f}" if one else ""
        print(f"{name:24}{one:>10.1f}{other:>10.1f}{ratio:>8}")


if __name__ == "__main__":
    main()
