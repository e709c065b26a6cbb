"""What a stand-in is: the plug-in contract between the sandbox and the services it plays.

A service owns the paths under its prefixes, says how it words an error, and may bring faults and
control routes of its own. A new one is a module with a subclass and a line in sandbox.SERVICES.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from aiohttp import web

from clock import Clock
from store import Store

if TYPE_CHECKING:
    from faults import Fault, FaultKind


@dataclass(frozen=True)
class Context:
    """What every service gets."""

    store: Store
    clock: Clock


class Service:
    name: str
    prefixes: tuple[str, ...]
    #: Faults that only this service knows, by the name used in "do".
    fault_kinds: Mapping[str, "FaultKind"] = {}

    def __init__(self, context: Context) -> None:
        self.context = context

    def routes(self) -> list[web.RouteDef]:
        """The service as the world sees it."""
        raise NotImplementedError

    def control_routes(self) -> list[web.RouteDef]:
        """Paths under /_control/ for the tests."""
        return []

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        """What a fault's match.metadata is compared with. body is parsed JSON or None."""
        return {}

    def error(self, status: int, fault: "Fault | None" = None) -> web.Response:
        """An error as the service words it; fault may carry code, description, parameter."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forgets what it keeps outside of the store."""

    async def start(self) -> None:
        """For services that are not HTTP (SMTP, a tunnel)."""

    async def stop(self) -> None:
        pass
