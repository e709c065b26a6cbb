"""The queue beside the floor of one bare libpq connection, in turns on the same server."""
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from consumer import build_consumer
from harness import BUILD, ROOT, WorkerRunner, wait_until, worker_environment
from postgres import Cluster

JOBS = int(os.environ.get("QUEUE_BENCH_JOBS", "20000"))
ROUNDS, SINGLES, PATIENCE_S = 3, 500, 120
MEMORY_MAX_MB = 15
# The floor's share that must be reached is 0.6.
FLOOR_TIMES_MAX = 1 / 0.6
FLOOR_FILL = """
    create table if not exists floor_job (id bigint generated always as identity primary key,
        taken boolean not null default false, payload jsonb) with (fillfactor = 70);
    create index if not exists floor_next on floor_job (id) where not taken;
    insert into floor_job (payload) select jsonb_build_object('n', n) from generate_series(1, %s) n;
    analyze floor_job
"""
FILL = """
    select ops.enqueue_all('work', 'k', array_agg(jsonb_build_object('n', n)))
    from generate_series(1, %s) n
"""
TOOK = """
    select extract(epoch from max(finished_at) - min(started_at))::float8
    from ops.job_done where id > %s
"""
LATENCY = """
    select (extract(epoch from started_at - created_at) * 1000)::float8
    from ops.job_done where id > %s
"""


def build_floor(folder):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"], check=True, text=True,
                           capture_output=True).stdout.split()
    subprocess.run(["cc", "-O2", "-o", folder / "floor",
                    ROOT / "tests/bench/programs/queue_floor.c", *flags], check=True)
    return folder / "floor"


def floor_seconds(database, floor):
    database.execute(FLOOR_FILL, JOBS)
    done = subprocess.run([floor], env={"DATABASE_URL": database.url}, check=True, text=True,
                          capture_output=True, timeout=PATIENCE_S)
    return float(done.stdout)


def last_id(database):
    return database.value("select last_value from ops.job_number")


def peak_mb(pid):
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines()
              if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def is_empty(database):
    return not database.value("select exists (select from ops.job_open)")


def drain_seconds(database, runner, program):
    """Seconds, and megabytes of the consumer."""
    before = last_id(database)
    database.query(FILL, JOBS)
    consumer = runner.start(program, SENDER_CONCURRENCY="100")
    wait_until(lambda: is_empty(database), PATIENCE_S)
    memory = peak_mb(consumer.pid)
    consumer.signal(15)
    consumer.wait()
    return database.value(TOOK, before), memory


def enqueue_rates(report, database):
    began = time.monotonic()
    for n in range(SINGLES):
        database.value("select ops.enqueue('later', 'k', '{}', run_at => 'infinity')")
    report.line("one at a time, one connection", SINGLES / (time.monotonic() - began), "jobs/s")
    began = time.monotonic()
    database.query(FILL.replace("'work'", "'bulk'"), JOBS)
    report.line("many in one statement", JOBS / (time.monotonic() - began), "jobs/s")
    database.execute("delete from ops.job")


def start_latency(report, database, runner, program):
    before = last_id(database)
    consumer = runner.start(program)
    consumer.wait_line("serving")
    for _ in range(SINGLES):
        database.value("select ops.enqueue('work', 'k', '{}')")
        time.sleep(0.01)
    wait_until(lambda: is_empty(database))
    times = sorted(row[0] for row in database.query(LATENCY, before))
    report.line("enqueue to start when idle, median", statistics.median(times), "ms")
    report.line("enqueue to start when idle, p99", times[len(times) * 99 // 100], "ms")
    consumer.signal(15)
    consumer.wait()


@contextlib.contextmanager
def served():
    server = Cluster()
    with tempfile.TemporaryDirectory() as folder:
        try:
            server.start()
            database = server.create()
            subprocess.run([BUILD / "workers/main/migrate"], cwd="/", check=True,
                           capture_output=True, env=worker_environment(DATABASE_URL=database.url))
            # What the consumer's jobs could ask for, and these do not.
            database.execute("create table noted (job_id bigint primary key, word text)")
            runner = WorkerRunner(database, folder)
            yield database, runner, Path(folder)
            runner.clean_up()
        finally:
            server.stop()


def measure(report):
    with served() as (database, runner, folder):
        program, floor = build_consumer(folder), build_floor(folder)
        enqueue_rates(report, database)
        start_latency(report, database, runner, program)
        floors, ours, memory = [], [], []
        for _ in range(ROUNDS):
            floors.append(floor_seconds(database, floor))
            seconds, megabytes = drain_seconds(database, runner, program)
            ours.append(seconds)
            memory.append(megabytes)
        report.line("the floor", JOBS / statistics.median(floors), "jobs/s")
        report.line("draining jobs that do nothing", JOBS / statistics.median(ours), "jobs/s")
        report.line("time as so many times the floor's",
                    statistics.median(ours) / statistics.median(floors), "", FLOOR_TIMES_MAX)
        report.line("memory of the consumer", max(memory), "MB", MEMORY_MAX_MB)
