"""PostgreSQL dies without a word under a sender at work: every message ends, none is lost."""
import signal
import subprocess
import sys

import pytest

from harness import BUILD, ROOT, WorkerRunner, worker_environment
from postgres import Cluster

sys.path.insert(0, str(ROOT / "tests/scenario"))
from sender_world import World, sandbox_process  # noqa: E402,F401

MESSAGES, CRASHES = 150, 2


@pytest.fixture
def world(sandbox_process, tmp_path):  # noqa: F811
    # What was committed must be there after the crash, or nothing could be promised.
    server = Cluster(synchronous_commit="on")
    try:
        server.start()
        database = server.create()
        subprocess.run([BUILD / "workers/main/migrate"], cwd="/", check=True, capture_output=True,
                       env=worker_environment(DATABASE_URL=database.url))
        runner = WorkerRunner(database, tmp_path)
        sandbox_process.reset()
        yield World(database, runner, sandbox_process)
        runner.clean_up()
        database.close()
    finally:
        server.stop()


def test_a_database_that_crashes_under_a_sender_loses_no_message(world, wait_until):
    world.sandbox.limits(per_bot=None, per_chat=None)
    for n in range(MESSAGES):
        world.send(1000 + n, f"m{n}")
    world.start(TELEGRAM_RATE_PER_BOT=100, TELEGRAM_RATE_PER_CHAT=100)
    for crash in range(1, CRASHES + 1):
        wait_until(lambda crash=crash: len(world.texts()) >= crash * MESSAGES // 4)
        world.database.close()
        world.database.cluster.restart(signal.SIGQUIT)
    world.wait_all(60)
    assert world.count("done") + world.count("dead") == MESSAGES
    sent = world.texts()
    for job in world.database.query(
            "select payload ->> 'text' as text from ops.job where state = 'done'"):
        assert job.text in sent
    assert set(sent) == {f"m{n}" for n in range(MESSAGES)}
