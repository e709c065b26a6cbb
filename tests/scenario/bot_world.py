"""What the tests of messenger/bot share: a shop, people who write to its bot, and what they are told."""
import itertools
import json
import subprocess

import pytest

from harness import BUILD, worker_environment
from sender_world import World

ANNA = 7_000_000_001
CHAT, OTHER_CHAT = -1001000000001, -1001000000002
ADDRESSES = ["TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "TVjsyZ7fYF3qLF6BQgPmTEZy1xrNNyVAAA"]


class Bot(World):
    def __init__(self, database, worker, sandbox):
        super().__init__(database, worker, sandbox)
        self.numbers = itertools.count(1)

    # --- the shop

    def plan(self, title="Club", price="12.5", days=30, chats=(CHAT,)):
        plan = self.database.value(
            "insert into accesser.plan (title, price, duration_days) values (%s, %s, %s)"
            " returning id", title, price, days)
        for chat in chats:
            self.database.execute(
                "with c as (insert into accesser.chat (telegram_chat_id, title) values (%s, %s)"
                " on conflict (telegram_chat_id) do update set active = true returning id)"
                " insert into accesser.plan_chat select %s, id from c", chat, f"Chat {chat}", plan)
        return plan

    def addresses(self, *addresses):
        for address in addresses or ADDRESSES:
            self.database.execute("insert into cashier.tron_address (address, private_key_encrypted)"
                                  " values (%s, 'x')", address)

    def customer(self, telegram_id=ANNA):
        return self.database.value(
            "insert into messenger.customer (telegram_id, first_name) values (%s, 'Anna')"
            " on conflict (telegram_id) do update set telegram_id = excluded.telegram_id"
            " returning id", telegram_id)

    def access(self, plan, customer=None, days=10):
        return self.database.value(
            "insert into accesser.access (customer_id, plan_id, start_date, end_date)"
            " values (%s, %s, now(), now() + make_interval(days => %s)) returning id",
            customer or self.customer(), plan, days)

    # --- what people do

    def take(self, payload, bot="shop"):
        """Stores an update, as the gateway does; returns the id of its job."""
        number = next(self.numbers)
        payload = {"update_id": number, **payload} if isinstance(payload, dict) else payload
        self.database.execute("select main.take_updates(array[%s], array[%s]::bigint[],"
                              " array[%s]::jsonb[])", bot, number, json.dumps(payload))
        return self.database.value("select max(id) from ops.job where queue = 'updates'"
                                   " and payload = %s", json.dumps({"updateId": number}))

    def write(self, text, person=ANNA, bot="shop", **sender):
        sender = {"id": person, "is_bot": False, "first_name": "Anna <3", **sender}
        return self.take({"message": {
            "message_id": next(self.numbers), "date": 1, "text": text, "from": sender,
            "chat": {"id": person, "type": "private", "first_name": "Anna"}}}, bot)

    def press(self, data, person=ANNA, bot="shop", chat=None):
        chat = chat or {"id": person, "type": "private"}
        return self.take({"callback_query": {
            "id": str(next(self.numbers)), "from": {"id": person, "is_bot": False,
                                                    "first_name": "Anna"},
            "message": {"message_id": 1, "date": 1, "chat": chat}, "chat_instance": "1",
            "data": data}}, bot)

    def serve(self, **settings):
        return self.start("messenger/bot", **settings)

    # --- what they are told

    def said(self, person=ANNA, bot="shop"):
        """Payloads of all messages to a person, in their order."""
        return [row.payload for row in self.database.query(
            "select payload from ops.job where queue = 'messages' and bot = %s"
            " and payload ->> 'chatId' = %s order by id", bot, str(person))]

    def answer(self, job, **who):
        """The last message, after the job."""
        self.wait(job)
        return self.said(**who)[-1]

    def buttons(self, message):
        rows = message.get("replyMarkup", {}).get("inline_keyboard", [])
        assert all(len(row) == 1 and len(row[0]["callback_data"].encode()) <= 64 for row in rows)
        return {row[0]["text"]: row[0]["callback_data"] for row in rows}

    def follow(self, message, label, **who):
        """Presses the button with that label; the message that comes of it."""
        return self.answer(self.press(self.buttons(message)[label], **who), **who)

    # --- commands

    def command(self, name, *args, cwd=None, **settings):
        return subprocess.run([BUILD / "libexec" / name, *map(str, args)], text=True,
                              capture_output=True, timeout=60, cwd=cwd or self.worker.folder,
                              env=worker_environment(DATABASE_URL=self.database.url,
                                                     **self.settings(**settings)))


@pytest.fixture
def shop(database, worker, sandbox):
    return Bot(database, worker, sandbox)
