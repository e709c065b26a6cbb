"""cashier/invoice_confirm_checker: a confirmed payment becomes an access, its links and a message."""
import datetime
import html
import signal

import pytest

from access_world import DAY, GROUP, NOW, OTHER, THIRD, world  # noqa: F401
from harness import wait_until

ANNA = 7
HOUR = DAY / 24


@pytest.fixture
def anna(world):
    return world.customer(ANNA)


def test_a_confirmed_payment_becomes_an_access_with_links(world, anna):
    plan = world.plan("VIP <&>", days=30, chats=[GROUP, OTHER])
    invoice = world.confirmed(anna, plan)
    world.redeem()
    [access] = world.accesses()
    assert (access.customer_id, access.plan_id, access.invoice_id) == (anna, plan, invoice)
    assert (access.start_date, access.end_date) == (NOW, NOW + 30 * DAY)
    assert access.active and not access.trial and access.revoked_date is None
    assert (world.status(invoice), world.address(invoice)) == ("REDEEMED", "FREE")
    [text] = world.texts(ANNA)
    assert "<b>VIP &lt;&amp;&gt;</b>" in text and "2035-04-09 12:00 UTC" in text
    assert ">Chat -1001</a>" in text and ">Chat -1002</a>" in text
    links = world.sandbox.links()
    assert sorted(world.sent_links(ANNA)) == sorted(link["link"] for link in links)
    for link in links:
        assert link["member_limit"] == 1 and 0 < len(link["name"]) <= 32
        assert link["expires"] == "2035-04-09T12:00:00.000Z"
    stored = world.database.query("select * from accesser.invite_link order by id")
    assert [(row.access_id, row.revoked_at) for row in stored] == [(access.id, None)] * 2
    assert world.sandbox.join(world.sent_links(ANNA)[0], ANNA) == ""
    assert world.sandbox.join(world.sent_links(ANNA)[0], 8) == "used"


def test_an_access_for_life_has_a_link_that_telegram_can_end(world, anna):
    """Telegram counts seconds in 32 bits, which end in 2038."""
    world.confirmed(anna, world.plan(days=36500))
    world.redeem()
    assert world.accesses()[0].end_date == NOW + 36500 * DAY
    [link] = world.sandbox.links()
    assert link["expires"] == "2038-01-19T03:14:07.000Z"
    assert world.sandbox.join(world.sent_links(ANNA)[0], ANNA) == ""


def test_again_nothing_more_happens(world, anna):
    world.confirmed(anna, world.plan())
    for _ in range(3):
        world.redeem()
    assert len(world.accesses()) == len(world.sandbox.links()) == len(world.texts()) == 1


@pytest.mark.parametrize("status", ["PAYING", "PAID", "REDEEMED", "EXPIRED"])
def test_only_confirmed_ones(world, anna, status):
    invoice = world.invoice(anna, world.plan(), status)
    world.redeem()
    assert (world.accesses(), world.sandbox.links(), world.texts()) == ([], [], [])
    assert (world.status(invoice), world.address(invoice)) == (status, "BUSY")


def test_titles_are_escaped_and_texts_translated(world, anna):
    world.chat(GROUP, "<b>Клуб & Ко</b>")
    world.confirmed(anna, world.plan("VIP"))
    world.database.execute(
        "insert into messenger.translation (name, from_text, to_text) values ('ru', 'Payment received,"
        " thank you! <b>{{plan}}</b> is open to you until {{until}} UTC.', 'Оплачено: {{plan}}')")
    world.redeem(TRANSLATION="ru")
    [text] = world.texts(ANNA)
    assert text.startswith("Оплачено: VIP\n\n• <a href=")
    assert "&lt;b&gt;Клуб &amp; Ко&lt;/b&gt;" in text


def test_who_chose_a_language_is_told_in_it(world, anna):
    world.confirmed(anna, world.plan("VIP"))
    world.database.execute(f"update messenger.customer set translation = 'pt' where id = {anna}")
    world.database.execute(
        "insert into messenger.translation (name, from_text, to_text) values ('pt', 'Payment received,"
        " thank you! <b>{{plan}}</b> is open to you until {{until}} UTC.', 'Pago: {{plan}}')")
    world.redeem(TRANSLATION="ru")
    assert world.texts(ANNA)[0].startswith("Pago: VIP\n")


def test_many_links_are_ten_to_a_message(world, anna):
    world.confirmed(anna, world.plan(chats=range(-1025, -1000)))
    world.redeem()
    assert [text.count("href=") for text in world.texts(ANNA)] == [10, 10, 5]
    assert [("thank you" in text, "lets one person in" in text) for text in world.texts(ANNA)] == [
        (True, False), (False, False), (False, True)]
    assert len(set(world.sent_links(ANNA))) == 25


def test_what_is_told_is_never_too_long(world, anna):
    """For Telegram, which counts 4,096 characters; whatever plans and chats are called."""
    for number in range(1, 41):
        chat = world.chat(-3000 - number, "Ж" * 128)
        world.database.execute("insert into accesser.plan (title, price, duration_days)"
                               " select repeat('<VIP> ', 1000), 1, 30 where %s = 1", number)
        world.database.execute("insert into accesser.plan_chat select max(id), %s"
                               " from accesser.plan", chat)
    invoice = world.confirmed(anna, world.database.value("select max(id) from accesser.plan"))
    world.database.execute("select accesser.redeem(%s, %s)", invoice, world.now)
    world.database.execute("update accesser.link_due set owed = true, next_attempt_at = 'infinity'")
    world.redeem()
    [text] = world.texts(ANNA)
    assert "No link can be made right now to ЖЖЖ" in text and len(html.unescape(text)) < 800


def test_a_plan_without_chats_is_redeemed(world, anna):
    invoice = world.confirmed(anna, world.plan(chats=[]))
    world.redeem()
    assert world.status(invoice) == "REDEEMED" and len(world.texts(ANNA)) == 1


def test_an_address_with_another_open_invoice_stays_busy(world, anna):
    plan = world.plan()
    invoice, other = world.confirmed(anna, plan), world.invoice(anna, plan, "PAYING")
    world.database.execute("update cashier.crypto_invoice set address = 'T1' where id = %s", other)
    world.redeem()
    assert world.address(invoice) == "BUSY"


# --- prolonging


def test_prolonging_an_active_access_adds_to_its_end(world, anna):
    plan = world.plan(days=30)
    access = world.has_access(anna, plan, ends=5 * DAY, expiry_notified_at=NOW)
    world.confirmed(anna, plan, access=access)
    world.redeem()
    [row] = world.accesses()
    assert (row.end_date, row.expiry_notified_at) == (NOW + 35 * DAY, None)
    assert "prolonged until 2035-04-14" in world.texts(ANNA)[0]
    assert len(world.sent_links(ANNA)) == 1


def test_a_link_from_before_is_void_once_there_is_another(world, anna):
    plan = world.plan(days=30, chats=[GROUP, OTHER])
    world.confirmed(anna, plan)
    world.redeem()
    access = world.accesses()[0].id
    old = world.sent_links(ANNA)
    world.confirmed(anna, plan, access=access)
    world.redeem()
    new = world.sent_links(ANNA)[2:]
    assert [world.sandbox.join(link, ANNA) for link in old] == ["revoked"] * 2
    assert [world.sandbox.join(link, ANNA) for link in new] == [""] * 2
    assert {row.link for row in world.database.query(
        "select link from accesser.invite_link where revoked_at is null")} == set(new)


def test_of_two_payments_at_once_one_link_of_each_chat_is_good(world, anna):
    """The first one's was made and waits for the other chat's when the second one takes its place."""
    plan = world.plan(days=30, chats=[GROUP, OTHER])
    access = world.has_access(anna, plan)
    invoices = [world.confirmed(anna, plan, access=access) for _ in range(2)]
    world.sandbox.fault("429", path="/bot*/createChatInviteLink", nth=2, retry_after=600)
    world.redeem()
    world.later(HOUR)
    world.redeem()
    assert [world.status(invoice) for invoice in invoices] == ["REDEEMED"] * 2
    assert not world.database.query("select 1 from accesser.link_due")
    good = [link["link"] for link in world.sandbox.links() if not link["revoked"]]
    assert len(good) == 2 and set(good) <= set(world.sent_links(ANNA))


@pytest.mark.parametrize("trouble", [{"rights": {"can_invite_users": False}}, {"state": "deleted"}])
def test_while_the_old_link_cannot_be_revoked_there_is_no_new_one(world, anna, trouble):
    plan = world.plan(days=30)
    world.confirmed(anna, plan)
    world.redeem()
    world.confirmed(anna, plan, access=world.accesses()[0].id)
    world.sandbox.chats([GROUP], **trouble)
    world.redeem()
    assert len(world.sandbox.links()) == len(world.alerts()) == 1
    world.sandbox.chats([GROUP], rights={})
    world.later(HOUR)
    world.redeem()
    assert [link["revoked"] for link in world.sandbox.links()] == [True, False]


def test_one_that_ended_long_ago_and_still_is_active_gets_its_time_from_now(world, anna):
    plan = world.plan(days=30)
    world.confirmed(anna, plan, access=world.has_access(anna, plan, ends=-40 * DAY))
    world.redeem()
    assert world.accesses()[0].end_date == NOW + 30 * DAY


def test_who_was_never_banned_is_not_unbanned(world, anna):
    world.confirmed(anna, world.plan())
    world.redeem()
    assert world.calls("unbanChatMember") == 0


def test_a_trial_that_is_paid_for_is_none_any_more(world, anna):
    plan = world.plan()
    world.confirmed(anna, plan, access=world.has_access(anna, plan, trial=True))
    world.redeem()
    assert not world.accesses()[0].trial


# --- what goes wrong


@pytest.mark.parametrize("trouble", [{"state": "kicked"}, {"state": "not_found"},
                                     {"rights": {"can_invite_users": False}}])
def test_a_chat_without_a_link_holds_up_nobody(world, anna, trouble):
    invoice = world.confirmed(anna, world.plan(chats=[GROUP, OTHER]))
    world.sandbox.chats([GROUP], **trouble)
    world.redeem()
    assert (world.status(invoice), world.address(invoice)) == ("REDEEMED", "FREE")
    [text] = world.texts(ANNA)
    assert "No link can be made right now to Chat -1001" in text
    assert len(world.sent_links(ANNA)) == 1
    for _ in range(20):
        world.later(DAY / 24)
        world.redeem()
    assert len(world.alerts()) == 1 and "Chat -1001" in world.alerts()[0]
    assert len(world.texts(ANNA)) == 1
    world.sandbox.chats([GROUP])
    world.later(DAY / 24)
    world.redeem()
    world.redeem()
    assert len(world.texts(ANNA)) == 2 and "still missing" in world.texts(ANNA)[1]
    assert len(world.sent_links(ANNA)) == 2
    assert world.accesses()[0].start_date == NOW, "he had the other chat all the time"


def test_what_is_owed_is_tried_less_and_less_often(world, anna):
    world.confirmed(anna, world.plan())
    world.sandbox.chats([GROUP], "kicked")
    for _ in range(60):
        world.redeem()
        world.later(DAY / 24 / 60)
    assert world.calls("createChatInviteLink") == 6


def test_the_time_begins_with_the_first_link(world, anna):
    """Who got nothing loses nothing."""
    world.confirmed(anna, world.plan(days=30))
    world.sandbox.chats([GROUP], "kicked")
    world.redeem()
    world.sandbox.chats([GROUP])
    world.later(2 * DAY)
    world.redeem()
    [access] = world.accesses()
    assert (access.start_date, access.end_date) == (NOW + 2 * DAY, NOW + 32 * DAY)


def test_who_got_nothing_until_the_end_gets_all_of_it_later(world, anna):
    """And not for ever: an access that goes on is one that ends."""
    world.confirmed(anna, world.plan(days=30))
    world.sandbox.chats([GROUP], "kicked")
    world.redeem()
    world.later(31 * DAY)
    world.revoke()
    assert not world.accesses()[0].active
    world.sandbox.chats([GROUP])
    world.redeem()
    [link] = world.sent_links(ANNA)
    assert world.sandbox.join(link, ANNA) == ""
    [access] = world.accesses()
    assert access.active and access.end_date == NOW + 61 * DAY
    world.later(30 * DAY)
    world.revoke()
    assert world.sandbox.member(GROUP, ANNA) == "kicked" and not world.accesses()[0].active


def test_what_is_owed_ends_with_the_access(world, anna):
    """He had the other chat all the time."""
    world.confirmed(anna, world.plan(days=30, chats=[GROUP, OTHER]))
    world.sandbox.chats([GROUP], "kicked")
    world.redeem()
    world.later(30 * DAY)
    world.sandbox.chats([GROUP])
    world.redeem()
    world.revoke()
    world.later(DAY)
    world.redeem()
    assert len(world.sent_links(ANNA)) == len(world.sandbox.links()) == 1
    assert world.database.query("select * from accesser.link_due") == []


def test_a_bot_that_is_back_makes_what_is_owed_at_once(world, anna):
    world.confirmed(anna, world.plan())
    world.sandbox.chats([GROUP], "kicked")
    for _ in range(5):
        world.redeem()
        world.later(DAY / 24)
    world.redeem()
    world.sandbox.chats([GROUP])
    world.database.execute("select accesser.bot_seen(%s, 'New', 'supergroup', true)", GROUP)
    world.redeem()
    assert len(world.sent_links(ANNA)) == 1


@pytest.mark.parametrize("fault", ["500-before", "500-after", "drop-after", "502-after", "cut",
                                   "invalid-json"])
def test_passing_trouble_costs_nothing(world, anna, fault):
    invoice = world.confirmed(anna, world.plan(chats=[GROUP, OTHER]))
    world.sandbox.fault(fault, path="*createChatInviteLink", metadata={"chat_id": str(GROUP)})
    world.redeem()
    world.later(DAY / 24)
    world.redeem()
    assert world.status(invoice) == "REDEEMED" and len(world.texts(ANNA)) == 1
    assert len(world.sent_links(ANNA)) == 2 and not world.alerts()
    assert world.accesses()[0].end_date - world.accesses()[0].start_date == 30 * DAY


def test_while_telegram_is_down_the_run_gives_up_early(world, anna):
    for _ in range(8):
        world.confirmed(anna, world.plan())
    world.sandbox.fault("429", times=None, retry_after=60)
    assert "no usable answers" in world.redeem(code=75).output
    assert world.calls("createChatInviteLink") == 5
    world.sandbox.clear_faults()
    world.later(DAY / 24)
    world.redeem()
    assert len(world.sent_links(ANNA)) == 8


def test_told_to_wait_it_comes_again_after_that(world, anna):
    world.confirmed(anna, world.plan())
    world.sandbox.fault("429", retry_after=600)
    world.redeem()
    world.later(datetime.timedelta(seconds=590))
    world.redeem()
    assert world.calls("createChatInviteLink") == 1
    world.later(datetime.timedelta(seconds=20))
    world.redeem()
    assert len(world.sent_links(ANNA)) == 1


def test_a_chat_that_moved_is_followed(world, anna):
    world.confirmed(anna, world.plan())
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.redeem()
    assert [link["chat_id"] for link in world.sandbox.links()] == [THIRD]
    assert world.database.value("select telegram_chat_id from accesser.chat") == THIRD


def test_who_blocked_the_bot_keeps_what_he_paid_for(world, anna):
    invoice = world.confirmed(anna, world.plan())
    world.database.execute("insert into ops.recipient (bot, chat_id, reason) values"
                           " ('shop', %s, 'blocked')", ANNA)
    world.redeem()
    assert world.status(invoice) == "REDEEMED" and not world.texts()
    assert world.database.value("select count(*) from accesser.invite_link") == 1


def test_a_dry_run_changes_nothing(world, anna):
    invoice = world.confirmed(anna, world.plan())
    assert "payment is an access" in world.redeem("--dry-run").output
    assert not world.accesses() and world.status(invoice) == "CONFIRMED"
    assert not world.sandbox.requests(path="/bot")


# --- when it looks


def test_listening_it_acts_on_a_notification_at_once(world, anna):
    plan = world.plan()
    first = world.confirmed(anna, plan)
    listening = world.start("cashier/invoice_confirm_checker", "--listen", "1m")
    wait_until(lambda: world.status(first) == "REDEEMED")
    second = world.confirmed(anna, plan)
    world.database.execute("select pg_notify('cashier_confirmed', %s)", str(second))
    wait_until(lambda: world.status(second) == "REDEEMED")  # without that, after a minute
    listening.signal(signal.SIGTERM)
    assert listening.wait() == 75


def test_listening_ends_in_time(world):
    assert world.redeem("--listen", "300ms").returncode == 0


@pytest.mark.parametrize("args", [["--listen"], ["--listen", "x"], ["--listen", "2h"], ["x"]])
def test_wrong_arguments(world, args):
    assert "--listen 55s" in world.redeem(*args, code=2).output
