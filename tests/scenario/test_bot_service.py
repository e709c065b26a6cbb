"""messenger/bot as a service: bad updates, order, floods, two copies, buttons pressed too late."""
import json
import signal

import pytest

from bot_world import ANNA, shop  # noqa: F401

PRIVATE = {"id": ANNA, "type": "private"}
SENDER = {"id": ANNA, "is_bot": False, "first_name": "A"}

IGNORED = [
    ({"edited_message": {"text": "x"}}, "no use for"),
    ({"poll": []}, "no use for"),
    ({}, "no use for"),
    ({"message": {"chat": {"id": -5, "type": "group"}, "from": SENDER, "text": "/start"}}, "group"),
    ({"message": {"chat": {"id": -5, "type": "channel"}, "text": "/start"}}, "group"),
    ({"message": {"chat": PRIVATE, "from": {**SENDER, "is_bot": True}, "text": "/start"}}, "bot"),
    ({"callback_query": {"id": "1", "from": SENDER, "data": "accesser&2&plans",
                         "message": {"chat": {"id": -5, "type": "supergroup"}}}}, "in a group"),
]
BAD = [
    ({"message": 5}, "update.message: want an object"),
    ({"message": []}, "update.message: want an object"),
    ({"message": {"text": "/start"}}, "message.chat: want an object"),
    ({"message": {"chat": {"id": "x", "type": "private"}}}, "chat.id: want a whole number"),
    ({"message": {"chat": {"id": 1.5, "type": "private"}}}, "chat.id: want a whole number"),
    ({"message": {"chat": {"id": 5}}}, "chat.type: want text"),
    ({"message": {"chat": PRIVATE}}, "message.from: want an object"),
    ({"message": {"chat": PRIVATE, "from": {"id": -1}}}, "from.id: want a person's id"),
    ({"message": {"chat": PRIVATE, "from": {**SENDER, "first_name": {}}}}, "from.first_name"),
    ({"message": {"chat": PRIVATE, "from": SENDER, "text": ["/start"]}}, "message.text: want text"),
    ({"callback_query": {"from": SENDER, "data": "x"}}, "callback_query.id: want text"),
    ({"callback_query": {"id": 7, "from": SENDER, "data": "x"}}, "callback_query.id: want text"),
    ({"callback_query": {"id": "7", "from": SENDER, "message": 1}}, "callback_query.message"),
    ({"my_chat_member": {"chat": {"id": -5, "type": "group"}}}, "new_chat_member: want an object"),
    ([1, 2], "no object"),
    ("text", "no object"),
]


def deep(levels):
    return {"message": {"chat": PRIVATE, "from": SENDER,
                        "reply": json.loads('{"a":' * levels + "1" + "}" * levels)}}


def test_what_cannot_be_read_ends_with_its_reason_and_stops_nobody(shop):
    jobs = [(shop.take(payload), payload, reason, "done") for payload, reason in IGNORED]
    jobs += [(shop.take(payload), payload, reason, "dead") for payload, reason in BAD]
    jobs.append((shop.take(deep(50)), "deep", "", "dead"))
    huge = shop.write("/start " + "x" * 1_000_000)
    gone = shop.take({"message": {}})
    shop.database.execute("delete from main.telegram_update where update_id ="
                          " (select max(update_id) from main.telegram_update)")
    odd = shop.database.value("select ops.enqueue('updates', 'telegram-update', '{\"updateId\": []}',"
                              " bot => 'shop')")
    bot = shop.serve()
    for job, payload, reason, state in jobs:
        row = shop.wait(job, state)
        told = row.last_error if state == "dead" else row.result["ignored"]
        assert reason in told, payload
    assert "not stored" in shop.wait(gone, "dead").last_error
    assert "updateId" in shop.wait(odd, "dead").last_error
    shop.wait(huge)
    assert "Anna" in shop.answer(shop.write("/start"))["text"]
    assert bot.process.poll() is None and len(shop.said()) == 2


def test_a_name_cannot_forge_a_message(shop):
    shop.serve()
    name = "</b><a href='x'>&amp;{{name}}\n" + "🎉" * 300
    text = shop.answer(shop.write("/start", first_name=name, username="u" * 500))["text"]
    assert "&lt;/b&gt;&lt;a href='x'&gt;&amp;amp;{{name}}" in text and "<a" not in text


def test_long_texts_are_divided(shop):
    for n in range(45):
        shop.plan(f"Plan {n} <{'ж' * 150}>")
    shop.serve()
    shop.wait(shop.write("/plans"))
    said = shop.said()
    assert len(said) > 1 and all(len(message["text"]) <= 8192 for message in said)
    assert ["replyMarkup" in message for message in said] == [False] * (len(said) - 1) + [True]
    assert len(shop.buttons(said[-1])) == 45
    shop.start("messenger/sender")
    shop.sandbox.limits(per_chat=None, per_bot=None)
    shop.wait_all()
    assert shop.count("dead") == 0, "the strict Telegram takes them"


def test_a_person_who_floods_is_told_once(shop):
    jobs = [shop.write("/start") for _ in range(40)]
    other = shop.write("/start", person=5)
    shop.serve()
    for job in (*jobs, other):
        shop.wait(job)
    said = [message["text"] for message in shop.said()]
    assert len(said) == 31 and "a lot within a minute" in said[-1]
    assert shop.job(jobs[-1]).result == {"ignored": "flood"}
    assert len(shop.said(person=5)) == 1
    shop.database.execute("update messenger.customer set said_since = now() - interval '1 minute'")
    assert "Anna" in shop.answer(shop.write("/start"))["text"]


def test_each_chat_has_its_order_with_two_bots_at_work(shop):
    shop.database.execute("insert into messenger.translation (name, from_text, to_text)"
                          " select 's' || n, 'Choose a language:', 's' || n"
                          " from generate_series(1, 8) n")
    people = range(100, 112)
    bots = [shop.serve(), shop.serve()]
    for bot in bots:
        bot.wait_line("serving")
    jobs = [shop.press(f"messenger&2&language&s{n}", person=person)
            for n in range(1, 9) for person in people]
    for job in jobs:
        shop.wait(job)
    assert {row.translation for row in shop.database.query(
        "select translation from messenger.customer")} == {"s8"}
    assert all(len(shop.said(person=person)) == 8 for person in people)
    for bot in bots:
        bot.signal(signal.SIGTERM)
        assert bot.wait() == 0
    owners = shop.database.value("select count(distinct locked_by) from ops.job"
                                 " where queue = 'updates'")
    assert owners == 2, "both had work"


@pytest.mark.parametrize("fault", ["429", "500-before", "drop-after", "401"])
def test_a_button_that_cannot_be_answered_leads_on_all_the_same(shop, fault):
    shop.sandbox.fault(fault, path="/bot100:sandbox_token/answerCallbackQuery", times=None)
    shop.serve()
    assert "Choose" in shop.answer(shop.press("messenger&2&language"))["text"]


def test_a_rate_that_cannot_be_asked_for_is_waited_for(shop):
    shop.database.execute("""
create function main.no() returns trigger language plpgsql as $$ begin raise 'no rate'; end $$;
create trigger no before update on ops.rate execute function main.no()""")
    bot = shop.serve()
    try:
        job = shop.press("messenger&2&start")
        bot.wait_line("a bot's rate cannot be asked for")
    finally:
        shop.database.execute("drop function main.no cascade")
    shop.wait(job)
    [row] = shop.database.query("select * from ops.job where id = %s", job)
    assert (row.state, row.attempt, row.errors) == ("done", 1, [])


def test_an_update_taken_twice_is_answered_once(shop):
    """As by a process that was taken for dead, or a job queued again by hand."""
    shop.serve()
    first = shop.write("/start")
    shop.wait(first)
    again = shop.database.value(
        "select ops.enqueue('updates', 'telegram-update', payload, bot => 'shop') from ops.job"
        " where id = %s", first)
    assert shop.wait(again).result == {"ignored": "answered before"}
    assert len(shop.said()) == 1


def test_a_lost_database_is_waited_for(shop):
    bot = shop.serve()
    shop.wait(shop.write("/start"))
    shop.database.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                          " where application_name like 'messenger/bot%'")
    shop.wait(shop.write("/start"))
    assert bot.process.poll() is None and len(shop.said()) == 2
