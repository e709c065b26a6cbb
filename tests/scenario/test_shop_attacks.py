"""What a person may try against the shop's bot: ids of others, odd links, names, numbers and chats.
Forged buttons and bad updates are in test_bot_replies.py and test_bot_service.py, odd money is in
test_cashier_payments.py."""
import pytest

from bot_world import CHAT, shop  # noqa: F401

MALLORY = 666
PAY = "Pay with USDT (TRC-20)"


def test_what_belongs_to_another_cannot_be_paid_prolonged_or_read(shop):
    plan = shop.plan()
    shop.addresses()
    theirs = shop.access(plan)
    shop.database.execute("insert into accesser.invite_link (access_id, chat_id, link)"
                          " values (%s, 1, 'https://t.me/+secret')", theirs)
    shop.serve()
    shop.follow(shop.answer(shop.write("/start buy_1")), PAY)
    me = {"person": MALLORY}
    shop.answer(shop.write("/start buy_1", **me), **me)
    hers, mine = (row.id for row in shop.database.query(
        "select id from cashier.building_invoice order by id"))
    for data, word in ((f"cashier&2&pay&{hers}", "offer is over"),
                       (f"cashier&2&pay&{mine}&{theirs}", "offer is over"),
                       (f"cashier&2&prolong&{theirs}", "does not lead"),
                       (f"accesser&2&access&{theirs}", "does not lead"),
                       (f"accesser&2&restore&{theirs}", "does not hold"),
                       ("cashier&2&invoice&1", "no invoice"), ("cashier&2&cancel&1", "no invoice")):
        assert word in shop.answer(shop.press(data, **me), **me)["text"], data
    assert "secret" not in str(shop.said(**me))
    assert [row.customer_id for row in shop.database.query(
        "select customer_id from cashier.crypto_invoice where status = 'PAYING'")] == [1]


ODD = [
    "a" * 64, "_" * 64, "-" * 64, "buy_" + "9" * 60, "buy_1_2_3_4_5_6_7", "buy_", "buy_01", "buy_-1",
    "buy_1_1", "plan_1'--", "plan_%31", "plan_1e0", "plan_ 1", "access_0", "access_9223372036854775807",
    "access_9223372036854775808", "restore_1", "language_" + "x" * 55, "language_%s%n", "pay_1",
    "cancel_1", "start", "start_start", "ё" * 32, "\u202e" * 21, "🦉" * 16, "\x7f" * 64,
    "\x01\x02\x1b[31m", "\t\n\r", "{{name}}", "<b>", "..", "model_507f1f77bcf86cd799439011"]


def test_whatever_a_link_carries_is_answered(shop):
    shop.plan()
    shop.serve()
    jobs = [shop.write(f"/start {odd}", person=1000 + n) for n, odd in enumerate(ODD)]
    for number, job in enumerate(jobs):
        shop.wait(job)
        assert len(shop.said(1000 + number)) == 1, ODD[number]
    assert shop.count("dead") == 0
    assert shop.database.value("select count(*) from cashier.crypto_invoice") == 0


NAMES = ["", " ", "\u202eevil", "\u200f\u200e\u2066", "<b>", "&lt;", "{{title}}", "a\\nb", "\u0301" * 300,
         "<a href='tg://user?id=1'>x</a>", "\U000e0001" * 200, "%s%n", "\ufffe\uffff"]


def test_whatever_a_person_is_called_telegram_takes_what_he_is_told(shop):
    shop.serve()
    shop.start("messenger/sender")
    shop.sandbox.limits(per_chat=None, per_bot=None)
    for number, name in enumerate(NAMES):
        shop.write("/start", person=2000 + number, first_name=name, username=name, language_code=name)
    shop.wait_all()
    assert shop.count("dead") == 0
    assert {len(shop.said(2000 + number)) for number in range(len(NAMES))} == {1}


@pytest.mark.parametrize("number, good", [
    (2 ** 52 - 1, True), (2 ** 64, False), (-(2 ** 64), False), (10 ** 300, False), (0, False)],
    ids=str)
def test_numbers_beyond_all_ids(shop, number, good):
    shop.serve()
    job = shop.write("/start", person=number)
    assert shop.wait(job, "done" if good else "dead")
    assert "Anna" in shop.answer(shop.write("/start"))["text"]


@pytest.mark.parametrize("status", ["member", "restricted", "left", "kicked", "nonsense"])
def test_a_group_where_the_bot_is_no_administrator_is_not_for_sale(shop, status):
    """Anybody may put the bot into a group of his."""
    shop.plan()
    shop.serve()
    for chat in CHAT, -5:
        shop.wait(shop.take({"my_chat_member": {
            "chat": {"id": chat, "type": "supergroup", "title": "x"}, "from": {"id": MALLORY},
            "date": 1, "new_chat_member": {"status": status, "is_member": True}}}))
    assert [(row.telegram_chat_id, row.active) for row in shop.database.query(
        "select telegram_chat_id, active from accesser.chat")] == [(CHAT, False)]
    assert "Nothing is for sale" in shop.answer(shop.write("/plans"))["text"]
    assert "does not lead" in shop.answer(shop.write("/start buy_1"))["text"]


def test_a_person_who_presses_pay_all_day_leaves_addresses_to_others(shop):
    """Each hour three invoices, which he lets run out; a day has 24 hours."""
    for title in "One", "Two", "Three":
        shop.plan(title)
    shop.addresses(*[f"T{n:02}" for n in range(6)])
    customer = shop.customer()
    for hour in range(24):
        for plan in 1, 2, 3:
            offer = shop.database.value(
                "insert into cashier.building_invoice (customer_id, plan_id, expire_date)"
                " values (%s, %s, 'infinity') returning id", customer, plan)
            now = f"2035-01-01 {hour:02}:00Z"
            assert shop.database.value("select outcome from cashier.pay(%s, %s, null, %s)", customer,
                                       offer, now) == "open"
        shop.database.execute("update cashier.crypto_invoice set status = 'EXPIRED',"
                              " expired_at = expire_date where status = 'PAYING'")
        shop.database.execute("select cashier.close_addresses(%s)", now)
        shop.database.execute("select cashier.free_addresses(%s)", now)
    assert shop.database.value("select count(*) from cashier.tron_address"
                               " where status = 'FREE'") == 3
