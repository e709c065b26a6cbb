#!/usr/bin/python3
"""Plays a customer of the shop: writes to the bot, reads what it says, presses, pays, joins.

    tests/sandbox/customer.py [--person ID] [--lose]

DATABASE_URL and TELEGRAM_API_URL are those of the environment, or of .env at the project's root.
He buys the cheapest plan, pays for it on the stand-in's chain and joins by the links; with --lose his
access is then ended ahead of time, and he waits to be thrown out. The fleet has to be running: what
he does only goes through the stand-in Telegram, and what he reads is what was delivered there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import sys
import time
from datetime import datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Callable, TypeVar
from urllib.parse import urlsplit

import psycopg2

PERSON, BLOCK_SECONDS = 7_000_200_001, 3
Found = TypeVar("Found")


class Stuck(Exception):
    pass


def until(find: Callable[[], Found | None], what: str, seconds: float) -> Found:
    end = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > end:
            raise Stuck(f"waited {seconds:g} s until {what}")
        time.sleep(0.1)
    return found


class Customer:
    """One person's Telegram. updates: how his acts reach the bot: by the stand-in's webhook, or put
    where the gateway would put them."""

    def __init__(self, sandbox_url: str, database_url: str, person: int = PERSON,
                 bot: str = "shop", token: str = "", patience: float = 330,
                 say: Callable[[str], None] = print) -> None:
        parts = urlsplit(sandbox_url)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise Stuck("TELEGRAM_API_URL is not a sandbox on this host; nothing was done")
        self.connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=20)
        self.database = psycopg2.connect(database_url)
        self.database.autocommit = True
        self.person, self.bot = person, bot
        self.token, self.number = token, token.split(":")[0]
        self.patience, self.say = patience, say
        self.numbers = itertools.count(int(time.time() * 1000) % 1_000_000_000)
        self.read = len(self.inbox())

    # --- the stand-ins

    def control(self, method: str, path: str, order: dict[str, Any] | None = None) -> Any:
        self.connection.request(method, f"/_control/{path}", json.dumps(order) if order else None)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise Stuck(f"{method} {path}: {response.status} {answer!r}")
        return json.loads(answer)

    def inbox(self) -> list[dict[str, Any]]:
        return self.control("GET", f"telegram/messages?chat_id={self.person}")["messages"]

    def query(self, statement: str, *args: Any) -> list[tuple[Any, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(statement, args)
            return cursor.fetchall() if cursor.description else []

    def deliver(self, update: dict[str, Any]) -> None:
        if self.webhook_is_set():
            self.control("POST", "telegram/updates", {"bot": self.number, "updates": [update]})
            return
        number = next(self.numbers)
        self.query("select main.take_updates(array[%s], array[%s]::bigint[], array[%s]::jsonb[])",
                   self.bot, number, json.dumps({"update_id": number, **update}))

    def webhook_is_set(self) -> bool:
        if not self.number:
            return False
        self.connection.request("GET", f"/bot{self.token}/getWebhookInfo")
        info = json.loads(self.connection.getresponse().read())
        return info.get("result", {}).get("url", "").endswith(f"/telegram/{self.bot}")

    # --- what a person does

    def sender(self) -> dict[str, Any]:
        return {"id": self.person, "is_bot": False, "first_name": "Demo <customer>",
                "username": "demo_customer", "language_code": "en"}

    def chat(self) -> dict[str, Any]:
        return {"id": self.person, "type": "private", "first_name": "Demo"}

    def write(self, text: str) -> dict[str, Any]:
        self.say(f"> {text}")
        self.deliver({"message": {"message_id": next(self.numbers), "date": int(time.time()),
                                  "from": self.sender(), "chat": self.chat(), "text": text}})
        return self.hear("")

    def press(self, message: dict[str, Any], label: str) -> dict[str, Any]:
        data = buttons(message)[label]
        self.say(f"> [{label}]")
        self.deliver({"callback_query": {
            "id": str(next(self.numbers)), "from": self.sender(), "chat_instance": "1",
            "message": {"message_id": message["message_id"], "date": int(time.time()),
                        "chat": self.chat()}, "data": data}})
        return self.hear("")

    def hear(self, text: str) -> dict[str, Any]:
        """The next message to him that holds text."""
        def find() -> dict[str, Any] | None:
            for message in self.inbox()[self.read:]:
                self.read += 1
                self.say("< " + message["text"].replace("\n", "\n  "))
                if text in message["text"]:
                    return message
            return None

        return until(find, f"the bot says {text or 'something'!r}", self.patience)

    def pay(self, message: dict[str, Any]) -> str:
        """What the invoice asks for, to the last millionth; returns the transaction."""
        amount, address = re.findall(r"<code>([^<]+)</code>", message["params"]["text"])
        value = Decimal(amount) * 10 ** 6
        self.say(f"> pays {amount} USDT to {address}")
        # In the next block: the one that is being made is as old as the invoice, or older.
        now = datetime.fromisoformat(self.control("GET", "state")["now"].replace("Z", "+00:00"))
        at = (now + timedelta(seconds=BLOCK_SECONDS)).isoformat().replace("+00:00", "Z")
        return self.control("POST", "tron/transactions", {
            "outputs": [{"to": address, "value": str(int(value))}], "time": at})["txid"]

    def join(self, link: str) -> str:
        why = self.control("POST", "telegram/join", {"link": link, "user_id": self.person})["why"]
        self.say(f"> joins {link}: {why or 'he is in'}")
        return why

    def status(self, chat: int) -> str:
        found = self.control("GET", f"telegram/members?chat_id={chat}&user_id={self.person}")
        return found["members"][0]["status"] if found["members"] else "left"


def buttons(message: dict[str, Any]) -> dict[str, str]:
    markup = message["params"].get("reply_markup") or {"inline_keyboard": []}
    if isinstance(markup, str):
        markup = json.loads(markup)
    return {row[0]["text"]: row[0]["callback_data"] for row in markup["inline_keyboard"]}


def links(message: dict[str, Any]) -> list[str]:
    return re.findall(r"https://t\.me/\+[\w-]+", message["params"]["text"])


# --- the story


def buy(customer: Customer) -> dict[str, Any]:
    """From /start to the message with the invoice."""
    plans = customer.press(customer.write("/start"), "Plans")
    plan = customer.press(plans, next(iter(buttons(plans))))
    return customer.press(customer.press(plan, "Buy"), "Pay with USDT (TRC-20)")


def enter(customer: Customer) -> list[str]:
    """Joins by every link that he was sent for his payment."""
    found = links(customer.hear("Payment received"))
    refused = [link for link in found if customer.join(link)]
    if refused or not found:
        raise Stuck(f"cannot join by {refused or 'nothing'}")
    return found


def lose(customer: Customer) -> None:
    """His time is over at once; waits until he is out of every chat."""
    chats = [row[0] for row in customer.query(
        "update accesser.access a set start_date = '2000-01-01', end_date = now()"
        " from messenger.customer c, accesser.plan_chat pc, accesser.chat"
        " where c.id = a.customer_id and c.telegram_id = %s and a.active"
        " and pc.plan_id = a.plan_id and chat.id = pc.chat_id returning telegram_chat_id",
        customer.person)]
    customer.say("  (his time is over; customer_access_revoker looks every five minutes)")
    until(lambda: all(customer.status(chat) == "kicked" for chat in chats),
          "he is thrown out", customer.patience)
    customer.say("  (he is out)")


def settings() -> dict[str, str]:
    path = Path(__file__).resolve().parent.parent.parent / ".env"
    lines = path.read_text().splitlines() if path.exists() else []
    written = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return {**written, **os.environ}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--person", type=int, default=PERSON)
    parser.add_argument("--lose", action="store_true", help="ends his access, too")
    arguments = parser.parse_args()
    try:
        given = settings()
        customer = Customer(given["TELEGRAM_API_URL"], given["DATABASE_URL"], arguments.person,
                            token=given.get("TELEGRAM_BOT_TOKEN_SHOP")
                            or given.get("TELEGRAM_BOT_TOKEN", ""))
        customer.pay(buy(customer))
        enter(customer)
        if arguments.lose:
            lose(customer)
    except KeyError as missing:
        print(f"customer: set {missing.args[0]}", file=sys.stderr)
        return 78
    except (Stuck, OSError, psycopg2.Error) as problem:
        print(f"customer: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
