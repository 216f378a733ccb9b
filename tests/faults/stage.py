"""Everything that a run under fire needs: broker, Redis, proxies, topics, processors, load, reader.

Processors talk to the broker and to Redis through proxies; what checks them does not.
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

from processor.clock.place import SHARDS
from processor.records import Record
from processor.redis.index import RedisIndex
from processor.settings import load as load_settings
from tests.faults import oracle
from tests.faults.load import load
from tests.faults.processors import Processor
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader, seen
from tests.faults.sender import Sender
from tests.servers.kafka import Kafka
from tests.servers.kafka_node import Node as Broker
from tests.servers.kafka_node import Proxied, start_node
from tests.servers.ports import free_port
from tests.servers.redis import Node as RedisNode
from tests.servers.redis import find_binary
from tests.servers.waiting import eventually

INPUTS = ("batches", "requests", "clock")
OUTPUTS = (
    "enriched",
    "responses",
    "changes",
    "profiles",
    "dead_letters",
    "outcomes",
    "audience_changes",
)
DAY_S = 86_400
SESSION_S = 3.0
TRANSACTION_S = 6.0
OPEN_MS = 1_000
"""For how long a bucket may have been open when the clock is up: sweeps come in seconds."""
MOST_BYTES = 8 * 1024 * 1024
RARE = 6
"""Sessions that an audience of the load wants, in each part of it: those numbered below."""
RARE_MS = {"rare": 60_000}
# Deaths come from outside here, and often enough meet one record alone: no poison is to be seen.
CONFIGURATION = """
[kafka]
bootstrap_servers = "127.0.0.1:{broker}"
group_id = "{group}"
topics = {{ {topics} }}
[kafka.client]
"session.timeout.ms" = {session}
"heartbeat.interval.ms" = 300
"transaction.timeout.ms" = {transaction}
"reconnect.backoff.max.ms" = 500
[redis]
url = "redis://127.0.0.1:{redis}/0"
prefix = "{group}"
[observability]
port = 0
[limits]
max_holders = 3
max_deaths = 1000000
activity_resolution_s = {resolution}
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
blocked_values = ["mail-blocked"]
[workspaces.outlet]
strategy = "flat_matching"
max_merges = 3
[workspaces.outlet.identifiers]
customer_id = {{ limit = 1 }}
email = {{ limit = 2, blocked = ["mail-blocked"] }}
ios_idfv = {{ limit = 2 }}
[workspaces.lounge]
strategy = "profile_link"
auto_alias = "on_link"
keep_identity_record = {keeps}
priority = ["customerid", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[inputs.default]
workspace = "retail"
source = "custom_feed"
[inputs.outlet]
workspace = "outlet"
[inputs.lounge]
workspace = "lounge"
[inputs.partner]
workspace = "retail"
source = "partner_feed"
protection = "update_only"
[inputs.mirror]
workspace = "retail"
protection = "read_only"
"""
DEFINITIONS = """
[clock]
grace_s = {grace}
max_silence_s = 0
[workspaces.retail.events.rare]
type = "session_start"
where = [{{ attribute = "data.session_number", op = "less", value = {rare} }}]
[workspaces.retail.calculated]
rarities = {{ type = "count", event = "rare" }}
[workspaces.retail.audiences]
rare = {{ all = [{{ event = "rare", within = "1m" }}], identities = ["email", "customerid"] }}
[workspaces.retail.audiences.kind]
all = [{{ attribute = "kind", op = "equals", value = "secret-a" }}]
attributes = ["kind"]
[workspaces.outlet.events]
visit = {{ type = "session_start" }}
[workspaces.outlet.calculated]
visits = {{ type = "count", event = "visit" }}
visits_10m = {{ type = "count", event = "visit", within = "10m" }}
[workspaces.outlet.audiences]
recent = {{ all = [{{ event = "visit", within = "1m" }}], identities = ["email"] }}
regular = {{ all = [{{ event = "visit", within = "2m", at_least = 3 }}] }}
"""
"""What makes time change something, where a run is to have it; the people of outlet merge too."""
LIFETIMES = """
[workspaces.retail.retention]
anonymous_days = {anonymous}
known_days = {known}
[workspaces.outlet.retention]
anonymous_days = {anonymous}
[workspaces.lounge.retention]
anonymous_days = {anonymous}
identity_days = {known}
"""
"""What makes people age, where a run is to have it; those known to lounge live for ever."""
DRIFT = 0.04
"""Who comes new, a record, where people age: a crowd is gone after a minute or less."""
LIVES_S = {"anonymous": 21.0, "known": 42.0}
EXPECTED_ENDS = ("newer owner", "fenced", "Fenced", "FENCED", "old epoch", "static consumer")
"""What a processor may say when it ends by itself: others have what it had."""
BY_HAND = (signal.SIGKILL, signal.SIGTERM)
"""Signals that may end a process if they were sent: SIGTERM one that is only just starting."""
ADMIN_PAGES = ("livez", "readyz", "nowhere")
"""What an admin server answers besides metrics, in whatever state the processor is."""
CONTENTION = ("idstream_commit_conflicts_total", "idstream_redecisions_total")
"""Metrics that tell whether processors were in each other's way."""


def times_of(*, is_ageing: bool) -> dict[str, object]:
    """Return what the configuration says of receipts and lifetimes, where it is_ageing or not.

    Where it is, the broker tells the time of records, so they are hardly under way to it.
    """
    lives = {name: f"{seconds / DAY_S:.8f}" for name, seconds in LIVES_S.items()}
    if is_ageing:
        return {"resolution": 5, "grace": 1, "keeps": "true", **lives}
    return {"resolution": 3600, "grace": 0, "keeps": "false", **lives}


class Servers:
    """A broker and a Redis server of our own, each also behind a proxy."""

    def __init__(self, *redis_options: str) -> None:
        behind = free_port()
        self.broker_proxy = Proxy(behind)
        proxied = Proxied(behind, self.broker_proxy.port)
        self.broker: Broker = start_node(proxied)
        self.kafka = Kafka(self.broker.bootstrap, self.broker)
        binary = find_binary()
        assert binary is not None, "no Redis-compatible server"
        options = redis_options or ("--appendonly", "yes", "--appendfsync", "everysec")
        self.redis = RedisNode(binary, *options).start()
        self.redis_proxy = Proxy(self.redis.port)

    def close(self) -> None:
        for one in (self.broker_proxy, self.redis_proxy, self.broker, self.redis):
            one.close()


class Stage:
    """One group of processors on topics of its own. Close it, whatever happens."""

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        names: Sequence[str],
        partitions: int = 4,
        *,
        is_timed: bool = False,
        is_ageing: bool = False,
        dies_in_sweeps: bool = True,
    ) -> None:
        """Open the topics and write the configuration.

        With audiences where it *is_timed*, and lifetimes besides where it *is_ageing*. Processors
        that are to *die in sweeps* come back to these first.
        """
        self._is_timed, self._is_ageing = is_timed or is_ageing, is_ageing
        self.servers = servers
        self.partitions = partitions
        kafka = servers.kafka
        large = {"max_message_bytes": str(MOST_BYTES)}
        roles = (*INPUTS, *OUTPUTS)
        # A member of the group that comes back after long gets the topic that is first by name:
        # whoever is to die in a sweep gets the clock's, and whoever is not, one with records.
        called = {
            role: f"a-{role}" if role == "clock" and dies_in_sweeps else role for role in roles
        }
        self.topics = {
            role: kafka.create_topic(name, partitions, **large) for role, name in called.items()
        }
        for role in INPUTS if is_ageing else ("clock",):
            kafka.alter_topic(self.topics[role], message_timestamp_type="LogAppendTime")
        self.group = self.topics["batches"]
        self.config = folder / "idstream.toml"
        self.configure(servers.redis_proxy.port)
        self.processors = [
            # Every third one has no name of its own: its restarts are rebalances.
            Processor(name, self.config, is_static=number % 3 < 2)
            for number, name in enumerate(names)
        ]
        outputs = {role: self.topics[role] for role in OUTPUTS}
        self.reader = Reader(kafka.bootstrap, outputs, unasked={self.topics["clock"]})
        self.sent = 0
        self._sender = Sender(kafka.bootstrap, **{"message.max.bytes": MOST_BYTES})

    def configure(self, redis_port: int, session_s: float = SESSION_S, **more: Any) -> None:
        """Write the configuration."""
        transaction_s = more.get("transaction_s", TRANSACTION_S)
        text = CONFIGURATION + (DEFINITIONS if self._is_timed else "")
        text += LIFETIMES if self._is_ageing else ""
        self.config.write_text(
            text.format(
                broker=self.servers.broker_proxy.port,
                group=self.group,
                redis=redis_port,
                topics=", ".join(f'{role} = "{name}"' for role, name in self.topics.items()),
                rare=RARE,
                session=int(session_s * 1000),
                transaction=int(transaction_s * 1000),
                **times_of(is_ageing=self._is_ageing),
            )
        )

    # ---- input ------------------------------------------------------------------------------

    def produce(self, seed: int, counts: tuple[int, int], rate: float, **shares: float) -> None:
        """Produce so many batches and requests at *rate* records a second, see ``load``."""
        due = time.monotonic()
        for number, sent in enumerate(load(seed, *counts, **shares), 1):
            topic = self.topics["batches" if sent.topic == "event-batches" else "requests"]
            self._sender.send(
                topic,
                sent.value,
                sent.key,
                partition=sum(sent.key or b"") % self.partitions,
                headers=list(sent.headers),
            )
            self.sent += 1
            if number % 20 == 0:
                due += 20 / rate
                self._sender.serve(max(0.0, due - time.monotonic()))
                time.sleep(max(0.0, due - time.monotonic()))
        self._deliver(120)

    def produce_known_users(self, records: int, since: int = 0) -> None:
        """Produce batches that change nothing: their device and customer are known together.

        But the sessions below RARE, counted *since* there, are those that an audience wants.
        """
        for number in range(since, since + records):
            person = number % 20
            batch = {
                "environment": "production",
                "user_identities": {"customer_id": f"customer-known-{person}"},
                "events": [{"event_type": "session_start", "data": {"session_number": number}}],
            }
            key = b"k%d" % person
            partition = sum(key) % self.partitions
            value = json.dumps(batch).encode()
            self._sender.send(self.topics["batches"], value, key, partition=partition)
        self.sent += records
        self._deliver(60)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the processor on the configuration."""
        return subprocess.run(
            [sys.executable, "-m", "processor", *words, "-c", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
        )

    def _deliver(self, within_s: float) -> None:
        """Wait until all is delivered; count what came twice, where the client was replaced."""
        self._sender.flush(within_s)
        if self._sender.replaced:
            self.sent = len(self.inputs())

    def inputs(self) -> dict[oracle.Source, Record]:
        """Return all input records as they are in their topics."""
        found = {}
        for message in self.servers.kafka.read(*(self.topics[role] for role in INPUTS)):
            record = Record(
                message.topic() or "",
                message.partition() or 0,
                message.offset() or 0,
                message.timestamp()[1],
                message.key(),
                message.value(),
                tuple(message.headers() or ()),  # type: ignore[arg-type]
            )
            found[record.topic, record.partition, record.offset] = record
        return found

    # ---- output -----------------------------------------------------------------------------

    def wait_for_all(self, within: float = 180.0) -> None:
        """Wait until every record that was sent has an outcome."""
        eventually(lambda: len(self.reader.done) >= self.sent, within, every=0.2)

    def clock_is_up(self) -> bool:
        """Whether nobody stands in a bucket of the wheel that has been open for a while."""
        if not self._is_timed:
            return True
        now_ms = round(time.time() * 1000)
        index = RedisIndex.connect(self.servers.redis.url, self.group)
        try:
            opens = [
                one.opens_ms
                for space in load_settings(self.config, {}).spaces()
                for one in index.openings(space, range(SHARDS))
            ]
        finally:
            index.close()
        return all(at is None or at > now_ms - OPEN_MS for at in opens)

    def published(self) -> oracle.Published:
        """Return what the reader saw that ran throughout."""
        return oracle.Published(self.inputs(), self.reader.seen)

    def read_again(self) -> dict[str, list[oracle.Seen]]:
        """Return what a reader sees that reads everything now."""
        return {
            role: [seen(role, message) for message in self.servers.kafka.read(self.topics[role])]
            for role in OUTPUTS
        }

    def close(self) -> None:
        for processor in self.processors:
            processor.close()
        self.reader.stop()


class End(NamedTuple):
    """A processor that ended by itself."""

    at: float
    processor: str
    line: str
    """What it said last."""


class Supervisor(threading.Thread):
    """Starts processors again that have ended, and looks at their metrics, as operators do."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self._stage = stage
        self._is_over = threading.Event()
        self.held: set[str] = set()
        """Processors that somebody else looks after."""
        self.ends: Counter[str] = Counter()
        self.by_themselves: list[End] = []
        """Ends for a reason that may be: somebody else has what the processor had."""
        self._contention: dict[tuple[str, int, str], float] = {}
        self._noted: dict[str, int] = {}
        """The last life of each processor whose end was noted."""
        self.unexpected: list[str] = []
        self.has_told_values: list[str] = []
        self.readings = 0
        """How often metrics were read."""
        self._ports = {p.name: free_port() for p in stage.processors}

    def start_all(self) -> None:
        for processor in self._stage.processors:
            self.bring_up(processor)

    def bring_up(self, processor: Processor, **environ: str) -> None:
        """Note how *processor* ended, and start it with its metrics at a port of its own."""
        self.note_end(processor)
        port = str(self._ports[processor.name])
        processor.start(IDSTREAM_OBSERVABILITY__PORT=port, **environ)

    def run(self) -> None:
        turn = 0
        while not self._is_over.wait(0.1):
            turn += 1
            for processor in self._stage.processors:
                if processor.name in self.held:
                    continue
                if not processor.is_running:
                    self.bring_up(processor)
                elif turn % 20 == 0:
                    self._look(processor)

    def note_end(self, processor: Processor) -> None:
        """Tell an end that may be from one that may not; each is noted once, whoever met it."""
        status = processor.status
        if status is None or self._noted.get(processor.name) == processor.lives:
            return
        self._noted[processor.name] = processor.lives
        if status < 0:
            name = signal.Signals(-status).name
            self.ends[name] += 1
            if -status not in BY_HAND or not processor.was_sent(-status):
                said = f": {line[:300]}" if (line := processor.last_line) else ""
                self.unexpected.append(f"{processor.name}: {name}{said}")
            return
        line = processor.last_line if status else "stopped"
        self.ends[f"status {status}: {kind_of(line)}"] += 1
        if not status and not processor.was_sent(signal.SIGTERM):
            self.unexpected.append(f"{processor.name}: stopped, and nobody had asked for it")
        if status and not any(words in line for words in EXPECTED_ENDS):
            self.unexpected.append(f"{processor.name}: {line[:500]}")
        elif status:
            self.by_themselves.append(End(time.monotonic(), processor.name, line))

    @property
    def contention(self) -> Counter[str]:
        """How often processors were in each other's way, as far as was read before they ended."""
        found: Counter[str] = Counter()
        for (_, _, name), count in self._contention.items():
            found[name] += int(count)
        return found

    def _look(self, processor: Processor) -> None:
        where = f"http://127.0.0.1:{self._ports[processor.name]}"
        try:
            text = _page(f"{where}/metrics")
            others = "\n".join(_page(f"{where}/{name}") for name in ADMIN_PAGES)
        except OSError:
            return  # it is starting, frozen or gone
        self.readings += 1
        for line in text.splitlines():
            name, _, count = line.partition(" ")
            if name in CONTENTION:
                self._contention[processor.name, processor.lives, name] = float(count)
        self.has_told_values += oracle.nothing_is_told(text, "the metrics")
        self.has_told_values += oracle.nothing_is_told(others, "a page of the admin server")

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def _page(address: str) -> str:
    """Return a page of an admin server, whatever its status."""
    try:
        with urllib.request.urlopen(address, timeout=0.2) as answer:
            return answer.read().decode()
    except HTTPError as refused:
        return refused.read().decode()


def kind_of(line: str) -> str:
    """Return what an error line is about, without its names and numbers."""
    for words in (*EXPECTED_ENDS, "lost acknowledged writes", "stopped"):
        if words in line:
            return words
    return line[:60]


class Work(threading.Thread):
    """Work beside that of the main thread, which hears of what goes wrong in it."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._do = do
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._do()
        except BaseException as failure:  # noqa: BLE001 - told by who waits for it
            self._failure = failure

    def finish(self) -> None:
        """Wait for its end; raise what it failed with."""
        self.join()
        if self._failure is not None:
            raise self._failure


@contextmanager
def beside(do: Callable[[], object], end: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Do something beside what happens inside, until it is done; *end* tells it that it may be."""
    work = Work(do)
    work.start()
    try:
        yield
    finally:
        end()
        work.finish()


def chance_of(seed: int, what: str) -> random.Random:
    """Return the source of chance of one part of a run: parts do not disturb each other."""
    return random.Random(f"{seed}/{what}")
