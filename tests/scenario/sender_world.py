"""What the tests of the sender and of bot_tasks share: a sandbox, workers, and what came of jobs."""
import json

import pytest

from harness import wait_until

ADMIN = "4242"
BOTS = ["shop", "coffee", "billing", "tgadmin", "ozhivlyator"]


def tokens(bots):
    """Settings that give each its own; its number at Telegram is before the colon."""
    return {f"TELEGRAM_BOT_TOKEN_{bot.upper()}": f"{200 + i}:token" for i, bot in enumerate(bots)}


def rate(messages):
    """Messages a second from the first to the last, as Telegram received them."""
    times = [message["date_ms"] for message in messages]
    return (len(times) - 1) * 1000 / max(1, times[-1] - times[0])


class World:
    def __init__(self, database, worker, sandbox):
        self.database, self.worker, self.sandbox = database, worker, sandbox

    def settings(self, **settings):
        return {**self.sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN, **settings}

    def start(self, program="messenger/sender", **settings):
        return self.worker.start(program, **self.settings(**settings))

    # --- jobs

    def enqueue(self, kind, payload, queue="messages", **options):
        names = "".join(f", {name} => %s" for name in options)
        return self.database.value(f"select ops.enqueue(%s, %s, %s{names})", queue, kind,
                                   json.dumps(payload), *options.values())

    def send(self, chat, text="hello", bot="shop", max_attempts=3, **payload):
        return self.enqueue("send-message", {"chatId": chat, "text": text, **payload}, bot=bot,
                            max_attempts=max_attempts)

    def job(self, number):
        [row] = self.database.query("select * from ops.job where id = %s", number)
        return row

    def wait(self, number, state="done", seconds=20):
        def there():
            row = self.job(number)
            return row if row.state == state else None

        return wait_until(there, seconds, what=f"job {number} is {state}; {self.job(number)}")

    def wait_all(self, seconds=60):
        """Until every job has ended."""
        wait_until(lambda: self.database.value(
            "select not exists (select from ops.job where state in ('available', 'running'))"),
            seconds, what="all jobs ended")

    def count(self, state):
        return self.database.value("select count(*) from ops.job where state = %s", state)

    def texts(self, chat=None):
        return [message["text"] for message in self.sandbox.messages(chat)]


@pytest.fixture
def world(database, worker, sandbox):
    return World(database, worker, sandbox)
