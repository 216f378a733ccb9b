"""People erased at random moments, under load and with kills at every point: none comes back.

Each value of a person has the person's number in it, so whoever was erased can be looked for in all
that Redis holds, in the newest record of each key of compacted topics, in logs and metrics: after
the run, after all inputs once more, and after a restore into an empty Redis.
"""

import json
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

from confluent_kafka import Message, Producer
from msgspec import Struct

from processor.clock.place import SHARDS
from processor.privacy.receipt import is_proved
from tests.faults.processors import Processor
from tests.faults.stage import EXPECTED_ENDS, Servers, beside
from tests.faults.strikes import LATE, ONCE, RUN_POINTS, SWEEPS, SWEPT_S
from tests.kafka.shopping import PRIVACY_ROLES
from tests.servers.offsets import to_the_beginning
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

Tell = Callable[[str], None]

INPUTS = ("batches", "privacy")
COMPACTED = ("profiles", "cases")
POINTS = tuple(point for point in RUN_POINTS if point != "in_rewind")
"""Where processors die; that one rewinds takes luck where neither Redis nor the broker fails."""
AT_ANY_MOMENT = "at any moment"
MOST_TRIES = 3
PASS_S = 60.0
"""How long a processor may take to start and come past a point, on a busy machine."""
MORE_RATE = 10.0
"""Records a second beyond the plan: a busy machine takes long, and all is read three times more."""
MORE_EVERY = 100
"""Of so many records beyond the plan one asks for an erasure: sweeps have something to do."""
WAIT_MS = 3000
SETTLED_S = 900.0
"""How long cases may take to complete once all is still: each is looked at when a minute is over,
some three times.
"""
_MARK = re.compile(rb"zz[a-z](\d{6})")
_CONFIGURATION = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
topics = {{ {topics} }}
[kafka.client]
"session.timeout.ms" = 6000
"heartbeat.interval.ms" = 300
[redis]
url = "{redis}"
prefix = "{group}"
[clock]
grace_s = 0
max_silence_s = 0
[limits]
max_deaths = 1000000
[observability]
host = "127.0.0.1"
port = {port}
[privacy]
waiting_days = {waiting}
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "shop"
[inputs.office]
workspace = "shop"
topics = ["{privacy}"]
"""


class Plan(Struct, frozen=True):
    """How many people, records and erasures, and how often processors die."""

    seed: int
    people: int
    records: int
    erased: int
    kills: int
    """At each point."""
    rate: float
    """Records a second."""


class Place(Struct):
    """What a search found in one kind of place."""

    looked_at: int
    found: int


class Office:
    """Topics, processors, and the people who ask to be forgotten."""

    def __init__(self, servers: Servers, folder: Path, plan: Plan) -> None:
        self.servers, self.plan, self.kafka = servers, plan, servers.kafka
        self.topics = {role: self.kafka.create_topic(role, 4) for role in (*INPUTS, *PRIVACY_ROLES)}
        clock = self.kafka.create_topic("clock", SHARDS, message_timestamp_type="LogAppendTime")
        self.topics["clock"] = clock
        self.group = self.topics["batches"]
        self.erased: set[int] = set()
        self.known: set[int] = set()
        """Customers: a record named them as such."""
        self.sent = 0
        """Records of the load, requests among them."""
        self.unexpected: list[str] = []
        """How processors ended by themselves for a reason that may not be."""
        self._ports: list[int] = []
        self.processors = [self._processor(folder, number) for number in range(2)]
        self._chance = random.Random(plan.seed)
        # Idempotent: what a slow broker is sent twice would count as a record more.
        self._producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "linger.ms": 5,
                "enable.idempotence": True,
            }
        )

    def _processor(self, folder: Path, number: int) -> Processor:
        path = folder / f"{number}" / "idstream.toml"
        path.parent.mkdir()
        self._ports.append(free_port())
        names = [f'{role} = "{name}"' for role, name in self.topics.items() if role != "batches"]
        path.write_text(
            _CONFIGURATION.format(
                bootstrap=self.kafka.bootstrap,
                group=self.group,
                topics=", ".join([f'batches = "{self.group}", requests = []', *names]),
                redis=self.servers.redis.url,
                port=self._ports[-1],
                privacy=self.topics["privacy"],
                waiting=WAIT_MS / 86_400_000,
            )
        )
        self.config = path
        return Processor(f"p{number}", path)

    # ---- the load ---------------------------------------------------------------------------

    def load(self, tell: Tell, is_over: Event) -> None:
        """Send all records of the plan, erasures at random moments between them.

        And more of both until it *is_over*, so that whoever is to die has something to do.
        """
        plan, chance = self.plan, self._chance
        moments = set(chance.sample(range(plan.records), plan.erased))
        began = time.monotonic()
        for n in count():
            if n >= plan.records and (is_over.is_set() or len(self.erased) > plan.people // 2):
                break
            if n in moments or (n >= plan.records and n % MORE_EVERY == 0):
                self._ask(self._living())
            self._send(self._living(), n)
            self._producer.poll(0)
            due_s = min(n, plan.records) / plan.rate + max(0, n - plan.records) / MORE_RATE
            ahead = due_s - (time.monotonic() - began)
            if ahead > 0.05:
                time.sleep(ahead)  # a load has a pace
            if n % 5000 == 4999:
                tell(f"{n + 1} records, {len(self.erased)} people asked to be forgotten")
        assert self._producer.flush(60) == 0

    def _living(self) -> int:
        while (person := self._chance.randrange(self.plan.people)) in self.erased:
            pass
        return person

    def _send(self, person: int, n: int) -> None:
        chance = self._chance
        known = chance.random() < 0.8
        identities = {"customer_id": f"zzc{person:06}", "email": f"zze{person:06}@example.com"}
        body: dict[str, Any] = {
            "events": [{"event_type": "session_start", "data": {}}],
            "user_attributes": {"note": f"zza{person:06}-{n % 7}"},
            "device_info": {"ios_idfv": f"zzd{person:06}"},
        }
        if known:
            body["user_identities"] = identities
            self.known.add(person)
        self._produce("batches", str(person), body, (("input", b"default"),))

    def _ask(self, person: int) -> None:
        """Ask for the erasure of a person, of whom nothing is sent from now on."""
        self.erased.add(person)
        skips = person % 3 == 0
        body = {
            "subject_request_id": f"r{person}",
            "subject_request_type": "erasure",
            "regulation": "gdpr",
            "submitted_time": "2026-01-01T00:00:00Z",
            "subject_identities": {
                "customerid": f"zzc{person:06}",
                "ios_idfv": f"zzd{person:06}",  # also of profiles that never named the customer
            },
            # Some do not wait until records of before are read: these meet markers.
            "extensions": {"idstream": {"all_holders": True, "skip_waiting_period": skips}},
        }
        self._produce("privacy", f"r{person}", body, (("input", b"office"),))

    def _produce(
        self, role: str, key: str, body: Mapping[str, Any], headers: Sequence[tuple[str, bytes]]
    ) -> None:
        value = json.dumps(body)
        self.sent += 1
        self._producer.produce(self.topics[role], value, key, headers=list(headers))

    def send_again(self) -> int:
        """Append every input once more, as an archive that is put back; return how many."""
        records = self.kafka.read(*(self.topics[role] for role in INPUTS))
        for one in sorted(records, key=lambda record: record.timestamp()[1]):
            self._producer.produce(
                one.topic(),
                one.value(),
                one.key(),
                timestamp=one.timestamp()[1],
                headers=one.headers(),
            )
            self._producer.poll(0)
        assert self._producer.flush(120) == 0
        return len(records)

    # ---- deaths -----------------------------------------------------------------------------

    def strike(self, tell: Tell) -> Counter[str]:
        """Let processors die at all points, one after the other, while the other one works."""
        deaths: Counter[str] = Counter()
        chance, points = random.Random(self.plan.seed + 1), list(POINTS) * self.plan.kills
        chance.shuffle(points)
        for number, point in enumerate(points):
            for turn in range(MOST_TRIES):
                one, other = self.processors[:: 1 if (number + turn) % 2 else -1]
                if not other.is_running:
                    self._bring_up(other)
                if self._dies_at(point, one, chance):
                    deaths[point] += 1
                    break
                deaths[AT_ANY_MOMENT] += 1
            tell(f"{deaths.total()} deaths, the last one meant for {point}")
        return deaths

    def _dies_at(self, point: str, one: Processor, chance: random.Random) -> bool:
        """Start *one* anew, to die at *point*; one that does not come past it dies all the same."""
        if one.is_running:
            one.kill()
        nth = 1 if point in ONCE | LATE | SWEEPS else chance.randrange(1, 4)
        self._bring_up(one, IDSTREAM_CRASH_AT=f"{point}:{nth}")
        if point in LATE and _is_soon(lambda: one.has_started or not one.is_running, PASS_S):
            one.terminate()
        if _is_soon(lambda: not one.is_running, SWEPT_S if point in SWEEPS else PASS_S):
            return one.status == -signal.SIGKILL
        one.kill()
        return False

    def _bring_up(self, one: Processor, **environ: str) -> None:
        """Start a processor, after a look at how it ended."""
        is_told_to = one.status in (None, 0, -signal.SIGKILL)
        if not is_told_to and not any(words in one.last_line for words in EXPECTED_ENDS):
            self.unexpected.append(f"{one.name}: status {one.status}: {one.last_line[:500]}")
        one.start(**environ)

    def start(self) -> None:
        """Let all processors run, undisturbed."""
        for one in self.processors:
            if not one.is_running:
                self._bring_up(one)

    def stop(self) -> None:
        """Let all processors end in order."""
        for one in self.processors:
            if one.is_running:
                one.terminate()
                assert one.wait(60) == 0, one.last_line

    def settled(self, outcomes: int) -> None:
        """Wait until every record has its outcome and every case is completed."""

        def has_all() -> bool:
            self.start()  # one may have ended by itself, as others had what it had
            found, said = len(self._outcomes()), [one.last_line[:200] for one in self.processors]
            assert found >= outcomes, f"{found} outcomes of {outcomes}; last said: {said}"
            return True

        eventually(has_all, SETTLED_S, every=2)
        eventually(self._is_completed, SETTLED_S, every=5)

    def _outcomes(self) -> list[Message]:
        found = self.kafka.read(self.topics["outcomes"])
        sweeps = self.topics["clock"].encode()
        return [one for one in found if dict(one.headers())["source-topic"] != sweeps]

    def _is_completed(self) -> bool:
        cases = [json.loads(v) for v in self.newest("cases").values() if v is not None]
        return bool(cases) and all(one["state"] == "completed" for one in cases)

    # ---- what is there ----------------------------------------------------------------------

    def newest(self, role: str) -> dict[bytes, bytes | None]:
        """Return the newest record of each key of a topic."""
        return {one.key(): one.value() for one in self.kafka.read(self.topics[role])}

    def search(self) -> dict[str, Place]:
        """Search every place for those who were erased."""
        kept = {
            "Redis, all keys and values": list(self._redis()),
            **{
                f"{role}, newest of each key": [
                    b"%b %b" % (key, value or b"") for key, value in self.newest(role).items()
                ]
                for role in COMPACTED
            },
            "identity-changes": [one.value() for one in self.kafka.read(self.topics["changes"])],
            "receipts": [one.value() for one in self.kafka.read(self.topics["receipts"])],
            "logs": [one.log().encode() for one in self.processors],
            "metrics": list(self._metrics()),
        }
        return {
            where: Place(len(texts), sum(self._names_erased(text) for text in texts))
            for where, texts in kept.items()
        }

    def _names_erased(self, text: bytes) -> bool:
        return any(int(number) in self.erased for number in _MARK.findall(text))

    def _metrics(self) -> Iterator[bytes]:
        for one, port in zip(self.processors, self._ports, strict=True):
            if one.is_running:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    yield answer.read()

    def _redis(self) -> Iterator[bytes]:
        client = self.servers.redis.client
        for key in client.scan_iter(f"{self.group}*", count=1000):
            kind = client.type(key)
            if kind == b"string":
                yield key + (client.get(key) or b"")
            elif kind == b"hash":
                yield key + b" ".join(b for pair in client.hgetall(key).items() for b in pair)
            elif kind == b"list":
                yield key + b" ".join(client.lrange(key, 0, -1))
            elif kind == b"set":
                yield key + b" ".join(client.smembers(key))
            elif kind == b"zset":
                yield key + b" ".join(client.zrange(key, 0, -1))
            else:
                yield key + repr(client.xrange(key)).encode()

    def others(self) -> dict[str, Any]:
        """Return what is known of everybody who lives, by customer id."""
        found = {}
        for value in self.newest("profiles").values():
            body = {} if value is None else json.loads(value)
            ids = {i["identity_type"]: i["value"] for i in body.get("identities") or ()}
            if "customerid" in ids:
                attributes = body["workspaces"]["shop"]["attributes"]
                notes = {name: one["value"] for name, one in attributes.items()}
                found[ids["customerid"]] = body["mpid"], ids, notes
        return found

    def lose_and_restore(self) -> str:
        """Empty Redis, put the group's offsets to the beginning, restore; return what it said."""
        self.servers.redis.client.flushall()
        topics = [self.topics[role] for role in (*INPUTS, "clock")]
        to_the_beginning(self.kafka, self.group, topics)
        return restored(self.config)


def restored(config: Path) -> str:
    """Run a restore, which has to end well; return what it said."""
    command = [sys.executable, "-m", "processor", "restore", "--wait", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _is_soon(probe: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not probe():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def erase_under_fire(
    servers: Servers, folder: Path, plan: Plan, tell: Tell
) -> tuple[list[str], list[str]]:
    """Play *plan*; return the lines of what was found, and what is wrong."""
    office = Office(servers, folder, plan)
    lines: list[str] = []
    wrong: list[str] = []

    def complain(those: list[str]) -> None:
        wrong.extend(those)
        for one in those:
            tell(f"wrong: {one}")

    def look(when: str) -> None:
        for where, place in office.search().items():
            lines.append(f"{when:<34}{where:<32}{place.looked_at:>9}{place.found:>9}")
            complain([f"{when}: {place.found} of {where}"] if place.found else [])
        tell(f"{when}: looked for those who were erased")

    try:
        is_over = Event()
        with beside(lambda: office.load(tell, is_over), is_over.set):
            deaths = office.strike(tell)
        office.start()
        total = office.sent
        office.settled(total)
        lines += [f"{point:<34}{deaths[point]:>9} deaths" for point in (*POINTS, AT_ANY_MOMENT)]
        missed = [point for point in POINTS if deaths[point] < plan.kills]
        complain([f"nobody died at {point} as often as was asked for" for point in missed])
        lines.append(f"{'records, of which requests':<34}{total:>9}{len(office.erased):>9}")
        complain(_receipts(office))
        before = office.others()
        lost = {f"zzc{person:06}" for person in office.known - office.erased} - before.keys()
        complain([f"{len(lost)} customers are lost who live"] if lost else [])
        look("after the run")
        office.send_again()
        office.settled(2 * total)
        look("all inputs once more")
        complain(_differing(before, office.others(), "all inputs once more"))
        office.stop()
        lines.append(office.lose_and_restore().strip())
        office.start()
        office.settled(4 * total)
        look("restored, all from the beginning")
        complain(_differing(before, office.others(), "restored"))
        office.stop()
        complain(office.unexpected)
    finally:
        for one in office.processors:
            one.close()
    return lines, wrong


def _receipts(office: Office) -> list[str]:
    """Return what is wrong about the receipts: each request's are a path of states, once each."""
    told: dict[bytes, list[str]] = {}
    wrong = []
    for one in office.kafka.read(office.topics["receipts"]):
        told.setdefault(one.key(), []).append(json.loads(one.value())["state"])
        if not is_proved(one.value(), b""):
            wrong.append("a receipt without proof")
    paths = Counter(tuple(states) for states in told.values())
    legal = {
        ("in_progress", "completed"),
        ("pending", "in_progress", "completed"),
        ("completed",),
        ("pending", "completed"),
    }
    wrong += [f"receipts {path}: {n}" for path, n in paths.items() if path not in legal]
    if len(told) != len(office.erased):
        wrong.append(f"{len(told)} requests have receipts, of {len(office.erased)}")
    return wrong


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], when: str) -> list[str]:
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    mpids = [one for one in before.keys() & after.keys() if before[one][0] != after[one][0]]
    told = {"are gone": gone, "are new": new, "have another MPID": mpids}
    return [f"{when}: {len(those)} others {what}" for what, those in told.items() if those]
