"""What owners are told of, and what they see."""
import html
import re
import signal

import pytest

from coffee_world import MILK, SUGAR, sale, world
from fixture import until

TELEGRAM_MAX = 4096


def change(world, owner, item, delta, location="machine", **columns):
    terminal = None if location == "warehouse" else world.database.value(
        "select id from coffee.terminals where user_id = %s", owner)
    world.insert("inventory_change_log", user_id=owner, terminal_id=terminal, location=location,
                 item_name=item, delta=delta, **columns)


def test_changes_are_told_by_place_and_net(world):
    owner = world.owner()
    change(world, owner, MILK, -150)
    change(world, owner, MILK, -150)
    change(world, owner, SUGAR, 7.50)
    change(world, owner, "Стаканы", 5), change(world, owner, "Стаканы", -5)
    change(world, owner, MILK, -1000, location="warehouse")
    world.run("inventory_notifier_worker")
    assert world.notices(1000) == [
        "<b>Изменения остатков за час</b>\n"
        f"<b>Склад</b>\n• {MILK}: −1000\n"
        "<b>Стойка «У входа &lt;1&gt;»</b>\n"
        f"• {MILK}: −300\n• Сахар &lt;&amp;&gt;: +7.5"]
    assert world.database.value("select bool_and(is_notified) from coffee.inventory_change_log")
    world.run("inventory_notifier_worker")
    assert len(world.notices()) == 1


def test_what_cancels_out_is_not_told(world):
    owner = world.owner()
    change(world, owner, MILK, 5), change(world, owner, MILK, -5)
    world.run("inventory_notifier_worker")
    assert world.notices() == []
    assert world.database.value("select bool_and(is_notified) from coffee.inventory_change_log")


def test_a_long_report_is_split_between_lines(world):
    owner = world.owner()
    names = [f"Сироп «{'очень ' * 12}{n:03d}» <&> 🥛" for n in range(300)]
    for name in names:
        change(world, owner, name, -1)
    world.run("inventory_notifier_worker")
    parts = world.notices(1000)
    assert len(parts) > 5
    told = []
    for part in parts:
        assert len(part) <= TELEGRAM_MAX
        head, place, *lines = part.split("\n")
        assert head.startswith("<b>") and place == "<b>Стойка «У входа &lt;1&gt;»</b>"
        assert all(re.fullmatch(r"• [^<>]+: −1", line) for line in lines)
        told += [html.unescape(line) for line in lines]
    assert told == sorted(f"• {name}: −1" for name in names)


def test_owners_are_told_apart_and_nobody_is_told_twice(world):
    first, second = world.owner("a"), world.owner("b", machine=77, telegram_id=3000)
    change(world, first, MILK, 1), change(world, second, SUGAR, 2)
    copies = [world.worker.start("coffee/inventory_notifier_worker", **world.settings())
              for _ in range(4)]
    for copy in copies:
        assert copy.wait() in (0, 75)
    assert len(world.notices(1000)) == len(world.notices(3000)) == 1


def test_names_cannot_break_a_line_or_a_tag(world):
    owner = world.owner()
    change(world, owner, "a\n<b>\x01" + "x" * 500, 1)
    world.run("inventory_notifier_worker")
    line = world.notices(1000)[0].split("\n")[2]
    assert line == "• a &lt;b&gt; " + "x" * 94 + ": +1"


def test_a_dry_run_tells_nobody(world):
    owner = world.owner()
    change(world, owner, MILK, 1)
    assert "would tell" in world.run("inventory_notifier_worker", "--dry-run")
    assert world.notices() == []
    assert not world.database.value("select is_notified from coffee.inventory_change_log")


# --- tasks: 21:00 UTC is midnight in Moscow

NOW = "2026-03-10T21:30:00Z"


@pytest.mark.parametrize("completed, shown", [("2026-03-10T21:00:00Z", True),
                                              ("2026-03-10T20:59:59Z", False), (None, True)])
def test_active_tasks_are_open_or_of_today_in_moscow(world, completed, shown):
    owner = world.owner()
    world.insert("tasks", user_id=owner, task_type="restock", completed_at=completed,
                 status="completed" if completed else "pending")
    count = f"select count(*) from coffee.active_tasks({owner}, '{NOW}')"
    assert world.database.value(count) == shown
    world.run("task_cleanup_worker", "--now", NOW, TZ="America/New_York")
    assert world.database.value(count) == shown
    assert world.database.value("select hidden_at is null from coffee.tasks") == shown
    assert world.database.value("select count(*) from coffee.tasks") == 1


# --- ending an episode by hand, as the gateway will

def test_payment_status_is_reset_by_hand(world):
    owner = world.owner(vendista_payment_status="payment_required",
                        vendista_payment_notified_at="2026-01-01T00:00:00Z")
    [row] = world.database.query("select * from coffee.reset_payment_status(%s)", owner)
    assert (row.id, row.vendista_payment_status) == (owner, "active")
    assert world.user(owner).vendista_payment_notified_at is None
    assert world.database.query("select * from coffee.reset_payment_status(%s)", owner + 1) == []


# --- all the way to Telegram's stand-in, which refuses what the real one would

def test_names_of_all_kinds_arrive_at_telegram(world):
    owner = world.owner(telegram_id=70_001)
    world.database.execute("update coffee.inventories set critical_stock = current_stock + 1")
    names = [MILK, "Сироп «Ёлка» <b>&amp;</b>", "Тростник & «сахар» 🧊🇷🇺", "</b>", "a" * 300]
    for name in names:
        change(world, owner, name, -1)
    world.sell(sale(1))
    world.import_()
    world.run("inventory_notifier_worker")
    sender = world.worker.start("messenger/sender", **world.settings())
    until(lambda: not world.database.value("select count(*) from ops.job where queue = 'messages'"
                                           " and state in ('available', 'running')"), "all sent", 60)
    sender.signal(signal.SIGTERM)
    assert sender.wait() == 0
    assert not world.database.query("select last_error from ops.job where state = 'dead'")
    delivered = [message["text"] for message in world.sandbox.messages(70_001)]
    assert len(delivered) == 2
    report = next(text for text in delivered if "Изменения остатков" in text)
    for name in names:
        assert name[:100] in report
