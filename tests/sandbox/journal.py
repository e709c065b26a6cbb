"""The log of the requests that came in, for assertions: what was asked, in which order."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

ENTRIES_MAX = 200_000
#: Copied from the request; Authorization is not, a log with credentials would be a bad example.
HEADERS = ("Idempotence-Key", "Content-Type", "User-Agent")


@dataclass
class Entry:
    number: int
    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: str = ""
    fault: str | None = None
    #: None while the request is under way, 0 when it was dropped.
    status: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    #: When it came, by a clock that nobody sets.
    at_ms: int = field(default_factory=lambda: time.monotonic_ns() // 1_000_000)


class Journal:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._count = 0

    def open(self, service: str, request: web.Request, raw: bytes) -> Entry:
        self._count += 1
        entry = Entry(
            number=self._count,
            service=service,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name: request.headers[name] for name in HEADERS if name in request.headers},
            body=parse_or_none(raw),
            raw=raw.decode("utf-8", "replace"),
        )
        self._entries.append(entry)
        return entry

    def select(self, method: str | None, path: str | None) -> list[dict[str, Any]]:
        return [
            asdict(entry)
            for entry in self._entries
            if method in (None, entry.method) and (path is None or entry.path.startswith(path))
        ]

    def clear(self) -> None:
        self._entries.clear()


def parse_or_none(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None
