"""The Bot API: messages to people and groups, and the control routes that say what became of them.

Every chat exists until a test says otherwise: a positive id is a person who pressed Start, a negative
one a supergroup whose administrator the bot is.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Mapping

from aiohttp import web

import telegram_check as check
from clock import instant_text
from control import read_order
from faults import Fault
from service import Context, Service
from telegram_check import Refusal, bad
from telegram_limits import Limits
from telegram_members import Members
from telegram_webhook import Webhooks

TWO_DAYS_MS = 48 * 3600 * 1000
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{3,}")

SCHEMA = """
create table if not exists telegram_message (
    bot text, chat_id integer, message_id integer, date_ms integer, method text, text text,
    params text, deleted_ms integer, primary key (bot, chat_id, message_id));
create table if not exists telegram_chat (bot text, chat_id integer, chat text,
    primary key (bot, chat_id));
"""

FORBIDDEN = "Forbidden: "
#: What a chat's state answers to those who write to it.
STATES: dict[str, tuple[int, str]] = {
    "blocked": (403, FORBIDDEN + "bot was blocked by the user"),
    "deactivated": (403, FORBIDDEN + "user is deactivated"),
    "never_started": (403, FORBIDDEN + "bot can't initiate conversation with a user"),
    "bot": (403, FORBIDDEN + "bot can't send messages to bots"),
    "kicked": (403, FORBIDDEN + "bot was kicked from the supergroup chat"),
    "not_member": (403, FORBIDDEN + "bot is not a member of the supergroup chat"),
    "deleted": (403, FORBIDDEN + "the group chat was deleted"),
    "not_found": (400, "Bad Request: chat not found"),
    "no_rights": (400, "Bad Request: not enough rights to send text messages to the chat"),
    "migrated": (400, "Bad Request: group chat was upgraded to a supergroup chat"),
}
#: These may be asked about, though not written to.
VISIBLE = {"ok", "no_rights", "blocked", "never_started", "bot"}

ERRORS = {400: "Bad Request", 401: "Unauthorized", 403: STATES["blocked"][1], 404: "Not Found",
          429: "Too Many Requests", 500: "Internal Server Error"}


def failure(code: int, description: str, parameters: Mapping[str, Any]) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = dict(parameters)
    response = web.json_response(body, status=code)
    if "retry_after" in parameters:
        response.headers["Retry-After"] = str(parameters["retry_after"])
    return response


class Telegram(Service):
    name = "telegram"
    prefixes = ("/bot",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.store, self.clock = context.store, context.clock
        self.store.script(SCHEMA)
        self.limits = Limits()
        self.webhooks = Webhooks(self.clock)
        self.revoked: set[str] = set()
        self.members = Members(self.store, self.clock, self.open_chat)
        self.methods: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "getme": self.get_me, "getchat": self.get_chat,
            "getchatmember": self.get_chat_member,
            "getchatmembercount": self.get_chat_member_count,
            "sendmessage": self.send_message, "sendphoto": self.send_photo,
            "deletemessage": self.delete_message, "deletemessages": self.delete_messages,
            "answercallbackquery": self.answer_callback_query,
            **self.members.methods,
            **self.webhooks.methods,
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/bot{token:[^/]*}/{method:.*}", self.call)]

    def control_routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_control/telegram/chats", self.set_chats),
            web.post("/_control/telegram/limits", self.set_limits),
            web.post("/_control/telegram/tokens", self.set_tokens),
            web.get("/_control/telegram/limits", self.show_limits),
            web.get("/_control/telegram/messages", self.show_messages),
            *self.members.routes(),
            *self.webhooks.control_routes(),
        ]

    def reset(self) -> None:
        self.limits.reset()
        self.revoked.clear()
        self.webhooks.reset()

    async def stop(self) -> None:
        await self.webhooks.stop()

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        params = body if isinstance(body, dict) else dict(request.query)
        return {"chat_id": str(params.get("chat_id", ""))}

    def error(self, status: int, fault: Fault | None = None) -> web.Response:
        words = fault.params if fault else {}
        description = words.get("description", ERRORS.get(status, "Internal Server Error"))
        parameters = {}
        if status == 429:
            seconds = words.get("retry_after", 1)
            description, parameters = f"{description}: retry after {seconds}", {
                "retry_after": seconds}
        return failure(words.get("code", status), description, parameters)

    # --- requests

    async def call(self, request: web.Request) -> web.Response:
        try:
            bot = self.admit(request.match_info["token"])
            method = self.methods.get(request.match_info["method"].lower())
            if method is None:
                raise Refusal(404, "Not Found: method not found")
            result = method(bot, await self.params(request))
        except Refusal as refusal:
            return failure(refusal.code, refusal.description, refusal.parameters)
        return web.json_response({"ok": True, "result": result})

    def admit(self, token: str) -> str:
        if not TOKEN.fullmatch(token):
            raise Refusal(404, "Not Found")
        if token in self.revoked:
            raise Refusal(401, "Unauthorized")
        return token.split(":")[0]

    async def params(self, request: web.Request) -> dict[str, Any]:
        params: dict[str, Any] = dict(request.query)
        if not await request.read():
            return params
        if request.content_type == "application/json":
            body = request["body"]
            if not isinstance(body, dict):
                raise bad("can't parse JSON object")
            params.update({name: value for name, value in body.items() if value is not None})
        else:
            params.update(dict(await request.post()))
        return params

    # --- chats

    def chat(self, bot: str, number: int | str) -> dict[str, Any]:
        if isinstance(number, str):
            raise bad("chat not found")
        row = self.store.db.execute("select chat from telegram_chat where bot in (?, '') and"
                                    " chat_id = ? order by bot desc", (bot, number)).fetchone()
        kind = "private" if number > 0 else "supergroup"
        return {"id": number, "type": kind, "state": "ok", "status": "administrator",
                "title": f"Chat {number}", "members": 100, **(json.loads(row[0]) if row else {})}

    def open_chat(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        """A chat that can be written to."""
        chat = self.chat(bot, check.chat_id(params))
        if chat["state"] != "ok":
            code, words = STATES[chat["state"]]
            extra = {"migrate_to_chat_id": chat["to"]} if chat["state"] == "migrated" else {}
            raise Refusal(code, words, **extra)
        return chat

    def seen_chat(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        chat = self.chat(bot, check.chat_id(params))
        return chat if chat["state"] in VISIBLE else self.open_chat(bot, params)

    @staticmethod
    def public(chat: dict[str, Any]) -> dict[str, Any]:
        name = "first_name" if chat["type"] == "private" else "title"
        return {"id": chat["id"], "type": chat["type"], name: chat["title"],
                **({"permissions": chat["permissions"]} if "permissions" in chat else {})}

    def get_me(self, bot: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {"id": int(bot), "is_bot": True, "first_name": "Sandbox",
                "username": f"sandbox_{bot}_bot", "can_join_groups": True,
                "can_read_all_group_messages": False, "supports_inline_queries": False}

    def get_chat(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        return self.public(self.seen_chat(bot, params))

    def get_chat_member(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        chat, user = self.seen_chat(bot, params), check.user_id(params)
        if user != int(bot):
            return self.members.member(chat["id"], user)
        member: dict[str, Any] = {"status": chat["status"], "user": self.get_me(bot, {})}
        if chat["status"] == "administrator":
            rights = {"can_manage_chat": True, "can_delete_messages": True,
                      "can_restrict_members": True, "can_invite_users": True,
                      "can_be_edited": False, "is_anonymous": False}
            member.update({**rights, **chat.get("rights", {})})
        return member

    def get_chat_member_count(self, bot: str, params: dict[str, Any]) -> int:
        return int(self.seen_chat(bot, params)["members"])

    # --- buttons

    def answer_callback_query(self, _bot: str, params: dict[str, Any]) -> bool:
        """Ids are numbers; anything else is as if the button had been pressed too long ago."""
        check.callback_answer(params)
        return True

    # --- messages

    def send(self, bot: str, method: str, params: dict[str, Any], text: str) -> dict[str, Any]:
        markup = check.reply_markup(params)
        reply = check.reply_to(params)
        chat = self.open_chat(bot, params)
        if reply and not reply[1] and not self.message(bot, chat["id"], reply[0]):
            raise bad("message to be replied not found")
        wait = self.limits.take(bot, chat["id"])
        if wait:
            raise Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        now = self.clock.now()
        number = self.store.db.execute(
            "select coalesce(max(message_id), 0) + 1 from telegram_message"
            " where bot = ? and chat_id = ?", (bot, chat["id"])).fetchone()[0]
        self.store.db.execute(
            "insert into telegram_message values (?, ?, ?, ?, ?, ?, ?, null)",
            (bot, chat["id"], number, now, method, text, json.dumps(params)))
        return {"message_id": number, "date": now // 1000, "chat": self.public(chat),
                "from": self.get_me(bot, {}),
                **({"reply_markup": markup} if markup else {}),
                **({"text": text} if method == "sendMessage"
                   else {"caption": text, "photo": [{"file_id": "A" * 24, "width": 1,
                                                     "height": 1}]})}

    def send_message(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        check.chat_id(params)
        return self.send(bot, "sendMessage", params, check.message_text(params))

    def send_photo(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        check.chat_id(params)
        check.photo(params)
        caption = check.visible_text(params.get("caption"), params.get("parse_mode"),
                                     check.CAPTION_MAX, "message caption is too long")
        return self.send(bot, "sendPhoto", params, caption)

    def message(self, bot: str, chat: int, number: int) -> Any:
        return self.store.db.execute(
            "select * from telegram_message where bot = ? and chat_id = ? and message_id = ?"
            " and deleted_ms is null", (bot, chat, number)).fetchone()

    def refuse_deletion(self, message: Any, chat: dict[str, Any]) -> None:
        rights = chat["type"] == "private" or (
            chat["status"] == "administrator"
            and chat.get("rights", {}).get("can_delete_messages", True))
        if message["date_ms"] + TWO_DAYS_MS <= self.clock.now() or not rights:
            raise bad("message can't be deleted")

    def delete_messages(self, bot: str, params: dict[str, Any]) -> bool:
        """Missing ones are passed over; one that may not be deleted spoils the whole call."""
        numbers = check.message_ids(params)
        chat = self.open_chat(bot, params)
        found = [message for number in numbers
                 if (message := self.message(bot, chat["id"], number))]
        for message in found:
            self.refuse_deletion(message, chat)
        for message in found:
            self.delete(message)
        return True

    def delete_message(self, bot: str, params: dict[str, Any]) -> bool:
        number = check.message_id(params)
        chat = self.open_chat(bot, params)
        message = self.message(bot, chat["id"], number)
        if message is None:
            raise bad("message to delete not found")
        self.refuse_deletion(message, chat)
        self.delete(message)
        return True

    def delete(self, message: Any) -> None:
        self.store.db.execute(
            "update telegram_message set deleted_ms = ? where bot = ? and chat_id = ?"
            " and message_id = ?",
            (self.clock.now(), message["bot"], message["chat_id"], message["message_id"]))

    # --- control

    async def set_chats(self, request: web.Request) -> web.Response:
        """{"ids": [...], "state": NAME of STATES or "ok", "bot"?, "to"?, "title"?, "type"?,
        "members"?, "status"?, "rights"?, "permissions"?}"""
        order = await read_order(request)
        ids, bot = order.pop("ids"), str(order.pop("bot", ""))
        state = order.get("state", "ok")
        if state != "ok" and state not in STATES:
            raise ValueError(f"state: want ok or one of {sorted(STATES)}, got {state!r}")
        with self.store.transaction() as db:
            for number in ids:
                db.execute("insert or replace into telegram_chat values (?, ?, ?)",
                           (bot, number, json.dumps(order)))
        return web.json_response({})

    async def set_limits(self, request: web.Request) -> web.Response:
        self.limits.set(await read_order(request))
        return web.json_response(self.limits.settings)

    async def show_limits(self, _request: web.Request) -> web.Response:
        return web.json_response({**self.limits.settings, "refused": self.limits.refused})

    async def set_tokens(self, request: web.Request) -> web.Response:
        """{"revoked": [TOKEN, ...]}"""
        self.revoked = set((await read_order(request))["revoked"])
        return web.json_response({})

    async def show_messages(self, request: web.Request) -> web.Response:
        """All that was ever sent, in order; ?bot=, ?chat_id=."""
        rows = self.store.db.execute("select * from telegram_message order by rowid").fetchall()
        found = [{**dict(row), "params": json.loads(row["params"]),
                  "date": instant_text(row["date_ms"])}
                 for row in rows
                 if request.query.get("bot", row["bot"]) == row["bot"]
                 and request.query.get("chat_id", str(row["chat_id"])) == str(row["chat_id"])]
        return web.json_response({"messages": found})
