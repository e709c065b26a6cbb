"""The world in which the billing workers are tested: a database, a YooKassa stand-in, one clock.

    world.subscription(ended_at="2026-03-11T12:00:00+03:00")     with a tariff and a saved method
    world.run("autopayments")                                    exit code and output
    world.charges(), world.subscriptions(), world.notices()      what came of it
"""
import pathlib
import re

import pytest

from fixture import Sandbox, until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Ten past midnight of 11 March in Moscow.
NOW = "2026-03-10T21:10:00Z"
ENDS_TODAY = "2026-03-11T12:00:00+03:00"
ADMIN = "-100777"

DONE, FAILED, AGAIN, CONFIG = 0, 1, 75, 78


def statement(worker, name):
    """The text of one statement of workers/billing/WORKER.sql."""
    text = (ROOT / "workers/billing" / f"{worker}.sql").read_text()
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))[name]


def call(database, worker, name, *args, explain=False):
    """Runs one statement of a worker as the worker does: prepared, with text parameters."""
    connection = database.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("prepare s as " + statement(worker, name).strip().rstrip(";"))
            cursor.execute(("explain " if explain else "") + "execute s"
                           + ("(" + ", ".join(["%s"] * len(args)) + ")" if args else ""), args)
            return cursor.fetchall()
    finally:
        connection.close()


class World:
    def __init__(self, database, worker, sandbox):
        self.database, self.worker, self.sandbox = database, worker, sandbox
        self.now = None
        self.at(NOW)
        self.tariff = database.value(
            "insert into billing.tariff (name, price, period_months) values ('Про', 100, 1)"
            " returning id")

    def at(self, now):
        """Both clocks, the worker's and the provider's."""
        self.now = self.sandbox.clock(now=now, frozen=True)

    # --- what there is

    def subscription(self, ended_at=ENDS_TODAY, method="good", **columns):
        """Returns the id. The saved method is a succeeded payment's; method=None: there is none."""
        row = {"user_id": 1000, "tariff_id": self.tariff, "started_at": "2026-02-11T12:00:00+03:00",
               "ended_at": ended_at, **columns}
        subscription = self.insert("subscription", **row)
        if method:
            self.sandbox.methods([method])
            self.insert("payment", subscription_id=subscription, user_id=row["user_id"],
                        tariff_id=row["tariff_id"], provider_payment_id=f"first-{subscription}",
                        payment_method_id=method, status="SUCCEEDED", amount=100, currency="RUB",
                        created_at=row["started_at"])
        return subscription

    def pending(self, user_id=1000, created_at=None, **order):
        """A PENDING payment here and at the provider; returns the provider's id."""
        order = {"status": "pending", "created_at": created_at or self.now, **order}
        payment = self.sandbox.payment(**order)
        self.insert("payment", user_id=user_id, tariff_id=self.tariff, status="PENDING",
                    provider_payment_id=payment["id"], amount=100, currency="RUB",
                    created_at=created_at or self.now)
        return payment["id"]

    def insert(self, table, **row):
        names = ", ".join(row)
        return self.database.value(
            f"insert into billing.{table} ({names}) values ({', '.join(['%s'] * len(row))})"
            " returning id", *row.values())

    # --- what happens

    def settings(self, **settings):
        return {**self.sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN,
                "BILLING_CONCURRENCY": "4", **settings}

    def run(self, worker, *args, code=DONE, **settings):
        # The server holds the lock of a run that was killed until it notices.
        until(lambda: not self.database.query(
            "select 1 from pg_stat_activity where datname = current_database()"
            " and application_name = %s", f"billing/{worker}"), f"{worker} is gone")
        done = self.worker(f"billing/{worker}", "--now", self.now, *args,
                           **self.settings(**settings))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, worker, *args, **settings):
        return self.worker.start(f"billing/{worker}", "--now", self.now, *args,
                                 **self.settings(**settings))

    # --- what came of it

    def charges(self, subscription=None):
        return [charge for charge in self.sandbox.charges() if subscription is None
                or charge["metadata"].get("subscription_id") == str(subscription)]

    def posts(self):
        return self.sandbox.requests("POST", "/v3/payments")

    def one(self, table, column, value):
        [row] = self.database.query(f"select * from billing.{table} where {column} = %s", value)
        return row

    def state(self, subscription):
        return self.one("subscription", "id", subscription)

    def end(self, subscription):
        """Where the subscription ends, by Moscow's clock."""
        return self.database.value(
            "select to_char(ended_at at time zone 'Europe/Moscow', 'YYYY-MM-DD HH24:MI')"
            " from billing.subscription where id = %s", subscription)

    def charge(self, subscription):
        return self.one("autopayment", "subscription_id", subscription)

    def payments(self, subscription, status="SUCCEEDED"):
        """Without the first one, that comes with the saved method."""
        return self.database.query(
            "select * from billing.payment where subscription_id = %s and status = %s"
            " and provider_payment_id not like 'first-%%' order by id", subscription, status)

    def notices(self, chat=None):
        return self.database.told("billing", chat)

    def everything(self):
        """All rows of billing and all jobs, to see that nothing changed."""
        tables = ("billing.subscription", "billing.payment", "billing.autopayment",
                  "billing.unmatched_payment", "ops.alert", "ops.job", "ops.run")
        return {table: self.database.query(f"select to_jsonb(t) from {table} t order by 1")
                for table in tables}


@pytest.fixture
def world(database, worker, tmp_path):
    with Sandbox(tmp_path, keep=True) as sandbox:
        yield World(database, worker, sandbox)
