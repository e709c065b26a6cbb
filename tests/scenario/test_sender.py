"""messenger/sender: what is delivered, what is not and why."""
import contextlib
import json
import signal
import socket

import pytest

from harness import wait_until
from fixture import BOT_TOKEN
from sender_world import ADMIN, world  # noqa: F401

GROUP = -1001234567890


def test_a_message_is_delivered_as_it_was_ordered(world):
    jobs = [world.send(7, "<b>a</b> &amp; b", disableNotification=True,
                       replyMarkup={"inline_keyboard": [[{"text": "x", "callback_data": "y"}]]}),
            world.enqueue("send-photo", {"chat_id": "8", "photo": "https://x.org/a.jpg",
                                         "caption": "<i>c</i>"}, bot="coffee"),
            world.enqueue("send-message", {"chat_id": 9, "text": "1 < 2", "parse_mode": ""}),
            world.enqueue("send-message", {"chatId": 10, "text": "r", "replyToMessageId": 77})]
    world.start()
    results = [world.wait(job).result for job in jobs]
    assert results[0] == {"messageId": 1, "chatId": 7}
    assert [message["text"] for message in sorted(world.sandbox.messages(),
                                                  key=lambda m: m["chat_id"])] == [
        "a & b", "c", "1 < 2", "r"]
    [first] = world.sandbox.messages(7)
    assert first["params"]["disable_notification"] is True
    assert first["params"]["reply_markup"]["inline_keyboard"]


BAD = [
    ("send-message", {"text": "a"}, "chatId is missing"),
    ("send-message", {"chatId": None, "text": "a"}, "chatId is missing"),
    ("send-message", {"chatId": "x", "text": "a"}, "chatId: want a whole number"),
    ("send-message", {"chatId": 1.5, "text": "a"}, "chatId: want a whole number"),
    ("send-message", {"chatId": [1], "text": "a"}, "chatId: want a whole number"),
    ("send-message", {"chatId": 0, "text": "a"}, "chatId: want the id of a chat"),
    ("send-message", {"chatId": 1}, "text is missing"),
    ("send-message", {"chatId": 1, "text": ""}, "text is missing"),
    ("send-message", {"chatId": 1, "text": 5}, "text: want text"),
    ("send-message", {"chatId": 1, "text": "a" * 5000},
     "text has 5000 characters, Telegram takes 4096 at most"),
    ("send-message", {"chatId": 1, "text": "a", "parseMode": "rtf"}, "parseMode: want HTML"),
    ("send-message", {"chatId": 1, "text": "a", "disableNotification": "yes"},
     "disableNotification: want true or false"),
    ("send-message", {"chatId": 1, "text": "a", "replyMarkup": []}, "replyMarkup: want an object"),
    ("send-message", {"chatId": 1, "text": "a", "replyToMessageId": "b"}, "replyToMessageId: want"),
    ("send-message", {"chatId": 1, "text": "<b>a"}, "can't parse entities"),
    ("send-message", {"chatId": 1, "text": " "}, "message text is empty"),
    ("send-photo", {"chatId": 1}, "photo is missing"),
    ("send-photo", {"chatId": 1, "photo": "https://x.org/a", "caption": "a" * 1025},
     "caption has 1025 characters"),
    ("send-photo", {"chatId": 1, "photo": "?"}, "wrong file identifier"),
    ("send-fax", {"chatId": 1, "text": "a"}, "unknown kind send-fax"),
    ("send-email", {"text": "a"}, "SMTP_URL is not set"),
]


def test_bad_payloads_are_dead_with_their_reason_and_stop_nothing(world):
    # Each has a chat of its own, since a chat gets a message a second.
    jobs = [world.enqueue(kind, {**payload, **({"chatId": 100 + i} if payload.get("chatId") == 1
                                               else {})}, bot="shop")
            for i, (kind, payload, _) in enumerate(BAD)]
    good = world.send(99)
    world.start()
    world.wait(good)
    for job, (kind, payload, reason) in zip(jobs, BAD):
        row = world.wait(job, "dead")
        assert reason in row.last_error, (kind, payload)
    unknown = world.enqueue("send-message", {"chatId": 98, "text": "a"}, bot="nobody")
    assert "no bot named nobody" in world.wait(unknown, "dead").last_error


@pytest.mark.parametrize("state, reason", [
    ("blocked", "blocked"), ("deactivated", "deactivated"), ("never_started", "never_started"),
    ("not_found", "not_found"),
])
def test_who_cannot_be_reached_is_remembered(world, state, reason):
    world.sandbox.chats([7], state)
    first = world.send(7)
    world.start()
    world.wait(first, "dead")
    [row] = world.database.query("select * from ops.recipient")
    assert (row.bot, row.chat_id, row.reason) == ("shop", 7, reason)
    asked = len(world.sandbox.requests("POST", "/bot"))
    second, other = world.send(7), world.send(7, bot="coffee")
    assert "cannot be reached" in world.wait(second, "dead").last_error
    world.wait(other, "dead")
    assert len(world.sandbox.requests("POST", "/bot")) == asked + 1, "the other bot's only"


def test_a_chat_that_moved_is_followed(world):
    world.sandbox.chats([-5], "migrated", to=GROUP)
    first = world.send(-5, "one")
    world.start()
    assert world.wait(first).result["chatId"] == GROUP
    world.wait(world.send(-5, "two"))
    assert world.texts(GROUP) == ["one", "two"] and world.texts(-5) == []
    assert [request["status"] for request in world.sandbox.requests("POST", "/bot")] == [
        400, 200, 200]


def test_no_right_is_no_reason_to_forget_a_chat(world):
    world.sandbox.chats([GROUP], "no_rights")
    job = world.send(GROUP)
    world.start()
    assert "not enough rights" in world.wait(job, "dead").last_error
    assert world.database.query("select * from ops.recipient") == []


def test_one_chat_that_is_told_to_wait_delays_no_other(world):
    world.sandbox.fault("429", retry_after=3600, metadata={"chat_id": "7"}, times=None)
    told = world.send(7)
    others = [world.send(chat) for chat in range(8, 28)]
    world.start()
    for job in others:
        world.wait(job)
    row = wait_until(lambda: (row := world.job(told)).last_error and row)
    assert row.state == "available" and row.attempt <= 1 and "retry after 3600" in row.last_error


def test_wait_is_obeyed_and_uses_no_attempt(world):
    world.sandbox.fault("429", retry_after=1, times=4)
    job = world.send(7, max_attempts=1)
    world.start()
    assert world.wait(job).attempt == 1
    assert world.texts(7) == ["hello"]


@pytest.mark.parametrize("fault", ["500-before", "502-before", "drop-before"])
def test_passing_trouble_is_tried_again(world, fault):
    world.sandbox.fault(fault)
    job = world.send(7)
    world.start()
    row = world.wait(job)
    assert row.attempt == 2 and len(row.errors) == 1
    assert world.texts(7) == ["hello"]


@pytest.mark.parametrize("fault", ["500-after", "502-after", "drop-after", "cut"])
def test_an_unknown_outcome_is_repeated_or_not_as_was_ordered(world, fault):
    world.sandbox.fault(fault, times=2)
    twice, once = world.send(7), world.send(8, delivery="at_most_once")
    world.start()
    assert world.wait(twice).errors
    assert world.wait(once, "dead").errors
    assert world.texts(7) == ["hello", "hello"] and world.texts(8) == ["hello"]


def test_a_dead_token_loses_nothing_and_is_told_once(world):
    dead = "200:revoked_token"
    world.sandbox.control("POST", "telegram/tokens", {"revoked": [dead]})
    waiting = [world.send(chat) for chat in (7, 8, 9)]
    other = world.send(7, bot="coffee")
    sender = world.start(TELEGRAM_BOT_TOKEN_SHOP=dead)
    world.wait(other)
    wait_until(lambda: world.texts(int(ADMIN)))
    assert len(world.texts(int(ADMIN))) == 1 and "«shop»" in world.texts(int(ADMIN))[0]
    assert {world.job(job).state for job in waiting} <= {"available", "running"}
    sender.signal(signal.SIGTERM)
    assert sender.wait() == 0
    assert dead.split(":")[1] not in sender.output and BOT_TOKEN not in sender.output
    assert {(world.job(job).state, world.job(job).attempt) for job in waiting} <= {
        ("available", 0), ("available", 1)}


def test_a_token_in_the_database_wins(world, worker):
    from cryptography.fernet import Fernet

    key = Fernet.generate_key()
    world.database.execute("insert into tgadmin.settings values (%s, %s)",
                           "TELEGRAM_BOT_TOKEN_SHOP", Fernet(key).encrypt(b"300:stored").decode())
    job = world.send(7)
    world.start(FIELD_ENCRYPTION_KEY=key.decode(), TELEGRAM_BOT_TOKEN_SHOP="200:environment")
    world.wait(job)
    assert [message["bot"] for message in world.sandbox.messages()] == ["300"]
    refused = worker("messenger/sender", **world.settings())
    assert refused.returncode == 78 and "FIELD_ENCRYPTION_KEY" in refused.stderr


def test_what_was_rolled_back_is_never_sent(world):
    connection = world.database.connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("select ops.enqueue('messages', 'send-message', %s, bot => 'shop')",
                       (json.dumps({"chatId": 7, "text": "never"}),))
    world.start()
    world.wait(world.send(8))
    connection.rollback()
    connection.close()
    world.wait(world.send(7, "after"))
    assert world.texts(7) == ["after"]


def test_not_after_is_obeyed(world):
    job = world.send(7, not_after="2026-01-01T00:00:00Z")
    world.start()
    world.wait(job, "cancelled")
    assert world.texts() == []


# --- mail


@pytest.fixture
def mail(world):
    port = world.sandbox.control("GET", "mail")["port"]
    world.mail_settings = {"SMTP_URL": f"smtp://127.0.0.1:{port}", "SMTP_USER": "u",
                           "SMTP_PASSWORD": "p", "SMTP_FROM": "ops@example.org",
                           "ALERT_EMAIL": "admin@example.org"}
    return lambda: world.sandbox.control("GET", "mail")["mails"]


def test_an_alert_is_mailed_too(world, mail):
    world.send(int(ADMIN), "Тревога & всё " * 20)
    world.send(7, "no alert")
    world.start(**world.mail_settings)
    wait_until(mail)
    world.wait_all()
    [got] = mail()
    assert got["text"].startswith("Тревога & всё ") and got["subject"] == "alert"
    assert got["from"].startswith("MAIL FROM:<ops@example.org>")
    assert got["to"] == ["RCPT TO:<admin@example.org>"] and got["id"] and got["date"]


def test_a_mail_server_that_refuses_is_told_from_one_that_is_busy(world, mail):
    world.sandbox.control("POST", "mail", {"MAIL": "550 5.7.1 No"})
    refused = world.enqueue("send-email", {"subject": "Ж" * 100, "text": "a"})
    world.start(**world.mail_settings)
    assert "550" in world.wait(refused, "dead").last_error
    world.sandbox.control("POST", "mail", {"MAIL": "421 4.7.0 Later"})
    busy = world.enqueue("send-email", {"subject": "Ж" * 100, "text": "a"})
    wait_until(lambda: world.job(busy).last_error)
    world.sandbox.control("POST", "mail", {})
    world.wait(busy)
    assert mail()[0]["subject"] == "Ж" * 100


def test_mails_that_are_not_begun_when_it_stops_are_given_back(world):
    """A server that never speaks takes up all threads; nobody begins another mail after the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        jobs = [world.enqueue("send-email", {"text": f"mail {n}"}) for n in range(12)]
        sender = world.start(SMTP_URL=f"smtp://127.0.0.1:{server.getsockname()[1]}",
                             SMTP_FROM="ops@example.org", ALERT_EMAIL="admin@example.org")
        begun = [server.accept()[0]]
        wait_until(lambda: world.count("running") == 12)
        server.setblocking(False)
        # As many as libuv has threads, by default.
        wait_until(lambda: accept_into(begun, server) or len(begun) == 4)
        sender.signal(signal.SIGTERM)
        wait_until(lambda: world.count("available") == 12)
        for connection in begun:
            connection.close()
        assert sender.wait() == 0
        accept_into(begun, server)
    assert len(begun) == 4
    rows = [world.job(job) for job in jobs]
    assert sorted(len(row.errors) for row in rows) == [0] * 8 + [1] * 4


def accept_into(connections, server):
    with contextlib.suppress(BlockingIOError):
        connections.append(server.accept()[0])
