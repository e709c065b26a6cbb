"""The coffee part of the demo: two owners, their machines, recipes and stock, and a day of sales.

Called by seed.py. Running it again changes nothing: everything has an id or a name of its own.
"""

from __future__ import annotations

import os
import random
from datetime import datetime, timedelta
from typing import Any, Callable, Iterator

import psycopg2.extensions
from cryptography.fernet import Fernet

Post = Callable[[str, dict[str, Any]], None]

PASSWORD = "demo"
FIRST_SALE = 3_100_000_000
#: login, name, Telegram, machines: Vendista's id and name
OWNERS = [("demo-anna", "Анна", 7_000_100_001, {501: "БЦ «Север», 1 этаж", 502: "БЦ «Север», 4 этаж"}),
          ("demo-oleg", "Олег & Ко", 7_000_100_002, {601: "Вокзал <зал 2>"})]
ASSIGNEE = 7_000_100_009
#: machine item, name, kopecks, what one cup takes
DRINKS = [(1, "Эспрессо", 9900, {"Кофе, г": 9, "Стаканы": 1}),
          (2, "Капучино", 13900, {"Кофе, г": 9, "Молоко, мл": 150, "Стаканы": 1}),
          (3, "Латте", 14900, {"Кофе, г": 9, "Молоко, мл": 220, "Стаканы": 1}),
          (4, "Чай", 5900, {"Чай, г": 3, "Стаканы": 1})]
#: item, in the machine, critical, in the warehouse
STOCK = [("Кофе, г", 2000, 300, 10_000), ("Молоко, мл", 8000, 4000, 40_000),
         ("Стаканы", 300, 50, 2000), ("Чай, г", 300, 50, 500)]
CUPS_A_DAY = 60


def sales(machine: int, base: datetime) -> Iterator[dict[str, Any]]:
    """The same ones however often it is asked."""
    chance = random.Random(machine)
    for n in range(CUPS_A_DAY):
        item, _, kopecks, _ = chance.choice(DRINKS)
        at = base - timedelta(minutes=chance.uniform(5, 23 * 60))
        number = FIRST_SALE + machine * 1000 + n
        yield {"id": number, "term_id": machine, "sum": kopecks,
               "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
               "machine_item": [{"machine_item_id": item}],
               "reverse_id": number + 500 if n % 20 == 19 else 0}


def fill_provider(post: Post, base: datetime) -> None:
    for login, _, _, machines in OWNERS:
        post("vendista/accounts", {"login": login, "password": PASSWORD})
        post("vendista/terminals", {"login": login, "terminals": [
            {"id": machine, "comment": name, "serial_number": f"DEMO{machine}",
             "last_hour_online": 1} for machine, name in machines.items()]})
        for machine in machines:
            post("vendista/sales", {"login": login, "sales": list(sales(machine, base))})


def add_machine(cursor: psycopg2.extensions.cursor, owner: int, machine: int, name: str) -> None:
    cursor.execute("insert into coffee.terminals (user_id, vendista_id, name, assignee_telegram_id)"
                   " values (%s, %s, %s, %s) returning id", (owner, machine, name, ASSIGNEE))
    terminal = cursor.fetchone()[0]
    for item, drink, _, takes in DRINKS:
        cursor.execute("insert into coffee.recipes (terminal_id, machine_item_id, name)"
                       " values (%s, %s, %s) returning id", (terminal, item, drink))
        recipe = cursor.fetchone()[0]
        cursor.executemany("insert into coffee.recipe_items values (%s, %s, %s)",
                           [(recipe, ingredient, each) for ingredient, each in takes.items()])
    cursor.executemany(
        "insert into coffee.inventories (user_id, terminal_id, location, item_name, current_stock,"
        " critical_stock, max_stock) values (%s, %s, 'machine', %s, %s, %s, %s)",
        [(owner, terminal, item, full, critical, full) for item, full, critical, _ in STOCK])


def fill_database(cursor: psycopg2.extensions.cursor) -> None:
    fernet = Fernet(os.environ["FIELD_ENCRYPTION_KEY"].split(",")[0])
    for login, name, telegram, machines in OWNERS:
        cursor.execute("select 1 from coffee.users where telegram_id = %s", (telegram,))
        if cursor.fetchone():
            continue
        cursor.execute(
            "insert into coffee.users (name, vendista_login_encrypted, vendista_password_encrypted,"
            " setup_date, telegram_id) values (%s, %s, %s, current_date, %s) returning id",
            (name, fernet.encrypt(login.encode()).decode(),
             fernet.encrypt(PASSWORD.encode()).decode(), telegram))
        owner = cursor.fetchone()[0]
        for machine, machine_name in machines.items():
            add_machine(cursor, owner, machine, machine_name)
        cursor.executemany(
            "insert into coffee.inventories (user_id, location, item_name, current_stock,"
            " critical_stock, max_stock) values (%s, 'warehouse', %s, %s, 0, %s)",
            [(owner, item, stored, stored) for item, _, _, stored in STOCK])
