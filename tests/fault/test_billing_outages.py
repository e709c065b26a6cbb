"""The provider is silent, or PostgreSQL falls down, while a billing worker is at it."""
import contextlib
import itertools
import signal

import psycopg2
import pytest

from harness import WorkerRunner
from postgres import Cluster, Database
from preload import kill_at, preload, struck
from scenes import ASKING
from town import AGAIN, DONE, Town


# --- the provider


@pytest.mark.parametrize("number, codes", [
    (signal.SIGKILL, {-signal.SIGKILL}), (signal.SIGTERM, {DONE, AGAIN})])
@pytest.mark.parametrize("worker", ASKING)
def test_while_answers_are_withheld(town, worker, number, codes):
    """Everything that was asked has had its effect, and nobody here knows. A worker that is told to
    stop waits for its answers."""
    town.begin(worker)
    town.sandbox.fault("hold", times=None)
    running = town.start()
    town.sandbox.wait_held()
    running.signal(number)
    if number == signal.SIGKILL:
        assert running.wait() in codes
    town.sandbox.clear_faults()
    town.sandbox.release()
    assert running.wait() in codes
    town.finish()
    town.check()


def test_answers_that_come_too_late(town):
    """The charge is made while nobody listens any more."""
    town.begin("autopayments")
    town.sandbox.clear_faults()
    town.sandbox.fault("stall", method="POST", times=None, seconds=2)
    done = town.run(**preload("hasten", HASTEN_TIMEOUT_MS=200))
    assert done.returncode == AGAIN and "charge unknown" in done.output
    town.sandbox.clear_faults()
    town.finish()
    town.check()


@pytest.mark.parametrize("worker", [name for name in ASKING if name != "autopayments"])
def test_a_silent_provider(town, worker):
    """It takes the question and says nothing, until it is itself again."""
    town.begin(worker)
    town.sandbox.fault("stall", times=None, seconds=30)
    done = town.run(**preload("hasten", HASTEN_TIMEOUT_MS=50))
    assert done.returncode == AGAIN, done.output
    town.sandbox.clear_faults()
    town.finish()
    town.check()


# --- PostgreSQL


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    """A migrated database of a cluster of its own, to be crashed. Unlike in the other tests, what
    is committed there stays committed."""
    folder, server = tmp_path_factory.mktemp("fragile"), Cluster()
    try:
        server.start()
        database = server.create()
        migrated = WorkerRunner(database, folder)("main/migrate")
        assert migrated.returncode == DONE, migrated.stderr
        database.execute(f"alter database {database.name} set synchronous_commit = on")
        yield database
    finally:
        server.stop()


def answers(database):
    with contextlib.suppress(psycopg2.OperationalError):
        database.connect().close()
        return True
    return False


@pytest.mark.parametrize("worker, first", [
    ("autopayments", 1), ("autopayments", 4), ("matching_pending_payments", 1)])
def test_server_crashes(fragile, crowd, tmp_path, wait_until, worker, first):
    """At every sixth boundary. The connection of the test itself falls as well."""
    for number in itertools.count(first, 6):
        runner = WorkerRunner(fragile, tmp_path)
        town = Town(Database(fragile.cluster, fragile.name), runner, crowd[1])
        town.begin(worker)
        done = town.run(**kill_at(number, "after", "server", KILL_FROM="PQsendQueryPrepared"))
        if not struck(done.output):
            assert number > first
            return
        assert done.returncode in (DONE, AGAIN), done.output
        wait_until(lambda: answers(fragile), what="PostgreSQL has recovered")
        town.database = Database(fragile.cluster, fragile.name)
        town.finish()
        town.check()
