"""What ops.queue tells, and that telling it costs the same however much there is to be told.

ops.queue counts as far as ten thousand; here ops.queue_figures counts as far as MOST.
"""
import pytest

MOST = 100
# Rows in an order that has nothing to do with that of any index.
OPEN = """
    insert into ops.job_open (queue, kind, payload, priority, group_key, run_at, is_due)
    select %s, 'k', '{}', hashint4(n) %% 3, case when %s then 'lane' || n %% 50 end,
           now() + hashint4(n) %% 1000 * interval '1 s' + %s * interval '1 hour', %s
    from generate_series(1, %s) n
"""
DEAD = """
    insert into ops.job_dead (id, queue, kind, payload, state, finished_at)
    select n, %s, 'k', '{}', 'dead', now() - hashint4(n) %% 1000 * interval '1 s' - interval '20 min'
    from generate_series(1, %s) n
"""
DONE = """
    insert into ops.job_done_0 (id, queue, kind, payload, state, finished_at)
    select n, 'past', 'k', '{}', 'done', now() from generate_series(1, %s) n
"""
OWNER = """
    insert into ops.owner (owner, queue, host, pid, beat_at, beats, dones)
    values (%s, %s, 'h', 1, now() - %s * interval '1 s',
            array[now() - interval '60 s', now() - interval '30 s', now()], %s)
"""


@pytest.fixture
def fill(database):
    """fill(queue, due=, laned=, late=, delayed=, laned_delayed=, dead=): so many rows of each."""
    kinds = {"due": (False, -1, True), "laned": (True, -1, True), "late": (False, -1, False),
             "delayed": (False, 1, False), "laned_delayed": (True, 1, False)}

    def filled(queue, **counts):
        for kind, count in counts.items():
            if kind == "dead":
                database.execute(DEAD, queue, count)
            else:
                laned, hours, is_due = kinds[kind]
                database.execute(OPEN, queue, laned, hours, is_due, count)

    return filled


@pytest.fixture
def figures(database):
    def told(queue):
        [row] = database.query("select * from ops.queue_figures(%s) where queue = %s", MOST, queue)
        return row

    return told


def pages_read(database):
    """How often the figures look at a page, by the executor's own count."""
    statement = f"explain (analyze, buffers, format json) select * from ops.queue_figures({MOST})"
    for _ in range(2):  # what is read of the catalogs is read once
        plan = database.value(statement)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def fill_all(fill, database, count):
    for queue in "ab":
        fill(queue, due=count, laned=count, late=count, delayed=count, laned_delayed=count, dead=count)
    database.execute(DONE, count)
    database.execute("analyze ops.job_open, ops.job_dead, ops.lane")


def test_the_figures_cost_the_same_with_twenty_times_as_many_rows(database, fill):
    fill_all(fill, database, 2 * MOST)
    few = pages_read(database)
    fill_all(fill, database, 40 * MOST)
    many = pages_read(database)
    assert many < 2 * few, (few, many)


def test_they_cost_the_same_where_nobody_has_counted_the_rows_yet(database, fill):
    database.execute("alter table ops.job_open set (autovacuum_enabled = false)")
    fill("a", due=2 * MOST, laned=2 * MOST, delayed=2 * MOST)
    few = pages_read(database)
    fill("a", due=40 * MOST, laned=40 * MOST, delayed=40 * MOST)
    assert pages_read(database) < 2 * few


def test_no_history_is_read(database, fill):
    fill_all(fill, database, MOST)
    scans = ("select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) from pg_stat_xact_user_tables"
             " where relname like 'job\\_done%'")
    connection = database.connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("select * from ops.queue")
        cursor.execute(scans)
        assert cursor.fetchone()[0] == 0
    connection.close()


def test_a_queue_that_is_not_large_is_counted(figures, fill):
    fill("a", due=30, laned=20, late=10, delayed=7, laned_delayed=5, dead=4)
    fill("b", due=5 * MOST)
    told = figures("a")
    assert (told.depth, told.delayed, told.running, told.dead) == (60, 12, 0, 4)
    assert not (told.depth_estimated or told.delayed_estimated or told.running_estimated
                or told.failures_estimated or told.dead_estimated)


@pytest.mark.parametrize("counts, depth, delayed", [
    ({"due": 30 * MOST}, 3000, 0),
    ({"laned": 30 * MOST, "delayed": 7}, 3000, 7),
    ({"due": 7, "laned_delayed": 30 * MOST}, 7, 3000),
    ({"due": 20 * MOST, "delayed": 30 * MOST}, 2000, 3000),
], ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value))
def test_what_is_beyond_the_bound_is_estimated(figures, fill, database, counts, depth, delayed):
    fill("a", **counts)
    fill("b", due=1000)
    database.execute("analyze ops.job_open")
    told = figures("a")
    assert (told.depth_estimated, told.delayed_estimated) == (depth > MOST, delayed > MOST)
    # Both at once are told apart by what the server knows of all queues together.
    near = 0.3 if depth > MOST and delayed > MOST else 0.1
    assert told.depth == pytest.approx(depth, rel=near if depth > MOST else 0)
    assert told.delayed == pytest.approx(delayed, rel=near if delayed > MOST else 0)


def test_many_dead_jobs_are_estimated(figures, fill, database):
    fill("a", dead=2000)
    database.execute("analyze ops.job_dead")
    told = figures("a")
    assert told.dead_estimated and told.dead == pytest.approx(2000, rel=0.1)
    assert told.failures_estimated and MOST < told.failures <= 2200


def test_an_estimate_is_never_below_what_was_seen(figures, fill):
    fill("a", due=3 * MOST)  # and nobody has counted
    assert figures("a").depth > MOST


@pytest.mark.parametrize("oldest", ["due", "urgent", "laned", "late"])
def test_the_oldest_is_found_whatever_kind_it_is(database, figures, fill, oldest):
    fill("a", due=5 * MOST, laned=5 * MOST, late=5 * MOST, delayed=5 * MOST)
    database.execute(
        "insert into ops.job_open (queue, kind, payload, priority, group_key, run_at, is_due)"
        " values ('a', 'k', '{}', %s, %s, now() - interval '1 day', %s)",
        9 if oldest == "urgent" else -9, "lane" if oldest == "laned" else None, oldest != "late")
    # What runs already does not wait.
    database.execute("insert into ops.job_open (queue, kind, payload, state, locked_by, run_at)"
                     " values ('a', 'k', '{}', 'running', 'me', now() - interval '2 days')")
    assert figures("a").oldest_ms == pytest.approx(86_400_000, abs=60_000)


def test_nothing_waits_where_nothing_is_due(figures, fill):
    fill("a", delayed=3)
    assert figures("a").oldest_ms is None


def test_running_jobs_are_counted_with_a_lane_and_without(database, figures, fill):
    fill("a", due=5, laned=5)
    database.execute("update ops.job_open set state = 'running', locked_by = 'me' where id in"
                     " (select id from ops.job_open order by group_key nulls first, id limit 2)")
    database.execute("update ops.job_open set state = 'running', locked_by = 'me' where id ="
                     " (select max(id) from ops.job_open where group_key is not null)")
    database.execute("insert into ops.lane (queue, group_key, locked_by, job_id)"
                     " select queue, group_key, locked_by, id from ops.job_open"
                     " where group_key is not null and state = 'running'")
    told = figures("a")
    assert (told.depth, told.running) == (7, 3) and not told.running_estimated


def test_the_rate_is_that_of_all_who_serve(database, figures):
    database.execute(OWNER, "one", "a", 0, [100, 100, 220])
    database.execute(OWNER, "two", "a", 4, [0, 1, 60])
    database.execute(OWNER, "silent", "a", 90, [0, 1, 9000])
    database.execute(OWNER, "idle", "b", 0, [7, 7, 7])
    database.execute("insert into ops.owner (owner, queue, host, pid) values ('new', 'c', 'h', 1)")
    assert [float(figures(queue).rate) for queue in "abc"] == [3, 0, 0]
