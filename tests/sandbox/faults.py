"""Faults: what can go wrong between a request and its answer, and for which requests it does.

A fault is {"match": {...}, "do": NAME, "times": N, ...}. The first one that matches a request acts.

match   method; path (glob: "/v3/payments/*"); query and metadata (all given pairs are equal);
        key (Idempotence-Key); nth (from the n-th such request on, counted from 1); {} is every one
times   how often it acts: 1 when not given, null for ever
do      a name of KINDS below or of the service's own, with its parameters beside it
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Awaitable, Callable, Mapping

from aiohttp import web

from journal import Entry
from service import Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MATCH_NAMES = {"method", "path", "query", "metadata", "key", "nth"}


@dataclass
class Fault:
    id: int
    do: str
    match: dict[str, Any]
    times: int | None
    params: dict[str, Any]
    seen: int = 0
    acted: int = 0

    def takes(self, entry: Entry) -> bool:
        """Counts the request when it matches; True when the fault acts on it."""
        if not matches(self.match, entry) or (self.times is not None and self.acted >= self.times):
            return False
        self.seen += 1
        if self.seen < self.match.get("nth", 1):
            return False
        self.acted += 1
        return True

    def seconds(self, default: float) -> float:
        return float(self.params.get("seconds", default))

    def describe(self) -> dict[str, Any]:
        return {"id": self.id, "do": self.do, "match": self.match, "times": self.times,
                "seen": self.seen, "acted": self.acted, **self.params}


def matches(match: Mapping[str, Any], entry: Entry) -> bool:
    return (
        match.get("method", entry.method) == entry.method
        and fnmatchcase(entry.path, match.get("path", "*"))
        and match.get("query", {}).items() <= entry.query.items()
        and match.get("metadata", {}).items() <= entry.metadata.items()
        and match.get("key", entry.headers.get("Idempotence-Key"))
        == entry.headers.get("Idempotence-Key")
    )


@dataclass
class Case:
    """One request that a fault acts on."""

    request: web.Request
    service: Service
    fault: Fault
    #: The right answer, when the request had its effect.
    response: web.Response | None
    holds: "Holds"

    def right(self) -> web.Response:
        assert self.response is not None
        return self.response


@dataclass(frozen=True)
class FaultKind:
    """effect: whether the request has its effect before the answer goes wrong."""

    effect: bool
    answer: Callable[[Case], Awaitable[web.StreamResponse]]
    params: frozenset[str] = frozenset()


@dataclass
class Holds:
    """Answers that are withheld until somebody says so."""

    _waiting: dict[int, asyncio.Event] = field(default_factory=dict)
    _count: int = 0

    async def wait(self) -> None:
        self._count += 1
        number, event = self._count, asyncio.Event()
        self._waiting[number] = event
        try:
            await event.wait()
        finally:
            self._waiting.pop(number, None)

    def release(self) -> int:
        for event in self._waiting.values():
            event.set()
        return len(self._waiting)

    def count(self) -> int:
        return len(self._waiting)


def error(status: int) -> Callable[[Case], Awaitable[web.StreamResponse]]:
    async def answer(case: Case) -> web.StreamResponse:
        return case.service.error(status, case.fault)

    return answer


async def any_error(case: Case) -> web.StreamResponse:
    return case.service.error(int(case.fault.params["status"]), case.fault)


async def too_many(case: Case) -> web.StreamResponse:
    """retry_after: seconds, absent for no header; form: "seconds" or "date"."""
    response = case.service.error(429, case.fault)
    after = case.fault.params.get("retry_after")
    if after is not None:
        date = case.fault.params.get("form") == "date"
        response.headers["Retry-After"] = (
            email.utils.formatdate(time.time() + after, usegmt=True) if date else str(after)
        )
    return response


async def drop(case: Case) -> web.StreamResponse:
    """The connection ends without a byte of answer. (libcurl may ask again on a new one.)"""
    hang_up(case.request)
    return web.Response(status=500)


async def cut(case: Case) -> web.StreamResponse:
    """The announced length never comes."""
    right = case.right()
    body = bytes(right.body)
    partial = web.StreamResponse(status=right.status, headers=right.headers)
    partial.content_length = len(body)
    await partial.prepare(case.request)
    await partial.write(body[: len(body) // 2])
    hang_up(case.request)
    return partial


async def drip(case: Case) -> web.StreamResponse:
    """The answer comes byte by byte over so many seconds."""
    right = case.right()
    body = bytes(right.body)
    slow = web.StreamResponse(status=right.status, headers=right.headers)
    slow.content_length = len(body)
    await slow.prepare(case.request)
    for byte in body:
        await slow.write(bytes([byte]))
        await asyncio.sleep(case.fault.seconds(5) / len(body))
    await slow.write_eof()
    return slow


async def stall(case: Case) -> web.StreamResponse:
    await asyncio.sleep(case.fault.seconds(30))
    return case.right()


async def stall_in_vain(case: Case) -> web.StreamResponse:
    await asyncio.sleep(case.fault.seconds(30))
    return case.service.error(500, case.fault)


async def hold(case: Case) -> web.StreamResponse:
    await case.holds.wait()
    return case.right()


async def invalid_json(case: Case) -> web.StreamResponse:
    text = case.fault.params.get("text", '{"id": undefined,}')
    status = int(case.fault.params.get("status", case.right().status))
    return web.Response(text=text, status=status, content_type="application/json")


async def truncated_json(case: Case) -> web.StreamResponse:
    right = case.right()
    body = bytes(right.body)
    return web.Response(body=body[: len(body) // 2], status=right.status,
                        content_type="application/json")


async def bad_gateway(case: Case) -> web.StreamResponse:
    page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    return web.Response(text=page, status=502, content_type="text/html")


def hang_up(request: web.Request) -> None:
    request["dropped"] = True
    if request.transport is not None:
        request.transport.close()


WORDS = frozenset({"code", "description", "parameter"})
SECONDS = frozenset({"seconds"})
KINDS: dict[str, FaultKind] = {
    "401": FaultKind(False, error(401), WORDS),
    "403": FaultKind(False, error(403), WORDS),
    "429": FaultKind(False, too_many, WORDS | {"retry_after", "form"}),
    "500-before": FaultKind(False, error(500), WORDS),
    "500-after": FaultKind(True, error(500), WORDS),
    "error": FaultKind(False, any_error, WORDS | {"status"}),
    "error-after": FaultKind(True, any_error, WORDS | {"status"}),
    "502-before": FaultKind(False, bad_gateway),
    "502-after": FaultKind(True, bad_gateway),
    "drop-before": FaultKind(False, drop),
    "drop-after": FaultKind(True, drop),
    "cut": FaultKind(True, cut),
    "stall": FaultKind(True, stall, SECONDS),
    "stall-before": FaultKind(False, stall_in_vain, SECONDS),
    "drip": FaultKind(True, drip, SECONDS),
    "hold": FaultKind(True, hold),
    "invalid-json": FaultKind(True, invalid_json, frozenset({"text", "status"})),
    "truncated-json": FaultKind(True, truncated_json),
}


class Faults:
    def __init__(self, services: list[Service]) -> None:
        self.holds = Holds()
        self._kinds = dict(KINDS)
        for service in services:
            self._kinds.update(service.fault_kinds)
        self._faults: list[Fault] = []
        self._count = 0

    def add(self, order: dict[str, Any]) -> Fault:
        """Raises ValueError: a misspelt fault that never acts would make a test pass in vain."""
        params = {name: order[name] for name in order if name not in ("match", "do", "times")}
        match, kind = order.get("match", {}), self._kinds.get(order.get("do", ""))
        if kind is None:
            raise ValueError(f"do: want one of {sorted(self._kinds)}, got {order.get('do')!r}")
        if set(match) - MATCH_NAMES:
            raise ValueError(f"match: want {sorted(MATCH_NAMES)}, got {sorted(match)}")
        if set(params) - kind.params:
            raise ValueError(f"{order['do']} takes {sorted(kind.params)}, got {sorted(params)}")
        self._count += 1
        fault = Fault(self._count, order["do"], match, order.get("times", 1), params)
        self._faults.append(fault)
        return fault

    def take(self, entry: Entry) -> Fault | None:
        return next((fault for fault in self._faults if fault.takes(entry)), None)

    async def answer(self, request: web.Request, service: Service, fault: Fault,
                     handler: Handler) -> web.StreamResponse:
        kind = self._kinds[fault.do]
        request["fault"] = fault
        response = await handler(request) if kind.effect else None
        assert response is None or isinstance(response, web.Response)
        return await kind.answer(Case(request, service, fault, response, self.holds))

    def describe(self) -> list[dict[str, Any]]:
        return [fault.describe() for fault in self._faults]

    def remove(self, number: int | None) -> None:
        self._faults = [fault for fault in self._faults if number not in (None, fault.id)]
