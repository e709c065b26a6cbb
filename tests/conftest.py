"""What every black-box test may use.

    database        a fresh migrated database: .url, .query(sql, *args), .value(...), .connect()
    empty_database  the same without any schema
    worker          worker("billing/autopayments", "--dry-run", BILLING_TZ="UTC"): runs a binary of
                    the fleet against `database` to its end; .start(...) leaves it running, and what
                    still runs at the end of the test is killed
    lasting_worker  the same against a database that all tests of a module share, for those that empty
                    tables, which takes a tenth of the time of a new one
    sandbox         the stand-ins for the outside services, as new (sandbox/fixture.py)
    wait_until      wait_until(lambda: condition): until it holds, or fails after a deadline

One PostgreSQL cluster serves a whole pytest run. Databases are copies of a template that
main/migrate made once. Everything is gone at the end. The classes are in postgres.py and harness.py;
what the tests of one app share is in scenario/APP_world.py, which tests in every folder can import.
"""
import signal
import sys

import pytest

import harness
from harness import BUILD, ROOT, WorkerRunner, migrate
from postgres import Cluster

# Before what is installed: supervisord is a package of the same name as a module of ours.
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("scenario", "sandbox", "fault")]
from fixture import sandbox, sandbox_process  # noqa: E402

assert sandbox and sandbox_process  # fixtures

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
    migrate(template)
    return template


@pytest.fixture
def empty_database(cluster):
    with cluster.database() as made:
        yield made


@pytest.fixture
def database(cluster, migrated_template):
    with cluster.database(migrated_template.name) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_database(cluster, migrated_template):
    with cluster.database(migrated_template.name) as made:
        yield made


@pytest.fixture
def worker(database, tmp_path):
    with WorkerRunner(database, tmp_path) as runner:
        yield runner


@pytest.fixture
def lasting_worker(lasting_database, tmp_path):
    with WorkerRunner(lasting_database, tmp_path) as runner:
        yield runner
