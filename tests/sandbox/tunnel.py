#!/usr/bin/python3
"""Stands in for `ssh -R 80:localhost:PORT serveo.net`: prints what that prints, and forwards.

    tunnel.py [--colour] [--noise] [--silent] [--refuse] [--child] [--switches DIR] PORT

Prints nothing without a terminal, as some builds of ssh do. While it runs, files in DIR switch it:
`hang` takes connections and says nothing, `page` answers with a page of its own, `die` ends it.
Each life appends its process id to DIR/pids, and that of the process that --child starts, which
leaves its session and ignores every signal that can be ignored.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

STUBBORN = ("import os, signal, time; os.setsid()\n"
            "for n in range(1, 32):\n"
            "  if n not in (9, 19, 17): signal.signal(n, signal.SIG_IGN)\n"
            "print(os.getpid(), flush=True)\n"
            "time.sleep(600)")
PAGE = b"<html>You are about to visit a tunnel. <a href=#>Continue</a></html>"


def say(line: str) -> None:
    print(line, end="\r\n", flush=True)


class Tunnel:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.switches = Path(options.switches) if options.switches else None

    def is_on(self, name: str) -> bool:
        return self.switches is not None and (self.switches / name).exists()

    def note(self, pid: int) -> None:
        if self.switches:
            with open(self.switches / "pids", "a", encoding="ascii") as file:
                file.write(f"{pid}\n")

    async def copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                to.write(chunk)
                await to.drain()
        except ConnectionError:
            pass
        finally:
            to.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_on("hang"):
            await asyncio.sleep(600)
        if self.is_on("page"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(PAGE), PAGE))
            writer.close()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.options.port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n"
                         b"Content-Length: 0\r\n\r\n")
            writer.close()
            return
        await asyncio.gather(self.copy(reader, back), self.copy(there, writer))

    def tell(self, port: int) -> None:
        address = f"http://127.0.0.1:{port}"
        if self.options.noise:
            say("Warning: Permanently added 'serveo.net' to the list of known hosts.")
            say("see https://docs.example.com/tunnels for help")
        if self.options.colour:
            say("\x1b]0;tunnel\x1b\\"
                f"\x1b[32mForwarding HTTP traffic from \x1b[1;4m{address}\x1b[0m\x1b[K")
        else:
            say(f"Forwarding HTTP traffic from {address}")
        say("Press g to start a GUI session and ctrl-c to quit.")

    async def run(self) -> int:
        self.note(os.getpid())
        if self.options.refuse:
            say("ssh: connect to host serveo.net port 22: Connection refused")
            return 255
        if self.options.child:
            child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
            assert child.stdout is not None
            self.note(int(child.stdout.readline()))
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        if sys.stdout.isatty() and not self.options.silent:
            self.tell(server.sockets[0].getsockname()[1])
        while not self.is_on("die"):
            await asyncio.sleep(0.02)
            if self.options.noise and sys.stdout.isatty():
                say("\x1b[33mGET\x1b[0m /telegram/shop " + "x" * 200)
        return 1


def main() -> int:
    parser = argparse.ArgumentParser(description="a tunnel that stays on this machine")
    for name in ("--colour", "--noise", "--silent", "--refuse", "--child"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--switches", metavar="DIR")
    parser.add_argument("port", type=int)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return asyncio.run(Tunnel(parser.parse_args()).run())


if __name__ == "__main__":
    sys.exit(main())
