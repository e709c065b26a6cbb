"""The part of the control API that does not depend on the service, under /_control/."""

from __future__ import annotations

import json
from typing import Any, Awaitable, Callable

from aiohttp import web

from clock import Clock, instant_text
from faults import Faults
from journal import Journal
from service import Service
from store import Store


async def read_order(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    order = json.loads(raw) if raw else {}
    if not isinstance(order, dict):
        raise ValueError("want a JSON object")
    return order


@web.middleware
async def explain_mistakes(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A test that misuses the control API reads why."""
    if not request.path.startswith("/_control/"):
        return await handler(request)
    try:
        return await handler(request)
    except (ValueError, KeyError, TypeError) as mistake:
        return web.json_response({"error": f"{type(mistake).__name__}: {mistake}"}, status=400)


class Control:
    def __init__(self, store: Store, clock: Clock, faults: Faults, journal: Journal,
                 services: list[Service]) -> None:
        self.store, self.clock, self.faults, self.journal = store, clock, faults, journal
        self.services = services

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_control/state", self.state),
            web.post("/_control/reset", self.reset),
            web.post("/_control/clock", self.set_clock),
            web.post("/_control/faults", self.add_faults),
            web.delete("/_control/faults", self.remove_faults),
            web.post("/_control/release", self.release),
            web.get("/_control/requests", self.requests),
            web.delete("/_control/requests", self.forget_requests),
        ]

    async def state(self, _request: web.Request) -> web.Response:
        return web.json_response({
            "now": instant_text(self.clock.now()),
            "held": self.faults.holds.count(),
            "faults": self.faults.describe(),
        })

    async def reset(self, _request: web.Request) -> web.Response:
        """As freshly started without a state."""
        self.faults.remove(None)
        self.faults.holds.release()
        self.journal.clear()
        self.store.clear()
        self.clock.reset()
        for service in self.services:
            service.reset()
        return web.json_response({})

    async def set_clock(self, request: web.Request) -> web.Response:
        self.clock.set(await read_order(request))
        return web.json_response({"now": instant_text(self.clock.now())})

    async def add_faults(self, request: web.Request) -> web.Response:
        fault = self.faults.add(await read_order(request))
        return web.json_response(fault.describe(), status=201)

    async def remove_faults(self, request: web.Request) -> web.Response:
        """All of them, or ?id=N."""
        number = request.query.get("id")
        self.faults.remove(int(number) if number else None)
        return web.json_response({"faults": self.faults.describe()})

    async def release(self, _request: web.Request) -> web.Response:
        return web.json_response({"released": self.faults.holds.release()})

    async def requests(self, request: web.Request) -> web.Response:
        """?method=POST&path=/v3/payments (a prefix)."""
        found = self.journal.select(request.query.get("method"), request.query.get("path"))
        return web.json_response({"requests": found})

    async def forget_requests(self, _request: web.Request) -> web.Response:
        self.journal.clear()
        return web.json_response({})
