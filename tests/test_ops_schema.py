"""The functions of the ops schema, also with two transactions at once."""
import datetime
import json
import threading

import pytest

ENQUEUE = "select ops.enqueue('q', 'k', '{}', dedup_key => %s)"


@pytest.fixture
def session(database):
    """session() is a connection with a transaction of its own."""
    opened = []

    def open_one():
        connection = database.connect(autocommit=False)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


def value(connection, statement, *args):
    with connection.cursor() as cursor:
        cursor.execute(statement, args or None)
        return cursor.fetchone()[0]


class Later:
    """A statement under way on a connection of its own."""

    def __init__(self, connection, statement, *args):
        self.answer = None
        self.thread = threading.Thread(target=self._run, args=(connection, statement, args))
        self.thread.start()

    def _run(self, connection, statement, args):
        self.answer = value(connection, statement, *args)
        connection.commit()

    def result(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.answer


def wait_blocked(database, wait_until):
    wait_until(lambda: database.value(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock'"))


def test_a_job_is_as_it_was_ordered(database):
    job = database.value(
        "select ops.enqueue('messages', 'send-message', '{\"chatId\": 5}', 'shop', 'shop:5',"
        " '2026-01-01T00:00:00Z', 'key', 7, 2)")
    [row] = database.query("select * from ops.job")
    assert row.id == job
    assert (row.queue, row.kind, row.payload) == ("messages", "send-message", {"chatId": 5})
    assert (row.bot, row.group_key, row.dedup_key, row.priority) == ("shop", "shop:5", "key", 7)
    assert (row.max_attempts, row.attempt, row.state, row.errors) == (2, 0, "available", [])
    assert row.run_at == datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def test_null_stands_for_the_default(database):
    database.execute("select ops.enqueue('q', 'k', '{}', null, null, null, null, null, null)")
    [row] = database.query("select *, run_at <= now() as due from ops.job")
    assert row.due and row.priority == 0 and row.max_attempts == 3


def test_an_open_job_is_found_by_its_key(database):
    first = database.value(ENQUEUE, "a")
    assert database.value(ENQUEUE, "a") == first
    database.execute("update ops.job set state = 'running'")
    assert database.value(ENQUEUE, "a") == first
    assert database.value(ENQUEUE, "b") != first
    assert database.value("select ops.enqueue('other', 'k', '{}', dedup_key => 'a')") != first
    assert database.value("select count(*) from ops.job") == 3


@pytest.mark.parametrize("state", ["done", "dead", "cancelled"])
def test_a_finished_job_frees_its_key(database, state):
    first = database.value(ENQUEUE, "a")
    database.execute("update ops.job set state = %s", state)
    second = database.value(ENQUEUE, "a")
    assert second > first
    assert database.value(ENQUEUE, "a") == second


def test_jobs_without_a_key_are_never_merged(database):
    assert database.value(ENQUEUE, None) != database.value(ENQUEUE, None)


def test_one_statement_may_repeat_a_key(database):
    ids = database.value("select array_agg(ops.enqueue('q', 'k', '{}', dedup_key => 'a'))"
                         " from generate_series(1, 3)")
    assert len(ids) == 3 and len(set(ids)) == 1


def test_of_two_at_once_the_second_waits_and_gets_the_first(database, session, wait_until):
    a, b = session(), session()
    first = value(a, ENQUEUE, "x")
    later = Later(b, ENQUEUE, "x")
    wait_blocked(database, wait_until)
    a.commit()
    assert later.result() == first
    assert database.value("select count(*) from ops.job") == 1


def test_what_was_rolled_back_was_never_there(database, session, wait_until):
    a, b = session(), session()
    first = value(a, ENQUEUE, "x")
    later = Later(b, ENQUEUE, "x")
    wait_blocked(database, wait_until)
    a.rollback()
    second = later.result()
    assert second != first
    assert database.value("select id from ops.job") == second


def test_a_job_that_is_just_being_finished_is_waited_for(database, session, wait_until):
    first = database.value(ENQUEUE, "x")
    a, b = session(), session()
    with a.cursor() as cursor:
        cursor.execute("update ops.job set state = 'done'")
    later = Later(b, ENQUEUE, "x")
    wait_blocked(database, wait_until)
    a.commit()
    assert later.result() != first


def test_a_payload_is_an_object(database):
    with pytest.raises(Exception, match="job_payload_check"):
        database.execute("select ops.enqueue('q', 'k', '[]')")


def test_the_rate_hands_out_slots_one_after_the_other(database):
    wait = "select extract(epoch from ops.rate_take(%s, %s, 10) - clock_timestamp())::float8"
    first, second, third = (database.value(wait, "bot", n) for n in (5, 1, 1))
    assert first <= 0.01
    assert 0.3 < second <= 0.5 and 0.3 < third <= 0.6 and third > second
    assert database.value(wait, "other", 1) <= 0.01


def test_a_bot_that_was_idle_saves_nothing_up(database):
    database.execute("insert into ops.rate values ('bot', now() - interval '1 day')")
    database.value("select ops.rate_take('bot', 30)")
    assert database.value("select ops.rate_take('bot') > clock_timestamp() + interval '0.5 s'")


def test_a_backlog_fills_the_pages_of_the_one_before(database):
    """They are not given back, for which whoever enqueues would wait; and they are enough."""
    def sizes():
        return database.query("select relname, pg_relation_size(oid) from pg_class where relname in"
                              " ('job_open', 'lane_arrival', 'lane') order by 1")

    def backlog():
        database.execute(
            "select ops.enqueue_all('messages', 'send-message', array(select"
            " jsonb_build_object('chatId', i, 'text', '') from generate_series(1, 10000) i), 'shop')")
        database.execute("insert into ops.lane (queue, group_key)"
                         " select queue, group_key from ops.lane_arrival")
        for table in "job_open", "lane_arrival", "lane":
            database.execute(f"delete from ops.{table}")
            database.execute(f"vacuum ops.{table}")
        return sizes()

    once = backlog()
    again = backlog()
    for (table, before), (_, size) in zip(once, again):
        assert size > 100 * 8192 and before <= size < before * 1.1, (table, before, size)


# --- what is told


def test_what_others_have_written_leaves_room_in_a_message(database):
    """256 characters of a name, as they are read: what escaping makes of them does not count."""
    assert database.value("select ops.html(%s)", "<&>" * 1000) == "&lt;&amp;&gt;" * 85 + "…"
    assert database.value("select ops.html(%s)", "ж" * 256) == "ж" * 256
    assert database.value("select ops.html(null)") is None
    said = database.value("select messenger.translate('', 'To {{name}}.', %s)",
                          json.dumps({"name": "😀" * 5000}))
    assert said == f"To {'😀' * 255}…."


@pytest.mark.parametrize("mail", [True, False])
def test_an_alert_fits_into_a_message(database, mail):
    words = "беда " * 1000
    assert database.value("select ops.alert('a', '-1', %s, %s)", mail, words) == 1 + mail
    rows = database.query("select kind, payload from ops.job order by id")
    assert [row.kind for row in rows] == ["send-message", "send-email"][:1 + mail]
    assert {row.payload["text"] for row in rows} == {words[:4095] + "…"}
    assert rows[0].payload["mailed"] == mail, "it is mailed once, by whoever can"
    assert database.value("select ops.alert('a', '-1', %s, 'again')", mail) == 0
