"""accesser/chat_updater, the commands about a chat, and what my_chat_member leads to."""
import pytest

from access_world import BOT_TOKEN, DAY, GROUP, OTHER, THIRD, world  # noqa: F401
from harness import BUILD

ANNA = 7


def chats(world):
    return {row.telegram_chat_id: row for row in world.database.query(
        "select * from accesser.chat")}


# --- chat_updater


def test_titles_and_kinds_follow_telegram(world):
    for chat in GROUP, OTHER:
        world.chat(chat, "Old")
    world.sandbox.chats([GROUP], title="New <1>", type="channel")
    done = world.update_chats()
    assert (chats(world)[GROUP].title, chats(world)[GROUP].type) == ("New <1>", "channel")
    assert chats(world)[GROUP].checked_at == world.now
    assert 'title="New <1>"' in done.output
    assert "changed=0" in world.update_chats().output


@pytest.mark.parametrize("state", ["kicked", "not_member", "deleted", "not_found"])
def test_a_chat_that_the_bot_left_is_removed(world, state):
    world.chat(GROUP)
    world.chat(OTHER)
    world.sandbox.chats([GROUP], state)
    world.update_chats()
    assert set(chats(world)) == {OTHER}


@pytest.mark.parametrize("points", ["plan", "link"])
def test_one_that_something_points_to_is_marked_inactive(world, points):
    plan = world.plan(chats=[GROUP])
    if points == "link":
        world.confirmed(world.customer(ANNA), plan)
        world.redeem()
        world.database.execute("delete from accesser.plan_chat")
    world.sandbox.chats([GROUP], "kicked")
    world.update_chats()
    assert not chats(world)[GROUP].active
    world.sandbox.chats([GROUP])
    world.update_chats()
    assert chats(world)[GROUP].active
    assert world.database.value("select count(*) from ops.recipient") == 0


def test_a_chat_that_moved_has_its_new_id(world):
    plan = world.plan(chats=[GROUP])
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.update_chats()
    assert set(chats(world)) == {THIRD} and chats(world)[THIRD].active
    assert world.database.value("select plan_id from accesser.plan_chat") == plan


def test_a_chat_that_moved_to_a_known_one_hands_over_its_plans(world):
    plan = world.plan(chats=[GROUP])
    world.chat(THIRD)
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.update_chats()
    [row] = world.database.query("select * from accesser.plan_chat")
    assert (row.plan_id, row.chat_id) == (plan, chats(world)[THIRD].id)


@pytest.mark.parametrize("fault", ["500-before", "429", "502-after", "invalid-json"])
def test_passing_trouble_removes_nothing(world, fault):
    for chat in GROUP, OTHER, THIRD:
        world.chat(chat, "Old")
    more = {"retry_after": 7200} if fault == "429" else {}
    world.sandbox.fault(fault, times=None, metadata={"chat_id": str(OTHER)}, **more)
    world.update_chats()
    assert {row.title for row in chats(world).values()} == {"Old", "Chat -1001", "Chat -1003"}
    assert all(row.active for row in chats(world).values())


def test_while_telegram_is_down_the_run_gives_up_early(world):
    for chat in range(-1020, -1000):
        world.chat(chat)
    world.sandbox.fault("429", times=None, retry_after=60)
    world.update_chats(code=75)
    assert world.calls("getChat") == 5 and len(chats(world)) == 20


def test_told_to_wait_shortly_it_waits(world):
    world.chat(GROUP, "Old")
    world.sandbox.fault("429", retry_after=1)
    world.update_chats()
    assert chats(world)[GROUP].title == "Chat -1001"


def test_a_dry_run_changes_nothing(world):
    world.chat(GROUP, "Old")
    assert "chat updated" in world.update_chats("--dry-run").output
    assert chats(world)[GROUP].title == "Old"


# --- my_chat_member


def seen(world, chat, title, kind, present):
    world.database.execute("select accesser.bot_seen(%s, %s, %s, %s)", chat, title, kind, present)


def test_a_chat_that_the_bot_joins_is_known(world):
    seen(world, GROUP, "A", "supergroup", True)
    seen(world, GROUP, "B", "channel", True)
    [row] = chats(world).values()
    assert (row.title, row.type, row.active) == ("B", "channel", True)


def test_a_chat_that_it_leaves_is_inactive_until_it_is_back(world):
    seen(world, GROUP, "A", "supergroup", True)
    seen(world, GROUP, "A", "supergroup", False)
    assert not chats(world)[GROUP].active
    world.database.execute("insert into ops.recipient (bot, chat_id) values ('shop', %s)", GROUP)
    seen(world, GROUP, "A", "supergroup", True)
    assert chats(world)[GROUP].active
    assert world.database.value("select count(*) from ops.recipient") == 0


def test_people_and_unknown_chats_are_none_of_ours(world):
    seen(world, ANNA, "Anna", "private", True)
    seen(world, GROUP, "A", "supergroup", False)
    assert not chats(world)


# --- commands


def command(world, name, *args, code=0):
    return world.run(BUILD / "libexec" / name, *map(str, args), code=code).output


def test_get_chat_info_prints_every_field(world):
    world.chat(GROUP)
    world.sandbox.chats([GROUP], title="A\n\x1b[31mB\u009b7C é", permissions={"can_send_messages": True})
    assert command(world, "get_chat_info", GROUP).splitlines() == [
        "id: -1001", "type: supergroup", "title: A\\n [31mB 7C é",
        'permissions: {"can_send_messages":true}', "in_shop: yes"]
    assert command(world, "get_chat_info", OTHER).splitlines()[-1] == "in_shop: no"


def test_get_chat_info_of_none(world):
    world.sandbox.chats([GROUP], "not_found")
    assert "chat not found" in command(world, "get_chat_info", GROUP, code=1)
    assert "chat not found" in command(world, "get_chat_info", "@nobody", code=1)


def test_a_ban_by_hand_takes_the_links_with_it(world):
    customer = world.customer(ANNA)
    world.confirmed(customer, world.plan(chats=[GROUP, OTHER]))
    world.redeem()
    assert command(world, "ban_chat_member", GROUP, ANNA).splitlines() == [
        "User 7 has been banned in chat -1001", "1 of his invite links revoked"]
    assert world.sandbox.member(GROUP, ANNA) == "kicked"
    assert {link["chat_id"]: link["revoked"] for link in world.sandbox.links()} == {
        GROUP: True, OTHER: False}
    assert world.database.value("select count(*) from accesser.invite_link"
                                " where revoked_at is not null") == 1
    world.later(DAY)
    world.revoke()
    assert world.sandbox.member(GROUP, ANNA) == "kicked", "no worker lifts a ban by hand"
    assert command(world, "unban_chat_member", GROUP, ANNA).splitlines() == [
        "User 7 has been unbanned in chat -1001", "His invite links stay revoked (1)"]
    assert world.sandbox.member(GROUP, ANNA) == "left"
    assert [(actor.split()[0], action, details) for actor, action, details
            in world.database.audited()] == [
        ("opsctl", action, {"chat": GROUP, "user": ANNA}) for action in ("ban", "unban")]


def test_who_is_banned_by_hand_and_pays_is_let_in(world):
    customer, plan = world.customer(ANNA), world.plan()
    command(world, "ban_chat_member", GROUP, ANNA)
    world.confirmed(customer, plan)
    world.redeem()
    assert world.sandbox.join(world.sent_links(ANNA)[0], ANNA) == ""


def test_unban_does_nothing_to_who_is_not_banned(world):
    world.sandbox.set_member(GROUP, ANNA, "member")
    command(world, "unban_chat_member", GROUP, ANNA)
    assert world.sandbox.member(GROUP, ANNA) == "member"


def test_a_ban_in_a_chat_that_the_shop_does_not_know(world):
    command(world, "ban_chat_member", GROUP, ANNA)
    assert world.sandbox.member(GROUP, ANNA) == "kicked"


def test_a_ban_follows_a_chat_that_moved(world):
    world.confirmed(world.customer(ANNA), world.plan())
    world.redeem()
    world.sandbox.chats([GROUP], "migrated", to=THIRD)
    world.database.execute("select ops.chat_moved('shop', %s, %s)", GROUP, THIRD)
    world.database.execute("delete from ops.job")
    assert "has been banned" in command(world, "ban_chat_member", GROUP, ANNA, code=None)
    assert world.sandbox.member(THIRD, ANNA) == "kicked"
    assert world.database.value("select count(*) from accesser.ban") == 1


@pytest.mark.parametrize("status, want", [
    ("administrator", "user is an administrator of the chat"), ("creator", "can't remove chat owner"),
    ("unknown", "knows no such user")])
def test_a_ban_that_is_refused_says_why(world, status, want):
    world.chat(GROUP)
    world.sandbox.set_member(GROUP, ANNA, status)
    assert want in command(world, "ban_chat_member", GROUP, ANNA, code=1)
    assert not world.database.query("select 1 from accesser.ban"), "what was refused is not so"
    assert not world.database.audited()


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_ban_that_is_refused_leaves_the_one_before(world, by_hand):
    world.insert("accesser.ban", returning="user_id", chat_id=world.chat(GROUP), user_id=ANNA,
                 by_hand=by_hand)
    world.sandbox.set_member(GROUP, ANNA, "administrator")
    command(world, "ban_chat_member", GROUP, ANNA, code=1)
    assert world.database.value("select by_hand from accesser.ban") == by_hand


def test_a_ban_of_which_nothing_is_heard_stays_written_down(world):
    world.chat(GROUP)
    world.sandbox.fault("500-after", times=None)
    command(world, "ban_chat_member", GROUP, ANNA, code=75)
    assert world.database.value("select by_hand and done_at is null from accesser.ban")


@pytest.mark.parametrize("name, args", [
    ("get_chat_info", []), ("get_chat_info", ["x"]), ("get_chat_info", ["1", "2"]),
    ("ban_chat_member", ["1"]), ("ban_chat_member", ["1", "x"]), ("unban_chat_member", ["", "1"]),
    ("unban_chat_member", ["1", "-1"])])
def test_wrong_arguments(world, name, args):
    assert "want a chat" in command(world, name, *args, code=2)


def test_a_dry_run_asks_for_nothing(world):
    assert "would be banned" in command(world, "ban_chat_member", "--dry-run", GROUP, ANNA)
    assert "would be unbanned" in command(world, "unban_chat_member", "--dry-run", GROUP, ANNA)
    assert not world.sandbox.requests(path="/bot")
