"""Starts a sandbox of its own for a test, on a free port, and talks to its control API.

    with Sandbox(tmp_path) as sandbox:
        sandbox.fault("500-after", metadata={"subscription_id": "7"})
        run_worker(env=sandbox.environment())
        assert len(sandbox.charges()) == 1

In pytest the fixture `sandbox` is the same thing.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator
from urllib.parse import urlencode

import pytest

HERE = Path(__file__).resolve().parent
SHOP_ID, SECRET_KEY = "100500", "test_sandbox"
BOT_TOKEN = "100:sandbox_token"
DEADLINE_SECONDS = 20.0
STEP_SECONDS = 0.01


class ControlError(Exception):
    pass


def reserve_port() -> socket.socket:
    """Bound to a port of loopback that nobody else is given while this is open. A server that sets
    SO_REUSEADDR, as they do, can listen there all the same, and again after a restart."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Sandbox:
    def __init__(self, directory: Path, *, keep: bool = False) -> None:
        """keep: a state file, so that restart() keeps the ledger."""
        self._directory = directory
        self._keep = keep
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._held = reserve_port()
        self.port = self._held.getsockname()[1]

    # --- life

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()
        self._held.close()

    def start(self) -> None:
        """On the same port each time."""
        port_file = self._directory / "sandbox.port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-B", str(HERE / "sandbox.py"),
                   "--listen", f"127.0.0.1:{self.port}", "--port-file", str(port_file)]
        if self._keep:
            command += ["--state", str(self._directory / "sandbox.db")]
        with open(self._directory / "sandbox.log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "YOOKASSA_SHOP_ID": SHOP_ID, "YOOKASSA_SECRET_KEY": SECRET_KEY})
        until(lambda: port_file.exists() or self._process.poll() is not None, "the sandbox answers")
        if not port_file.exists():
            raise ControlError((self._directory / "sandbox.log").read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Returns the exit code."""
        assert self._process is not None
        if self._connection:
            self._connection.close()
            self._connection = None
        self._process.send_signal(number)
        try:
            return self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def restart(self, number: int = signal.SIGKILL) -> None:
        self.stop(number)
        self.start()

    # --- for the worker under test

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {"YOOKASSA_URL": f"{self.url}/v3", "YOOKASSA_SHOP_ID": SHOP_ID,
                "YOOKASSA_SECRET_KEY": SECRET_KEY, "VENDISTA_URL": f"{self.url}/vendista",
                "TRONGRID_URL": f"{self.url}/tron",
                "TELEGRAM_API_URL": self.url, "TELEGRAM_BOT_TOKEN": BOT_TOKEN}

    def store_environment(self) -> dict[str, str]:
        """The object store's; its stand-in takes what it says here when nothing else is set."""
        return {"S3_ENDPOINT": f"{self.url}/s3", "S3_BUCKET": "demo", "S3_REGION": "us-east-1",
                "S3_ACCESS_KEY": "sandbox", "S3_SECRET_KEY": "sandbox_secret"}

    # --- the control API

    def _ask(self, method: str, path: str, body: str | None) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                          timeout=DEADLINE_SECONDS)
        self._connection.request(method, f"/_control/{path}", body)
        return self._connection.getresponse()

    def control(self, method: str, path: str, order: dict[str, Any] | None = None) -> Any:
        body = json.dumps(order) if order is not None else None
        try:
            response = self._ask(method, path, body)
        except http.client.RemoteDisconnected:  # idle for so long that the sandbox hung up
            self._connection = None
            response = self._ask(method, path, body)
        answer = json.loads(response.read())
        if response.status >= 300:
            raise ControlError(f"{method} {path}: {response.status} {answer}")
        return answer

    def fault(self, do: str, *, times: int | None = 1, method: str | None = None,
              path: str | None = None, metadata: dict[str, str] | None = None,
              nth: int | None = None, key: str | None = None, **params: Any) -> int:
        """Returns the fault's id. times=None is for ever; see faults.py for the names."""
        match = {"method": method, "path": path, "metadata": metadata, "nth": nth, "key": key}
        match = {name: value for name, value in match.items() if value is not None}
        return self.control("POST", "faults", {"do": do, "times": times, "match": match,
                                               **params})["id"]

    def clear_faults(self, number: int | None = None) -> None:
        self.control("DELETE", "faults" + (f"?id={number}" if number else ""))

    def faults(self) -> list[dict[str, Any]]:
        return self.control("GET", "state")["faults"]

    def methods(self, ids: Iterable[str], **outcome: Any) -> None:
        """Saved payment methods; outcome: status, reason, party, saved."""
        self.control("POST", "methods", {"ids": list(ids), **outcome})

    def payment(self, **order: Any) -> dict[str, Any]:
        """Makes a payment as if a customer had; see YooKassa.make_payment."""
        return self.control("POST", "payments", order)

    def succeed(self, payment_id: str, **order: Any) -> dict[str, Any]:
        return self.control("POST", f"payments/{payment_id}/succeed", order)

    def cancel(self, payment_id: str, **order: Any) -> dict[str, Any]:
        return self.control("POST", f"payments/{payment_id}/cancel", order)

    def charges(self) -> list[dict[str, Any]]:
        """All money that ever moved, in order."""
        return self.control("GET", "ledger")["charges"]

    def chats(self, ids: Iterable[int], state: str = "ok", **chat: Any) -> None:
        """What Telegram's chats are like; see Telegram.set_chats."""
        self.control("POST", "telegram/chats", {"ids": list(ids), "state": state, **chat})

    def messages(self, chat_id: int | None = None, bot: str | None = None) -> list[dict[str, Any]]:
        """All messages that Telegram ever delivered, in order; deleted ones have deleted_ms."""
        query = {name: value for name, value in (("chat_id", chat_id), ("bot", bot)) if value}
        return self.control("GET", "telegram/messages?" + urlencode(query))["messages"]

    def limits(self, **order: Any) -> dict[str, Any]:
        """per_bot, per_chat, per_group_minute (None: no limit); refused: how many 429 so far."""
        if order:
            self.control("POST", "telegram/limits", order)
        return self.control("GET", "telegram/limits")

    def join(self, link: str, user_id: int) -> str:
        """A person taps on an invite link: "" when he is in, or why not; see telegram_members.py."""
        return self.control("POST", "telegram/join", {"link": link, "user_id": user_id})["why"]

    def set_member(self, chat_id: int, user_id: int, status: str) -> None:
        self.control("POST", "telegram/members",
                     {"chat_id": chat_id, "user_id": user_id, "status": status})

    def member(self, chat_id: int, user_id: int) -> str:
        found = self.control("GET", f"telegram/members?chat_id={chat_id}&user_id={user_id}")
        return found["members"][0]["status"] if found["members"] else "left"

    def links(self, chat_id: int | None = None) -> list[dict[str, Any]]:
        """Every invite link ever made, in order: link, name, member_limit, revoked, joined, …"""
        query = f"?chat_id={chat_id}" if chat_id else ""
        return self.control("GET", "telegram/links" + query)["links"]

    def clock(self, **order: Any) -> str:
        """now=RFC 3339, advance="24h", frozen=True; without any: real time."""
        return self.control("POST", "clock", order)["now"]

    def requests(self, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        query = {name: value for name, value in (("method", method), ("path", path)) if value}
        return self.control("GET", "requests?" + urlencode(query))["requests"]

    def forget_requests(self) -> None:
        self.control("DELETE", "requests")

    def wait_held(self, count: int = 1) -> None:
        """Until so many answers are withheld: their effects have happened, nobody knows yet."""
        until(lambda: self.control("GET", "state")["held"] >= count, f"{count} held answers")

    def release(self) -> int:
        return self.control("POST", "release")["released"]

    def reset(self) -> None:
        self.control("POST", "reset")


def until(true: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s until {what}")
        time.sleep(STEP_SECONDS)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """One process for all tests, as new for each."""
    sandbox_process.reset()
    return sandbox_process
