"""The Bot API's limits on sending: so many a second for a bot and a chat, so many a minute for a group.

Real limits are not published and vary; these are the ones that its FAQ names. Each is a bucket that
lets short bursts pass: a bot's holds one second's worth, a private chat's three messages.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

PRIVATE_BURST = 3


class Bucket:
    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.level, self.at = rate, burst, 0.0, time.monotonic()

    def wait(self) -> float:
        """Seconds until one more fits."""
        now = time.monotonic()
        self.level = max(0.0, self.level - (now - self.at) * self.rate)
        self.at = now
        return max(0.0, (self.level + 1 - self.burst) / self.rate)

    def take(self) -> None:
        self.level += 1


class Minute:
    """At most so many in any minute."""

    def __init__(self, most: int) -> None:
        self.most, self.times = most, deque()

    def wait(self) -> float:
        now = time.monotonic()
        while self.times and self.times[0] <= now - 60:
            self.times.popleft()
        return self.times[0] + 60 - now if len(self.times) >= self.most else 0.0

    def take(self) -> None:
        self.times.append(time.monotonic())


class Limits:
    DEFAULTS = {"per_bot": 30, "per_chat": 1, "per_group_minute": 20}

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.settings: dict[str, Any] = dict(self.DEFAULTS)
        self.refused = 0
        self._buckets: dict[Any, Bucket | Minute] = {}

    def set(self, order: dict[str, Any]) -> None:
        """null is no limit."""
        unknown = set(order) - set(self.DEFAULTS)
        if unknown:
            raise ValueError(f"limits: unknown {sorted(unknown)}; want {sorted(self.DEFAULTS)}")
        self.settings.update(order)
        self._buckets.clear()

    def _of(self, bot: str, chat: int) -> list[Bucket | Minute]:
        wanted = [("per_bot", bot, lambda n: Bucket(n, n))]
        if chat < 0:
            wanted.append(("per_group_minute", (bot, chat), Minute))
        else:
            wanted.append(("per_chat", (bot, chat), lambda n: Bucket(n, PRIVATE_BURST)))
        found = []
        for name, key, make in wanted:
            most = self.settings[name]
            if most is not None:
                found.append(self._buckets.setdefault((name, key), make(most)))
        return found

    def take(self, bot: str, chat: int) -> int:
        """0, or after how many seconds to come again."""
        buckets = self._of(bot, chat)
        wait = max((bucket.wait() for bucket in buckets), default=0.0)
        if wait > 0:
            self.refused += 1
            return math.ceil(wait)
        for bucket in buckets:
            bucket.take()
        return 0
