"""The two workers of document 004: who is told, once, and in the same transaction as the mark."""
import os
import time

import pytest

DONE = 0
NOON = "2026-03-10T12:00:00+03:00"


@pytest.fixture
def users(database):
    def add(chat_id, **columns):
        row = {"chat_id": chat_id, "registered_at": "2026-01-01T00:00:00Z", **columns}
        database.execute(
            f"insert into ozhivlyator.users ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))})", *row.values())

    return add


def told(database):
    rows = database.query("select * from ops.job order by (payload ->> 'chatId')::bigint")
    assert all((row.queue, row.kind, row.bot) == ("messages", "send-message", "ozhivlyator")
               for row in rows)
    return [row.payload["chatId"] for row in rows]


def run(worker, name, *args, code=DONE, **settings):
    done = worker(f"ozhivlyator/{name}", *args, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


# --- discount_offer

TRIED = {"generation_count": 1, "balance": 0, "first_generation_time": "2026-03-09T11:59:59+03:00"}


OFFERED = [
    ({}, True),
    ({"first_generation_time": "2026-03-09T12:00:01+03:00"}, False),
    ({"first_generation_time": None}, False),
    ({"generation_count": 2}, False),
    ({"generation_count": 0}, False),
    ({"balance": 1}, False),
    ({"discount_offered": True}, False),
    ({"username": "x"}, True),
]


def test_who_is_offered_a_discount(database, worker, users):
    for chat, (columns, _) in enumerate(OFFERED):
        users(chat, **{**TRIED, **columns})
    run(worker, "discount_offer", "--now", NOON)
    want = [chat for chat, (_, offered) in enumerate(OFFERED) if offered]
    assert told(database) == want
    marked = database.query("select chat_id from ozhivlyator.users where discount_offered order by 1")
    assert [row.chat_id for row in marked] == sorted([*want, 6])


def test_nobody_is_offered_twice(database, worker, users):
    for chat in range(1, 51):
        users(chat, **TRIED)
    for _ in range(3):
        run(worker, "discount_offer", "--now", NOON)
    assert told(database) == list(range(1, 51))


@pytest.mark.parametrize("name", ["discount_offer", "daily_bonus_reminder"])
def test_who_blocked_the_bot_is_not_selected(database, worker, users, name):
    for chat in (1, 2):
        users(chat, **{**TRIED, "registered_at": "2026-03-10T00:00:00+03:00"})
    database.execute("insert into ops.recipient (bot, chat_id, reason) values"
                     " ('ozhivlyator', 1, 'blocked'), ('shop', 2, 'blocked')")
    run(worker, name, "--now", NOON)
    assert told(database) == [2]


@pytest.mark.parametrize("name", ["discount_offer", "daily_bonus_reminder"])
def test_a_dry_run_changes_nothing(database, worker, users, name):
    users(1, **{**TRIED, "registered_at": "2026-03-10T00:00:00+03:00"})
    before = database.query("select * from ozhivlyator.users")
    assert "enqueued=1" in run(worker, name, "--now", NOON, "--dry-run")
    assert database.query("select * from ozhivlyator.users") == before
    assert told(database) == []


def test_a_message_that_cannot_be_enqueued_leaves_no_mark(database, worker, users):
    users(1, **TRIED)
    database.execute("create function refuse() returns trigger language plpgsql as"
                     " $$ begin raise 'no room'; end $$")
    database.execute("create trigger refuse before insert on ops.job"
                     " for each row execute function refuse()")
    run(worker, "discount_offer", "--now", NOON, code=1)
    assert not database.value("select discount_offered from ozhivlyator.users")


def test_a_million_users_are_one_statement(database, worker):
    """OPS_USERS=1000000 is the size that was promised; a smaller one shows the same plan."""
    count = int(os.environ.get("OPS_USERS", "100000"))
    database.execute(
        "insert into ozhivlyator.users (chat_id, generation_count, first_generation_time)"
        " select i, (i %% 20 = 0)::int, '2026-01-01T00:00:00Z' from generate_series(1, %s) i", count)
    database.execute("analyze ozhivlyator.users")
    begun = time.monotonic()
    started = worker.start("ozhivlyator/discount_offer", "--now", NOON)
    peak = 0
    while started.process.poll() is None:
        try:
            with open(f"/proc/{started.pid}/status", encoding="ascii") as status:
                peak = max([peak, *(int(line.split()[1]) for line in status
                                    if line.startswith("VmHWM"))])
        except OSError:
            break
        time.sleep(0.005)
    assert started.wait(120) == DONE
    print(f"{count} users: {time.monotonic() - begun:.1f} s, {peak} kB")
    assert database.value("select count(*) from ops.job") == count // 20
    assert peak < 15 * 1024 or "san" in os.environ.get("BUILD", "")


# --- daily_bonus_reminder


REMINDED = [
    ("2026-03-10T11:30:00+03:00", NOON, True),
    ("2026-03-08T00:00:00+03:00", NOON, True),
    ("2026-03-07T23:59:59+03:00", NOON, False),
    ("2026-03-10T00:00:00+03:00", "2026-03-12T23:59:00+03:00", True),
    ("2026-03-10T00:00:00+03:00", "2026-03-13T00:00:00+03:00", False),
    ("2026-03-10T08:00:00+03:00", "2026-03-10T10:59:59+03:00", False),
    ("2026-03-10T08:00:00+03:00", "2026-03-10T11:00:00+03:00", True),
]


def test_who_is_reminded(database, worker, users):
    for chat, (registered, now, want) in enumerate(REMINDED):
        users(chat, registered_at=registered)
        before = told(database)
        run(worker, "daily_bonus_reminder", "--now", now)
        assert told(database) == before + [chat] * want, (registered, now)
        database.execute("delete from ozhivlyator.users")


def test_the_day_is_that_of_the_zone(database, worker, users):
    users(7, registered_at="2026-03-07T22:00:00Z")  # already the 8th in Moscow
    run(worker, "daily_bonus_reminder", "--now", NOON)
    assert told(database) == [7]
    database.execute("update ozhivlyator.users set daily_bonus_reminded_on = null")
    run(worker, "daily_bonus_reminder", "--now", NOON, OZHIVLYATOR_TZ="America/New_York")
    assert told(database) == [7], "five in the morning in New York"


def test_nobody_is_reminded_twice_a_day(database, worker, users):
    users(7, registered_at="2026-03-10T00:00:00+03:00")
    for now in ("2026-03-10T11:00:00+03:00", NOON, "2026-03-10T23:59:00+03:00"):
        run(worker, "daily_bonus_reminder", "--now", now)
    assert told(database) == [7]
    run(worker, "daily_bonus_reminder", "--now", "2026-03-11T11:00:00+03:00")
    assert told(database) == [7, 7]


def test_who_took_the_bonus_is_not_reminded(database, worker, users):
    users(1, registered_at="2026-03-10T00:00:00+03:00", daily_bonus_claimed_on="2026-03-10")
    users(2, registered_at="2026-03-09T00:00:00+03:00", daily_bonus_claimed_on="2026-03-09")
    run(worker, "daily_bonus_reminder", "--now", NOON)
    assert told(database) == [2]


def test_a_reminder_is_of_no_use_the_next_day(database, worker, users):
    users(1, registered_at="2026-03-10T00:00:00+03:00")
    run(worker, "daily_bonus_reminder", "--now", NOON)
    assert database.value("select (payload ->> 'not_after')::timestamptz"
                          " = '2026-03-11T00:00:00+03:00' from ops.job")
