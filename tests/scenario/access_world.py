"""The world in which accesses are tested: a database, Telegram's chats, customers who pay.

    plan = world.plan("VIP", chats=[GROUP, OTHER])
    invoice = world.confirmed(world.customer(7), plan)
    world.redeem()                                     the worker that turns payments into accesses
    world.revoke(now=…), world.update_chats()
    world.access(), world.links(), world.texts(7)      what came of it
"""
import datetime
import html
import itertools
import re

import pytest

from fixture import BOT_TOKEN

ADMIN = -100777
GROUP, OTHER, THIRD = -1001, -1002, -1003
NOW = datetime.datetime(2035, 3, 10, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
EMPTY = """
    truncate ops.job, ops.lane, ops.lane_arrival, ops.owner, ops.alert, ops.recipient, ops.rate,
             ops.chat_alias, ops.run, messenger.customer, accesser.chat, accesser.plan,
             cashier.tron_address, messenger.translation restart identity cascade
"""


def instant(at):
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


class World:
    def __init__(self, database, worker, sandbox):
        self.database, self.worker, self.sandbox = database, worker, sandbox
        self.begin()

    def begin(self):
        """Everything gone, at the beginning of time."""
        self.database.execute(EMPTY)
        self.sandbox.reset()
        self.now, self.numbers = NOW, itertools.count(1)
        self.sandbox.clock(now=instant(NOW))

    # --- what there is

    def customer(self, telegram_id, **columns):
        return self.insert("messenger.customer", telegram_id=telegram_id, **columns)

    def chat(self, telegram_id, title=None):
        """Returns the id; the row is made when it is not there."""
        title = title or f"Chat {telegram_id}"
        return self.database.value(
            "insert into accesser.chat (telegram_chat_id, title) values (%s, %s)"
            " on conflict (telegram_chat_id) do update set title = accesser.chat.title"
            " returning id", telegram_id, title)

    def plan(self, title="VIP", days=30, chats=(GROUP,), **columns):
        plan = self.insert("accesser.plan", title=title, price="10.5", duration_days=days, **columns)
        for chat in chats:
            self.insert("accesser.plan_chat", returning="plan_id", plan_id=plan,
                        chat_id=self.chat(chat))
        return plan

    def invoice(self, customer, plan, status="CONFIRMED", access=None, **columns):
        number = next(self.numbers)
        self.insert("cashier.tron_address", returning="address", address=f"T{number}",
                    private_key_encrypted="-", status="BUSY")
        return self.insert("cashier.crypto_invoice", customer_id=customer, plan_id=plan,
                           access_id=access, address=f"T{number}", amount="10.5", status=status,
                           create_date=self.now, expire_date=self.now + DAY / 24,
                           confirmed_date=self.now, **columns)

    confirmed = invoice

    def has_access(self, customer, plan, ends=DAY, **columns):
        """An access that ends so long after now (or ended before it)."""
        return self.insert("accesser.access", customer_id=customer, plan_id=plan,
                           start_date=self.now + ends - 30 * DAY, end_date=self.now + ends, **columns)

    def insert(self, table, returning="id", **row):
        return self.database.value(
            f"insert into {table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})"
            f" returning {returning}", *row.values())

    # --- what happens

    def later(self, span):
        self.now += span
        self.sandbox.clock(now=instant(self.now))

    def settings(self, **settings):
        return {**self.sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN,
                "TELEGRAM_RATE_PER_BOT": "1000", **settings}

    def run(self, program, *args, code=0, **settings):
        done = self.worker(program, "--now", instant(self.now), *args, **self.settings(**settings))
        assert code is None or done.returncode == code, done.stdout + done.stderr
        done.output = done.stdout + done.stderr
        return done

    def start(self, program, *args, **settings):
        return self.worker.start(program, "--now", instant(self.now), *args,
                                 **self.settings(**settings))

    def redeem(self, *args, **more):
        return self.run("cashier/invoice_confirm_checker", *args, **more)

    def revoke(self, *args, **more):
        return self.run("accesser/customer_access_revoker", *args, **more)

    def update_chats(self, *args, **more):
        return self.run("accesser/chat_updater", *args, **more)

    # --- what came of it

    def row(self, table, number):
        [row] = self.database.query(f"select * from {table} where id = %s", number)
        return row

    def accesses(self):
        return self.database.query("select * from accesser.access order by id")

    def status(self, invoice):
        return self.row("cashier.crypto_invoice", invoice).status

    def address(self, invoice):
        return self.database.value("select status from cashier.tron_address where address = %s",
                                   self.row("cashier.crypto_invoice", invoice).address)

    def texts(self, chat=None):
        """What was said, in order; not to the administrators unless they are asked for."""
        rows = self.database.query(
            "select payload ->> 'chatId' as chat, payload ->> 'text' as text, bot from ops.job"
            " where queue = 'messages' and kind = 'send-message' order by id")
        return [row.text for row in rows
                if row.chat == str(chat) or (chat is None and row.chat != str(ADMIN))]

    def alerts(self):
        return self.texts(ADMIN)

    def sent_links(self, user):
        """Those in messages to him."""
        return [html.unescape(link) for text in self.texts(user)
                for link in re.findall(r'href="([^"]+)"', text)]

    def calls(self, method):
        return len(self.sandbox.requests(path=f"/bot{BOT_TOKEN}/{method}"))


@pytest.fixture
def world(lasting_worker, sandbox):
    return World(lasting_worker.database, lasting_worker, sandbox)
