"""The SQL of billing by itself: the calendar, the indexes, and two copies without the run's lock."""
import os
import subprocess
import threading

import pytest

from billing_world import NOW, World, call, statement, world  # noqa: F401

WORKERS = ["billing", "autopayments", "expire_subscriptions", "expire_payments",
           "matching_pending_payments", "matching_successful_payments"]


# --- calendar


@pytest.mark.parametrize("at, months, days, anchor, want", [
    ("2026-01-31 12:00", 1, 0, "2026-01-31 12:00", "2026-02-28 12:00"),
    ("2026-02-28 12:00", 1, 0, "2026-01-31 12:00", "2026-03-31 12:00"),
    ("2028-01-31 12:00", 1, 0, "2028-01-31 12:00", "2028-02-29 12:00"),
    ("2028-02-29 12:00", 12, 0, "2028-02-29 12:00", "2029-02-28 12:00"),
    ("2029-02-28 12:00", 36, 0, "2028-02-29 12:00", "2032-02-29 12:00"),
    ("2026-02-28 12:00", 1, 0, "2026-01-30 12:00", "2026-03-30 12:00"),
    ("2026-04-30 00:00", 1, 0, "2026-01-31 00:00", "2026-05-31 00:00"),
    ("2026-12-31 23:59", 2, 0, "2026-12-31 23:59", "2027-02-28 23:59"),
    ("2026-03-15 12:00", 1, 0, "2026-03-15 12:00", "2026-04-15 12:00"),
    ("2026-03-15 12:00", 0, 30, "2026-03-15 12:00", "2026-04-14 12:00"),
    ("2026-02-28 12:00", 0, 1, "2026-01-31 12:00", "2026-03-01 12:00"),
    ("2026-01-31 12:00", 1, 10, "2026-01-31 12:00", "2026-03-10 12:00"),
    # An end that was moved by hand keeps its day, neither given away nor taken.
    ("2026-03-10 12:00", 1, 0, "2026-01-31 12:00", "2026-04-10 12:00"),
    ("2026-03-28 12:00", 1, 0, "2026-01-01 12:00", "2026-04-28 12:00"),
])
def test_a_period_later(database, at, months, days, anchor, want):
    assert database.value(
        "select to_char(billing.period_add(%s::timestamp at time zone z, %s, %s,"
        " %s::timestamp at time zone z, z) at time zone z, 'YYYY-MM-DD HH24:MI')"
        " from (values ('Europe/Moscow')) as v(z)", at, months, days, anchor) == want


def test_a_month_is_counted_in_the_zone(database):
    """In Moscow it is 1 February already, in UTC still 31 January."""
    query = "select billing.rfc3339(billing.period_add(%s, 1, 0, %s, %s))"
    at = "2026-01-31T21:30:00Z"
    assert database.value(query, at, at, "Europe/Moscow") == "2026-02-28T21:30:00Z"
    assert database.value(query, at, at, "UTC") == "2026-02-28T21:30:00Z"
    assert database.value(query, at, at, "Asia/Kamchatka") == "2026-02-28T21:30:00Z"
    at = "2026-03-30T21:30:00Z"  # 31 March in Moscow
    assert database.value(query, at, at, "Europe/Moscow") == "2026-04-29T21:30:00Z"
    assert database.value(query, at, at, "UTC") == "2026-04-30T21:30:00Z"


def test_time_of_day_survives_daylight_saving(database):
    assert database.value("select billing.rfc3339(billing.period_add('2026-03-10T12:00:00+01:00', 1,"
                          " 0, '2026-03-10T12:00:00+01:00', 'Europe/Berlin'))") \
        == "2026-04-10T10:00:00Z"


@pytest.mark.parametrize("ended_at, at, want", [
    ("2026-03-11T09:00:00Z", "2026-03-10T21:10:00Z", "2026-04-11T09:00:00Z"),
    ("2026-02-10T21:10:00Z", "2026-03-10T21:10:00Z", "2026-04-10T21:10:00Z"),
    ("2026-02-10T21:10:01Z", "2026-03-10T21:10:00Z", "2026-03-10T21:10:01Z"),
    ("2025-01-01T00:00:00Z", "2026-03-10T21:10:00Z", "2026-04-10T21:10:00Z"),
])
def test_renewed_end(world, ended_at, at, want):
    assert world.database.value(
        "select billing.rfc3339(billing.renewed_end(%s, %s, t, %s, 'Europe/Moscow'))"
        " from billing.tariff t", ended_at, ended_at, at) == want


@pytest.mark.parametrize("at, want", [
    ("2026-03-11T09:00:00Z", "2026-03-11T09:00:00Z"),
    ("2026-03-11T09:00:00.5Z", "2026-03-11T09:00:00.5Z"),
    ("2026-03-11T09:00:00.000001+03:00", "2026-03-11T06:00:00.000001Z"),
])
def test_instants_survive_the_metadata(database, at, want):
    assert database.value("select billing.rfc3339(%s)", at) == want
    assert database.value("select billing.as_instant(billing.rfc3339(%s)) = %s", at, at)


@pytest.mark.parametrize("text", ["", "now", "tomorrow", "infinity", "2026-03-11", "2026-02-31T00:00:00Z",
                                  "2026-03-11T09:00:00", "2026-03-11 09:00:00Z", None])
def test_other_texts_are_no_instants(database, text):
    assert database.value("select billing.as_instant(%s)", text) is None


# --- statements


@pytest.mark.parametrize("worker", WORKERS)
def test_statements_fit_the_schema(database, worker):
    text = statement.__globals__["ROOT"] / "workers/billing" / f"{worker}.sql"
    names = [line.split()[2] for line in text.read_text().splitlines()
             if line.startswith("-- name:")]
    for number, name in enumerate(names):
        database.execute(f"prepare s{number} as " + statement(worker, name).strip().rstrip(";"))
    assert names


def test_two_claims_at_once_share_the_work(world):
    """Without the lock of the run: while one has claimed and not committed, and after it has."""
    ids = [world.subscription(user_id=user) for user in range(1, 11)]
    first, second = world.database.connect(autocommit=False), world.database.connect()
    claim = "prepare s as " + statement("autopayments", "claim").strip().rstrip(";")
    claimed = []
    for connection, limit in ((first, 6), (second, 100)):
        with connection.cursor() as cursor:
            cursor.execute(claim)
            cursor.execute("execute s(%s, 'Europe/Moscow', %s)", (NOW, limit))
            claimed.append([row[3] for row in cursor.fetchall()])
    first.commit()
    assert [len(part) for part in claimed] == [6, 4]
    assert sorted(sum(claimed, [])) == ids
    with second.cursor() as cursor:
        cursor.execute("execute s(%s, 'Europe/Moscow', 100)", (NOW,))
        assert cursor.fetchall() == []
    first.close()
    second.close()


def test_an_open_charge_is_seen_by_a_statement_that_began_before(world, wait_until):
    """Claiming and expiring ask once more when they have the lock; that answer must be fresh."""
    subscription = world.subscription()
    claiming, asking, answers = world.database.connect(), world.database.connect(), []

    def ask():
        with asking.cursor() as cursor:
            cursor.execute("select billing.charge_is_open(%s, now())"
                           " from (select pg_advisory_lock(1) offset 0) as gate", (subscription,))
            answers.extend(cursor.fetchall())

    with claiming.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(1)")
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: world.database.query(
            "select 1 from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'"))
        cursor.execute("prepare s as " + statement("autopayments", "claim").strip().rstrip(";"))
        cursor.execute("execute s(%s, 'Europe/Moscow', 9)", (NOW,))
        cursor.execute("select pg_advisory_unlock(1)")
    thread.join()
    assert answers == [(True,)]
    claiming.close()
    asking.close()


def test_one_payment_settled_by_many_at_once(world):
    subscription = world.subscription()
    document = ('{"id": "p", "status": "succeeded", "amount": {"value": "100.00", "currency": "RUB"},'
                ' "metadata": {"subscription_id": "%d", "period_end": "2026-03-11T09:00:00Z"}}'
                % subscription)
    start, outcomes = threading.Barrier(8), []

    def settle():
        start.wait()
        outcomes.append(call(world.database, "billing", "settle", document, None, NOW,
                             "Europe/Moscow", "")[0][1])

    threads = [threading.Thread(target=settle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["known"] * 7 + ["renewed"]
    assert world.end(subscription) == "2026-04-11 12:00"
    assert len(world.notices()) == 1


def test_unmatched_payment_is_told_once_whoever_sees_it(world):
    settle = ["billing", "settle", '{"id": "p", "status": "succeeded"}', None, NOW, "UTC", "-1"]
    assert [call(world.database, *settle)[0] for _ in range(2)] \
        == [("p", "unmatched", None, 1), ("p", "unmatched", None, 0)]


def test_two_payments_on_one_page_prolong_twice(world):
    """Two different payments are two periods, also within one statement."""
    subscription = world.subscription()
    page = '{"items": [' + ", ".join(
        '{"id": "%s", "status": "succeeded", "metadata": {"subscription_id": "%d",'
        ' "period_end": "2026-03-11T09:00:00Z"}}' % (name, subscription) for name in "ab") + "]}"
    call(world.database, "matching_successful_payments", "match", page, NOW, "Europe/Moscow", "")
    assert world.end(subscription) == "2026-05-11 12:00"


def test_people_who_blocked_the_bot_are_not_written_to(world):
    world.database.execute("insert into ops.recipient (bot, chat_id) values ('billing', 1000)")
    subscription = world.subscription()
    world.run("autopayments")
    assert world.end(subscription) == "2026-04-11 12:00" and world.notices() == []


# --- a million subscriptions


MILLION = """
insert into billing.tariff (name, price, period_months) values ('t', 100, 1);
insert into billing.subscription (user_id, tariff_id, started_at, ended_at)
    select n, 1, '2026-01-11', case when n % 1000 = 0 then timestamptz '2026-03-10'
                                    else timestamptz '2026-03-12' + n * interval '1 s' end
      from generate_series(1, 1000000) as n;
-- Of the payments, those of the due subscriptions, and enough others that a scan would not pay.
insert into billing.payment (subscription_id, user_id, tariff_id, provider_payment_id,
                             payment_method_id, status, amount, currency, created_at)
    select n, n, 1, 'p' || n, 'm' || n, case when n % 10 = 1 then 'PENDING' else 'SUCCEEDED' end,
           100, 'RUB', timestamptz '2026-03-10' - n * interval '1400 ms'
      from (select n * 1000 from generate_series(1, 1000) as n
             union all select n from generate_series(1, 400000) as n where n % 1000 > 0) as x(n);
insert into billing.autopayment (subscription_id, period_end, tariff_id, idempotence_key,
                                 key_created_at, request, amount, currency, payment_method_id, state,
                                 next_attempt_at)
    select n, '2026-02-10', 1, gen_random_uuid(), '2026-02-10', '{}', 100, 'RUB', 'm',
           case when n % 10000 = 0 then 'CREATED' else 'SUCCEEDED' end, '2026-02-10'
      from generate_series(1, 100000) as n where n % 1000 > 0;
"""


@pytest.fixture(scope="module")
def million(cluster, migrated_template):
    """1,000,000 subscriptions, 1,000 of them due."""
    made = cluster.create(migrated_template.name)
    made.execute("set session_replication_role = replica")  # keys are right, checking takes long
    for part in MILLION.split(";\n")[:-1]:
        made.execute(part)
    made.execute("analyze")
    yield made
    made.drop()


# An index, or what the names of several begin with that would do as well.
SELECTIONS = [
    ("autopayments", "stop_unpayable", [NOW, "Europe/Moscow"], "subscription_active"),
    ("autopayments", "claim", [NOW, "Europe/Moscow", "256"], "subscription_active"),
    ("autopayments", "unfinished", [NOW, "0", "256"], "autopayment_created"),
    ("autopayments", "left_over", [NOW, "Europe/Moscow"], "subscription_active"),
    ("autopayments", "forgotten", [NOW], "Index Scan using autopayment_"),
    ("expire_subscriptions", "expire", [NOW, "3"], "subscription_active"),
    ("expire_subscriptions", "left_over", [NOW, "3"], "subscription_active"),
    ("expire_payments", "unasked", [NOW, "7", "-infinity", "0", "256"], "payment_pending_created"),
    ("expire_payments", "expire", [NOW, "7", "false"], "payment_pending"),
    ("expire_payments", "span", [NOW, "7"], "payment_pending"),
    ("matching_pending_payments", "claim_checks", [NOW, "256"], "payment_pending_check"),
    ("matching_pending_payments", "match", ['{"items": []}', NOW, "UTC", ""], "payment_provider_payment_id_key"),
    ("matching_successful_payments", "match", ['{"items": []}', NOW, "UTC", ""],
     "payment_provider_payment_id_key"),
]


@pytest.mark.parametrize("worker, name, args, index", SELECTIONS)
def test_selections_use_their_index(million, worker, name, args, index):
    plan = "\n".join(row[0] for row in call(million, worker, name, *args, explain=True))
    assert index in plan, plan
    assert "Seq Scan on subscription" not in plan and "Seq Scan on payment" not in plan, plan


def test_open_charges_are_looked_for_by_index(million):
    million.execute("create or replace function pg_temp.plan(query text) returns setof text as"
                    " $$ begin return query execute 'explain ' || query; end $$ language plpgsql")
    body = million.value("select prosrc from pg_proc where proname = 'charge_is_open'")
    plan = "\n".join(row[0] for row in million.query(
        "select * from pg_temp.plan(%s)", body.replace("= subscription and", "= 5 and")
        .replace("> at -", "> now() -")))
    assert "payment_pending_subscription" in plan and "Seq Scan on payment" not in plan, plan


def test_thousand_due_of_a_million_need_little_memory(million, tmp_path):
    """A dry run claims all that is due; the same rows pass through the same batches."""
    build = call.__globals__["ROOT"] / os.environ.get("BUILD", "build")
    done = subprocess.run(
        ["/usr/bin/env", "-i", f"DATABASE_URL={million.url}", "YOOKASSA_SHOP_ID=1",
         "YOOKASSA_SECRET_KEY=x", "TELEGRAM_ADMIN_CHAT_ID=1", "OPS_NOW=" + NOW,
         "/usr/bin/python3", "-c",
         "import os, resource, subprocess, sys\n"
         "code = subprocess.call(sys.argv[1:], stdout=2)\n"
         "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
         build / "workers/billing/autopayments", "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0 and done.stderr.count("would charge") == 1000, done.stderr[-2000:]
    assert kilobytes < 30_000
