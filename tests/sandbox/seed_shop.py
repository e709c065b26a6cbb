"""The shop's part of the demo: two closed chats, two plans, and addresses to pay to.

Called by seed.py. Running it again changes nothing: chats and addresses have ids of their own, plans
their titles.
"""

from __future__ import annotations

import os
from typing import Any, Callable

import psycopg2.extensions
from cryptography.fernet import Fernet

import tron_address

Post = Callable[[str, dict[str, Any]], None]

CLUB, LIBRARY = -1_002_000_000_001, -1_002_000_000_002
CHATS = {CLUB: "Demo: the club", LIBRARY: "Demo: the library"}
#: title, USDT, days, chats
PLANS = [("Demo: a week of the club", "5", 7, [CLUB]),
         ("Demo: a month of everything", "15.5", 30, [CLUB, LIBRARY])]
#: Numbers of tron_address.make.
ADDRESSES = range(1000, 1020)


def fill_provider(post: Post) -> None:
    for chat, title in CHATS.items():
        post("telegram/chats", {"ids": [chat], "title": title})


def fill_database(cursor: psycopg2.extensions.cursor) -> None:
    for chat, title in CHATS.items():
        cursor.execute("insert into accesser.chat (telegram_chat_id, title) values (%s, %s)"
                       " on conflict do nothing", (chat, title))
    for title, price, days, chats in PLANS:
        cursor.execute(
            "with plan as (insert into accesser.plan (title, price, duration_days)"
            " select %s, %s, %s where not exists (select from accesser.plan where title = %s)"
            " returning id) insert into accesser.plan_chat select plan.id, chat.id"
            " from plan, accesser.chat where telegram_chat_id = any(%s)",
            (title, price, days, title, chats))
    keys = Fernet(os.environ["FIELD_ENCRYPTION_KEY"].split(",")[0])
    for number in ADDRESSES:
        key, address = tron_address.make(number)
        cursor.execute("insert into cashier.tron_address (address, private_key_encrypted)"
                       " values (%s, %s) on conflict do nothing",
                       (address, keys.encrypt(key.encode()).decode()))
