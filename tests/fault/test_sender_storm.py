"""Senders are killed, connections cut, and Telegram answers as badly as it can: nothing is lost.

OPS_MESSAGES is how many messages there are (default 120).
"""
import os
import random
import signal
import time

import pytest

from sender_world import world  # noqa: F401

MESSAGES = int(os.environ.get("OPS_MESSAGES", "120"))
CHATS = max(10, MESSAGES // 10)
#: What goes wrong, and how many of a hundred requests it hits.
STORM = [("429", 4, {"retry_after": 1}), ("500-before", 4, {}), ("500-after", 4, {}),
         ("502-after", 3, {}), ("drop-before", 3, {}), ("drop-after", 4, {}), ("cut", 3, {})]


def brew(sandbox, chance):
    for fault, percent, params in STORM:
        for _ in range(max(1, MESSAGES * percent // 100)):
            sandbox.fault(fault, path="/bot*/sendMessage",
                          metadata={"chat_id": str(1000 + chance.randrange(CHATS))}, **params)


@pytest.mark.parametrize("seed", [1])
def test_every_message_ends_and_no_order_is_lost(world, seed):
    chance = random.Random(seed)
    world.sandbox.limits(per_bot=None, per_chat=None)
    careful = set()
    for i in range(MESSAGES):
        once = {"delivery": "at_most_once"} if i % 5 == 0 else {}
        if once:
            careful.add(f"m{i}")
        world.send(1000 + i % CHATS, f"m{i}", max_attempts=10, **once)
    brew(world.sandbox, chance)
    rates = {"TELEGRAM_RATE_PER_BOT": 1000, "TELEGRAM_RATE_PER_CHAT": 100}
    senders = [world.start(**rates) for _ in range(2)]
    end = time.monotonic() + 120 + MESSAGES / 5
    for round_number in range(3):
        world.database.query("select pg_sleep(0.3)")
        killed = senders[round_number % 2]
        killed.signal(signal.SIGKILL)
        killed.wait()
        # As if the time had passed after which a silent one is taken for dead.
        world.database.execute("update ops.owner set beat_at = '-infinity' where pid = %s",
                               killed.pid)
        senders[round_number % 2] = world.start(**rates)
        world.database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname ="
            " current_database() and application_name = 'messenger/sender' and random() < 0.5")
    world.wait_all(end - time.monotonic())

    sent = world.texts()
    jobs = {row.payload["text"]: row for row in world.database.query("select * from ops.job")}
    assert len(jobs) == MESSAGES
    for text, job in jobs.items():
        assert job.state == "done" or (job.state == "dead" and job.last_error), text
        if job.state == "done":
            assert text in sent
        if sent.count(text) > 1:
            assert text not in careful and job.errors, f"{text}: twice without a doubt"
    for chat in range(1000, 1000 + CHATS):
        order = list(dict.fromkeys(world.texts(chat)))
        assert order == sorted(order, key=lambda text: int(text[1:])), f"chat {chat}"
    assert sum(job.state == "done" for job in jobs.values()) >= MESSAGES * 0.8
