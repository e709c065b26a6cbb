"""messenger/bot, struck at every boundary with the outside (kill_at.c) and started again: each update
is answered exactly once, and a purchase leaves one offer, one invoice and one address taken."""
import itertools
import os

import pytest

from bot_world import shop  # noqa: F401
from harness import wait_until
from preload import kill_at, struck

# Every boundary takes minutes: OPS_STEP=1 strikes at each, by default at some.
STEP = int(os.environ.get("OPS_STEP", "41"))
OTHER = 5


def begin(shop):
    shop.database.execute(
        "truncate messenger.customer, main.telegram_update, ops.job, ops.lane, ops.lane_arrival,"
        " ops.owner, cashier.tron_address, cashier.building_invoice, cashier.crypto_invoice,"
        " accesser.plan restart identity cascade")
    shop.sandbox.reset()
    shop.plan()
    shop.addresses()
    # The press is taken again and again by its building invoice's id, which is 1.
    shop.write("/start")
    shop.press("cashier&2&buy&1")
    shop.press("cashier&2&pay&1")
    shop.write("/start language", person=OTHER)


def open_updates(shop):
    return shop.database.value("select count(*) from ops.job where queue = 'updates'"
                               " and state in ('available', 'running')")


def serve(shop, **settings):
    """Until it is struck or has nothing left to do; returns what struck it."""
    serving = shop.serve(**settings)
    wait_until(lambda: serving.process.poll() is not None or not open_updates(shop), 60)
    if serving.process.poll() is None:
        serving.signal(15)
    serving.wait()
    return struck(serving.output)


def check(shop):
    states = shop.database.query("select state, last_error from ops.job where queue = 'updates'")
    assert [row.state for row in states] == ["done"] * 4, states
    said = [message["text"] for message in shop.said()]
    assert len(said) == 3 and len(shop.said(OTHER)) == 1, said
    assert "Hello" in said[0] and "You buy" in said[1] and "<code>12.5</code>" in said[2]
    for what, count in (("cashier.building_invoice", 1), ("cashier.crypto_invoice", 1),
                        ("cashier.tron_address where status = 'BUSY'", 1),
                        ("messenger.customer", 2)):
        assert shop.database.value(f"select count(*) from {what}") == count, what


@pytest.mark.parametrize("when, first", [("before", 3), ("after", 9)])
def test_killed(shop, when, first):
    for number in itertools.count(min(first, STEP), STEP):
        begin(shop)
        if serve(shop, **kill_at(number, when=when)) is None:
            assert number > first, "the library does not see the worker's calls"
            return
        shop.database.execute("update ops.owner set beat_at = '-infinity'")
        serve(shop)
        check(shop)


def test_stopped_and_gone_on_with_by_another(shop):
    """A process that stands still until it is taken for dead, and then goes on, says nothing."""
    begin(shop)
    shop.sandbox.fault("hold", path="/bot100:sandbox_token/answerCallbackQuery", times=1)
    slow = shop.serve()
    wait_until(lambda: shop.sandbox.control("GET", "state")["held"] == 1)
    slow.signal(19)
    quick = shop.serve()

    def over():
        shop.database.execute("update ops.owner set beat_at = '-infinity' where owner like %s",
                              f"%/{slow.pid}/%")
        return not open_updates(shop)

    wait_until(over, 45)  # a server that has just started takes nobody for dead
    slow.signal(18)
    shop.sandbox.control("POST", "release")
    for bot in quick, slow:
        bot.signal(15)
        bot.wait()
    check(shop)
