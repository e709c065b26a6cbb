"""The world in which the coffee workers are tested: a database, a Vendista stand-in, owners.

    owner = world.owner()                    with an account there, a machine, a recipe, stock
    world.sell(owner, sale(1), sale(2))      at the machine
    world.import_("last24h")                 scheduled and served until the queue is empty
    world.stock(owner), world.notices()      what came of it
"""
import datetime
import signal

import pytest
from cryptography.fernet import Fernet

from fixture import until

KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
ADMIN = "-100777"
MACHINE, CAPPUCCINO, TEA = 501, 7, 8
MILK, SUGAR = "Молоко 🥛", "Сахар <&>"
MILK_EACH, SUGAR_EACH = 150, 5
STOCK = 100_000


def encrypt(text):
    return Fernet(KEY).encrypt(text.encode()).decode()


def decrypt(token):
    return Fernet(KEY).decrypt(token.encode()).decode()


def hours_ago(hours):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def sale(number, hours=1.0, item=CAPPUCCINO, machine=MACHINE, **fields):
    """One sale as Vendista has it, an hour ago."""
    return {"id": number, "term_id": machine, "time": hours_ago(hours),
            "terminal_comment": "У входа", "machine_item": [{"machine_item_id": item}], **fields}


class World:
    def __init__(self, database, worker, sandbox):
        self.database, self.worker, self.sandbox = database, worker, sandbox

    # --- what there is

    def owner(self, login="ivan", machine=MACHINE, token=None, telegram_id=1000, **columns):
        """Returns the id. Vendista knows the login with the password "secret"."""
        self.account(login)
        row = {"name": login, "telegram_id": telegram_id, "setup_date": "2020-01-01",
               "vendista_login_encrypted": encrypt(login),
               "vendista_password_encrypted": encrypt("secret"),
               "vendista_token_encrypted": encrypt(token) if token else None, **columns}
        owner = self.insert("users", **row)
        terminal = self.insert("terminals", user_id=owner, vendista_id=machine, name="У входа <1>",
                               assignee_telegram_id=2000)
        recipe = self.insert("recipes", terminal_id=terminal, machine_item_id=CAPPUCCINO,
                             name="Капучино")
        for item, each, critical in (MILK, MILK_EACH, 1000), (SUGAR, SUGAR_EACH, 10):
            self.database.execute("insert into coffee.recipe_items values (%s, %s, %s)", recipe,
                                  item, each)
            self.insert("inventories", user_id=owner, terminal_id=terminal, location="machine",
                        item_name=item, current_stock=STOCK, critical_stock=critical,
                        max_stock=STOCK)
        return owner

    def account(self, login, **order):
        self.sandbox.control("POST", "vendista/accounts",
                             {"login": login, "password": "secret", **order})

    def sell(self, *sales, login="ivan"):
        self.sandbox.control("POST", "vendista/sales", {"login": login, "sales": list(sales)})

    def insert(self, table, **row):
        return self.database.value(
            f"insert into coffee.{table} ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    # --- what happens

    def settings(self, **settings):
        return {**self.sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN,
                "FIELD_ENCRYPTION_KEY": KEY, "VENDISTA_DELAY_MS": "0", **settings}

    def run(self, worker, *args, code=0, **settings):
        done = self.worker(f"coffee/{worker}", *args, **self.settings(**settings))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, **settings):
        return self.worker.start("coffee/vendista_import_worker", **self.settings(**settings))

    def serve(self, **settings):
        """Until nothing is left to import; returns what the worker printed."""
        serving = self.start(**settings)
        serving.wait_line("serving")
        until(lambda: not self.open_jobs() or serving.process.poll() is not None,
              "all imports ended", 60)
        serving.signal(signal.SIGTERM)
        assert serving.wait() == 0, serving.output
        return serving.output

    def import_(self, what="last24h", *args, **settings):
        self.run("schedule_imports", "--what", what, *args)
        return self.serve(**settings)

    # --- what came of it

    def open_jobs(self):
        return self.database.value("select count(*) from ops.job where queue = 'import'"
                                   " and state in ('available', 'running')")

    def jobs(self, *columns):
        return [tuple(row) for row in self.database.query(
            f"select {', '.join(columns)} from ops.job where queue = 'import' order by id")]

    def stock(self, owner):
        """How much of each item is gone."""
        return {row.item_name: STOCK - row.current_stock for row in self.database.query(
            "select item_name, current_stock from coffee.inventories where user_id = %s", owner)}

    def states(self):
        return {row.id: (row.status, row.stock_state) for row in self.database.query(
            "select id, status, stock_state from coffee.transactions")}

    def user(self, owner):
        [row] = self.database.query("select * from coffee.users where id = %s", owner)
        return row

    def notices(self, chat=None):
        return self.database.told("coffee", chat)


def gone(cups):
    """What so many cups take."""
    return {MILK: cups * MILK_EACH, SUGAR: cups * SUGAR_EACH}


@pytest.fixture
def world(database, worker, sandbox):
    return World(database, worker, sandbox)
