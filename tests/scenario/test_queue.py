"""What a queue promises to its jobs, with real consumers."""
import collections
import datetime
import json
import time

import psycopg2
import pytest

from queue_world import program, world  # noqa: F401


# --- outcomes


def test_each_outcome_is_written_as_it_was_told(world, wait_until):
    past = "2020-01-01T00:00:00Z"
    wanted = {
        world.enqueue(): ("done", 1, None),
        world.enqueue({"do": "dead", "why": 'no "chat" \\ ключ'}): ("dead", 1, 'no "chat" \\ ключ'),
        world.enqueue({"do": "retry"}, max_attempts=1): ("dead", 1, "did not work"),
        world.enqueue({"do": "retry once"}): ("done", 2, "did not work"),
        world.enqueue({"do": "unknown", "delivery": "at_most_once"}): ("dead", 1, "no answer"),
        world.enqueue({"do": "hold", "wait": 3600000}): ("available", 0, "held"),
        world.enqueue({"do": "wait", "wait": 3600000}): ("available", 0, "told to wait"),
        world.enqueue({"not_after": past}): ("cancelled", 1, "not_after has passed"),
        world.enqueue({"not_after": "soon"}): ("dead", 1, "not_after: want an instant like"
                                               " 2026-11-21T10:00:00Z"),
        world.enqueue({"do": "note", "word": "x"}): ("done", 1, None),
        world.enqueue({"do": "take", "n": 3}, bot="b"): ("done", 1, None),
    }
    world.consumer()
    wait_until(lambda: {job: (row.state, row.attempt, row.last_error)
                        for job, row in ((job, world.job(job)) for job in wanted)} == wanted)
    assert world.database.value("select word from noted") == "x"
    for row in world.database.query("select * from ops.job where state in ('done', 'dead')"):
        assert row.started_at and row.finished_at >= row.started_at
    [error] = world.job(list(wanted)[3]).errors
    assert error["attempt"] == 1 and error["error"] == "did not work"


def test_what_was_found_is_the_result(world, wait_until):
    job = world.enqueue({"do": "ask"})
    world.consumer()
    wait_until(lambda: world.job(job).state == "done")
    assert world.job(job).result == {"noted": 0}


def test_an_outcome_that_the_server_refuses_is_dead_and_the_others_go_on(world, wait_until):
    world.database.execute("insert into noted values (1, 'taken'), (2, 'taken')")
    first = world.enqueue({"do": "note", "word": "y"})
    rest = [world.enqueue() for _ in range(20)]
    assert first == 1
    world.consumer()
    wait_until(world.over)
    assert world.states() == {"dead": 1, "done": len(rest)}
    assert "noted_pkey" in world.job(first).last_error


# --- order and time


def test_a_lane_keeps_its_order_through_failures_and_two_consumers(world, wait_until):
    lanes = [f"lane{n % 7}" for n in range(140)]
    world.enqueue_many([{"do": "retry once" if n in (3, 8, 77) else "done", "ms": n % 3}
                        for n in range(140)], group_keys=lanes)
    for _ in range(2):
        world.consumer()
    wait_until(world.over, what=lambda: world.states())
    by_lane = collections.defaultdict(list)
    for start in world.starts():
        by_lane[start.lane].append((start.job, start.attempt))
    assert len(by_lane) == 7
    for started in by_lane.values():
        assert started == sorted(started)
    assert len(world.starts()) == 143


def test_a_lane_in_the_hands_of_another_transaction_keeps_no_other_waiting(world, wait_until):
    """Two consumers that wait for each other's lanes while they hold their own would deadlock."""
    world.consumer()
    for key in "held", "free":
        world.enqueue(group_key=key)
    wait_until(world.over)
    holder = world.database.connect(autocommit=False)
    with holder.cursor() as cursor:
        cursor.execute("select from ops.lane where group_key = 'held' for update")
        held, *others = [world.enqueue(group_key=key) for key in ("held", "free", "new")]
        wait_until(lambda: all(world.job(number).state == "done" for number in others))
        assert world.job(held).state == "available"
    holder.rollback()
    holder.close()
    wait_until(world.over)


def test_what_is_more_urgent_goes_first(world, wait_until):
    jobs = {world.enqueue(priority=priority): priority for priority in (0, 7, -3, 7, 2)}
    world.consumer(SENDER_CONCURRENCY="1")
    wait_until(world.over)
    assert [jobs[start.job] for start in world.starts()] == [7, 7, 2, 0, -3]


def test_a_delayed_job_starts_on_time_and_delays_nobody(world, wait_until):
    def at(seconds):
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)

    world.consumer()
    far = [world.enqueue(run_at=at(time.time() + 3600), group_key=group) for group in (None, "g")]
    due = time.time() + 0.7
    soon = [world.enqueue(run_at=at(due), group_key=group) for group in (None, "g")]
    now = [world.enqueue(), world.enqueue(group_key="g")]
    wait_until(lambda: world.states() == {"available": 2, "done": 4})
    starts = {start.job: start.at for start in world.starts()}
    assert set(starts) == {*soon, *now} and not set(starts) & set(far)
    # The ledger has whole milliseconds.
    assert all(starts[job] >= due - 0.001 for job in soon)


def test_a_job_of_a_transaction_that_was_rolled_back_never_starts(world, wait_until):
    world.consumer()
    other = world.database.connect(autocommit=False)
    with other.cursor() as cursor:
        cursor.execute("select ops.enqueue('work', 'k', '{}'), ops.enqueue('work', 'k', '{}',"
                       " group_key => 'g')")
    other.rollback()
    other.close()
    last = world.enqueue(group_key="g")
    wait_until(world.over)
    assert [start.job for start in world.starts()] == [last]


# --- cancelling, retrying


def test_a_waiting_job_can_be_cancelled_and_called_back(world, wait_until):
    job = world.enqueue()
    assert world.database.value("select ops.job_cancel(%s)", job) == "cancelled"
    world.consumer()
    follower = world.enqueue()
    wait_until(world.over)
    assert [start.job for start in world.starts()] == [follower]
    assert world.database.value("select ops.job_retry(%s)", job) == "available"
    wait_until(lambda: world.job(job).state == "done")


def test_a_running_job_that_is_cancelled_is_not_tried_again(world, wait_until):
    failing = world.enqueue({"do": "retry", **world.gated})
    ending = world.enqueue({"do": "done", **world.gated})
    world.consumer()
    wait_until(lambda: len(world.starts()) == 2)
    assert world.database.value("select ops.job_cancel(%s)", failing) == "running"
    assert world.database.value("select ops.job_cancel(%s)", ending) == "running"
    world.gate.touch()
    wait_until(world.over)
    assert world.job(failing).state == "cancelled" and world.job(ending).state == "done"


def test_a_dead_job_comes_back_with_all_its_attempts(world, wait_until):
    job = world.enqueue({"do": "retry"}, max_attempts=1, group_key="g")
    world.consumer()
    wait_until(lambda: world.job(job).state == "dead")
    assert world.database.value("select ops.job_retry(%s)", job) == "available"
    wait_until(lambda: world.job(job).state == "dead" and len(world.starts()) == 2)
    assert len(world.job(job).errors) == 2


# --- limits


def in_any_second(times):
    times = sorted(times)
    return max(sum(1 for other in times if at <= other < at + 1) for at in times)


def test_a_bot_keeps_its_rate_over_two_senders_and_bots_do_not_share_it(world, wait_until):
    for bot in ("a", "b"):
        world.enqueue_many([{"chatId": n, "ms": 20} for n in range(60)], "messages", bot)
    limits = {"CONSUMER_QUEUE": "messages", "CONSUMER_PACED": "1", "TELEGRAM_RATE_PER_BOT": "20"}
    for _ in range(2):
        world.consumer(**limits)
    wait_until(world.over)
    for bot in ("a", "b"):
        times = [start.at for start in world.starts() if start.bot == bot]
        # The instant in the ledger is later than the start that is counted, by the way there: from
        # the claim, which is made 50 ms before.
        way = max(start.at - world.job(start.job).started_at.timestamp() for start in world.starts())
        assert len(times) == 60 and in_any_second(times) <= 21 + 20 * way
        assert max(times) - min(times) >= 1.9


@pytest.mark.parametrize("paced", [True, False])
def test_bots_that_are_always_busy_leave_room_for_another(world, wait_until, paced):
    """Less room than there are bots, and each of the others would fill it."""
    for bot in ("a", "b"):
        world.enqueue_many([{"chatId": n, "ms": 5} for n in range(100)], "messages", bot)
    world.enqueue_many([{"chatId": n} for n in range(10)], "messages", "c")
    limits = {"CONSUMER_PACED": "1", "TELEGRAM_RATE_PER_BOT": "100"} if paced else {}
    world.consumer(CONSUMER_QUEUE="messages", SENDER_CONCURRENCY="2", **limits)
    wait_until(world.over, 60)
    bots = [start.bot for start in sorted(world.starts(), key=lambda start: start.at)]
    assert "c" not in bots[100:], bots


def test_a_chat_has_one_a_second_and_one_that_waits_delays_nobody(world, wait_until):
    world.enqueue_many([{"chatId": 1}] * 3 + [{"chatId": 2, "do": "wait", "wait": 3600000}] * 3
                       + [{"chatId": n} for n in range(3, 10)], "messages", "b")
    world.consumer(CONSUMER_QUEUE="messages", CONSUMER_PACED="1")
    wait_until(lambda: world.states() == {"available": 3, "done": 10})
    times = [start.at for start in world.starts() if start.lane == "b:1"]
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[1:]))
    assert [start.attempt for start in world.starts() if start.lane == "b:2"] == [1]


def test_a_group_has_twenty_a_minute(world, wait_until):
    world.enqueue_many([{"chatId": -100}] * 25, "messages", "b")
    world.consumer(CONSUMER_QUEUE="messages", CONSUMER_PACED="1", TELEGRAM_RATE_PER_CHAT="100")
    wait_until(lambda: world.states().get("done") == 20)
    wait = world.database.value("select extract(epoch from next_at - clock_timestamp())::float8"
                                " from ops.lane")
    assert 50 < wait <= 61 and len(world.starts()) == 20


def test_a_bot_that_pauses_keeps_its_jobs(world, wait_until):
    world.enqueue_many([{"chatId": 1, "do": "pause", "wait": 3600000}]
                       + [{"chatId": n} for n in range(2, 5)], "messages", "b")
    world.enqueue_many([{"chatId": n} for n in range(5)], "messages", "other")
    world.consumer(CONSUMER_QUEUE="messages", CONSUMER_PACED="1", TELEGRAM_RATE_PER_BOT="1")
    wait_until(lambda: world.database.value(
        "select count(*) from ops.job where bot = 'other' and state = 'done'") == 5)
    assert [start.bot for start in world.starts()].count("b") == 1
    assert world.job(1).state == "available" and world.job(1).attempt == 0
    for bot in ("b", "other"):
        world.enqueue_many([{}], "free", bot, group_keys=[bot])
    world.consumer(CONSUMER_QUEUE="free")
    wait_until(lambda: world.database.value(
        "select array_agg(bot) from ops.job where queue = 'free' and state = 'done'") == ["other"])


def test_starts_that_are_free_do_not_wait_for_the_turn_of_their_bot(world, wait_until):
    world.database.execute("insert into ops.rate (bot, next_at) values ('b', now() + interval '1 h')")
    world.consumer(CONSUMER_QUEUE="messages")
    world.enqueue_many([{"chatId": n} for n in range(5)], "messages", "b")
    wait_until(lambda: world.states() == {"done": 5})


# --- the end of a consumer


def test_told_to_stop_it_ends_what_it_can_and_gives_back_the_rest(world, wait_until):
    quick, slow = world.enqueue(world.gated), world.enqueue({"ms": 60000}, group_key="g")
    once = world.enqueue({"ms": 60000, "delivery": "at_most_once"})
    consumer = world.consumer(SENDER_CONCURRENCY="3")
    rest = world.enqueue()
    wait_until(lambda: len(world.starts()) == 3)
    began = time.monotonic()
    consumer.signal(15)
    consumer.wait_line("stopping")
    world.gate.touch()
    assert consumer.wait() == 0
    assert time.monotonic() - began < 5
    assert world.job(quick).state == "done" and world.job(rest).attempt == 0
    assert (world.job(slow).state, world.job(slow).attempt) == ("available", 0)
    assert world.job(slow).errors[0]["interrupted"]
    assert world.job(once).state == "dead" and "interrupted" in world.job(once).last_error
    assert world.database.value("select count(*) from ops.owner") == 0
    assert world.database.value("select locked_by from ops.lane") is None


def test_jobs_of_a_killed_consumer_come_back_and_those_that_must_not_are_dead(world, wait_until):
    twice = world.enqueue(world.gated, group_key="g")
    once = world.enqueue({"ms": 60000, "delivery": "at_most_once"})
    follower = world.enqueue(group_key="g")
    consumer = world.consumer()
    wait_until(lambda: len(world.starts()) == 2)
    consumer.kill()
    world.database.alone()
    world.silence()
    world.gate.touch()
    world.consumer()
    wait_until(world.over, 40)
    assert (world.job(twice).state, world.job(once).state) == ("done", "dead")
    assert "whether it worked is not known" in world.job(once).last_error
    assert world.job(twice).errors[0]["interrupted"]
    assert [start.job for start in world.starts() if start.job != once] == [twice, twice, follower]


def test_a_job_that_was_taken_back_cannot_be_finished_by_the_old_owner(world, wait_until):
    job = world.enqueue(world.gated)
    world.consumer()
    wait_until(lambda: world.starts())
    world.database.execute("update ops.job_open set locked_by = 'somebody else'")
    world.gate.touch()
    other = world.enqueue({"ms": 50})
    wait_until(lambda: world.job(other).state == "done")
    assert (world.job(job).state, world.job(job).locked_by) == ("running", "somebody else")


# --- what is over


def test_history_is_emptied_by_the_day_and_the_dead_after_thirty(world):
    for state, days, ring in (("done", 2, "(ops.job_ring() + 1) % 3"), ("done", 0, "ops.job_ring()"),
                              ("dead", 31, "null"), ("dead", 29, "null")):
        world.database.execute(
            f"insert into ops.job (queue, kind, payload, state, finished_at, ring) values"
            f" ('q', '{state} {days}', '{{}}', '{state}', now() - interval '{days} days', {ring})")
    world.database.execute("insert into ops.lane (queue, group_key, next_at) values"
                           " ('q', 'idle', now() - interval '2 days'), ('q', 'new', now())")
    world.database.query("select ops.job_prune()")
    kinds = {row.kind for row in world.database.query("select kind from ops.job")}
    assert kinds == {"done 0", "dead 29"}
    assert world.database.value("select group_key from ops.lane") == "new"


def test_runs_are_kept_for_thirty_days_and_each_workers_last_good_one(world):
    runs = {"a": [(40, 1), (39, 0), (38, 0), (37, 1), (36, None), (29, 1)], "b": [(50, 0), (3, 0)],
            "c": [(60, 1), (2, 0)]}
    world.database.execute("truncate ops.run")
    for name, ended in runs.items():
        for days, code in ended:
            world.database.execute(
                "insert into ops.run (app, worker, host, pid, tick_at, started_at, exit_code) select"
                " 'app', %s, 'h', 1, at, at, %s from (select now() - %s * interval '24 h') t (at)",
                name, code, days)
    for _ in range(2):
        world.database.query("select ops.run_prune()")
        left = world.database.query("select worker, extract(day from now() - tick_at)::int as days"
                                    " from ops.run order by 1, 2 desc")
        assert [tuple(row) for row in left] == [("a", 38), ("a", 29), ("b", 3), ("c", 2)]


def test_a_reader_of_the_history_delays_its_clearing_and_nothing_else(world):
    world.database.execute(
        "insert into ops.job (queue, kind, payload, state, finished_at, ring) values"
        " ('q', 'k', '{}', 'done', now(), (ops.job_ring() + 1) % 3)")
    reader = world.database.connect(autocommit=False)
    with reader.cursor() as cursor:
        cursor.execute("select count(*) from ops.job")
        world.database.query("select ops.job_prune()")
        cursor.execute("select count(*) from ops.job")
        assert cursor.fetchone()[0] == 1
    reader.close()


# --- enqueueing many


def test_many_jobs_at_once_have_lanes_and_keys_of_their_own(world):
    statement = ("select ops.enqueue_all('messages', 'send-message', %s::jsonb[], 'shop',"
                 " dedup_keys => %s)")
    payloads = [json.dumps({"chatId": chat}) for chat in (1, 2, 1)]
    assert world.database.value(statement, payloads, ["a", "b", None]) == 3
    assert world.database.value(statement, payloads, ["a", "b", "c"]) == 1
    rows = world.database.query("select group_key, dedup_key from ops.job order by id")
    assert sorted(row.group_key for row in rows) == ["shop:1", "shop:1", "shop:1", "shop:2"]
    assert world.database.value("select count(*) from ops.lane_arrival") == 4


def test_two_that_enqueue_the_same_keys_in_other_orders_do_not_deadlock(world, wait_until):
    first, second = (world.database.connect(autocommit=False) for _ in range(2))
    statement = "select ops.enqueue_all('q', 'k', array_fill('{}'::jsonb, array[2]), dedup_keys => %s)"
    with first.cursor() as cursor:
        cursor.execute(statement, (["x", "y"],))
    with second.cursor() as cursor:
        cursor.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            cursor.execute(statement, (["y", "x"],))
    second.rollback()
    first.commit()
    with second.cursor() as cursor:
        cursor.execute(statement, (["y", "x"],))
        assert cursor.fetchone()[0] == 0
    first.close()
    second.close()


# --- what is told of it


def test_a_heartbeat_tells_what_was_done(world, wait_until):
    """The rate in ops.queue is made of it."""
    world.consumer()
    world.enqueue_many([{}] * 30 + [{"do": "dead"}])
    wait_until(world.over)
    # Connected anew, it beats at once.
    world.database.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                           " where datname = current_database() and pid <> pg_backend_pid()")
    wait_until(lambda: world.database.value(
        "select cardinality(beats) > 1 and dones[1] = 0 and dones[cardinality(dones)] = 30"
        " from ops.owner"))
    [told] = world.database.query("select * from ops.queue")
    assert told.queue == "work" and told.rate > 0 and told.dead == 1 and told.depth == 0
