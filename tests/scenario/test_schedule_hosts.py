"""Two hosts with one database: two opsds with a home each, a real worker of the fleet scheduled on both."""
import contextlib
import datetime
import os
import signal
import time

import pytest

from conformance_fleet import Home, is_alive, wait_until
from supervisor import BUILD, ROOT

WORKER = ROOT / BUILD / "workers/billing/expire_subscriptions"


@pytest.fixture
def hosts(database):
    two = [Home(), Home()]
    try:
        yield two
    finally:
        for home in two:
            home.end()


def scheduled(database, expression):
    return {"name": "w", "script": str(WORKER), "interpreter": "none", "schedule": expression,
            "timezone": "UTC", "env": {"DATABASE_URL": database.url},
            "backoff": {"initial": 50, "factor": 1, "max": 50, "jitter": 0}}


def schedule_once(hosts, database):
    """Due soon, and once: not before both know of it, which takes less than their own start did."""
    began = time.monotonic()
    for home in hosts:
        home.apps()
        home.recover()
    delay_s = 1.5 + 2 * (time.monotonic() - began)
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=delay_s)
    for home in hosts:
        home.apps(scheduled(database, at.strftime("%-S %-M %-H %-d %-m *")))
        assert home.opsctl("apply").returncode == 0


def runs(database):
    return database.query("select tick_at, attempt, exit_code, pid from ops.run order by tick_at")


def ended(hosts):
    return all(home.row("w")["state"] == "scheduled" for home in hosts)


def test_a_tick_is_run_by_one_host(hosts, database):
    for home in hosts:
        home.apps(scheduled(database, "* * * * * *"))
        home.recover()
    over = wait_until(lambda: (rows := [row for row in runs(database) if row.exit_code is not None])
                      and len(rows) >= 5 and rows)
    assert all((row.attempt, row.exit_code) == (1, 0) for row in over)

    def said():
        return "".join((home.log("w") + home.log("w", "error")).decode() for home in hosts)
    wait_until(lambda: "nothing to do" in said() or "another run" in said())


# A run cannot say that it is done while somebody holds this lock.
HOLD_UP = """
create function hold_up() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(77); return new; end $$;
create trigger hold_up before update on ops.run for each row when (new.exit_code is not null)
    execute function hold_up()
"""


def test_a_claimed_tick_whose_host_died_is_run_by_the_other(hosts, database):
    database.execute(HOLD_UP)
    with contextlib.closing(database.connect(autocommit=False)) as held:
        held.cursor().execute("select pg_advisory_xact_lock(77)")
        schedule_once(hosts, database)
        wait_until(lambda: runs(database))
        (claimed,) = runs(database)
        holder = next(h for h in hosts if h.row("w")["pid"] == claimed[3])
        other = next(h for h in hosts if h is not holder)
        tried = wait_until(lambda: other.rpc("history", names=["w"])["runs"])
        assert tried[-1]["exit_code"] == 75
        holder.kill("both")
        os.kill(claimed[3], signal.SIGKILL)
        wait_until(lambda: not is_alive(claimed[3]))
        wait_until(lambda: runs(database)[0][1] == 2)
        held.rollback()
    wait_until(lambda: ended([other]))
    (row,) = runs(database)
    assert row[:3] == (claimed[0], 2, 0)
    last = other.row("w")["last_run"]
    assert last["exit_code"] == 0
    assert datetime.datetime.fromisoformat(last["tick"].replace("Z", "+00:00")) == claimed[0]
    holder.recover()
    wait_until(lambda: ended(hosts), seconds=40)
    assert runs(database) == [row], "and it is not run a third time"
