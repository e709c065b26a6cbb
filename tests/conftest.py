"""What every black-box test may use.

    database        a fresh migrated database: .url, .query(sql, *args), .value(...), .connect()
    empty_database  the same without any schema
    worker          worker("billing/autopayments", "--dry-run", BILLING_TZ="UTC"): runs a binary of
                    the fleet against `database` to its end; .start(...) leaves it running
    wait_until      wait_until(lambda: condition): until it holds, or fails after a deadline

One PostgreSQL cluster serves a whole pytest run. Databases are copies of a template that
main/migrate made once. Everything is gone at the end. The classes are in postgres.py and harness.py.
"""
import signal
import subprocess

import pytest

import harness
from harness import BUILD, WorkerRunner, worker_environment
from postgres import Cluster

# A shell that starts us in the background ignores these, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


# Files whose programs are others' (the stand-ins, PostgreSQL, make, shells, a browser), or ours as
# other tests run them, too: the sanitizers would see nothing new.
PLAIN_ONLY = {"test_billing_sql.py", "test_dashboard.py", "test_install.py", "test_ops_schema.py",
              "test_opsctl_completion.py", "test_queue_figures.py", "test_seed.py", "test_sql.py",
              "test_telegram.py", "test_telegram_members.py", "test_tron.py",
              "test_yookassa.py"}


def pytest_collection_modifyitems(items):
    if BUILD.name.endswith("-san"):
        items[:] = [item for item in items if item.path.name not in PLAIN_ONLY]


@pytest.fixture
def wait_until():
    return harness.wait_until


@pytest.fixture(scope="session")
def cluster():
    server = Cluster()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(cluster):
    template = cluster.create()
    done = subprocess.run([BUILD / "workers/main/migrate"], cwd="/", capture_output=True, text=True,
                          env=worker_environment(DATABASE_URL=template.url))
    assert done.returncode == 0, done.stdout + done.stderr
    return template


@pytest.fixture
def empty_database(cluster):
    made = cluster.create()
    yield made
    made.drop()


@pytest.fixture
def database(cluster, migrated_template):
    made = cluster.create(migrated_template.name)
    yield made
    made.drop()


@pytest.fixture
def worker(database, tmp_path):
    runner = WorkerRunner(database, tmp_path)
    yield runner
    runner.clean_up()
