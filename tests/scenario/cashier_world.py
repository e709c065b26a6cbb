"""The world in which the cashier's workers are tested: a database, a chain, a pool of addresses.

    invoice = world.open()                   what the bot does: PAYING, an address of its own
    world.pay(invoice)                       a transfer of exactly that much, in a block of now
    world.later("1m"); world.check()         the clock of the chain and of the workers; a run
    world.status(invoice), world.payments(invoice), world.alerts()      what came of it

Time stands still unless a test moves it, and is the same for the chain and for the workers.
"""
import datetime
import decimal

import pytest

import tron_address
from clock import span_parse

ADMIN = "-100777"
BEGIN = "2026-03-01T10:00:00.000Z"
#: Blocks until the stand-in calls one solid, and what TRON_CONFIRMATIONS is when nobody says so.
SOLID = 19
BLOCK_S = 3
PRICE = decimal.Decimal("9.99")
FAKE = tron_address.make(666)[1]
TABLES = ("messenger.customer, accesser.plan, cashier.tron_address, ops.job, ops.run, ops.lane,"
          " ops.lane_arrival, ops.alert")


def units(amount):
    """USDT in the token's smallest unit."""
    return str(int(decimal.Decimal(amount) * 1_000_000))


class World:
    def __init__(self, database, worker, sandbox):
        self.database, self.worker, self.sandbox = database, worker, sandbox
        self.now = None
        self.plan = self.customer = None

    def begin(self, addresses=3):
        """A shop that sells one thing, with so many addresses, and nothing else."""
        self.database.execute(f"truncate {TABLES} restart identity cascade")
        self.set_clock(BEGIN)
        self.customer = self.database.value(
            "insert into messenger.customer (telegram_id) values (77) returning id")
        self.plan = self.database.value(
            "insert into accesser.plan (title, price, duration_days) values ('Month', %s, 30)"
            " returning id", PRICE)
        self.add_addresses(*[tron_address.make(n)[1] for n in range(addresses)])

    # --- what there is

    def add_addresses(self, *addresses):
        for address in addresses:
            self.database.execute("insert into cashier.tron_address (address,"
                                  " private_key_encrypted) values (%s, 'x')", address)

    def set_clock(self, now):
        self.now = self.sandbox.control("POST", "clock", {"now": now, "frozen": True})["now"]

    def later(self, span):
        self.now = self.sandbox.control("POST", "clock", {"advance": span})["now"]

    def ago(self, span):
        at = datetime.datetime.fromisoformat(self.now[:-1] + "+00:00")
        at -= datetime.timedelta(milliseconds=span_parse(span))
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"

    def another_customer(self):
        return self.database.value("insert into messenger.customer (telegram_id)"
                                   " select max(telegram_id) + 1 from messenger.customer"
                                   " returning id")

    def open(self, customer=None):
        """The invoice's id; None when no address is free. Each is somebody else's, unless said."""
        return self.database.value(
            "select (cashier.open_invoice(%s, %s, null, %s)).id",
            customer or self.another_customer(), self.plan, self.now)

    def insert(self, address, **columns):
        """An invoice as somebody writes it by hand."""
        row = {"customer_id": self.customer, "plan_id": self.plan, "address": address,
               "amount": PRICE, "create_date": self.now, **columns}
        row.setdefault("expire_date", row["create_date"])
        return self.database.value(
            f"insert into cashier.crypto_invoice ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    # --- the chain

    def transfer(self, *outputs, **order):
        """One transaction; returns {"txid", "block", "time"}."""
        return self.sandbox.control("POST", "tron/transactions",
                                    {"outputs": list(outputs), **order})

    def pay(self, invoice, amount=PRICE, output=None, **order):
        """Returns the txid."""
        made = self.transfer({"to": self.address(invoice), "value": units(amount),
                              **(output or {})}, **order)
        return made["txid"]

    def fork(self, txid, to="nowhere", **order):
        self.sandbox.control("POST", "tron/fork", {"txid": txid, "to": to, **order})

    def asked(self, path=""):
        found = self.sandbox.control("GET", f"requests?path=/tron/{path}")["requests"]
        self.sandbox.control("DELETE", "requests")
        return found

    # --- what happens

    def settings(self, **settings):
        return {**self.sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN,
                "OPS_NOW": self.now, **settings}

    def run(self, name, *args, code=0, **settings):
        done = self.worker(f"cashier/{name}", *args, **self.settings(**settings))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def check(self, *args, **settings):
        return self.run("tron_transaction_checker", *args, **settings)

    def expire(self, *args, **settings):
        return self.run("invoice_expire_checker", *args, **settings)

    # --- what came of it

    def invoice(self, invoice):
        [row] = self.database.query("select * from cashier.crypto_invoice where id = %s", invoice)
        return row

    def status(self, *invoices):
        found = [self.invoice(invoice).status for invoice in invoices]
        return found if len(found) > 1 else found[0]

    def address(self, invoice):
        return self.invoice(invoice).address

    def pool(self):
        """How many addresses are in which state."""
        return {row.status: row.count for row in self.database.query(
            "select status, count(*) from cashier.tron_address group by status")}

    def tron_address(self, invoice):
        [row] = self.database.query("select * from cashier.tron_address where address = %s",
                                    self.address(invoice))
        return row

    def recorded(self, invoice):
        return self.database.query("select * from cashier.crypto_transaction"
                                   " where invoice_id = %s order by id", invoice)

    def alerts(self):
        alerts = self.database.told("shop", ADMIN)
        assert alerts == self.database.told("shop")
        return alerts

    def last_run(self):
        [row] = self.database.query("select * from ops.run where worker ="
                                    " 'tron_transaction_checker' order by id desc limit 1")
        return row


@pytest.fixture
def world(lasting_worker, sandbox):
    made = World(lasting_worker.database, lasting_worker, sandbox)
    made.begin()
    return made
