"""Two hosts run the same billing worker at the same time.

The advisory lock keeps the second out. It is no part of what keeps the books right, though: a host
may lose its session, and the lock with it, while its request is still under way. So most of these
tests take the lock out of the picture.
"""
import pytest

from preload import kill_at
from scenes import ASKING, SCENES
from town import AGAIN, DONE

# PostgreSQL looks for a function in pg_catalog first, unless the path says otherwise.
EVERYBODY_GETS_THE_LOCK = """
    create schema if not exists open;
    create or replace function open.pg_try_advisory_lock(bigint) returns boolean
    language sql as 'select true';
    do $$ begin
        execute format('alter database %I set search_path = open, pg_catalog, public',
                       current_database());
    end $$
"""
AS_BEFORE = """
    do $$ begin execute format('alter database %I reset search_path', current_database()); end $$
"""
TICKS = ["2026-03-10T21:10:00Z", "2026-03-10T21:10:01Z", "2026-03-10T21:10:02Z"]


@pytest.fixture
def no_lock(town):
    town.database.execute(EVERYBODY_GETS_THE_LOCK)
    yield
    town.database.execute(AS_BEFORE)


def run_together(town, others):
    """others: settings of each copy but the first. Returns the exit codes."""
    running = [town.start(OPS_TICK=tick, **settings)
               for tick, settings in zip(TICKS, ({}, *others))]
    return [one.wait() for one in running]


def finish_all(town):
    """Each copy's tick is tried again until it is done."""
    for tick in TICKS:
        town.finish(OPS_TICK=tick)
    town.check()


@pytest.mark.parametrize("round_", range(3))
@pytest.mark.parametrize("worker", SCENES)
def test_three_without_a_lock(town, no_lock, worker, round_):
    town.begin(worker)
    codes = run_together(town, [{}, {}])
    assert set(codes) <= {DONE, AGAIN}
    finish_all(town)


@pytest.mark.parametrize("number", range(40, 120, 8))
def test_one_of_two_is_killed(town, no_lock, number):
    """While the other one charges, without a lock between them."""
    town.begin("autopayments")
    code, _killed = run_together(town, [kill_at(number)])
    assert code in (DONE, AGAIN)
    finish_all(town)


@pytest.mark.parametrize("number", [None, *range(40, 110, 10)])
def test_every_worker_at_once(town, no_lock, number):
    """All that may settle a payment do so while it is being made. One of them may be killed."""
    town.begin("autopayments")
    killed = kill_at(number) if number else {}
    running = [town.start("autopayments", OPS_TICK=TICKS[1], **killed), *map(town.start, SCENES)]
    codes = [one.wait() for one in running]
    assert set(codes[1:]) <= {DONE, AGAIN}
    for worker in SCENES:
        town.finish(worker)
    town.finish("autopayments", OPS_TICK=TICKS[1])
    town.check()


@pytest.mark.parametrize("worker", ASKING)
def test_second_host_takes_over_from_a_dead_one(town, worker):
    """And not before: while the first lives, the lock says who has it."""
    town.begin(worker)
    town.sandbox.fault("hold")
    first = town.start()
    town.sandbox.wait_held()
    second = town.run()
    assert second.returncode == AGAIN and f"pid={first.pid}" in second.output
    first.kill()
    town.sandbox.clear_faults()
    town.sandbox.release()
    town.finish()
    town.check()
