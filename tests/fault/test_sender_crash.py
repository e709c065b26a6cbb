"""PostgreSQL dies without a word under a sender at work: every message ends, none is lost."""
import signal

import pytest

from harness import WorkerRunner, migrate
from postgres import Cluster
from sender_world import World

MESSAGES, CRASHES = 150, 2


@pytest.fixture
def world(sandbox, tmp_path):
    # What was committed must be there after the crash, or nothing could be promised.
    server = Cluster(synchronous_commit="on")
    try:
        server.start()
        database = server.create()
        migrate(database)
        with WorkerRunner(database, tmp_path) as runner:
            yield World(database, runner, sandbox)
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
