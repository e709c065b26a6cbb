"""The queue beside the floor of one bare libpq connection and beside others, in turns on one server.

The server writes as one in production does (fsync, synchronous_commit) into BENCH_DIR. Parts, all by
default: BENCH_PARTS="drain held cycles enqueue latency figures rate".
"""
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import meter
import queue_peers
from consumer import build_consumer
from fixture import Sandbox
from harness import BUILD, ROOT, WorkerRunner, wait_until, worker_environment
from postgres import Cluster
from sender_world import BOTS, rate, tokens

JOBS = int(os.environ.get("QUEUE_BENCH_JOBS", "20000"))
ROUNDS, SINGLES, STARTS, PATIENCE_S = 5, 5000, 500, 120
FILL_AT_ONCE, IN_FLIGHT = 1000, 200
HELD_CYCLES, CYCLES, CYCLE_JOBS = 8, 10, 5 * JOBS
OPEN, LOOKS = 50 * JOBS, 9
MESSAGES, TELEGRAM_S = 300, 0.15

FLOORS = {"floor": "cte", "array": "array"}
FLOOR_SHARE_MIN, PEER_TIMES_MIN, MEMORY_MAX_MB = 0.6, 1.8, 15
HELD_MIN, SINGLE_MIN, BULK_MIN = 25_000, 5_000, 80_000
MEDIAN_MAX_MS, P99_MAX_MS = 1.5, 6
LAST_OF_FIRST_MIN = 0.8
FIGURES_MAX_MS, MESSAGES_MIN = 50, 29

SERVER = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
          "shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min",
          "wal_init_zero": "off"}  # a server that runs for longer has its segments already
# A table of its own for each drain: the floor has no history and no past.
FLOOR = """
    drop table if exists floor_job;
    create table floor_job (
        id bigint generated always as identity primary key, run_at timestamptz not null default now(),
        priority smallint not null default 0, state smallint not null default 0,
        attempt smallint not null default 0, worker int, started_at timestamptz, payload jsonb
    ) with (fillfactor = 70);
    create index floor_next on floor_job (priority, run_at, id) where state = 0
"""
FLOOR_FILL = """
    insert into floor_job (payload) select jsonb_build_object('n', n) from generate_series(1, %s) n
"""
FILL = """
    select ops.enqueue_all('{queue}', 'k',
                           (select array_agg(jsonb_build_object('n', n)) from generate_series(1, {n}) n))
"""
SINGLE = "select ops.enqueue('single', 'k', '{\"n\": 1}')"
TOOK = """
    select extract(epoch from max(finished_at) - min(started_at))::float8
    from ops.job_done where id > %s
"""
# A third each are due, have a lane, or are delayed. Nothing of what is asked for is in the history.
PILE = """
    insert into ops.job_open (queue, kind, payload, group_key, run_at, is_due)
    select case when n %% 10 = 0 then 'small' else 'pile' end, 'k', '{}',
           case when n %% 3 = 0 then 'lane' || n %% 10000 end,
           now() + case when n %% 3 = 1 then interval '1 day' else interval '-1 hour' end,
           n %% 3 <> 1
    from generate_series(1, %s) n
"""
LATENCY = """
    select (extract(epoch from started_at - created_at) * 1000)::float8
    from ops.job_done where id > %s
"""


def in_turns(ours, other):
    """How many times as fast ours was: the median over the rounds, since both sides of a round have
    the machine of the same moment."""
    return statistics.median(theirs / own for own, theirs in zip(ours, other))


def build_floor(folder):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"], check=True, text=True,
                           capture_output=True).stdout.split()
    subprocess.run(["cc", "-O2", "-o", folder / "floor",
                    ROOT / "tests/bench/programs/queue_floor.c", *flags], check=True)
    return folder / "floor"


class Bench:
    def __init__(self, report, server, folder):
        self.report, self.server, self.folder = report, server, folder
        self.database = server.create()
        subprocess.run([BUILD / "workers/main/migrate"], cwd="/", check=True, capture_output=True,
                       env=worker_environment(DATABASE_URL=self.database.url))
        # What the consumer's jobs could ask for, and these do not.
        self.database.execute("create table noted (job_id bigint primary key, word text)")
        self.runner = WorkerRunner(self.database, folder)
        self.program, self.floor = build_consumer(folder), build_floor(folder)

    # --- one measurement

    def last_id(self):
        return self.database.value("select last_value from ops.job_number")

    def is_empty(self):
        return not self.database.value("select exists (select from ops.job_open)")

    def floor_seconds(self, statement, jobs=JOBS):
        self.database.execute(FLOOR)
        for _ in range(jobs // FILL_AT_ONCE):
            self.database.execute(FLOOR_FILL, FILL_AT_ONCE)
        done = subprocess.run([self.floor, statement], env={"DATABASE_URL": self.database.url}, check=True,
                              text=True, capture_output=True, timeout=PATIENCE_S)
        return float(done.stdout)

    def drain(self, jobs):
        """Seconds from the first start to the last outcome, and megabytes of the consumer."""
        before = self.last_id()
        for _ in range(jobs // FILL_AT_ONCE):
            self.database.query(FILL.format(queue="work", n=FILL_AT_ONCE))
        consumer = self.runner.start(self.program, SENDER_CONCURRENCY=str(IN_FLIGHT))
        wait_until(self.is_empty, PATIENCE_S)
        memory = meter.memory_mb(consumer.pid, "VmHWM")
        consumer.signal(15)
        consumer.wait()
        return self.database.value(TOOK, before), memory

    def per_second(self, statement, times):
        """One connection, prepared, each statement a transaction of its own."""
        script = self.folder / "script.sql"
        script.write_text(" ".join(statement.split()) + ";\n")
        done = subprocess.run(
            [self.server.programs / "pgbench", "-n", "-M", "prepared", "-t", str(times), "-f", script,
             self.database.url], check=True, text=True, capture_output=True, timeout=PATIENCE_S)
        [line] = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
        return float(line.split()[2])

    # --- the parts

    def drain_part(self):
        peers = [queue_peers.Peer(name, self.server.create(), self.folder / "redis.sock")
                 for name in queue_peers.installed()]
        names = ["ours", *FLOORS, *(peer.name for peer in peers)]
        seconds, memory = {name: [] for name in names}, {name: [0] for name in names}
        with queue_peers.redis(self.folder) if peers else contextlib.nullcontext():
            for number in range(ROUNDS):
                for name, statement in FLOORS.items():
                    seconds[name].append(self.floor_seconds(statement))
                those = [peer for peer in peers if number < peer.rounds]
                for name, drain in [("ours", self.drain), *((peer.name, peer.drain) for peer in those)]:
                    took, megabytes = drain(JOBS)
                    seconds[name].append(took)
                    memory[name].append(megabytes)
        speed = {name: JOBS / statistics.median(times) for name, times in seconds.items()}
        self.report.head(names)
        self.report.compare("draining jobs that do nothing, jobs/s", speed)
        self.report.compare("memory of the worker, MB",
                            {name: max(most) for name, most in memory.items() if name not in FLOORS},
                            MEMORY_MAX_MB)
        times = {name: in_turns(seconds["ours"], seconds[name]) for name in names[1:]}
        self.report.line("speed as a share of the floor's", times["floor"], "", least=FLOOR_SHARE_MIN)
        self.report.line("as a share of the best statement's", times["array"], "")
        if peers:
            self.report.line("speed as so many times the best peer's",
                             min(times[peer.name] for peer in peers), "", least=PEER_TIMES_MIN)

    def held_part(self):
        """Somebody else's transaction keeps every row alive that ends after it began."""
        reader = self.database.connect(autocommit=False)
        with contextlib.closing(reader), reader.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute("select count(*) from ops.job_open")
            speed = [JOBS / self.drain(JOBS)[0] for _ in range(HELD_CYCLES)]
        self.report.line(f"with an old snapshot held, the last of {HELD_CYCLES} drains", speed[-1],
                         "jobs/s", least=HELD_MIN)

    def cycles_part(self):
        """Beside the floor of the same moment, whose table is new each time: the machine may become
        slower meanwhile, the queue must not."""
        def floor_seconds():
            return self.floor_seconds(FLOORS["floor"], CYCLE_JOBS)

        ours, floor = [], [floor_seconds()]
        for _ in range(CYCLES):
            ours.append(self.drain(CYCLE_JOBS)[0])
            floor.append(floor_seconds())
        share = [(before + after) / 2 / took for took, before, after in zip(ours, floor, floor[1:])]
        first, last = (statistics.median(half) for half in (share[:CYCLES // 2], share[CYCLES // 2:]))
        self.report.line(f"{CYCLES} times {CYCLE_JOBS}: the slowest", CYCLE_JOBS / max(ours), "jobs/s")
        self.report.line("share of the floor's speed, the first half of them", first, "")
        self.report.line("the second half's, as a share of that", last / first, "",
                         least=LAST_OF_FIRST_MIN)

    def enqueue_part(self):
        self.report.line("enqueueing one at a time, one connection",
                         statistics.median(self.per_second(SINGLE, SINGLES) for _ in range(3)),
                         "jobs/s", least=SINGLE_MIN)
        fill = FILL.format(queue="bulk", n=FILL_AT_ONCE)
        self.report.line(f"enqueueing {FILL_AT_ONCE} in one statement",
                         FILL_AT_ONCE * statistics.median(
                             self.per_second(fill, JOBS // FILL_AT_ONCE) for _ in range(3)),
                         "jobs/s", least=BULK_MIN)
        self.database.execute("truncate ops.job_open")

    def latency_part(self):
        before = self.last_id()
        consumer = self.runner.start(self.program)
        consumer.wait_line("serving")
        self.database.execute("deallocate all; prepare one as select ops.enqueue('work', 'k', '{}')")
        for _ in range(STARTS):
            self.database.execute("execute one")
            time.sleep(0.01)
        wait_until(self.is_empty)
        times = sorted(row[0] for row in self.database.query(LATENCY, before))
        self.report.line("enqueue to start when idle, median", statistics.median(times), "ms",
                         MEDIAN_MAX_MS)
        self.report.line("enqueue to start when idle, p99", times[len(times) * 99 // 100], "ms",
                         P99_MAX_MS)
        consumer.signal(15)
        consumer.wait()

    def figures_part(self):
        """What opsctl queues and the gateway ask for, with very much in the queue."""
        self.database.execute(PILE, OPEN)
        self.database.execute("analyze ops.job_open")
        times = []
        for _ in range(LOOKS):
            began = time.monotonic()
            self.database.query("select * from ops.queue")
            times.append((time.monotonic() - began) * 1000)
        self.report.line(f"figures of two queues with {OPEN} open jobs",
                         statistics.median(times), "ms", FIGURES_MAX_MS)
        self.database.execute("truncate ops.job_open")

    def rate_part(self):
        """Telegram is the stand-in, which answers late and refuses what the real one would."""
        with Sandbox(self.folder) as telegram:
            for bots in BOTS[:1], BOTS:
                slowest, refused = self.send(telegram, bots)
                self.report.line(f"messages to Telegram, each of {len(bots)} at least", slowest,
                                 "a second", least=MESSAGES_MIN)
                self.report.line("of them told to wait (429)", refused, "", most=0)

    def send(self, telegram, bots):
        """Messages a second of the slowest bot, and how many requests were one too many."""
        telegram.reset()
        telegram.fault("stall", seconds=TELEGRAM_S, times=None, path="/bot*")
        for bot in bots:
            self.database.execute(
                "select ops.enqueue('messages', 'send-message',"
                " jsonb_build_object('chatId', i, 'text', 'm'), bot => %s)"
                " from generate_series(1, %s) i", bot, MESSAGES)
        sender = self.runner.start("messenger/sender", SENDER_CONCURRENCY="64",
                                   **telegram.environment(), **tokens(bots))
        wait_until(self.is_empty, PATIENCE_S)
        sender.signal(15)
        sender.wait()
        numbers = [token.split(":")[0] for token in tokens(bots).values()]
        return (min(rate(telegram.messages(bot=number)) for number in numbers),
                telegram.limits()["refused"])


PARTS = {"drain": Bench.drain_part, "held": Bench.held_part, "cycles": Bench.cycles_part,
         "enqueue": Bench.enqueue_part, "latency": Bench.latency_part,
         "figures": Bench.figures_part, "rate": Bench.rate_part}


@contextlib.contextmanager
def served():
    base = os.environ.get("BENCH_DIR") or ("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
    server = Cluster(base, **SERVER)
    with tempfile.TemporaryDirectory(dir=base) as folder:
        try:
            server.start()
            yield server, Path(folder)
        finally:
            server.stop()


def measure(report):
    wanted = [part for part in os.environ.get("BENCH_PARTS", " ".join(PARTS)).split() if part in PARTS]
    with served() as (server, folder):
        bench = Bench(report, server, folder)
        try:
            for part in wanted:
                PARTS[part](bench)
        finally:
            bench.runner.kill_all()
            bench.database.close()
