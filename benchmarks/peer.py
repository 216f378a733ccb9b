"""What one would write by hand: Quix Streams and redis-py, a record at a time.

It runs in an environment of its own (`.venv/bench`), because Quix Streams wants an older
release of confluent-kafka. ``.venv/bench/bin/python benchmarks/peer.py CONFIG``

It does for known, changed and new users what their batches ask for: passes over a request id that
it has seen, looks the user up by each identifier, makes a profile where there is none, stores
attributes that changed and publishes the profile then, and writes the batch on with identities and
attributes. Kafka's side is exactly once. It promises less than idstream: nothing makes its reads
and writes in Redis one, a crash between Redis and Kafka leaves what is in Redis, and there are no
strategies, limits, sources or merges.
"""

import sys
import tomllib
from pathlib import Path

import orjson
import redis
from quixstreams import Application

WINDOW_S = 600


class Profiles:
    """Profiles in Redis hashes, found by identifiers."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)

    def is_first(self, request_id: str) -> bool:
        """Return whether the request was not seen within the window, and note that it was."""
        return bool(self._redis.set(f"request:{request_id}", b"1", nx=True, ex=WINDOW_S))

    def find(self, identifiers: list[str]) -> int:
        """Return whose the identifiers are; make somebody where nobody has any."""
        found = self._redis.mget(identifiers)
        number = int(next((one for one in found if one), 0)) or self._redis.incr("last")
        if missing := [name for name, one in zip(identifiers, found, strict=True) if not one]:
            self._redis.mset(dict.fromkeys(missing, number))
        return number

    def update(self, number: int, told: dict[str, object]) -> tuple[dict[str, object], bool]:
        """Return the profile with what it was told, and whether that was new."""
        stored = self._redis.get(f"profile:{number}")
        profile = orjson.loads(stored) if stored else {}
        after = {**profile, **told}
        if after == profile:
            return profile, False
        self._redis.set(f"profile:{number}", orjson.dumps(after))
        return after, True


def enriched(body: dict, profiles: Profiles) -> dict | None:
    """Return what a batch becomes, with its profile where that changed; None for a duplicate."""
    if not profiles.is_first(body["source_request_id"]):
        return None
    names = body["user_identities"] | {"ios_idfv": body["device_info"]["ios_idfv"]}
    number = profiles.find([f"identifier:{kind}:{value}" for kind, value in names.items()])
    told = body["user_attributes"] | {f"identity:{kind}": value for kind, value in names.items()}
    profile, changed = profiles.update(number, told)
    attributes = {name: value for name, value in profile.items() if ":" not in name}
    batch = body | {"mpid": number, "user_attributes": attributes}
    return {"batch": batch, "profile": {"mpid": number, **profile} if changed else None}


def main() -> None:
    config = tomllib.loads(Path(sys.argv[1]).read_text())
    kafka, profiles = config["kafka"], Profiles(config["redis"]["url"])
    application = Application(
        kafka["bootstrap_servers"],
        consumer_group=kafka["group_id"],
        auto_offset_reset="earliest",
        commit_interval=kafka["commit_interval_ms"] / 1000,
        processing_guarantee="exactly-once",
        auto_create_topics=False,
        producer_extra_config={"compression.type": "lz4"},
        loglevel="WARNING",
    )
    topics = kafka["topics"]
    batches = application.dataframe(
        application.topic(
            topics["batches"][-1], key_deserializer="bytes", value_deserializer="bytes"
        )
    )
    done = batches.apply(lambda value: enriched(orjson.loads(value), profiles))
    done = done.filter(lambda value: value is not None)
    done.apply(lambda value: orjson.dumps(value["batch"])).to_topic(
        application.topic(topics["enriched"], value_serializer="bytes")
    )
    done.filter(lambda value: value["profile"] is not None).apply(
        lambda value: orjson.dumps(value["profile"])
    ).to_topic(application.topic(topics["profiles"], value_serializer="bytes"))
    application.run()


if __name__ == "__main__":
    main()
