#!/usr/bin/python3
"""One program that stands in for the outside services, for the demo and for the tests.

    sandbox.py [--listen 127.0.0.1:PORT] [--state FILE] [--port-file FILE]

It refuses wrong requests as the real services would; what goes wrong on purpose is switched on over
/_control/ (README.md). Port 0 is any free one: it is printed and written to --port-file. Where it
listens when nothing is said comes from SANDBOX_LISTEN.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from typing import Awaitable, Callable

from aiohttp import web

from clock import Clock
from control import Control, explain_mistakes
from faults import Faults
from journal import Journal
from mailbox import Mailbox
from s3 import S3
from service import Context, Service
from store import Store
from telegram import Telegram
from tron import Tron
from vendista import Vendista
from yookassa import YooKassa

SERVICES: list[type[Service]] = [YooKassa, Telegram, S3, Mailbox, Vendista, Tron]
SHUTDOWN_SECONDS = 1.0
BODY_MAX = 8 << 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sandbox:
    def __init__(self, state: str | None) -> None:
        self.store = Store(state)
        self.clock = Clock(self.store)
        self.journal = Journal()
        self.services = [kind(Context(self.store, self.clock)) for kind in SERVICES]
        self.faults = Faults(self.services)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[explain_mistakes, self.play], client_max_size=BODY_MAX)
        control = Control(self.store, self.clock, self.faults, self.journal, self.services)
        app.add_routes(control.routes())
        for service in self.services:
            app.add_routes(service.control_routes())
            app.add_routes(service.routes())
        return app

    def service_of(self, path: str) -> Service | None:
        return next((s for s in self.services if path.startswith(s.prefixes)), None)

    @web.middleware
    async def play(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Logs the request, lets a fault act on it, words the router's own errors."""
        service = self.service_of(request.path)
        if service is None:
            return await handler(request)
        entry = self.journal.open(service.name, request, await request.read())
        request["body"] = entry.body
        entry.metadata = dict(service.metadata(request, entry.body))
        fault = self.faults.take(entry)
        entry.fault = fault.do if fault else None
        try:
            if fault:
                response = await self.faults.answer(request, service, fault, handler)
            else:
                response = await handler(request)
        except web.HTTPException as refusal:
            response = service.error(refusal.status)
        entry.status = 0 if "dropped" in request else response.status
        return response

    async def run(self, host: str, port: int, port_file: str | None) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, host, port, shutdown_timeout=SHUTDOWN_SECONDS, backlog=1024)
        await site.start()
        for service in self.services:
            await service.start()
        announce(runner.addresses[0][1], host, port_file)
        await stop.wait()
        self.faults.holds.release()
        for service in self.services:
            await service.stop()
        await runner.cleanup()
        self.store.close()


def announce(port: int, host: str, port_file: str | None) -> None:
    print(f"listening on http://{host}:{port}", flush=True)
    if port_file:
        with open(port_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{port}\n")
        os.replace(port_file + ".new", port_file)
    notify("READY=1")


def notify(message: str) -> None:
    """sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), "\0" + address[1:] if address[0] == "@" else address)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="stand-ins for the outside services")
    parser.add_argument("--listen", metavar="HOST:PORT",
                        default=os.environ.get("SANDBOX_LISTEN", "127.0.0.1:8765"))
    parser.add_argument("--state", metavar="FILE", help="keep the state here (default: in memory)")
    parser.add_argument("--port-file", metavar="FILE", help="write the port here once it answers")
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        parser.error(f"--listen: want HOST:PORT, got {arguments.listen!r}")
    arguments.host, arguments.port = host, int(port)
    return arguments


def main() -> int:
    arguments = parse_arguments()
    try:
        sandbox = Sandbox(arguments.state)
        asyncio.run(sandbox.run(arguments.host, arguments.port, arguments.port_file))
    except OSError as problem:
        print(f"sandbox: cannot listen on {arguments.listen}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
