"""accesser/customer_access_revoker: warnings, and the end of an access chat by chat."""
import datetime
import html

import pytest

from access_world import ADMIN, DAY, GROUP, NOW, OTHER, THIRD, world  # noqa: F401

ANNA = 7
HOUR = DAY / 24


@pytest.fixture
def anna(world):
    return world.customer(ANNA)


def banned(world, user=ANNA):
    return {chat for chat in (GROUP, OTHER, THIRD) if world.sandbox.member(chat, user) == "kicked"}


def bought(world, customer, plan, **columns):
    """An access with its links, as redeeming makes it, and what was said of it forgotten."""
    invoice = world.confirmed(customer, plan)
    world.redeem()
    world.database.execute("delete from ops.job")
    return world.database.value("select id from accesser.access where invoice_id = %s", invoice)


# --- the end


def test_an_access_that_is_over_is_ended(world, anna):
    access = bought(world, anna, world.plan("VIP <&>", chats=[GROUP, OTHER]))
    [link, _] = world.sandbox.links()
    assert world.sandbox.join(link["link"], ANNA) == ""
    world.later(30 * DAY)
    world.revoke()
    assert banned(world) == {GROUP, OTHER}
    assert sorted(details["chat"] for _, _, details in world.database.audited()) == [OTHER, GROUP]
    assert world.database.audited()[0][:2] == ("accesser/customer_access_revoker", "ban")
    assert all(link["revoked"] for link in world.sandbox.links())
    row = world.row("accesser.access", access)
    assert (row.active, row.revoked_date) == (False, world.now)
    assert world.database.value("select count(*) from accesser.invite_link"
                                " where revoked_at = %s", world.now) == 2
    assert world.texts() == ["Your access to <b>VIP &lt;&amp;&gt;</b> has ended."]
    [button] = world.database.query("select payload -> 'replyMarkup' #> '{inline_keyboard,0,0}' as b"
                                    " from ops.job where queue = 'messages'")
    assert button.b == {"text": "Prolong", "callback_data": f"cashier&2&prolong&{access}"}


def test_again_nothing_more_happens(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    for _ in range(3):
        world.revoke()
    assert world.calls("banChatMember") == len(world.texts()) == 1


def test_not_a_moment_before_the_end(world, anna):
    world.has_access(anna, world.plan(), ends=datetime.timedelta(seconds=1))
    world.revoke()
    assert not banned(world) and world.accesses()[0].active
    world.later(datetime.timedelta(seconds=1))
    world.revoke()
    assert banned(world) == {GROUP}


@pytest.mark.parametrize("mode, trial, days", [("FORCE", False, 0), ("GENTLE", False, 6),
                                               ("FORCE", True, 0), ("GENTLE", True, 0)])
def test_a_gentle_plan_ends_six_days_later_but_for_trials(world, anna, mode, trial, days):
    world.has_access(anna, world.plan(revoke_mode=mode), ends=-days * DAY + HOUR, trial=trial)
    world.revoke()
    assert world.accesses()[0].active
    world.later(HOUR)
    world.revoke()
    assert not world.accesses()[0].active and banned(world) == {GROUP}


def test_a_chat_that_another_access_covers_is_spared(world, anna):
    world.has_access(anna, world.plan(chats=[GROUP, OTHER]), ends=-HOUR)
    world.has_access(anna, world.plan("More", chats=[OTHER, THIRD]), ends=9 * DAY)
    world.revoke()
    assert banned(world) == {GROUP} and not world.accesses()[0].active


def test_a_chat_that_moved_to_a_known_one_is_spared_too(world, anna):
    """Its links are from before, and lead to the chat by the name that it had."""
    bought(world, anna, world.plan(chats=[GROUP]))
    world.later(20 * DAY)
    bought(world, anna, world.plan("More", chats=[GROUP]))
    world.chat(THIRD)
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.database.execute("select ops.chat_moved('shop', %s, %s)", GROUP, THIRD)
    world.later(10 * DAY)
    world.revoke()
    assert not banned(world)
    assert [access.active for access in world.accesses()] == [False, True]
    world.later(20 * DAY)
    world.revoke()
    assert banned(world) == {THIRD} and not any(access.active for access in world.accesses())


def test_of_two_that_are_over_neither_covers(world, anna):
    for title in "A", "B":
        world.has_access(anna, world.plan(title), ends=-HOUR)
    world.revoke()
    assert banned(world) == {GROUP} and not any(access.active for access in world.accesses())


def test_an_ended_one_and_somebody_elses_cover_nothing(world, anna):
    plan = world.plan()
    world.has_access(anna, plan, ends=-HOUR)
    world.has_access(anna, plan, ends=9 * DAY, active=False)
    world.has_access(world.customer(8), plan, ends=9 * DAY)
    world.revoke()
    assert banned(world) == {GROUP} and not banned(world, 8)


def test_a_chat_that_left_the_plan_is_closed_too(world, anna):
    plan = world.plan(chats=[GROUP, OTHER])
    bought(world, anna, plan)
    world.database.execute("delete from accesser.plan_chat where chat_id = %s", world.chat(OTHER))
    world.later(30 * DAY)
    world.revoke()
    assert banned(world) == {GROUP, OTHER}


def test_a_plan_without_chats_just_ends(world, anna):
    world.has_access(anna, world.plan(chats=[]), ends=-HOUR)
    world.revoke()
    assert not world.accesses()[0].active and len(world.texts(ANNA)) == 1


@pytest.mark.parametrize("status", ["PAID", "CONFIRMED"])
def test_one_that_is_being_paid_for_goes_on(world, anna, status):
    plan = world.plan()
    access = world.has_access(anna, plan, ends=-HOUR)
    invoice = world.invoice(anna, plan, status, access=access)
    world.revoke()
    assert not banned(world) and world.accesses()[0].active and not world.texts()
    world.database.execute("update cashier.crypto_invoice set status = 'EXPIRED' where id = %s",
                           invoice)
    world.revoke()
    assert banned(world) == {GROUP}


# --- prolonging after it


def test_a_revoked_access_starts_anew_and_its_owner_is_unbanned(world, anna):
    plan = world.plan(days=30, chats=[GROUP, OTHER])
    access = world.has_access(anna, plan, ends=-DAY)
    world.revoke()
    assert banned(world) == {GROUP, OTHER}
    world.later(10 * DAY)
    world.confirmed(anna, plan, access=access)
    world.redeem()
    [row] = world.accesses()
    assert (row.start_date, row.end_date) == (NOW + 10 * DAY, NOW + 40 * DAY)
    assert row.active and row.revoked_date is None
    links = world.sent_links(ANNA)
    assert len(links) == 2 and [world.sandbox.join(link, ANNA) for link in links] == ["", ""]
    assert world.calls("unbanChatMember") == 2
    assert world.database.value("select count(*) from accesser.ban") == 0


def test_who_buys_again_is_unbanned_too(world, anna):
    plan = world.plan()
    world.has_access(anna, plan, ends=-DAY)
    world.revoke()
    world.confirmed(anna, plan)
    world.redeem()
    assert world.sandbox.join(world.sent_links(ANNA)[0], ANNA) == ""


def test_prolonged_between_two_tries_it_is_no_longer_ended(world, anna):
    """One of two chats is closed already when the money comes."""
    plan = world.plan(chats=[GROUP, OTHER])
    access = world.has_access(anna, plan, ends=-HOUR)
    world.sandbox.fault("500-before", times=None, metadata={"chat_id": str(OTHER)})
    world.revoke()
    assert banned(world) == {GROUP} and world.accesses()[0].active
    world.sandbox.clear_faults()
    world.confirmed(anna, plan, access=access)
    world.redeem()
    world.later(HOUR)
    world.revoke()
    assert not banned(world) and world.accesses()[0].active
    assert not world.database.query("select 1 from accesser.revocation")


def pay_while_banned(world, anna, plan, access):
    """The request is at Telegram while the payment is redeemed."""
    world.sandbox.fault("hold", path="*banChatMember")
    revoking = world.start("accesser/customer_access_revoker")
    world.sandbox.wait_held()
    world.confirmed(anna, plan, access=access)
    world.redeem()
    world.sandbox.release()
    assert revoking.wait() == 0


def test_a_ban_that_crosses_a_payment_is_lifted(world, anna):
    plan = world.plan()
    pay_while_banned(world, anna, plan, world.has_access(anna, plan, ends=-HOUR))
    world.revoke()
    assert not banned(world)
    assert world.sandbox.join(world.sent_links(ANNA)[-1], ANNA) == ""


def test_in_a_basic_group_there_is_no_ban_to_lift(world, anna):
    """Who was thrown out there comes back by his link: unbanChatMember is not for basic groups."""
    plan = world.plan()
    access = world.has_access(anna, plan, ends=-HOUR)
    world.sandbox.chats([GROUP], type="group")
    pay_while_banned(world, anna, plan, access)
    assert "failed=0" in world.revoke().stdout
    assert world.database.query("select 1 from accesser.ban") == []


# --- what goes wrong


def test_partial_failure_is_retried_for_that_chat(world, anna):
    world.has_access(anna, world.plan(chats=[GROUP, OTHER]), ends=-HOUR)
    world.sandbox.fault("500-before", times=None, metadata={"chat_id": str(GROUP)})
    world.revoke()
    assert banned(world) == {OTHER} and world.accesses()[0].active and not world.texts()
    world.sandbox.clear_faults()
    world.sandbox.forget_requests()
    world.later(HOUR / 12)
    world.revoke()
    assert banned(world) == {GROUP, OTHER} and not world.accesses()[0].active
    assert world.calls("banChatMember") == 1 and not world.alerts()


@pytest.mark.parametrize("status", ["administrator", "creator"])
def test_a_ban_that_can_never_work_ends_the_access_with_one_alert(world, anna, status):
    world.has_access(anna, world.plan("VIP", chats=[GROUP, OTHER]), ends=-HOUR)
    world.sandbox.set_member(GROUP, ANNA, status)
    for _ in range(3):
        world.revoke()
        world.later(HOUR)
    assert banned(world) == {OTHER} and not world.accesses()[0].active
    [alert] = world.alerts()
    assert "«VIP»" in alert and "Chat -1001" in alert and "7" in alert
    assert len(world.texts(ANNA)) == 1 and world.calls("banChatMember") == 2


def test_what_is_told_of_an_end_is_never_too_long(world, anna):
    """For Telegram, which counts 4,096 characters."""
    access = world.has_access(anna, world.plan("<VIP> " * 1000, chats=[]), ends=-HOUR)
    for number in range(20):
        world.insert("accesser.revocation", returning="chat_id", access_id=access, state="failed",
                     chat_id=world.chat(-2000 - number), next_attempt_at=world.now,
                     last_error="Bad Request: " + "x" * 400)
    world.revoke()
    [alert], [text] = world.alerts(), world.texts(ANNA)
    assert not world.accesses()[0].active
    assert len(alert) == 4096 and "Chat -2000" in alert and alert.endswith("…")
    assert len(html.unescape(text)) < 400 and "&lt;VIP&gt; " * 40 in text


@pytest.mark.parametrize("state", ["kicked", "not_member", "deleted", "not_found"])
def test_a_chat_that_is_gone_ends_the_access_with_one_alert(world, anna, state):
    world.has_access(anna, world.plan(chats=[GROUP, OTHER]), ends=-HOUR)
    world.sandbox.chats([GROUP], state)
    for _ in range(2):
        world.revoke()
        world.later(HOUR)
    assert banned(world) == {OTHER} and not world.accesses()[0].active
    assert len(world.alerts()) == 1


def test_for_want_of_a_right_the_access_ends_and_the_ban_follows(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.sandbox.chats([GROUP], rights={"can_restrict_members": False})
    world.revoke()
    assert not world.accesses()[0].active and len(world.alerts()) == len(world.texts(ANNA)) == 1
    world.sandbox.chats([GROUP])
    world.later(DAY)
    world.revoke()
    world.revoke()
    assert banned(world) == {GROUP} and len(world.alerts()) == len(world.texts(ANNA)) == 1
    assert not world.database.query("select 1 from accesser.revocation")


def test_who_is_not_there_is_as_good_as_banned(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.sandbox.set_member(GROUP, ANNA, "unknown")
    world.revoke()
    assert not world.accesses()[0].active and not world.alerts()


def test_who_deleted_his_account_is_gone_and_the_chat_is_not(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.sandbox.set_member(GROUP, ANNA, "deactivated")
    world.revoke()
    assert not world.accesses()[0].active and not world.alerts()
    assert world.database.query("select chat_id from ops.recipient") == []


@pytest.mark.parametrize("trouble", [{"rights": {"can_invite_users": False}}, None])
def test_a_link_that_cannot_be_revoked_does_not_keep_the_access(world, anna, trouble):
    access = bought(world, anna, world.plan())
    if trouble:
        world.sandbox.chats([GROUP], **trouble)
    else:
        world.database.execute("update accesser.invite_link set link = 'https://t.me/+gone'")
    world.later(30 * DAY)
    world.revoke()
    assert banned(world) == {GROUP} and not world.row("accesser.access", access).active


def test_told_to_wait_it_comes_again_after_that(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.sandbox.fault("429", retry_after=600)
    world.revoke()
    world.later(datetime.timedelta(seconds=590))
    world.revoke()
    assert world.calls("banChatMember") == 1
    world.later(datetime.timedelta(seconds=20))
    world.revoke()
    assert banned(world) == {GROUP}


def test_while_telegram_is_down_the_run_gives_up_early(world, anna):
    for user in range(10, 18):
        world.has_access(world.customer(user), world.plan(), ends=-HOUR)
    world.sandbox.fault("429", times=None, retry_after=60)
    assert "no usable answers" in world.revoke(code=75).output
    assert world.calls("banChatMember") == 5
    world.sandbox.clear_faults()
    world.later(HOUR)
    world.revoke()
    assert not any(access.active for access in world.accesses())


def test_a_chat_that_moved_is_followed(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.revoke()
    assert banned(world) == {THIRD}
    assert world.database.value("select telegram_chat_id from accesser.chat") == THIRD


def test_a_dry_run_changes_nothing(world, anna):
    world.has_access(anna, world.plan(), ends=-HOUR)
    world.revoke("--dry-run")
    assert world.accesses()[0].active and not world.texts()
    assert not world.sandbox.requests(path="/bot")


# --- warnings


def test_it_warns_two_days_ahead_once_a_day(world, anna):
    access = world.has_access(anna, world.plan("VIP <&>"), ends=2 * DAY + HOUR)
    for want in 0, 1, 1, 2, 2, 3:  # the last one is the end
        world.revoke()
        assert len(world.texts(ANNA)) == want
        world.later(DAY / 2 if want else HOUR)
    warning, _, end = world.texts(ANNA)
    assert warning == "Your access to <b>VIP &lt;&amp;&gt;</b> ends on 2035-03-12 13:00 UTC."
    assert "has ended" in end
    assert world.row("accesser.access", access).expiry_notified_at is not None


def test_a_gentle_plan_warns_on_until_it_is_closed(world, anna):
    world.has_access(anna, world.plan(revoke_mode="GENTLE"), ends=-HOUR)
    world.revoke()
    assert "has ended, and is closed on 2035-03-16 11:00 UTC" in world.texts(ANNA)[0]


@pytest.mark.parametrize("columns", [{"active": False}, {"expiry_notified_at": NOW - HOUR}])
def test_who_is_not_warned(world, anna, columns):
    world.has_access(anna, world.plan(), ends=DAY, **columns)
    world.revoke()
    assert not world.texts()


def test_who_has_paid_for_more_is_not_warned(world, anna):
    plan = world.plan()
    world.invoice(anna, plan, "PAID", access=world.has_access(anna, plan, ends=DAY))
    world.revoke()
    assert not world.texts()


def test_texts_are_translated(world, anna):
    world.database.execute(
        "insert into messenger.translation (name, from_text, to_text) values"
        " ('ru', 'Your access to <b>{{plan}}</b> has ended.', 'Доступ к {{plan}} закончился')")
    world.has_access(anna, world.plan("VIP"), ends=-HOUR)
    world.revoke(TRANSLATION="ru")
    assert world.texts(ANNA) == ["Доступ к VIP закончился"]


def test_who_chose_a_language_is_told_in_it(world, anna):
    world.database.execute(
        "insert into messenger.translation (name, from_text, to_text) values"
        " ('pt', 'Your access to <b>{{plan}}</b> has ended.', 'O acesso a {{plan}} terminou')")
    world.database.execute(f"update messenger.customer set translation = 'pt' where id = {anna}")
    world.has_access(anna, world.plan("VIP"), ends=-HOUR)
    world.revoke(TRANSLATION="ru")
    assert world.texts(ANNA) == ["O acesso a VIP terminou"]
