"""A billing world that is built anew in a moment, hit while a worker is at it, and judged.

    town.begin("autopayments")          everything gone, the worker's scene built
    done = town.run(**kill_at(17))      one run, to its end or its death
    town.finish()                       runs until one is done, a little later each time
    town.check()                        our books, the provider's, and what the scene expects

The words in which scenes (scenes.py) are written are the methods in the middle.
"""
import base64
import http.client
import json
import time
from collections import Counter
from datetime import datetime, timedelta

from billing_world import AGAIN, DONE, ENDS_TODAY, NOW, World, call
from fixture import SECRET_KEY, SHOP_ID

from books import check_books, check_run
from harness import DEADLINE_S
from preload import struck
from scenes import SCENES

FIRST_USER = 1000
EMPTY = """
    delete from ops.job; delete from ops.run; delete from ops.alert;
    delete from billing.unmatched_payment; delete from billing.autopayment;
    delete from billing.payment; delete from billing.subscription; delete from billing.tariff
"""


class Town(World):
    def begin(self, worker):
        """What a killed run left under way in the database is ended first."""
        self.database.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()")
        self.database.execute(EMPTY)
        self.sandbox.reset()
        super().__init__(self.database, self.worker, self.sandbox)
        self.name, self.runs, self.users = worker, 0, FIRST_USER
        self.began, self.expected, self.bought = {}, {}, []
        self.told, self.payment_counts, self.unmatched = Counter(), {}, 0
        SCENES[worker](self)

    # --- the words of a scene

    def person(self):
        self.users += 1
        return self.users

    def due(self, ended_at=ENDS_TODAY, method="good", **outcome):
        """A subscription of somebody's own; outcome: what becomes of charges to the method."""
        subscription = self.subscription(ended_at, method, user_id=self.person())
        if outcome:
            self.sandbox.methods([method], **outcome)
        self.began[subscription] = ended_at
        return subscription

    def pending(self, subscription=None, **order):
        payment = super().pending(**order)
        if subscription:
            self.database.execute(
                "update billing.payment p set subscription_id = s.id, user_id = s.user_id"
                " from billing.subscription s where s.id = %s and p.provider_payment_id = %s",
                subscription, payment)
        return payment

    def claim(self):
        """The rows of charges that a run wrote, and then did not live to send."""
        return call(self.database, "autopayments", "claim", self.now, "Europe/Moscow", 100)

    def send(self, charge):
        """Such a run did send this one. Returns the answer, which nobody heard."""
        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port, timeout=DEADLINE_S)
        credentials = base64.b64encode(f"{SHOP_ID}:{SECRET_KEY}".encode()).decode()
        connection.request("POST", "/v3/payments", charge[2].encode(), {
            "Authorization": f"Basic {credentials}", "Content-Type": "application/json",
            "Idempotence-Key": charge[1]})
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    def settle(self, charge, answer):
        """And this answer was heard. Returns the provider's id."""
        self.database.execute("select billing.settle(%s::jsonb, %s, %s, 'Europe/Moscow', '')",
                              answer, charge[0], self.now)
        return json.loads(answer)["id"]

    def expect(self, subscription, periods=0, told=0, status="ACTIVE", renews=True):
        self.expected[subscription] = (periods, status, renews)
        if told:
            self.told[self.database.value("select user_id::text from billing.subscription"
                                          " where id = %s", subscription)] = told

    def expect_bought(self, user):
        """A new subscription, and its owner is told."""
        self.bought.append(user)
        self.told[str(user)] = 1

    def expect_payments(self, **counts):
        """Of payments that are not SUCCEEDED, by status."""
        self.payment_counts = counts

    # --- what happens

    def settings(self, **settings):
        return super().settings(**{"BILLING_CONCURRENCY": "2", "OPS_TICK": NOW, **settings})

    # The worker is the scene's when none is named.

    def run(self, worker=None, **settings):
        """Returns the finished process; output has all that it printed."""
        self.runs += 1
        done = self.worker(f"billing/{worker or self.name}", "--now", self.now,
                           **self.settings(**settings))
        done.output = done.stdout + done.stderr
        return done

    def start(self, worker=None, **settings):
        """Leaves it running."""
        self.runs += 1
        return super().start(worker or self.name, **settings)

    def later(self, minutes=2):
        self.at((datetime.fromisoformat(self.now) + timedelta(minutes=minutes)).isoformat())

    def finish(self, worker=None, **settings):
        """As opsd does it: what died, or ended with 75, is tried again a little later."""
        deadline = time.monotonic() + DEADLINE_S
        self.later()
        done = self.run(worker, **settings)
        while done.returncode == AGAIN and time.monotonic() < deadline:
            self.later()
            done = self.run(worker, **settings)
        assert done.returncode == DONE, done.output

    # --- what came of it

    def check(self):
        check_books(self)
        check_run(self, self.name, self.runs)
        self.check_subscriptions()
        self.check_notices()
        counts = {row.status: row.n for row in self.database.query(
            "select status, count(*) as n from billing.payment where status <> 'SUCCEEDED'"
            " group by 1")}
        for status, n in self.payment_counts.items():
            assert counts.get(status, 0) == n, counts
        unmatched = self.database.value("select count(*) from billing.unmatched_payment")
        assert unmatched == self.unmatched

    def check_subscriptions(self):
        found = {row.id: (row.periods, row.status, row.auto_renew) for row in self.database.query(
            "select s.id, s.status, s.auto_renew,"
            " count(p.id) filter (where p.provider_payment_id not like 'first-%%') as periods"
            " from billing.subscription s left join billing.payment p"
            " on p.subscription_id = s.id and p.status = 'SUCCEEDED' group by s.id")}
        assert {i: found.get(i) for i in self.expected} == self.expected
        bought = [row.user_id for row in self.database.query(
            "select user_id from billing.subscription where id <> all (%s) order by 1",
            list(self.expected))]
        assert bought == sorted(self.bought)

    def check_notices(self):
        self.notices()
        chats = self.database.query("select payload ->> 'chatId' as chat, count(*) as n"
                                    " from ops.job group by 1")
        assert {row.chat: row.n for row in chats} == dict(self.told)


def strike(town, worker, settings):
    """One interrupted run, then as many as it takes. Returns the line of the strike, or None when
    the run got through, and its exit code."""
    town.begin(worker)
    done = town.run(**settings)
    town.finish()
    try:
        town.check()
    except AssertionError as wrong:
        raise AssertionError(f"{struck(done.output)}: {wrong}\n{done.output}") from wrong
    return struck(done.output), done.returncode
