"""The sandbox's idea of now: real time plus an offset, or standing still.

Instants are whole milliseconds since 1970 UTC, and RFC 3339 with milliseconds on the wire.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from store import Store

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
SPAN = re.compile(r"(-?\d+)(ms|s|m|h|d)")
SPAN_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def instant_text(instant_ms: int) -> str:
    at = EPOCH + timedelta(milliseconds=instant_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{instant_ms % 1000:03d}Z"


def instant_parse(text: str) -> int:
    """Raises ValueError with the reason."""
    found = RFC3339.fullmatch(text)
    if not found:
        raise ValueError(f"want an instant like 2024-03-06T10:00:00Z, got {text!r}")
    whole = text[:19] + ("+00:00" if found[2] == "Z" else found[2])
    seconds = (datetime.fromisoformat(whole) - EPOCH) // timedelta(seconds=1)
    return seconds * 1000 + int(((found[1] or ".0")[1:] + "000")[:3])


def span_parse(text: str) -> int:
    found = SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"want a span like 90s, 24h or 2d, got {text!r}")
    return int(found[1]) * SPAN_MS[found[2]]


class Clock:
    def __init__(self, store: Store) -> None:
        self._store = store
        saved = store.load("clock", {})
        self._offset_ms: int = saved.get("offset_ms", 0)
        self._frozen_ms: int | None = saved.get("frozen_ms")

    def now(self) -> int:
        if self._frozen_ms is not None:
            return self._frozen_ms
        return time.time_ns() // 1_000_000 + self._offset_ms

    def set(self, order: dict[str, Any]) -> None:
        """{"now": RFC 3339}, {"advance": "24h"}, {"frozen": bool}, in any union; {} is real time."""
        unknown = set(order) - {"now", "advance", "frozen"}
        if unknown:
            raise ValueError(f"clock: unknown {sorted(unknown)}; want now, advance, frozen")
        real = time.time_ns() // 1_000_000
        frozen = order.get("frozen", self._frozen_ms is not None and bool(order))
        now = (instant_parse(order["now"]) if "now" in order else self.now() if order else real)
        now += span_parse(order.get("advance", "0s"))
        self._offset_ms = now - real if order else 0
        self._frozen_ms = now if frozen else None
        self._store.save("clock", {"offset_ms": self._offset_ms, "frozen_ms": self._frozen_ms})

    def reset(self) -> None:
        self.set({})
