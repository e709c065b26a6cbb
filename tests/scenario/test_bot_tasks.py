"""tgadmin/bot_tasks and tgadmin/audit_log: the eight kinds of document 003."""
import datetime
import json
import re

import pytest

from harness import BUILD, wait_until
from sender_world import ADMIN, world  # noqa: F401

CHAT = -1001234567890


class Groups:
    def __init__(self, world):
        self.world, self.database, self.sandbox = world, world.database, world.sandbox

    def add(self, telegram_id=CHAT, **columns):
        row = {"telegram_id": telegram_id, **columns}
        return self.database.value(
            f"insert into tgadmin.groups ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    def row(self, telegram_id=CHAT):
        [row] = self.database.query("select * from tgadmin.groups where telegram_id = %s",
                                    telegram_id)
        return row

    def posts(self):
        return self.database.query("select * from tgadmin.post_history order by message_id")

    def task(self, kind, **payload):
        return self.world.enqueue(kind, payload, queue="bot-tasks", bot="tgadmin")

    def start(self, **settings):
        return self.world.start("tgadmin/bot_tasks", TELEGRAM_DELETE_DELAY_MS=0, **settings)

    def posted(self, count, **columns):
        """Messages that the bot sent to the group, known to Telegram and to us; their ids."""
        import http.client
        import json

        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port)
        self.sandbox.limits(per_group_minute=None, per_bot=None)
        group, ids = self.row().id, []
        for _ in range(count):
            connection.request("POST", "/bot100:sandbox_token/sendMessage",
                               json.dumps({"chat_id": CHAT, "text": "x"}),
                               {"Content-Type": "application/json"})
            ids.append(json.loads(connection.getresponse().read())["result"]["message_id"])
            row = {"group_id": group, "message_id": ids[-1], **columns}
            self.database.execute(
                f"insert into tgadmin.post_history ({', '.join(row)})"
                f" values ({', '.join(['%s'] * len(row))})", *row.values())
        connection.close()
        return ids


@pytest.fixture
def groups(world):
    return Groups(world)


# --- send-message


def test_a_post_is_recorded(groups):
    groups.add()
    campaign = groups.database.value("insert into tgadmin.campaigns (name) values ('c') returning id")
    job = groups.task("send-message", chatId=str(CHAT), text="<b>hi</b>", campaignId=campaign)
    groups.start()
    assert groups.world.wait(job).result == {"messageId": 1, "chatId": CHAT}
    group, [post] = groups.row(), groups.posts()
    assert (group.last_message_id, group.posts_today, group.total_posts) == (1, 1, 1)
    assert group.last_post_at and group.posts_day
    assert (post.message_id, post.campaign_id, post.text, post.status, post.job_id) == (
        1, campaign, "<b>hi</b>", "sent", job)


def test_an_unknown_group_may_be_posted_to(groups):
    job = groups.task("send-message", chatId=CHAT, text="hi")
    groups.start()
    groups.world.wait(job)
    assert groups.posts() == [] and groups.world.texts(CHAT) == ["hi"]


def zone_of_noon():
    """Where it is about noon now: no day ends there while a test runs. POSIX counts to the west."""
    return f"Etc/GMT{datetime.datetime.now(datetime.timezone.utc).hour - 12:+d}"


def test_rules_hold_posts_back_and_use_no_attempt(groups):
    groups.add(CHAT, cooldown_minutes=60)
    groups.add(-1002, max_ads_per_day=1)
    groups.add(-1003, is_active=False)
    first = [groups.task("send-message", chatId=chat, text="one") for chat in (CHAT, -1002)]
    held = [groups.task("send-message", chatId=chat, text="two") for chat in (CHAT, -1002)]
    inactive = groups.task("send-message", chatId=-1003, text="never")
    bypass = groups.task("send-message", chatId=CHAT, text="now", bypassRateLimit=True)
    groups.start(TGADMIN_TZ=zone_of_noon())
    for job in (*first, bypass):
        groups.world.wait(job)
    assert "not active" in groups.world.wait(inactive, "dead").last_error
    for job, reason in zip(held, ("cooling down", "posts of today")):
        row = wait_until(lambda job=job: (row := groups.world.job(job)).last_error and row)
        assert row.state == "available" and reason in row.last_error
        assert row.run_at > groups.database.value("select now() + interval '1 minute'")
    assert groups.world.texts(CHAT) == ["one", "now"] and groups.world.texts(-1002) == ["one"]


@pytest.mark.parametrize("state, deactivated", [
    ("no_rights", "not enough rights"), ("kicked", "kicked"), ("deleted", "deleted"),
    ("not_found", "not_found")])
def test_a_group_that_cannot_be_posted_to_is_taken_out_of_use(groups, state, deactivated):
    groups.add()
    groups.sandbox.chats([CHAT], state)
    job = groups.task("send-message", chatId=CHAT, text="hi")
    groups.start()
    groups.world.wait(job, "dead")
    group, [post] = groups.row(), groups.posts()
    assert not group.is_active and not group.can_post and deactivated in group.deactivated_reason
    assert post.status == "failed" and post.error


def test_a_group_that_moved_is_followed_everywhere(groups):
    group = groups.add(-5)
    groups.sandbox.chats([-5], "migrated", to=CHAT)
    jobs = [groups.task("send-message", chatId=-5, text=text) for text in ("one", "two")]
    groups.start()
    for job in jobs:
        groups.world.wait(job)
    assert groups.row().id == group and len(groups.posts()) == 2
    assert groups.world.texts(CHAT) == ["one", "two"]


# --- deletions


@pytest.mark.parametrize("known", [False, True])
def test_no_deletion_follows_a_group_that_moved(groups, known):
    """The old messages stayed behind; the same numbers are somebody else's where it is now."""
    group = groups.add(CHAT)
    theirs = groups.posted(2)
    groups.database.execute("delete from tgadmin.post_history")
    groups.database.execute("update tgadmin.groups set telegram_id = -5")
    for message in theirs:
        groups.database.execute("insert into tgadmin.post_history (group_id, message_id)"
                                " values (%s, %s)", group, message)
    groups.sandbox.chats([-5], "migrated", to=CHAT)
    if known:
        groups.database.execute("select ops.chat_moved('tgadmin', -5, %s)", CHAT)
    jobs = [groups.task("delete-message", chatId=-5, messageId=theirs[0]),
            groups.task("delete-messages-bulk", chatId=-5, messageIds=theirs),
            groups.task("clear-all-messages", chatId=-5, groupDbId=group)]
    groups.start()
    for job in jobs[:2]:
        assert "stayed where they were" in groups.world.wait(job, "dead").last_error
    assert groups.world.wait(jobs[2]).result["deleted"] == 0
    assert groups.row().id == group and {post.status for post in groups.posts()} == {"undeletable"}
    assert not any(message["deleted_ms"] for message in groups.sandbox.messages(CHAT))


def test_one_message_is_deleted_and_again_is_no_failure(groups):
    groups.add()
    [message] = groups.posted(1)
    jobs = [groups.task("delete-message", chatId=CHAT, messageId=message) for _ in range(2)]
    groups.start()
    for job in jobs:
        assert groups.world.wait(job).result["success"]
    [post] = groups.posts()
    assert post.status == "deleted" and post.deleted_at
    assert groups.sandbox.messages(CHAT)[0]["deleted_ms"]


def test_many_are_deleted_in_hundreds(groups):
    groups.add()
    messages = groups.posted(150)
    groups.sandbox.forget_requests()
    job = groups.task("delete-messages-bulk", chat_id=CHAT, message_ids=[*messages, 9999])
    groups.start()
    result = groups.world.wait(job).result
    assert (result["success"], result["deleted"], result["failed"]) == (True, 151, 0)
    assert {post.status for post in groups.posts()} == {"deleted"}
    assert len(groups.sandbox.requests("POST", "/bot")) == 2
    acts = groups.database.audited()
    assert [(actor, action, d["chat"], d["job"]) for actor, action, d in acts] == [
        ("tgadmin/bot_tasks", "delete-messages-bulk", CHAT, job)] * 2
    assert sorted(m for *_, d in acts for m in d["messages"]) == [*messages, 9999]


def test_what_is_too_old_is_undeletable_and_spoils_nothing(groups):
    groups.add()
    groups.sandbox.clock(now="2026-03-10T00:00:00Z")
    old = groups.posted(2)
    groups.sandbox.clock(advance="72h")
    new = groups.posted(3)
    job = groups.task("delete-messages-bulk", chatId=CHAT, messageIds=old + new)
    alone = groups.task("delete-message", chatId=CHAT, messageId=old[0])
    groups.start()
    result = groups.world.wait(job).result
    assert (result["deleted"], result["failed"]) == (3, 2)
    assert [error["messageId"] for error in result["errors"]] == old
    assert [post.status for post in groups.posts()] == ["undeletable"] * 2 + ["deleted"] * 3
    assert "can't be deleted" in groups.world.wait(alone, "dead").last_error
    assert groups.database.query("select * from ops.recipient") == []


def test_clearing_goes_by_what_was_posted(groups):
    group = groups.add()
    messages = groups.posted(6)
    groups.database.execute("update tgadmin.post_history set sent_at = now() - interval '10 days'"
                            " where message_id <= 4")
    first = groups.task("clear-all-messages", chatId=CHAT, groupDbId=group, olderThanDays=7,
                        fromMessageId=messages[1], toMessageId=messages[4])
    groups.start()
    assert groups.world.wait(first).result["deleted"] == 3
    assert [post.status for post in groups.posts()] == ["sent"] + ["deleted"] * 3 + ["sent"] * 2
    rest = groups.task("clear-all-messages", chatId=CHAT, groupDbId=str(group))
    assert groups.world.wait(rest).result == {"success": True, "deleted": 3, "failed": 0,
                                              "errors": []}


def test_clearing_goes_on_until_nothing_is_left(groups):
    """A page of them is a thousand; Telegram passes over those that it does not know."""
    group = groups.add()
    groups.database.execute("insert into tgadmin.post_history (group_id, message_id)"
                            " select %s, n from generate_series(1, 2050) n", group)
    groups.sandbox.limits(per_bot=None, per_group_minute=None)
    job = groups.task("clear-all-messages", chatId=CHAT, groupDbId=group)
    groups.start(TELEGRAM_RATE_PER_BOT=1000)
    result = groups.world.wait(job).result
    assert (result["success"], result["deleted"], result["failed"]) == (True, 2050, 0)
    assert {post.status for post in groups.posts()} == {"deleted"}


# --- what is known of groups


def test_a_group_is_synced(groups):
    groups.sandbox.chats([CHAT], title="Ours <3", members=55)
    job = groups.task("sync-single-group", telegramId=CHAT)
    groups.start()
    assert groups.world.wait(job).result == {"success": True, "name": "Ours <3",
                                             "memberCount": 55, "canPost": True}
    group = groups.row()
    assert (group.name, group.member_count, group.can_post, group.is_active) == (
        "Ours <3", 55, True, True)
    assert group.permissions["status"] == "administrator" and group.last_sync_at


def test_all_groups_are_synced_and_lost_ones_come_back(groups):
    for chat in (CHAT, -1002, -1003):
        groups.add(chat, name="old")
    groups.sandbox.chats([-1002], "kicked")
    groups.sandbox.chats([-1003], status="member")
    job = groups.task("sync-groups")
    groups.start()
    assert groups.world.wait(job).result == {"groups": 3}
    groups.world.wait_all()
    assert groups.row().name == f"Chat {CHAT}"
    assert not groups.row(-1002).is_active
    assert groups.row(-1003).name == "old", "no administrator there: the row is as it was"
    groups.sandbox.chats([-1002], title="back")
    groups.world.wait(groups.task("sync-single-group", telegramId=-1002))
    assert groups.row(-1002).is_active and groups.row(-1002).deactivated_reason is None
    groups.world.wait(groups.task("send-message", chatId=-1002, text="hi"))


def test_questions_about_a_chat(groups):
    groups.add()
    groups.sandbox.chats([CHAT], title="Ours", rights={"can_delete_messages": False})
    info = groups.task("get-chat-info", chatId=CHAT)
    rights = groups.task("check-permissions", chat_id=str(CHAT))
    groups.start()
    assert groups.world.wait(info).result == {"id": CHAT, "type": "supergroup", "title": "Ours"}
    result = groups.world.wait(rights).result
    assert (result["status"], result["isAdmin"], result["canPost"], result["canDelete"]) == (
        "administrator", True, True, False)
    assert groups.row().permissions["can_delete_messages"] is False


SNAKES = [
    ("send-message", {"chatId": CHAT, "text": "hi", "parseMode": "", "replyToMessageId": None,
                      "disableNotification": True, "bypassRateLimit": True}),
    ("delete-message", {"chatId": CHAT, "messageId": 1}),
    ("delete-messages-bulk", {"chatId": CHAT, "messageIds": [1, 2], "groupDbId": 1}),
    ("clear-all-messages", {"chatId": CHAT, "groupDbId": 1, "fromMessageId": 1, "toMessageId": 9,
                            "olderThanDays": 0}),
    ("sync-groups", {}),
    ("sync-single-group", {"telegramId": CHAT}),
    ("get-chat-info", {"chatId": CHAT}),
    ("check-permissions", {"chatId": CHAT}),
]


def test_every_kind_is_understood_in_snake_case_too(groups):
    """And works: what a misread field would have cost is a job that is not done."""
    groups.add()
    groups.posted(2)
    jobs = {groups.task(kind, **{re.sub("[A-Z]", lambda c: "_" + c[0].lower(), name): value
                                 for name, value in payload.items()}): kind
            for kind, payload in SNAKES}
    groups.start()
    for job, kind in jobs.items():
        row = groups.world.wait(job)
        assert row.group_key is None or row.group_key.endswith(str(CHAT)), kind


BAD = [
    ("send-message", {}, "chatId is missing"),
    ("send-message", {"chatId": 5, "text": "a" * 5000}, "text has 5000 characters"),
    ("send-message", {"chatId": 5, "text": "a", "bypassRateLimit": 1}, "bypassRateLimit: want true"),
    ("delete-message", {"chatId": 5}, "messageId is missing"),
    ("delete-messages-bulk", {"chatId": 5}, "messageIds is missing"),
    ("delete-messages-bulk", {"chatId": 5, "messageIds": []}, "messageIds: want a list"),
    ("delete-messages-bulk", {"chatId": 5, "messageIds": [1, "x"]}, "messageIds: want a list"),
    ("delete-messages-bulk", {"chatId": 5, "messageIds": list(range(1, 10002))}, "10000 ids at most"),
    ("clear-all-messages", {"chatId": 5}, "groupDbId is missing"),
    ("clear-all-messages", {"chatId": 5, "groupDbId": 1, "olderThanDays": -1}, "olderThanDays: want"),
    ("clear-all-messages", {"chatId": 5, "groupDbId": 1, "olderThanDays": 10 ** 8}, "to 36525"),
    ("delete-message", {"chatId": 0, "messageId": 1}, "chatId: want the id of a chat"),
    ("send-photo", {"chatId": 5, "photo": "p", "purchaseId": "x"}, "purchaseId: want a whole number"),
    ("sync-single-group", {}, "telegramId is missing"),
    ("get-chat-info", {"chatId": {}}, "chatId: want a whole number"),
    ("check-permissions", {}, "chatId is missing"),
    ("ban-everybody", {}, "unknown kind ban-everybody"),
]


def test_bad_payloads_are_dead_with_their_reason(groups):
    jobs = [groups.task(kind, **{**payload, **({"chatId": 100 + i} if payload.get("chatId") == 5
                                               else {})})
            for i, (kind, payload, _) in enumerate(BAD)]
    groups.start()
    for job, (kind, _, reason) in zip(jobs, BAD):
        assert reason in groups.world.wait(job, "dead").last_error, kind


# --- purchases


def purchase(world, user=7, **details):
    model = world.database.value(
        "insert into tgadmin.models (public_id, name, username) values (md5(random()::text)::char(24),"
        " 'A', md5(random()::text)) returning id")
    product = world.database.value(
        "insert into tgadmin.products (model_id, name, type, price, details)"
        " values (%s, 'VIP <3', 'subscription', 10, %s) returning id", model, json.dumps(details))
    return product, order(world, product, user)


def order(world, product, user=7):
    return world.database.value("insert into tgadmin.purchases (telegram_user_id, product_id, amount)"
                                " values (%s, %s, 10) returning id", user, product)


def paid(world, number, code=0):
    done = world.worker(BUILD / "libexec/purchase_paid", str(number), "--now", "2026-03-10T12:00:00Z")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def bought(world, number):
    [row] = world.database.query("select * from tgadmin.purchases where id = %s", number)
    return row


def sent(world, number):
    return [row.message_id for row in world.database.query(
        "select message_id from tgadmin.sent_messages where purchase_id = %s order by 1", number)]


def test_what_is_paid_is_delivered_once_and_completed(groups):
    world = groups.world
    product, number = purchase(world, days=3650, content=[
        {"text": "one"}, {"photo": "https://example.org/2.jpg", "caption": "two"}, {"text": "three"}])
    assert paid(world, number) == paid(world, number) == f"purchase {number} is paid\n"
    ends = bought(world, number).access_expires_at
    assert ends == datetime.datetime(2036, 3, 7, 12, tzinfo=datetime.timezone.utc)
    groups.start()
    wait_until(lambda: bought(world, number).status == "completed")
    assert len(sent(world, number)) == 3
    assert [m.get("text") or m.get("caption") for m in world.sandbox.messages(7)] == [
        "one", "two", "three"]
    [told] = world.database.query("select payload from ops.job where queue = 'messages'")
    assert "VIP &lt;3" in told.payload["text"]
    [(actor, action, details)] = world.database.audited()
    assert actor.startswith("opsctl ") and action == "purchase-paid"
    assert (details["purchase"], details["user"]) == (number, 7)
    again = order(world, product)
    paid(world, again)
    assert bought(world, again).access_expires_at == ends + datetime.timedelta(3650), "from its end"
    assert bought(world, number).status == "expired" and not sent(world, number)
    wait_until(lambda: len(sent(world, again)) == 6)


def test_without_content_a_purchase_is_completed_at_once_and_for_ever(groups):
    _, number = purchase(groups.world)
    assert "is completed" in paid(groups.world, number)
    assert bought(groups.world, number).access_expires_at is None
    groups.database.execute("update tgadmin.purchases set status = 'refunded'")
    assert "is refunded" in paid(groups.world, number, code=1)
    assert "no purchase 999" in paid(groups.world, 999, code=1)
    for word in "x", "0":
        paid(groups.world, word, code=2)


# --- audit_log


def test_the_audit_log_is_written_in_batches(world):
    jobs = [world.enqueue("audit-log", {"actor": f"a{i}", "action": "x", "details": {"n": i}},
                          queue="audit-log") for i in range(300)]
    bad = world.enqueue("audit-log", {"actor": "a"}, queue="audit-log")
    world.worker.start("tgadmin/audit_log")
    assert "action is missing" in world.wait(bad, "dead").last_error
    for job in jobs:
        world.wait(job)
    rows = world.database.query("select actor, details, job_id from tgadmin.audit_log order by id")
    assert sorted(row.job_id for row in rows) == jobs
    assert {row.actor: row.details for row in rows}["a7"] == {"n": 7}


def test_an_act_has_the_time_at_which_it_was_done(world):
    """However much later somebody writes it down."""
    job = world.enqueue("audit-log", {"actor": "a", "action": "x"}, queue="audit-log")
    world.database.execute("update ops.job set created_at = '2026-01-02T03:04:05Z'")
    world.worker.start("tgadmin/audit_log")
    world.wait(job)
    assert world.database.value("select at = '2026-01-02T03:04:05Z' from tgadmin.audit_log")


@pytest.mark.parametrize("kind, payload, method, fault, said", [
    ("check-permissions", {"chatId": CHAT}, "getChatMember",
     {"status": 400, "text": '{"ok":false,"error_code":400,"description":'
                             '"Bad Request: member not found"}'}, "member not found"),
    ("sync-single-group", {"telegramId": CHAT}, "getChatMemberCount",
     {"text": '{"ok":true,"result":"many"}'}, "no number"),
])
def test_an_answer_that_says_nothing_spoils_one_job(groups, kind, payload, method, fault, said):
    groups.add()
    groups.sandbox.fault("invalid-json", times=None, path=f"/bot100:sandbox_token/{method}", **fault)
    job = groups.task(kind, **payload)
    process = groups.start()
    assert said in groups.world.wait(job, "dead").last_error
    assert process.process.poll() is None
