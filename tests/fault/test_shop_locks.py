"""Nobody waits in a circle: everything that changes invoices, addresses, accesses and their links, at
once, in the order of workers/cashier/schema/082-lock-order.sql.

What waits for one row that is held keeps what it has locked before; so a gate, a session that holds
one row until somebody waits for it, makes the interleavings that a circle needs. What was done is
rolled back, so that there always is the same to do.
"""
import json
import os
import random
import threading

import psycopg2
import psycopg2.errors
import pytest

from harness import ROOT, WorkerRunner, wait_until
from test_sql import statements

ROUNDS = int(os.environ.get("OPS_ROUNDS", "200"))
NOW = "2035-03-10T12:00:00Z"
PEOPLE = 5

# Rows stand in the tables in another order than that of the locks. Each person has an invoice whose
# hour is over, one that is expired and one that is confirmed and redeemed, with links to be made and
# to be sent; an access that goes on and one that is over.
SCENE = f"""
    insert into messenger.customer (telegram_id) select 100 + n from generate_series(1, {PEOPLE}) n;
    insert into accesser.chat (telegram_chat_id) select -1000 - n from generate_series(1, 4) n;
    insert into accesser.plan (title, price, duration_days) values ('Club', 1, 30), ('More', 2, 30);
    insert into accesser.plan_chat values (1, 1), (1, 2), (2, 2), (2, 3);
    insert into cashier.tron_address (address, private_key_encrypted, status, checked_at, free_at)
    select 'T' || lpad(n::text, 2, '0'), '-', 'BUSY', '{NOW}',
           case when n > {3 * PEOPLE} then '{NOW}'::timestamptz end
      from generate_series({4 * PEOPLE}, 1, -1) n;
    insert into cashier.tron_address (address, private_key_encrypted) values ('T98', '-'), ('T99', '-');
    insert into accesser.access (customer_id, plan_id, start_date, end_date)
    select n, p, '2035-01-01', '{NOW}'::timestamptz + case when p = 1 then '9 days' else '-1 hour' end::interval
      from generate_series({PEOPLE}, 1, -1) n, generate_series(1, 2) p;
    insert into cashier.crypto_invoice (customer_id, plan_id, access_id, address, amount, status,
                                        create_date, expire_date, expired_at, confirmed_date)
    select a.customer_id, 1, a.id, 'T' || lpad((k * {PEOPLE} + a.customer_id)::text, 2, '0'), 1,
           (array['PAYING', 'EXPIRED', 'CONFIRMED', 'EXPIRED'])[k + 1], '2035-03-10 09:00Z',
           '2035-03-10 10:00Z', '2035-03-10 10:01Z', '{NOW}'
      from accesser.access a, generate_series(3, 0, -1) k
     where a.plan_id = 1;
    insert into accesser.redemption
    select id, access_id, '{NOW}' from cashier.crypto_invoice where status = 'CONFIRMED' and id % 2 = 0;
    insert into accesser.invite_link (access_id, chat_id, link, invoice_id)
    select r.access_id, 1, 'https://t.me/+' || r.invoice_id, r.invoice_id from accesser.redemption r;
    insert into accesser.link_due (invoice_id, chat_id, next_attempt_at)
    select r.invoice_id, chat, '{NOW}' from accesser.redemption r, generate_series(1, 2) chat;
    insert into accesser.revocation (access_id, chat_id, next_attempt_at)
    select id, 2, '{NOW}' from accesser.access where plan_id = 2 order by id desc;
    update accesser.revocation set state = 'done' where access_id % 4 = 0;
    insert into cashier.building_invoice (customer_id, plan_id, expire_date)
    select n, 1, '2036-01-01' from generate_series(1, {PEOPLE}) n;
"""
FILES = {"expire": "cashier/invoice_expire_checker", "confirm": "cashier/invoice_confirm_checker",
         "revoker": "accesser/customer_access_revoker", "bot": "messenger/messenger",
         "sight": "messenger/bot"}
SEEN = json.dumps([{"address": f"T{n:02}", "txid": f"{n:064x}", "on_chain": True, "from_address": "T",
                    "amount": "1", "block_number": 1, "block_time": "2035-03-10T09:30:00Z",
                    "confirmations": 1, "final": n % 2 == 0} for n in range(1, 4 * PEOPLE + 1)])
SCANS = json.dumps([{"address": f"T{n:02}", "whole": True} for n in range(1, 4 * PEOPLE + 1)])
SETTLE = "select * from cashier.settle(%s, %s, 19, %s, '1')"
# One row each, so that a gate itself is in no circle.
GATES = [f"select from {table} order by random() limit 1 for no key update" for table in (
    "cashier.tron_address", "cashier.crypto_invoice", "accesser.access", "accesser.chat",
    "accesser.link_due", "accesser.invite_link", "accesser.revocation")]


def acts(dice):
    """Each is a transaction: statements and their parameters."""
    person, chat = dice.randint(1, PEOPLE), dice.randint(1, 3)
    mine = f"(select id from accesser.access where customer_id = {person} and plan_id = %s)"
    paid = (f"(select id from cashier.crypto_invoice where customer_id = {person}"
            f" and status = 'CONFIRMED')")
    unpaid = (f"(select id from cashier.crypto_invoice where customer_id = {person}"
              f" and status = 'PAYING')")
    link = f"https://t.me/+new{person}{chat}{threading.get_ident()}"
    return [
        [(SETTLE, SCANS, SEEN, NOW)],
        [("expire.expire", NOW)], [("expire.close", NOW)], [("expire.free", NOW)],
        [("bot.pay", person, person, None, NOW)], [("bot.cancel", person, [unpaid], NOW)],
        [("confirm.redeem", [paid], NOW)],
        [("confirm.hold", [paid]), ("confirm.deliver", [paid], NOW, "")],
        [("confirm.link_revoked", [f"(select min(l.id) from accesser.invite_link l where"
                                   f" l.access_id = {mine % 1})"], NOW)],
        [("confirm.record_link", [paid], chat, link, 2060000000)],
        [("confirm.put_off", [paid], chat, True, 0, "no", NOW)],
        [("bot.link_made", person, [mine % 1], chat, link, 2060000000, NOW)],
        [("revoker.begin", NOW)], [("revoker.begin_ban", [mine % 2], chat, NOW)],
        [("revoker.record", [mine % 2], 2, "done", 0, None, NOW)],
        [("revoker.finish", NOW, "", "1", False)], [("revoker.warn", NOW, "")],
        [("sight.shop_seen", -1000 - chat, "Chat", "supergroup", True)],
        [("select ops.chat_moved('shop', %s, -1004)", -1000 - chat)],
    ]


class Actor:
    """A session with the workers' own statements, prepared."""

    def __init__(self, database):
        self.connection = database.connect(autocommit=False)
        self.cursor = self.connection.cursor()
        for short, path in FILES.items():
            for name, _, text in statements(ROOT / f"workers/{path}.sql"):
                self.cursor.execute(f'prepare "{short}.{name.split(".")[-1]}" as {text}')
        self.connection.commit()

    def act(self, steps):
        """A parameter in a list is SQL."""
        try:
            for text, *params in steps:
                given = [(self.look(param[0]) if isinstance(param, list) else param)
                         for param in params]
                if "." in text.split()[0]:
                    text = f'execute "{text}"({", ".join(["%s"] * len(given))})'
                self.cursor.execute(text, given)
        finally:
            self.connection.rollback()

    def look(self, query):
        self.cursor.execute(query if query.startswith("select") else f"select {query}")
        return self.cursor.fetchone()[0]


@pytest.fixture
def shop(database):
    database.execute(SCENE)
    return database


def waiting(database):
    return database.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                          " and datname = current_database()")


@pytest.mark.parametrize("gate", ["cashier.tron_address where address = 'T03'",
                                  "cashier.tron_address where address = 'T08'",
                                  "cashier.tron_address where address = 'T18'",
                                  "cashier.crypto_invoice where address = 'T03'"])
def test_expiring_and_settling_meet_in_the_middle(shop, tmp_path, gate):
    """The worker itself and a settler; either one first."""
    runner = WorkerRunner(shop, tmp_path)
    with shop.connect(autocommit=False) as settler, shop.connect(autocommit=False) as holder:
        for worker_first in True, False:
            begun = []

            def settle():
                with settler.cursor() as cursor:
                    cursor.execute(SETTLE, (SCANS, "[]", NOW))
                settler.commit()

            settling = threading.Thread(target=settle)
            with holder.cursor() as cursor:
                cursor.execute(f"select from {gate} for no key update")
            for start in sorted((lambda: begun.append(runner.start(
                    "cashier/invoice_expire_checker", OPS_NOW=NOW)), settling.start),
                    key=lambda one: (one == settling.start) == worker_first):
                before = waiting(shop)
                start()
                wait_until(lambda: waiting(shop) > before)
            holder.rollback()
            settling.join()
            assert begun[0].wait() == 0, begun[0].output
            shop.execute("update cashier.crypto_invoice set status = 'PAYING', expired_at = null"
                         " where status = 'EXPIRED'")
            shop.execute("update cashier.tron_address set status = 'BUSY', free_at = null")
    settler.close(), holder.close()
    assert shop.deadlocks() == 0


def test_everything_at_once(shop):
    seed = int(os.environ.get("OPS_SEED", "1"))
    over, wrong = threading.Event(), []

    def actor(number):
        dice, session = random.Random(seed * 100 + number), Actor(shop)
        for _ in range(ROUNDS):
            steps = dice.choice(acts(dice))
            try:
                session.act(steps)
            except psycopg2.errors.UniqueViolation:
                pass  # two that made the same link; the workers come again
            except Exception as error:  # a deadlock above all
                wrong.append((steps, error))
        session.connection.close()

    def hold():
        dice, holder = random.Random(seed), shop.connect(autocommit=False)
        while not over.is_set():
            with holder.cursor() as cursor:
                cursor.execute(dice.choice(GATES))
                for _ in range(20):
                    cursor.execute("select count(*) > 1 from pg_locks where not granted")
                    if cursor.fetchone()[0]:
                        break
            holder.rollback()
        holder.close()

    actors = [threading.Thread(target=actor, args=(number,)) for number in range(4)]
    holder = threading.Thread(target=hold)
    for thread in [holder, *actors]:
        thread.start()
    for thread in actors:
        thread.join()
    over.set()
    holder.join()
    assert not wrong, wrong[0]
    assert shop.deadlocks() == 0
