"""Workers whose network goes wrong (proxy.py): they notice, come back, end when told to, and lose nothing."""
import collections
import os
import resource
import time

import pytest

from harness import Lag, WorkerRunner
from gateway_world import Gateway, message
from preload import kill_at
from proxy import Proxy, TlsProxy
from queue_world import QueueWorld, program, world  # noqa: F401

# Answers are cut after so many more bytes each time, round after round.
CUTS = int(os.environ.get("NETWORK_CUTS", "4"))
STEP_BYTES = int(os.environ.get("NETWORK_STEP_BYTES", "397"))
# The service's own messages to the server, each of which fails in its turn.
SENDS = int(os.environ.get("NETWORK_SENDS", "5"))


def url(database, *networks, **options):
    """Of the database as it is seen through the proxies, the first of them first."""
    hosts = ",".join(["127.0.0.1"] * len(networks))
    ports = ",".join(str(network.port) for network in networks)
    return f"postgresql://ops@/{database.name}?host={hosts}&port={ports}" + "".join(
        f"&{name}={value}" for name, value in options.items())


@pytest.fixture
def network(cluster):
    with Proxy(cluster.folder / ".s.PGSQL.5432") as proxy:
        yield proxy


@pytest.fixture
def behind(network, database):
    """The settings of a worker whose database is behind the network."""
    return {"DATABASE_URL": url(database, network)}


def stop(process, within_s):
    """Its exit code; it has to end in time, and has never been busy."""
    begun, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with Lag() as lag:
        process.signal(15)
        code = process.wait(30)
    took, now_used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert took < within_s + lag.worst, process.output
    assert now_used.ru_utime + now_used.ru_stime - used.ru_utime - used.ru_stime < 0.8
    return code


# --- a server that is not there


def test_of_several_servers_the_one_that_hangs_is_passed_over(network, cluster, database, worker):
    with Proxy(cluster.folder / ".s.PGSQL.5432") as hanging:
        hanging.silence()
        gateway = Gateway(worker, DATABASE_URL=url(database, hanging, network, connect_timeout=2))
        assert gateway.post_update(message(1)).status == 200
        assert stop(gateway.process, 3) == 0


def test_who_connects_to_a_server_that_hangs_can_be_stopped(network, behind, worker, wait_until):
    network.silence()
    run = worker.start("ozhivlyator/discount_offer", **behind)
    wait_until(lambda: network.taken)
    assert stop(run, 3) == 75


# --- a connection that stands, and nothing comes


def test_a_run_whose_statement_is_not_answered_can_be_stopped(network, behind, worker, wait_until):
    network.after_answer(1000, network.silence)  # its statements are being prepared
    run = worker.start("ozhivlyator/discount_offer", OPS_TICK="2026-11-21T10:00:00Z", **behind)
    wait_until(lambda: network.answered >= 1000)
    assert stop(run, 5) == 75
    assert "did not answer in time" in run.output


@pytest.fixture
def serving(world, behind):
    """A consumer behind the network, without anything to do."""
    return world.consumer(**behind)


def test_a_service_whose_turn_is_not_answered_can_be_stopped(network, world, serving):
    network.stall()
    world.enqueue()
    assert stop(serving, 3) == 0


# --- connections that end in the middle


def test_jobs_are_done_once_wherever_a_connection_is_cut(network, world, serving, wait_until):
    for round_ in range(1, CUTS + 1):
        if round_ % 3 == 0:
            network.shred()
        network.after_answer(STEP_BYTES * round_, network.reset if round_ % 2 else network.end)
        taken = network.taken
        while network.taken == taken:
            world.enqueue_many([{"ms": n} for n in range(10)],
                               group_keys=[f"lane{n % 3}" if n % 2 else None for n in range(10)])
            wait_until(lambda: world.over() or network.taken > taken)
        network.heal()
        wait_until(world.over, what=world.states)
    assert set(world.states()) == {"done"}
    assert set(collections.Counter(start.job for start in world.starts()).values()) == {1}
    assert stop(serving, 3) == 0
    # The first two connections are not said to be lost: the runtime's, and the one that is left.
    assert serving.output.count("jobs in flight go on") == network.taken - 2


@pytest.mark.parametrize("number", range(1, SENDS + 1))
def test_a_send_that_fails_ends_no_service(world, wait_until, number):
    """The socket is closed by libpq, while the loop is about to watch it."""
    serving = world.begin(**kill_at(number, "before", "cut", KILL_FROM="PQpipelineSync"))
    serving.wait_line("kill_at")
    serving.wait_line("serving")
    world.enqueue_many([{}] * 10)
    wait_until(world.over)
    assert len(world.starts()) == 10
    assert stop(serving, 3) == 0


def test_the_server_s_last_words_are_the_reason(world, serving, wait_until):
    world.database.query("select pg_terminate_backend(pid) from pg_stat_activity"
                         " where application_name = 'test/consumer'")
    serving.wait_line("jobs in flight go on")
    serving.wait_line("serving")
    assert stop(serving, 3) == 0
    assert "57P01" in serving.output
    assert all(line.split()[0] in ("info", "warn") for line in serving.seen)


# --- TLS


def test_what_tls_has_deciphered_is_read(cluster, database, worker, program, tmp_path, wait_until):
    with TlsProxy(cluster.folder / ".s.PGSQL.5432", tmp_path) as network:
        world = QueueWorld(database, worker, program, tmp_path)
        serving = world.consumer(DATABASE_URL=url(database, network, sslmode="require"))
        for size in range(8000, 17000, 1000):
            world.enqueue_many([{"x": os.urandom(size // 2).hex()} for _ in range(5)])
            wait_until(world.over, 4)  # sooner than the next heartbeat
        assert stop(serving, 3) == 0


# --- a database that refuses


def trouble(database, what):
    """What happens to each statement that touches a job, and how often it did."""
    database.execute(f"""
        create sequence troubled;
        create function trouble() returns trigger language plpgsql as $$
        declare n bigint := nextval('troubled');
        begin
            {what};
            return new;
        end $$;
        create trigger trouble before update on ops.job_open for each row
            execute function trouble();
    """)
    return lambda: database.value("select last_value from troubled")


def test_what_the_database_refuses_for_long_is_said_once(world, serving, wait_until):
    times = trouble(world.database, "raise exception 'full' using errcode = 'disk_full'")
    world.enqueue()
    wait_until(lambda: times() > 2)
    world.database.execute("drop trigger trouble on ops.job_open")
    wait_until(world.over)
    assert stop(serving, 3) == 0
    assert serving.output.count("warn the queue's transaction failed") == 1
    assert "53100" in serving.output and serving.output.count("works again") == 1
    assert len(world.starts()) == 1


@pytest.mark.parametrize("what, code", [
    ("if n = 1 then raise exception 'demoted' using errcode = 'read_only_sql_transaction'; end if",
     "25006"),
    # As a pooler does that gives each transaction another session.
    ("if n = 1 then execute 'deallocate all'; end if", "26000")])
def test_a_session_that_will_not_do_is_left_for_a_new_one(world, serving, network, wait_until, what,
                                                         code):
    trouble(world.database, what)
    world.enqueue()
    wait_until(world.over)
    taken = network.taken
    assert stop(serving, 3) == 0
    assert taken == 3 and code in serving.output
    assert ("pool_mode = session" in serving.output) == (code == "26000")
    assert len(world.starts()) == 1
