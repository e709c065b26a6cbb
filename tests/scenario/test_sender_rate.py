"""The sender at Telegram's own limits: not one request too many, whatever the latency.

OPS_MESSAGES is how many messages each bot has (default 60); the rates are printed (-s).
"""
import os

from sender_world import BOTS, rate, tokens, world  # noqa: F401

MESSAGES = int(os.environ.get("OPS_MESSAGES", "60"))


def test_every_bot_has_its_own_rate_and_none_is_told_to_wait(world):
    world.sandbox.fault("stall", seconds=0.15, times=None, path="/bot*")
    for bot in BOTS:
        world.database.execute(
            "select ops.enqueue('messages', 'send-message',"
            " jsonb_build_object('chatId', i, 'text', 'm'), bot => %s)"
            " from generate_series(1, %s) i", bot, MESSAGES)
    world.start(SENDER_CONCURRENCY=64, **tokens(BOTS))
    world.wait_all(60 + MESSAGES / 5)
    assert world.count("done") == MESSAGES * len(BOTS)
    assert world.sandbox.limits()["refused"] == 0
    for i, bot in enumerate(BOTS):
        sent = world.sandbox.messages(bot=str(200 + i))
        assert len(sent) == MESSAGES
        print(f"{bot}: {rate(sent):.1f} messages a second")
