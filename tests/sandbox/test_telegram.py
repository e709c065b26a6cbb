"""The Telegram stand-in refuses what the Bot API refuses, in its words."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Iterable

import pytest
from fixture import BOT_TOKEN, Sandbox
from telegram_html import ParseError, parse_html

GROUP = -1001234567890


def call(sandbox: Sandbox, method: str, *, token: str = BOT_TOKEN, **params: Any) -> Any:
    """(status, result or description, headers)"""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
    connection.request("POST", f"/bot{token}/{method}", json.dumps(params),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert answer["ok"] == (response.status == 200)
    if not answer["ok"]:
        assert answer["error_code"] == response.status
    return response.status, answer.get("result", answer.get("description")), answer, response


def refused(sandbox: Sandbox, method: str, **params: Any) -> str:
    status, words, *_ = call(sandbox, method, **params)
    assert status != 200
    return f"{status} {words}"


def test_a_message_is_sent_and_deleted(sandbox: Sandbox) -> None:
    _, sent, *_ = call(sandbox, "sendMessage", chat_id=7, text="<b>a</b> &amp;", parse_mode="HTML")
    assert (sent["message_id"], sent["text"], sent["chat"]["type"]) == (1, "a &", "private")
    assert call(sandbox, "DELETEMESSAGE", chat_id="7", message_id=1)[1] is True
    assert refused(sandbox, "deleteMessage", chat_id=7, message_id=1).endswith(
        "message to delete not found")
    [message] = sandbox.messages(7)
    assert message["deleted_ms"]


@pytest.mark.parametrize("params, want", [
    ({"text": "a"}, "chat_id is empty"),
    ({"chat_id": "x", "text": "a"}, "chat not found"),
    ({"chat_id": 7}, "message text is empty"),
    ({"chat_id": 7, "text": " \n"}, "message text is empty"),
    ({"chat_id": 7, "text": "a" * 4097}, "message is too long"),
    ({"chat_id": 7, "text": "<b>a", "parse_mode": "HTML"},
     "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
    ({"chat_id": 7, "text": "a", "parse_mode": "html5"}, "unsupported parse_mode"),
    ({"chat_id": 7, "text": "a", "reply_parameters": {"message_id": 9}},
     "message to be replied not found"),
    ({"chat_id": 7, "text": "a", "reply_markup": {"inline_keyboard": [[{
        "text": "a", "callback_data": "x" * 65}]]}}, "BUTTON_DATA_INVALID"),
])
def test_wrong_messages_are_refused(sandbox: Sandbox, params: dict[str, Any], want: str) -> None:
    assert refused(sandbox, "sendMessage", **params) == f"400 Bad Request: {want}"
    assert sandbox.messages() == []


def test_lengths_are_code_points_after_parsing(sandbox: Sandbox) -> None:
    text = "<b>" + "\U0001F600" * 4096 + "</b>"
    assert call(sandbox, "sendMessage", chat_id=7, text=text, parse_mode="HTML")[0] == 200


@pytest.mark.parametrize("html, want", [
    ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
    ("<h1>a</h1>", 'Unsupported start tag "h1" at byte offset 0'),
    ("a</b>", "Unexpected end tag at byte offset 1"),
    ("<b><i>a</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
    ("<a href=>x</a>", "Expected equal sign"),
    ("<b", "Unclosed start tag at byte offset 0"),
])
def test_wrong_html_is_refused(html: str, want: str) -> None:
    with pytest.raises(ParseError, match=want.replace("(", r"\(")):
        parse_html(html)


def test_right_html_is_understood() -> None:
    assert parse_html('<a href="http://x/?a=1&amp;b">a &lt; &#98; &foo;</a><tg-spoiler >c</>'
                      '<span class="tg-spoiler">d</span>') == "a < b &foo;cd"


def test_states_of_a_chat(sandbox: Sandbox) -> None:
    for state, want in {"blocked": "403 Forbidden: bot was blocked by the user",
                        "not_found": "400 Bad Request: chat not found",
                        "kicked": "403 Forbidden: bot was kicked from the supergroup chat",
                        "no_rights": "400 Bad Request: not enough rights to send text messages to"
                                     " the chat"}.items():
        sandbox.chats([7], state)
        assert refused(sandbox, "sendMessage", chat_id=7, text="a") == want
    sandbox.chats([-5], "migrated", to=GROUP)
    answer = call(sandbox, "sendMessage", chat_id=-5, text="a")[2]
    assert answer["parameters"] == {"migrate_to_chat_id": GROUP}


def test_tokens(sandbox: Sandbox) -> None:
    assert call(sandbox, "getMe")[1]["id"] == 100
    assert call(sandbox, "getMe", token="x")[:2] == (404, "Not Found")
    assert call(sandbox, "getThem")[:2] == (404, "Not Found: method not found")
    sandbox.control("POST", "telegram/tokens", {"revoked": [BOT_TOKEN]})
    assert call(sandbox, "getMe")[:2] == (401, "Unauthorized")


def before_one_is_refused(sandbox: Sandbox, chats: Iterable[int]) -> tuple[int, float, Any, Any]:
    """How many messages Telegram took of those to the chats, in how many seconds; its refusal."""
    began = time.monotonic()
    for count, chat in enumerate(chats):
        status, words, answer, response = call(sandbox, "sendMessage", chat_id=chat, text="a")
        if status != 200:
            assert (status, words) == (429, "Too Many Requests: retry after 1")
            return count, time.monotonic() - began, answer, response
    raise AssertionError("none was refused")


def test_who_sends_too_fast_has_to_wait(sandbox: Sandbox) -> None:
    count, seconds, answer, response = before_one_is_refused(sandbox, [7] * 1000)
    assert 3 <= count <= 3 + seconds
    assert answer["parameters"] == {"retry_after": 1} and response.headers["Retry-After"] == "1"
    for _ in range(20):
        assert call(sandbox, "sendMessage", chat_id=GROUP, text="a")[0] == 200
    assert call(sandbox, "sendMessage", chat_id=GROUP, text="a")[0] == 429
    assert sandbox.limits()["refused"] == 2 and sandbox.limits()["per_bot"] == 30
    sandbox.limits(per_bot=5)
    count, seconds, *_ = before_one_is_refused(sandbox, range(8, 1000))
    assert 5 <= count <= 5 + 5 * seconds
    assert sandbox.limits(per_bot=None)["refused"] == 3
    assert call(sandbox, "sendMessage", chat_id=2000, text="a")[0] == 200


def test_one_message_that_may_not_be_deleted_spoils_the_whole_call(sandbox: Sandbox) -> None:
    sandbox.clock(now="2026-03-10T00:00:00Z")
    old = call(sandbox, "sendMessage", chat_id=GROUP, text="a")[1]["message_id"]
    sandbox.clock(advance="48h")
    new = call(sandbox, "sendMessage", chat_id=GROUP, text="a")[1]["message_id"]
    both = {"chat_id": GROUP, "message_ids": [old, new, 99]}
    assert refused(sandbox, "deleteMessages", **both).endswith("message can't be deleted")
    assert not any(message["deleted_ms"] for message in sandbox.messages())
    assert call(sandbox, "deleteMessages", chat_id=GROUP, message_ids=[new, 99])[1] is True
    assert refused(sandbox, "deleteMessages", chat_id=GROUP).endswith("are not specified")
    assert refused(sandbox, "deleteMessages", chat_id=GROUP,
                   message_ids=list(range(101))).endswith("too many message identifiers specified")


def test_what_the_bot_may_in_a_chat(sandbox: Sandbox) -> None:
    sandbox.chats([GROUP], title="Ours", members=5, rights={"can_delete_messages": False})
    assert call(sandbox, "getChat", chat_id=GROUP)[1] == {
        "id": GROUP, "type": "supergroup", "title": "Ours"}
    member = call(sandbox, "getChatMember", chat_id=GROUP, user_id=100)[1]
    assert member["status"] == "administrator" and not member["can_delete_messages"]
    assert call(sandbox, "getChatMember", chat_id=GROUP, user_id=5)[1]["status"] == "left"
    assert call(sandbox, "getChatMemberCount", chat_id=GROUP)[1] == 5


def test_faults_are_in_the_words_of_the_bot_api(sandbox: Sandbox) -> None:
    sandbox.fault("429", retry_after=7)
    assert call(sandbox, "sendMessage", chat_id=7, text="a")[2]["parameters"] == {"retry_after": 7}
    sandbox.fault("500-after", metadata={"chat_id": "7"})
    assert refused(sandbox, "sendMessage", chat_id=7, text="a") == "500 Internal Server Error"
    assert len(sandbox.messages(7)) == 1
