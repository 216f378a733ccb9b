"""What does a batch cost where ten thousand, and where ten million people are known?

`idstream restore` fills the index with so many profiles. Then batches of known users come: in each
row of 10,000 users, spread over all profiles, and in the last row of everybody, so that nobody
comes back soon. The short form ends at 100,000 profiles, the long one at 10 million. The Valkey
here takes its memory from libc, so its scripts get dearer with the heap
([operations](operations.md#redis)). Its append-only file is not rewritten meanwhile.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import START_MS, USERS, Message, known, user_of, uuid_of
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Column, Measurement, Plot, Table, cpu, ratios, table

SIZES, MORE_SIZES = (10_000, 100_000), (1_000_000, 10_000_000)
EVERYBODY, MORE_EVERYBODY = 100_000, 1_000_000
REFERENCE = "10,000 profiles"


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what a batch cost at each size in each round, and what a profile takes in Redis."""
    count = form.records(130_000, 600_000)
    plays, sizes = {}, {}
    for size in SIZES + MORE_SIZES * form.long:
        name = f"{size:,} profiles"
        load = replace(known(spread=size // USERS), name=name, prepared=0, count=count)
        plays[name], sizes[name] = Play(stage, IDSTREAM, load, form.rounds), size
    everybody = MORE_EVERYBODY if form.long else EVERYBODY
    name = f"{everybody:,} profiles, everybody comes"
    # Nobody comes by twice in a round, so no start is over when everybody has.
    load = replace(known(users=everybody), name=name, prepared=0, count=count, users=0)
    plays[name], sizes[name] = Play(stage, IDSTREAM, load, form.rounds), everybody
    filled: list[Measurement] = []

    def prepare(play: Play) -> None:
        each = fill(play, sizes[play.load.name])
        filled.append(Measurement(play.load.name, 0, {"redis_bytes": each}))

    for one in in_turns(plays, form.rounds, form.seconds, prepare):
        yield from filled
        filled.clear()
        yield one


def fill(play: Play, profiles: int) -> float:
    """Restore so many profiles; return the bytes that one takes in Redis."""
    templates = [template(play, user) for user in (0, 1)]
    stage = play.stage
    stage.send(play.topic("profiles"), (profile(templates, user) for user in range(profiles)))
    # A rewrite forks, and what is written meanwhile takes its memory twice.
    play.redis.client.config_set("auto-aof-rewrite-percentage", 0)
    before = play.redis.client.info("memory")["used_memory"]
    config = play.configuration(measured=True)
    command = [IDSTREAM.command[0], "restore", "-c", str(config)]
    subprocess.run(command, check=True, capture_output=True)
    return float(play.redis.client.info("memory")["used_memory"] - before) / profiles


def template(play: Play, user: int) -> str:
    """Return the profile that idstream makes of a first batch of *user*."""
    load, folder = play.load, play.stage.folder
    config, dump = folder / "resolve.toml", folder / "resolve.jsonl"
    config.write_text(f"[workspaces.shop]\n{load.workspace}")
    number_of = {user_of(n, USERS): n for n in range(USERS)}
    batch = json.loads(known().make(number_of[user]).value)
    line = json.dumps({"topic": "batches", "timestamp_ms": START_MS, "value": batch})
    command = [IDSTREAM.command[0], "resolve", "-c", str(config), "--dump", str(dump)]
    subprocess.run(command, input=line.encode(), check=True, capture_output=True)
    return dump.read_text().strip()


def profile(templates: Sequence[str], user: int) -> Message:
    """Return the profile of *user*, like that of the user whom it is modelled on."""
    model = user % 2
    number = (user + 1) * 6_364_136_223_846_793_005 % 2**63
    text = templates[model]
    mpid = text.partition('"mpid":"')[2].partition('"')[0]
    text = (
        text.replace(f"C{model:08}", f"C{user:08}")
        .replace(f"user.{model}@", f"user.{user}@")
        .replace(uuid_of(1, model), uuid_of(1, user))
        .replace(mpid, str(number))
    )
    return Message(b"shop/production/%d" % number, text.encode())


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each size."""
    memory = Column("Redis, bytes a profile", "redis_bytes")
    return [table(measurements, "known", [*COSTS, *ratios(REFERENCE), memory])]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the CPU of a batch, by the number of profiles."""
    spread = [one for one in measurements if "everybody" not in one.subject]
    series = cpu(spread, "worker", "Redis")
    title = "10,000 users of ever more profiles"
    return [Plot("profiles", title, "profiles", "µs of CPU", series, log_x=True)]
