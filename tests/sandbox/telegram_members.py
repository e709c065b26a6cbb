"""Who is in which chat: members, bans and invite links, and the control routes that say so.

Nobody has to join a group to be banned from it. A person joins by a link, as he would by a tap on it
(POST /_control/telegram/join); the link counts him.
"""

from __future__ import annotations

import secrets
from typing import Any, Callable, Mapping

from aiohttp import web

import telegram_check as check
from clock import instant_text
from control import read_order
from store import Store
from telegram_check import Refusal, bad

NAME_MAX, LIMIT_MAX = 32, 99999
#: expire_date:flags.0?int in Telegram's schema (core.telegram.org/method/messages.exportChatInvite).
DATE_MAX = 2**31 - 1
STATUSES = {"creator", "administrator", "member", "restricted", "left", "kicked", "unknown",
            "deactivated"}

SCHEMA = """
create table if not exists telegram_member (
    chat_id integer, user_id integer, status text, primary key (chat_id, user_id));
create table if not exists telegram_link (
    link text primary key, bot text, chat_id integer, name text, member_limit integer,
    expire_ms integer, revoked integer default 0, made_ms integer);
create table if not exists telegram_join (link text, user_id integer);
"""

FindChat = Callable[[str, dict[str, Any]], dict[str, Any]]


def require(chat: Mapping[str, Any], right: str, words: str) -> None:
    if chat["status"] != "administrator" or not chat.get("rights", {}).get(right, True):
        raise bad(f"not enough rights to {words}")


class Members:
    """open_chat finds the chat that a request names, or refuses."""

    def __init__(self, store: Store, clock: Any, open_chat: FindChat) -> None:
        self.store, self.clock, self.open_chat = store, clock, open_chat
        self.store.script(SCHEMA)
        self.methods = {
            "banchatmember": self.ban, "kickchatmember": self.ban, "unbanchatmember": self.unban,
            "createchatinvitelink": self.create_link, "revokechatinvitelink": self.revoke_link,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_control/telegram/join", self.join),
            web.post("/_control/telegram/members", self.set_members),
            web.get("/_control/telegram/members", self.show_members),
            web.get("/_control/telegram/links", self.show_links),
        ]

    # --- members

    def status(self, chat: int, user: int) -> str:
        row = self.store.db.execute("select status from telegram_member where chat_id = ?"
                                    " and user_id = ?", (chat, user)).fetchone()
        return row[0] if row else "left"

    def set_status(self, chat: int, user: int, status: str) -> None:
        self.store.db.execute("insert or replace into telegram_member values (?, ?, ?)",
                              (chat, user, status))

    def member(self, chat: int, user: int) -> dict[str, Any]:
        status = self.status(chat, user)
        if status == "unknown":
            raise bad("PARTICIPANT_ID_INVALID")
        if status == "deactivated":
            raise Refusal(403, "Forbidden: user is deactivated")
        found = {"status": status, "user": {"id": user, "is_bot": False, "first_name": "?"}}
        return {**found, "until_date": 0} if status == "kicked" else found

    def ban(self, bot: str, params: dict[str, Any]) -> bool:
        chat, user = self.open_chat(bot, params), check.user_id(params)
        if chat["type"] == "private":
            raise bad("can't ban members in private chats")
        require(chat, "can_restrict_members", "restrict/unrestrict chat member")
        status = self.member(chat["id"], user)["status"]
        if status == "creator":
            raise bad("can't remove chat owner")
        if status == "administrator":
            raise bad("user is an administrator of the chat")
        self.set_status(chat["id"], user, "kicked")
        return True

    def unban(self, bot: str, params: dict[str, Any]) -> bool:
        chat, user = self.open_chat(bot, params), check.user_id(params)
        if chat["type"] not in ("supergroup", "channel"):
            raise bad("method is available for supergroup and channel chats only")
        require(chat, "can_restrict_members", "restrict/unrestrict chat member")
        status = self.member(chat["id"], user)["status"]
        if status == "kicked" or params.get("only_if_banned") not in (True, "true", "1"):
            self.set_status(chat["id"], user, "left")
        return True

    # --- invite links

    def create_link(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        chat = self.open_chat(bot, params)
        if chat["type"] == "private":
            raise bad("can't create an invite link in a private chat")
        require(chat, "can_invite_users", "manage chat invite link")
        name = str(params.get("name", ""))
        if len(name) > NAME_MAX:
            raise bad("invite link name is too long")
        limit, expire = check.integer(params.get("member_limit", 0)), params.get("expire_date", 0)
        if limit is None or not 0 <= limit <= LIMIT_MAX:
            raise bad("invalid member_limit specified")
        if limit and params.get("creates_join_request"):
            raise bad("member limit can't be specified for links requiring administrator approval")
        expire = check.integer(expire)
        if expire is None or expire > DATE_MAX or (expire and expire * 1000 <= self.clock.now()):
            raise bad("EXPIRE_DATE_INVALID")
        link = f"https://t.me/+{secrets.token_urlsafe(12)}"
        self.store.db.execute(
            "insert into telegram_link (link, bot, chat_id, name, member_limit, expire_ms, made_ms)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (link, bot, chat["id"], name, limit, expire * 1000, self.clock.now()))
        return self.public(self.link(link))

    def revoke_link(self, bot: str, params: dict[str, Any]) -> dict[str, Any]:
        chat = self.open_chat(bot, params)
        require(chat, "can_invite_users", "manage chat invite link")
        if not params.get("invite_link"):
            raise bad("invite link must be non-empty")
        found = self.link(str(params["invite_link"]))
        if found is None or found["chat_id"] != chat["id"] or found["bot"] != bot:
            raise bad("INVITE_HASH_EXPIRED")
        self.store.db.execute("update telegram_link set revoked = 1 where link = ?",
                              (found["link"],))
        return self.public(self.link(found["link"]))

    def link(self, link: str) -> Any:
        return self.store.db.execute("select * from telegram_link where link = ?",
                                     (link,)).fetchone()

    @staticmethod
    def public(row: Any) -> dict[str, Any]:
        return {"invite_link": row["link"], "name": row["name"],
                "creator": {"id": int(row["bot"]), "is_bot": True, "first_name": "Sandbox"},
                "creates_join_request": False, "is_primary": False,
                "is_revoked": bool(row["revoked"]),
                **({"expire_date": row["expire_ms"] // 1000} if row["expire_ms"] else {}),
                **({"member_limit": row["member_limit"]} if row["member_limit"] else {})}

    # --- control

    async def join(self, request: web.Request) -> web.Response:
        """{"user_id", "link"}: {"joined": whether he is in now, "why": what keeps him out}"""
        order = await read_order(request)
        row, user = self.link(order["link"]), order["user_id"]
        why = self.refusal(row, user)
        if not why:
            self.set_status(row["chat_id"], user, "member")
            self.store.db.execute("insert into telegram_join values (?, ?)", (row["link"], user))
        return web.json_response({"joined": not why, "why": why})

    def refusal(self, row: Any, user: int) -> str:
        if row is None or row["revoked"]:
            return "revoked"
        if row["expire_ms"] and row["expire_ms"] <= self.clock.now():
            return "expired"
        if row["member_limit"] and len(self.joined(row["link"])) >= row["member_limit"]:
            return "used"
        status = self.status(row["chat_id"], user)
        return {"kicked": "banned", "left": "", "unknown": ""}.get(status, "member")

    def joined(self, link: str) -> list[int]:
        return [row[0] for row in self.store.db.execute(
            "select user_id from telegram_join where link = ? order by rowid", (link,))]

    async def set_members(self, request: web.Request) -> web.Response:
        """{"chat_id", "user_id", "status": one of STATUSES}"""
        order = await read_order(request)
        if order["status"] not in STATUSES:
            raise ValueError(f"status: want one of {sorted(STATUSES)}, got {order['status']!r}")
        self.set_status(order["chat_id"], order["user_id"], order["status"])
        return web.json_response({})

    async def show_members(self, request: web.Request) -> web.Response:
        """Everybody whose status was ever set; ?chat_id=, ?user_id=."""
        rows = self.store.db.execute("select * from telegram_member order by rowid").fetchall()
        return web.json_response({"members": [dict(row) for row in rows if all(
            request.query.get(name, str(row[name])) == str(row[name])
            for name in ("chat_id", "user_id"))]})

    async def show_links(self, request: web.Request) -> web.Response:
        """Every link ever made, in order; ?chat_id=."""
        rows = self.store.db.execute("select * from telegram_link order by rowid").fetchall()
        return web.json_response({"links": [
            {**dict(row), "revoked": bool(row["revoked"]), "joined": self.joined(row["link"]),
             "expires": instant_text(row["expire_ms"]) if row["expire_ms"] else None}
            for row in rows if request.query.get("chat_id", str(row["chat_id"])) ==
            str(row["chat_id"])]})
