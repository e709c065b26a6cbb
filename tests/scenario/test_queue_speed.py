"""What the queue's speed rests on. How fast it is, tests/bench tells."""
import statistics

import pytest

from harness import ROOT
from queue_world import program, world  # noqa: F401
from test_sql import statements


def test_a_claim_writes_no_index(world, wait_until):
    """An index that mentions a column which a claim changes would show here."""
    world.enqueue_many([{"n": n} for n in range(300)])
    consumer = world.consumer(SENDER_CONCURRENCY="50")
    wait_until(world.over)
    consumer.signal(15)
    assert consumer.wait() == 0
    written = wait_until(lambda: world.database.query(
        "select n_tup_upd as updated, n_tup_hot_upd as in_place from pg_stat_user_tables"
        " where relid = 'ops.job_open'::regclass and n_tup_del >= 300"))
    assert written[0].updated == written[0].in_place == 300


def test_statistics_of_an_empty_table_mislead_nobody(world, wait_until):
    """They promise one row, and whoever believes them reads all that are there for each turn."""
    for delete in True, False:
        world.enqueue_many([{}] * 6000)
        if delete:
            world.database.execute("delete from ops.job_open")
            world.database.execute("vacuum analyze ops.job_open")
    counted = ("select seq_tup_read + idx_tup_fetch as read, n_tup_del from pg_stat_user_tables"
               " where relid = 'ops.job_open'::regclass")
    before = wait_until(lambda: (row := world.database.query(counted)[0]).n_tup_del >= 6000 and row)
    consumer = world.consumer(SENDER_CONCURRENCY="50")
    wait_until(world.over)
    consumer.signal(15)
    assert consumer.wait() == 0
    after = wait_until(lambda: (row := world.database.query(counted)[0]).n_tup_del >= 12000 and row)
    assert after.read - before.read < 10 * 6000


@pytest.mark.parametrize("first", ["free", "lanes"])
def test_neither_jobs_with_a_lane_nor_those_without_wait_for_the_others(world, wait_until, first):
    lanes = [f"lane{n}" for n in range(1000)]
    world.enqueue_many([{}] * 1000, group_keys=lanes if first == "lanes" else None)
    [other] = [world.enqueue(group_key="other" if first == "free" else None)]
    world.consumer(SENDER_CONCURRENCY="10")
    wait_until(world.over)
    order = [start.job for start in world.starts()]
    assert len(order) == 1001 and order.index(other) < 500


def test_where_there_is_room_for_one_job_both_kinds_are_started_at_once(world, wait_until):
    world.consumer(SENDER_CONCURRENCY="1")
    took = []
    for n in range(12):
        number = world.enqueue(group_key="lane" if n // 2 % 2 else None)
        job = wait_until(lambda: (row := world.job(number)).state == "done" and row)
        took.append((job.started_at - job.created_at).total_seconds())
    # One that waits for the poll waits a second; each change from kind to kind by itself.
    assert all(statistics.median(took[change::4]) < 0.6 for change in range(4)), took


@pytest.mark.parametrize("late, rate", [("lane", 0), ("bot", 30), ("pause", 0)])
def test_what_becomes_due_while_a_turn_is_under_way_is_not_slept_over(world, late, rate):
    """Due after the turn began, and before it asks how long it may sleep."""
    wake = {name: text for name, _, text in statements(ROOT / "shared/queue.sql")}["queue.wake"]
    connection = world.database.connect(autocommit=False)
    with connection.cursor() as turn:
        turn.execute("select now()")
        turn.execute("insert into ops.lane (queue, group_key, bot, wake_at) values ('work', 'g', 'b',"
                     " case when %s then clock_timestamp() else now() - interval '1 s' end)",
                     (late == "lane",))
        turn.execute("insert into ops.rate (bot, next_at, paused_until) values ('b',"
                     " case when %s then clock_timestamp() else now() end,"
                     " case when %s then clock_timestamp() else now() end)",
                     (late == "bot", late == "pause"))
        turn.execute(f"prepare wake as {wake}")
        turn.execute("execute wake ('work', %s, 0)", (rate,))
        assert turn.fetchone()[0] <= 0
    connection.close()
