"""Webhooks of the stand-in Bot API: setting them as strictly as Telegram does, and delivering to them.

Updates of one chat go one after the other, chats beside each other, at most max_connections at a
time. What is not answered with 2xx comes again, with a delay that doubles up to a minute, or when
Retry-After says, for a day.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from clock import Clock
from control import read_order
from telegram_check import Refusal, bad

SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
PORTS = (443, 80, 88, 8443)
DAY_MS = 24 * 3600 * 1000
RETRY_AFTER_MOST_S, DELAY_MOST_S, ANSWER_S = 3600, 60.0, 60
NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}


@dataclass
class Update:
    update: dict[str, Any]
    at_ms: int
    tries: int = 0
    statuses: list[int] = field(default_factory=list)
    delivered: bool = False
    dropped: bool = False


@dataclass
class Hook:
    url: str = ""
    secret: str | None = None
    allowed: list[str] | None = None
    max_connections: int = 40
    set_ms: int | None = None
    error: tuple[int, str] | None = None
    updates: list[Update] = field(default_factory=list)
    lanes: dict[str, deque[Update]] = field(default_factory=dict)

    def waiting(self) -> int:
        return sum(not (u.delivered or u.dropped) for u in self.updates)

    def wants(self, update: dict[str, Any]) -> bool:
        kinds = set(update) - {"update_id"}
        if self.allowed:
            return bool(kinds & set(self.allowed))
        return not kinds & NOT_BY_DEFAULT


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def truth(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def names(value: Any) -> list[str] | None:
    """allowed_updates: a list, or its JSON text in a form."""
    found = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise bad("can't parse allowed updates: expected an Array")
    return found or None


def lane_of(update: dict[str, Any]) -> str:
    for kind in update.values():
        if isinstance(kind, dict):
            chat = kind.get("chat") or (kind.get("message") or {}).get("chat") or kind.get("from")
            if chat:
                return str(chat.get("id"))
    return ""


class Webhooks:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.methods: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "setwebhook": self.set_webhook, "deletewebhook": self.delete_webhook,
            "getwebhookinfo": self.get_webhook_info,
        }
        self.session: aiohttp.ClientSession | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        for task in getattr(self, "tasks", ()):
            task.cancel()
        self.hooks: dict[str, Hook] = {}
        self.last_id = 0
        self.loopback = True      # http and any port, on this machine
        self.unresolved = 0       # so many setWebhook fail to find the host
        self.first_delay_s = 1.0

    async def stop(self) -> None:
        self.reset()
        if self.session:
            await self.session.close()

    def hook(self, bot: str) -> Hook:
        return self.hooks.setdefault(bot, Hook())

    # --- methods

    def check_url(self, url: str) -> None:
        parts = urlsplit(url)
        local = self.loopback and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not (local and parts.scheme == "http"):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if not local and (parts.port or 443) not in PORTS:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if not local and is_loopback(parts.hostname or ""):
            raise bad(f"bad webhook: IP address {parts.hostname} is reserved")
        if self.unresolved:
            self.unresolved -= 1
            raise bad("bad webhook: Failed to resolve host: Name or service not known")

    def set_webhook(self, bot: str, params: dict[str, Any]) -> bool:
        url, hook, now = str(params.get("url", "")), self.hook(bot), self.clock.now()
        if not url:
            return self.delete_webhook(bot, params)
        if hook.set_ms is not None and 0 <= now - hook.set_ms < 1000:
            raise Refusal(429, "Too Many Requests: retry after 1", retry_after=1)
        self.check_url(url)
        secret = params.get("secret_token")
        if secret and not SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters" if len(secret) <= 256
                      else "secret token is too long")
        connections = int(params.get("max_connections", 40))
        if not 1 <= connections <= 100:
            raise bad("max_connections is out of range")
        if "allowed_updates" in params:
            hook.allowed = names(params["allowed_updates"])
        hook.url, hook.secret, hook.max_connections = url, secret or None, connections
        hook.set_ms, hook.error = now, None
        if truth(params.get("drop_pending_updates")):
            self.drop(hook)
        self.deliver_all(bot)
        return True

    def delete_webhook(self, bot: str, params: dict[str, Any]) -> bool:
        hook = self.hook(bot)
        hook.url, hook.secret, hook.error = "", None, None
        if truth(params.get("drop_pending_updates")):
            self.drop(hook)
        return True

    def get_webhook_info(self, bot: str, _params: dict[str, Any]) -> dict[str, Any]:
        hook = self.hook(bot)
        info: dict[str, Any] = {"url": hook.url, "has_custom_certificate": False,
                                "pending_update_count": hook.waiting()}
        if hook.error:
            info["last_error_date"], info["last_error_message"] = hook.error
        if hook.url:
            info.update(max_connections=hook.max_connections, ip_address="127.0.0.1")
        if hook.allowed:
            info["allowed_updates"] = hook.allowed
        return info

    @staticmethod
    def drop(hook: Hook) -> None:
        for update in hook.updates:
            update.dropped = update.dropped or not update.delivered

    # --- delivery

    def deliver_all(self, bot: str) -> None:
        for lane in self.hook(bot).lanes:
            self.deliver(bot, lane)

    def deliver(self, bot: str, lane: str) -> None:
        name = f"{bot}/{lane}"
        if any(task.get_name() == name and not task.done() for task in self.tasks):
            return
        task = asyncio.get_running_loop().create_task(self.drain(bot, lane), name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def drain(self, bot: str, lane: str) -> None:
        hook = self.hook(bot)
        waiting, delay = hook.lanes[lane], self.first_delay_s
        while waiting and hook.url:
            update = waiting[0]
            if update.dropped or self.clock.now() - update.at_ms > DAY_MS:
                update.dropped = True
                waiting.popleft()
                continue
            status, wait = await self.post(hook, update)
            if 200 <= status < 300:
                update.delivered = True
                waiting.popleft()
                delay = self.first_delay_s
                continue
            hook.error = (self.clock.now() // 1000,
                          f"Wrong response from the webhook: {status}" if status
                          else "Can't connect to the webhook")
            await asyncio.sleep(wait if wait is not None else delay)
            delay = min(delay * 2, DELAY_MOST_S)

    async def post(self, hook: Hook, update: Update) -> tuple[int, float | None]:
        """The status, 0 for none, and Retry-After."""
        if self.session is None:
            self.session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ANSWER_S),
                connector=aiohttp.TCPConnector(limit=hook.max_connections))
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        update.tries += 1
        try:
            async with self.session.post(hook.url, data=json.dumps(update.update),
                                         headers=headers) as answer:
                await answer.read()
                update.statuses.append(answer.status)
                after = answer.headers.get("Retry-After", "")
                wait = min(int(after), RETRY_AFTER_MOST_S) if after.isdecimal() else None
                return answer.status, wait
        except (aiohttp.ClientError, asyncio.TimeoutError):
            update.statuses.append(0)
            return 0, None

    # --- control

    def control_routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_control/telegram/updates", self.make_updates),
            web.get("/_control/telegram/updates", self.show_updates),
            web.post("/_control/telegram/webhook", self.set_rules),
        ]

    async def make_updates(self, request: web.Request) -> web.Response:
        """{"bot": "100", "updates": [{"message": …}]}: what happened to the bot; ids are given
        where they are missing. Returns the ids of those that the webhook's allowed_updates want."""
        order = await read_order(request)
        bot, ids = str(order["bot"]), []
        hook = self.hook(bot)
        for given in order["updates"]:
            self.last_id = max(self.last_id + 1, given.get("update_id", 0))
            update = {"update_id": self.last_id, **given}
            if not hook.wants(update):
                continue
            ids.append(update["update_id"])
            made = Update(update, self.clock.now())
            hook.updates.append(made)
            lane = lane_of(update)
            hook.lanes.setdefault(lane, deque()).append(made)
            if hook.url:
                self.deliver(bot, lane)
        return web.json_response({"ids": ids})

    async def show_updates(self, request: web.Request) -> web.Response:
        """?bot=: each update, how often it was sent, and what was answered."""
        bots = [request.query["bot"]] if "bot" in request.query else list(self.hooks)
        return web.json_response({"updates": [
            {"bot": bot, "update_id": u.update["update_id"], "delivered": u.delivered,
             "dropped": u.dropped, "tries": u.tries, "statuses": u.statuses}
            for bot in bots for u in self.hook(bot).updates]})

    async def set_rules(self, request: web.Request) -> web.Response:
        """{"loopback": false} as strict as Telegram about http and ports, {"unresolved": N},
        {"first_delay_s": 0.1}"""
        order = await read_order(request)
        self.loopback = bool(order.pop("loopback", self.loopback))
        self.unresolved = int(order.pop("unresolved", self.unresolved))
        self.first_delay_s = float(order.pop("first_delay_s", self.first_delay_s))
        if order:
            raise ValueError(f"unknown: {sorted(order)}")
        return web.json_response({})
