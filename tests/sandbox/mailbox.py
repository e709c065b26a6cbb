"""A mail server (RFC 5321, AUTH PLAIN of RFC 4954) that keeps what it gets, for alerts by mail."""

from __future__ import annotations

import asyncio
import email
import email.policy
from typing import Any

from aiohttp import web

from control import read_order
from service import Context, Service


class Mailbox(Service):
    name = "mail"
    prefixes = ("/mail/",)  # no path: it speaks SMTP

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.server: asyncio.Server | None = None
        self.reset()

    def reset(self) -> None:
        self.mails: list[dict[str, Any]] = []
        #: Command and the reply that it gets instead, e.g. {"MAIL": "421 4.7.0 Try later"}.
        self.replies: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return []

    def control_routes(self) -> list[web.RouteDef]:
        return [web.get("/_control/mail", self.show), web.post("/_control/mail", self.set_replies)]

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        if self.server:
            self.server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, receivers = "", []

        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 sandbox ESMTP")
        while line := (await reader.readline()).decode().strip():
            word = line.split()[0].upper()
            if word in self.replies:
                say(self.replies[word])
            elif word == "EHLO":
                say("250-sandbox\r\n250-AUTH PLAIN\r\n250 SIZE 1000000")
            elif word == "AUTH":
                if len(line.split()) == 2:
                    say("334 ")
                    await reader.readline()
                say("235 2.7.0 Accepted")
            elif word == "MAIL":
                sender = line
                say("250 2.1.0 OK")
            elif word == "RCPT":
                receivers.append(line)
                say("250 2.1.5 OK")
            elif word == "DATA":
                say("354 Go on")
                self.keep(sender, receivers, await reader.readuntil(b"\r\n.\r\n"))
                say("250 2.0.0 OK")
            elif word == "QUIT":
                say("221 2.0.0 Bye")
                break
            else:
                say("250 OK" if word in ("NOOP", "RSET") else "502 5.5.1 Unknown")
        writer.close()

    def keep(self, sender: str, receivers: list[str], raw: bytes) -> None:
        message = email.message_from_bytes(raw[:-3], policy=email.policy.default)
        self.mails.append({"from": sender, "to": list(receivers), "subject": message["Subject"],
                           "id": message["Message-ID"], "date": message["Date"],
                           "text": message.get_content()})

    async def show(self, _request: web.Request) -> web.Response:
        assert self.server is not None
        return web.json_response({"port": self.server.sockets[0].getsockname()[1],
                                  "mails": self.mails})

    async def set_replies(self, request: web.Request) -> web.Response:
        self.replies = await read_order(request)
        return web.json_response(self.replies)
