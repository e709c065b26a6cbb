"""Consumers and PostgreSQL that die: every job ends, and is started twice only where nobody could know."""
import collections
import os

import pytest

from harness import WorkerRunner, migrate
from postgres import Cluster
from preload import kill_at
from queue_world import QueueWorld, program, world  # noqa: F401

# Boundaries of a consumer at which it dies; all that it has with QUEUE_KILLS=150.
KILLS = int(os.environ.get("QUEUE_KILLS", "8"))
INTERRUPTIONS_MAX = 5  # shared/limits.h
RESTARTS = int(os.environ.get("QUEUE_RESTARTS", "2"))


def mixed_jobs(world):
    lanes = [f"lane{n % 4}" if n % 2 else None for n in range(40)]
    world.enqueue_many([{"ms": n % 5, **({"delivery": "at_most_once"} if n % 10 == 0 else {})}
                        for n in range(40)], group_keys=lanes)


def check_books(world):
    """Every job is over, and the ledger knows no start that the database does not account for."""
    starts = collections.Counter(start.job for start in world.starts())
    for job in world.database.query("select * from ops.job"):
        interrupted = sum(1 for error in job.errors if error.get("interrupted"))
        assert job.state in ("done", "dead"), job
        if interrupted >= INTERRUPTIONS_MAX:
            continue  # it is taken for what kills its process
        # A job that was claimed by a process which died before it could start it was not started.
        assert starts[job.id] <= interrupted + (job.state == "done"), job
        if job.payload.get("delivery") == "at_most_once":
            assert starts[job.id] <= 1, job
        else:
            assert job.state == "done" and starts[job.id] >= 1, job
    by_lane = collections.defaultdict(list)
    for start in world.starts():
        by_lane[start.lane].append(start.job)
    for lane, jobs in by_lane.items():
        assert lane == "-" or jobs == sorted(jobs), (lane, jobs)


def test_a_consumer_may_die_at_every_boundary(world, wait_until):
    mixed_jobs(world)
    rounds = 1
    for number in range(1, KILLS + 1):
        # Enough to do to come that far.
        if world.database.value("select count(*) from ops.job_open") < 20:
            mixed_jobs(world)
            rounds += 1
        dying = world.begin(**kill_at(number, "after" if number % 2 else "before"))
        assert dying.wait(40) == -9
        world.silence()
    world.consumer()
    wait_until(world.over, 60, what=lambda: world.states())
    check_books(world)
    assert sum(world.states().values()) == 40 * rounds


@pytest.fixture
def own_server(tmp_path):
    server = Cluster()
    try:
        server.start()
        database = server.create()
        migrate(database)
        yield server, database
    finally:
        server.stop()


def test_a_server_that_restarts_loses_and_doubles_nothing(own_server, program, tmp_path, wait_until):
    server, database = own_server
    with WorkerRunner(database, tmp_path) as runner:
        world = QueueWorld(database, runner, program, tmp_path)
        consumers = [world.consumer() for _ in range(2)]
        for round_ in range(RESTARTS):
            world.enqueue_many([{"ms": 30 * (n % 20)} for n in range(200)],
                               group_keys=[f"lane{n % 5}" if n % 2 else None for n in range(200)])
            wait_until(lambda: len(world.starts()) > 200 * round_ + 20)
            database.close()
            server.restart()
            wait_until(lambda: world.over(), 60, what=lambda: world.states())
        assert world.states() == {"done": 200 * RESTARTS}
        starts = collections.Counter(start.job for start in world.starts())
        assert set(starts.values()) == {1}
        check_books(world)
        for consumer in consumers:
            consumer.signal(15)
            assert consumer.wait() == 0
