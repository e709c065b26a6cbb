"""messenger/bot: what each reply says to stored updates."""
import pytest

from bot_world import ADDRESSES, ANNA, CHAT, OTHER_CHAT, shop  # noqa: F401
from sender_world import ADMIN

MENU = ["Plans", "My accesses", "My last invoice", "Language"]


def test_start_greets_and_remembers_the_person(shop):
    shop.database.execute("insert into ops.recipient (bot, chat_id, reason)"
                          " values ('shop', %s, 'blocked')", ANNA)
    shop.serve()
    message = shop.answer(shop.write("/start", username="anna", language_code="ru"))
    assert "<b>Anna &lt;3</b>" in message["text"]
    assert list(shop.buttons(message)) == MENU
    [row] = shop.database.query("select * from messenger.customer")
    assert (row.telegram_id, row.username, row.first_name, row.language) == (
        ANNA, "anna", "Anna <3", "ru")
    assert shop.database.query("select * from ops.recipient") == []
    shop.wait(shop.write("/start", username="anna2", language_code="en"))
    [row] = shop.database.query("select * from messenger.customer")
    assert (row.username, row.language) == ("anna2", "ru")


def test_a_purchase_up_to_the_invoice(shop):
    plan = shop.plan("Club <&>", chats=(CHAT, OTHER_CHAT))
    shop.plan("Nothing in it", chats=())
    shop.addresses()
    shop.serve()
    plans = shop.follow(shop.answer(shop.write("/start")), "Plans")
    assert "Club &lt;&amp;&gt;: 12.5 USDT for 30 days" in plans["text"]
    assert list(shop.buttons(plans)) == ["Club <&>"]
    one = shop.follow(plans, "Club <&>")
    assert f"• Chat {CHAT}" in one["text"] and f"• Chat {OTHER_CHAT}" in one["text"]
    offer = shop.follow(one, "Buy")
    assert "You buy <b>Club &lt;&amp;&gt;</b> for 30 days: 12.5 USDT." in offer["text"]
    [building] = shop.database.query("select *, expire_date - create_date as life"
                                     " from cashier.building_invoice")
    assert (building.plan_id, building.life.total_seconds()) == (plan, 1800)
    pay = shop.follow(offer, "Pay with USDT (TRC-20)")
    [invoice] = shop.database.query("select * from cashier.crypto_invoice")
    assert (invoice.plan_id, invoice.status, invoice.access_id) == (plan, "PAYING", None)
    assert f"<code>{invoice.address}</code>" in pay["text"]
    assert "<code>12.5</code> USDT" in pay["text"]
    again = shop.follow(offer, "Pay with USDT (TRC-20)")
    assert again["text"] == pay["text"], "the same open invoice, not a second address"
    assert shop.database.value("select count(*) from cashier.crypto_invoice") == 1
    status = shop.follow(pay, "What has become of it?")
    assert status["text"] == pay["text"]


@pytest.mark.parametrize("status, text", [
    ("PAID", "3 of 19 confirmations"), ("CONFIRMED", "is confirmed"), ("REDEEMED", "/accesses"),
    ("EXPIRED", "Not paid in time")])
def test_what_has_become_of_an_invoice(shop, status, text):
    shop.plan()
    shop.addresses()
    shop.serve()
    offer = shop.follow(shop.answer(shop.write("/start plan_1")), "Buy")
    shop.follow(offer, "Pay with USDT (TRC-20)")
    shop.database.execute("update cashier.crypto_invoice set status = %s", status)
    shop.database.execute(
        "insert into cashier.crypto_transaction (invoice_id, txid, from_address, amount,"
        " confirmations, required) select id, 'x', 'y', amount, 3, 19 from cashier.crypto_invoice")
    message = shop.answer(shop.write("/invoice"))
    assert text in message["text"] and "Invoice 1: Club" in message["text"]


def test_no_free_address_is_said_and_costs_nothing(shop):
    shop.plan()
    shop.serve()
    offer = shop.follow(shop.answer(shop.write("/start buy_1")), "Pay with USDT (TRC-20)")
    assert "try again in a few" in offer["text"]
    shop.follow(offer, "Try again")
    [alert] = shop.database.query("select payload ->> 'text' as text from ops.job"
                                  " where payload ->> 'chatId' = %s", ADMIN)
    assert "import_tron_addresses" in alert.text, "once, and the remedy with it"
    shop.addresses()
    assert "<code>" in shop.follow(offer, "Try again")["text"]


def test_one_person_opens_a_few_invoices_and_may_give_one_up(shop):
    for title in "One", "Two", "Three", "Four":
        shop.plan(title)
    shop.addresses(*[f"T{n}" for n in range(9)])
    shop.serve()
    offers = [shop.answer(shop.write(f"/start buy_{plan}")) for plan in (1, 2, 3, 4)]
    pay = "Pay with USDT (TRC-20)"
    assert all("<code>" in shop.follow(offer, pay)["text"] for offer in offers[:3])
    enough = shop.follow(offers[3], pay)
    assert "as many as one person may" in enough["text"]
    assert list(shop.buttons(enough)) == [f"{title}: 12.5 USDT" for title in ("One", "Two", "Three")]
    taken = "select count(*) from cashier.tron_address where status = 'BUSY'"
    assert shop.database.value(taken) == 3
    assert "<code>" in shop.follow(offers[0], pay)["text"], "an open one is shown as ever"
    invoice = shop.follow(enough, "Two: 12.5 USDT")
    assert "does not lead" not in shop.follow(invoice, "I do not want it any more")["text"]
    assert [row.status for row in shop.database.query(
        "select status from cashier.crypto_invoice order by id")] == ["PAYING", "EXPIRED", "PAYING"]
    assert "<code>" in shop.follow(offers[3], pay)["text"]
    assert shop.database.value(taken) == 3, "the one that he gave up is kept for him"
    assert "Not paid in time" in shop.follow(invoice, "I do not want it any more")["text"]


def test_an_invoice_that_is_paid_or_somebody_elses_cannot_be_given_up(shop):
    shop.plan()
    shop.addresses()
    shop.serve()
    invoice = shop.follow(shop.answer(shop.write("/start buy_1")), "Pay with USDT (TRC-20)")
    assert "You have no invoice" in shop.answer(shop.press("cashier&2&cancel&1", person=5),
                                                person=5)["text"]
    assert "You have no invoice" in shop.answer(shop.press("cashier&2&invoice&1", person=5),
                                                person=5)["text"]
    shop.database.execute("update cashier.crypto_invoice set status = 'PAID'")
    assert "confirmations" in shop.follow(invoice, "I do not want it any more")["text"]
    assert shop.database.value("select status from cashier.crypto_invoice") == "PAID"


def test_an_offer_that_is_over(shop):
    shop.plan()
    shop.addresses()
    shop.serve()
    offer = shop.answer(shop.write("/start buy_1"))
    shop.database.execute("update cashier.building_invoice set expire_date = now()")
    assert "This offer is over" in shop.follow(offer, "Pay with USDT (TRC-20)")["text"]
    assert shop.database.value("select count(*) from cashier.crypto_invoice") == 0


def test_accesses_links_and_prolonging(shop):
    plan = shop.plan("Club", chats=(CHAT, OTHER_CHAT))
    shop.addresses()
    mine, past = shop.access(plan), shop.access(plan)
    theirs = shop.access(plan, shop.customer(5))
    shop.database.execute(
        "insert into accesser.invite_link (access_id, chat_id, link, revoked_at) values"
        " (%s, 1, 'https://t.me/+good', null), (%s, 2, 'https://t.me/+void', now())", mine, mine)
    shop.database.execute("update accesser.access set active = false, end_date = now() -"
                          " interval '1 day', start_date = '2026-01-01' where id = %s", past)
    shop.serve()
    accesses = shop.answer(shop.write("/accesses"))
    assert "Club: until" in accesses["text"] and "Club: ended" in accesses["text"]
    one = shop.answer(shop.write(f"/start access_{mine}"))
    assert f"Chat {CHAT}: https://t.me/+good" in one["text"] and "+void" not in one["text"]
    assert list(shop.buttons(one)) == ["I cannot get in", "Prolong"]
    assert "does not lead" in shop.answer(shop.write(f"/start access_{theirs}"))["text"]
    assert "does not lead" in shop.answer(shop.press(f"cashier&2&prolong&{theirs}"))["text"]
    offer = shop.follow(one, "Prolong")
    assert "You prolong <b>Club</b> by 30 days for 12.5 USDT" in offer["text"]
    shop.follow(offer, "Pay with USDT (TRC-20)")
    [invoice] = shop.database.query("select * from cashier.crypto_invoice")
    assert (invoice.access_id, invoice.plan_id) == (mine, plan)


def test_language(shop):
    shop.database.execute(
        "insert into messenger.translation (name, from_text, to_text) values"
        " ('ru', 'Plans', 'Планы'), ('ru', 'Choose a language:', 'Язык?'), ('de', 'Plans', null)")
    shop.serve(TRANSLATION="ru")
    message = shop.answer(shop.write("/language"))
    assert message["text"] == "Язык?" and list(shop.buttons(message)) == ["English", "ru"]
    assert list(shop.buttons(shop.follow(message, "English"))) == ["Plans"]
    assert shop.answer(shop.write("/start language"))["text"] == "Choose a language:"
    assert list(shop.buttons(shop.answer(shop.write("/start language_ru")))) == ["Планы"]
    assert "does not lead" in shop.answer(shop.press("messenger&2&language&de"))["text"]
    shop.database.execute("update messenger.translation set to_text = 'Тарифы' where to_text ="
                          " 'Планы'")
    assert list(shop.buttons(shop.answer(shop.write("/start"))))[0] == "Тарифы", "at once"


@pytest.mark.parametrize("data", [
    "", "accesser&1&plan&1", "accesser&2&nothing", "tgadmin&2&models", "accesser&2&plan&x",
    "accesser&2&plan&99999999999999999999", "accesser&2&plan&1&2&3&4&5", "accesser&2", "plan",
    "accesser&2&plan&%zz", "cashier&2&pay&1&-1", "a" * 64, "accesser&2&restore&0", "&&&&"])
def test_a_button_that_leads_nowhere(shop, data):
    shop.serve()
    assert "does not lead anywhere" in shop.answer(shop.press(data))["text"]


def test_words_that_are_no_command(shop):
    shop.serve()
    for text in "hello", "/unknown", "/", "", "/start" + "x" * 100:
        assert "did not understand" in shop.answer(shop.write(text))["text"]
    for text in "/start nothing_3", "/start plan_", "/start _", "/start a b", "/start@shop_bot":
        assert "Anna" in (said := shop.answer(shop.write(text))["text"]) or "lead" in said


# --- document 003


def seed_model(shop):
    shop.database.execute(
        "with m as (insert into tgadmin.models (public_id, name, username, tier, preview_photos)"
        " values ('507f1f77bcf86cd799439011', 'Amanda', 'amanda', 'gold',"
        " '[\"https://img.example.com/1.jpg\", \"https://img.example.com/2.jpg\", 5]') returning id)"
        " insert into tgadmin.products (model_id, name, type, price, details)"
        " select id, 'Pack', 'content', 29.9, '{\"photos\": 15}' from m")


def test_models_products_and_checkout(shop):
    seed_model(shop)
    shop.serve()
    me = {"bot": "tgadmin"}
    first = shop.answer(shop.write("/start", **me), **me)
    assert list(shop.buttons(first)) == ["Amanda"]
    direct = shop.answer(shop.write("/start model_507f1f77bcf86cd799439011", **me), **me)
    assert direct == shop.follow(first, "Amanda", **me)
    photos = [message["photo"] for message in shop.said(**me) if "photo" in message]
    assert photos == ["https://img.example.com/1.jpg", "https://img.example.com/2.jpg"] * 2
    product = shop.follow(direct, "Pack: 29.90 BRL", **me)
    assert "15 fotos" in product["text"]
    order = shop.follow(product, "Comprar", **me)
    assert "Pedido 1: <b>Pack</b>, 29.90 BRL" in order["text"]
    assert shop.follow(product, "Comprar", **me) == order
    [purchase] = shop.database.query("select * from tgadmin.purchases")
    assert (purchase.telegram_user_id, purchase.status, str(purchase.amount)) == (
        ANNA, "pending", "29.90")
    pressed = [request for request in shop.sandbox.requests("POST", "/bot")
               if request["path"].endswith("/answerCallbackQuery")]
    assert len(pressed) == 4, "every button is answered"
    assert "nenhum lugar" in shop.answer(shop.press("tgadmin&2&model&x", **me), **me)["text"]


# --- chats


def member(chat, status, kind="supergroup", **rights):
    return {"my_chat_member": {"chat": {"id": chat, "type": kind, "title": "Ours"},
                               "from": {"id": 1}, "date": 1,
                               "new_chat_member": {"status": status, **rights}}}


def test_where_the_bots_are(shop):
    shop.serve()
    shop.wait(shop.take(member(CHAT, "administrator")))
    [chat] = shop.database.query("select * from accesser.chat")
    assert (chat.telegram_chat_id, chat.title, chat.active) == (CHAT, "Ours", True)
    shop.wait(shop.take(member(CHAT, "kicked")))
    assert not shop.database.value("select active from accesser.chat")

    shop.wait(shop.take(member(CHAT, "administrator"), bot="tgadmin"))
    [group] = shop.database.query("select * from tgadmin.groups")
    assert (group.telegram_id, group.name, group.is_active, group.can_post) == (
        CHAT, "Ours", True, True)
    shop.wait(shop.take(member(CHAT, "left"), bot="tgadmin"))
    [group] = shop.database.query("select * from tgadmin.groups")
    assert (group.is_active, group.deactivated_reason) == (False, "left")
    shop.wait(shop.take(member(CHAT, "member"), bot="tgadmin"))
    [group] = shop.database.query("select * from tgadmin.groups")
    assert (group.is_active, group.deactivated_reason) == (True, None)

    shop.wait(shop.take(member(ANNA, "kicked", "private"), bot="coffee"))
    assert shop.database.query("select bot, chat_id from ops.recipient") == [("coffee", ANNA)]
    shop.wait(shop.write("hi", bot="coffee"))
    assert shop.database.query("select * from ops.recipient") == []
    assert shop.said(bot="coffee") == []


# --- restoring an access


@pytest.fixture
def restorable(shop):
    """An access to two chats; the customer is in neither, and has an old link to the first."""
    plan = shop.plan(chats=(CHAT, OTHER_CHAT))
    access = shop.access(plan)
    shop.sandbox.control("POST", "telegram/chats", {"ids": [CHAT, OTHER_CHAT]})
    shop.serve()
    return access


def restore(shop, access):
    text = shop.answer(shop.press(f"accesser&2&restore&{access}"))["text"]
    return text, [word for word in text.split() if word.startswith("https://")]


def test_a_new_link_for_each_chat_and_the_old_one_void(shop, restorable):
    text, first = restore(shop, restorable)
    assert len(first) == 2 and "Links from before are void" in text
    text, second = restore(shop, restorable)
    assert len(set(first + second)) == 4
    assert shop.sandbox.join(first[0], ANNA) == "revoked"
    assert shop.sandbox.join(second[0], ANNA) == "" and shop.sandbox.join(second[0], 5) == "used"
    text, third = restore(shop, restorable)
    assert f"Chat {CHAT}: you are in there already" in text and len(third) == 1
    links = shop.sandbox.links()
    assert all(link["member_limit"] == 1 and link["expires"] for link in links)
    good = {row.link for row in shop.database.query(
        "select link from accesser.invite_link where revoked_at is null")}
    assert good == {second[0], third[0]}
    assert second[0] in (shown := shop.answer(shop.press(f"accesser&2&access&{restorable}"))["text"])
    assert third[0] in shown and first[0] not in shown


def test_who_was_thrown_out_comes_back_unless_a_person_banned_him(shop, restorable):
    for chat in CHAT, OTHER_CHAT:
        shop.sandbox.set_member(chat, ANNA, "kicked")
    shop.database.execute("insert into accesser.ban (chat_id, user_id, by_hand, done_at)"
                          " select id, %s, telegram_chat_id = %s, now() from accesser.chat",
                          ANNA, OTHER_CHAT)
    text, links = restore(shop, restorable)
    assert f"Chat {OTHER_CHAT}: I cannot let you in" in text and len(links) == 1
    assert shop.sandbox.join(links[0], ANNA) == ""
    assert [row.by_hand for row in shop.database.query("select * from accesser.ban")] == [True]


def test_no_link_without_an_access_that_holds(shop, restorable):
    theirs = shop.access(1, shop.customer(5))
    assert "does not hold" in restore(shop, theirs)[0]
    shop.database.execute("update accesser.access set end_date = now() - interval '1 s',"
                          " start_date = '2026-01-01' where id = %s", restorable)
    assert "does not hold" in restore(shop, restorable)[0]
    assert shop.sandbox.links() == []


def test_who_needs_ever_more_links_gets_none(shop, restorable):
    shop.database.execute(
        "insert into accesser.invite_link (access_id, chat_id, link, revoked_at)"
        " select %s, 1, 'https://t.me/+' || n, now() from generate_series(1, 10) n", restorable)
    text, links = restore(shop, restorable)
    assert "too many links" in text and len(links) == 1


def test_a_chat_that_cannot_be_helped_stops_no_other(shop, restorable):
    shop.sandbox.chats([CHAT], rights={"can_invite_users": False})
    text, links = restore(shop, restorable)
    assert f"Chat {CHAT}: I cannot let you in" in text and len(links) == 1


def test_a_link_that_was_owed_is_not_made_again(shop, restorable):
    """He asks for it before the worker that owes it comes round; his time begins with it."""
    shop.addresses()
    invoice = shop.database.value(
        "insert into cashier.crypto_invoice (customer_id, plan_id, address, amount, status, expire_date)"
        " select customer_id, plan_id, %s, 1, 'REDEEMED', now() from accesser.access where id = %s"
        " returning id", ADDRESSES[0], restorable)
    shop.database.execute(
        "update accesser.access set start_date = now() - interval '2 days' where id = %s", restorable)
    shop.database.execute("insert into accesser.redemption select %s, id, start_date"
                          " from accesser.access where id = %s", invoice, restorable)
    shop.database.execute("insert into accesser.link_due (invoice_id, chat_id, owed, next_attempt_at)"
                          " select %s, id, true, now() from accesser.chat", invoice)
    assert len(restore(shop, restorable)[1]) == 2
    assert shop.database.query("select * from accesser.link_due") == []
    [access] = shop.database.query("select start_date > now() - interval '1 min' as begun,"
                                   " round(extract(epoch from end_date - start_date) / 86400) as days"
                                   " from accesser.access")
    assert access.begun and access.days == 12


def test_a_restored_access_by_hand(shop, restorable):
    customer = shop.customer()
    dry = shop.command("call_inline_reply", "--dry-run", customer, "accesser", "restore", restorable)
    assert dry.returncode == 0 and "would call createChatInviteLink" in dry.stdout, dry
    assert shop.sandbox.links() == [] and shop.said() == []
    done = shop.command("call_inline_reply", customer, "accesser", "restore", restorable)
    assert done.returncode == 0, done.stderr
    assert len(shop.sandbox.links()) == 2 and len(shop.said()) == 1
