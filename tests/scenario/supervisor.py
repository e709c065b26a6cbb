"""A supervisor of a test's own: the real opsd in a short folder under /tmp, and ways to ask it.

    fleet.apps({"name": "w", "script": "sh", ...}, ...)   writes ecosystem.json
    fleet.start()               opsd in the foreground; fleet.opsctl("start", "all") makes a daemon
    fleet.opsctl("stop", "w")   runs the real opsctl; .returncode, .stdout, .stderr
    fleet.rpc("workers_stat")   the result of one request on the socket; raises Refused
    fleet.row("w")              the worker's row in workers_stat

Nothing survives a test: at its end opsd is asked to leave and has to, with 0 and without a complaint
of a sanitizer; whatever carries the fleet's mark in its environment is killed.
"""
import contextlib
import gzip
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("BUILD", "build")
BIN = ROOT / BUILD / "bin"
SANITIZED = BUILD.endswith("-san")  # memory that was freed is kept for a while there
DEADLINE_S = 30
SANITIZER_WORDS = ("Sanitizer", "runtime error:", "Assertion")


def wait_until(condition, seconds=DEADLINE_S, what=None):
    """Returns the first true value of condition(), which may raise; fails after the deadline."""
    end = time.monotonic() + seconds
    while True:
        problem = None
        try:
            value = condition()
            if value:
                return value
        except (LookupError, OSError, ValueError, Refused) as e:
            problem = e
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what or condition} {problem or ''}")
        time.sleep(0.01)


def is_alive(pid):
    """A zombie is not: it can do nothing any more, and who reaps it is not ours to choose."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def held(pid):
    """A way to kill a process that is there, which strikes nobody else once it is gone and its number
    is another's."""
    fd = os.pidfd_open(pid)

    def kill():
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    try:
        yield kill
    finally:
        os.close(fd)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_files(pid):
    """What each descriptor of a process is, by number; one may be closed while we look."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def keeps_within(limit_s, measure, tries=5):
    """A crowded machine is in the way of one that is quick enough now and then, of one that is not
    always. measure() is in seconds."""
    took = []
    while not took or took[-1] >= limit_s:
        assert len(took) < tries, took
        took.append(measure())


def seconds_of(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def settled(count, looks=20):
    """What is counted, once it has stayed the same: what was under way has come to its end."""
    seen = []

    def look():
        seen.append(count())
        return len(seen) >= looks and len(set(seen[-looks:])) == 1
    wait_until(look, what="what is counted stays the same")
    return seen[-1]


def children(pid):
    """Zombies included."""
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def sh(script, name="w", **fields):
    """An app that is a shell script."""
    return {"name": name, "script": "sh", "args": ["-c", script], **fields}


def py(script, name="w", **fields):
    """An app that is a Python program; `tell(text)` is sd_notify."""
    tell = ("import os,socket,sys,time,signal\n"
            "def tell(text):\n"
            "  s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
            "  a=os.environ['NOTIFY_SOCKET']\n"
            "  s.sendto(text.encode(), '\\0'+a[1:] if a[0]=='@' else a)\n")
    return {"name": name, "script": "/usr/bin/python3", "interpreter": "none",
            "args": ["-S", "-E", "-c", tell + script], **fields}


def _environment(entry):
    """Empty for a moment, while a process executes another program."""
    for _ in range(100):
        text = (entry / "environ").read_bytes()
        if text or not is_alive(entry.name):
            break
        time.sleep(0.001)
    return text.split(b"\0")


class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.data = error["code"], error.get("data")


def rotated_bytes(path):
    """Of NAME.log.N, or of NAME.log.N.gz, which is whole before the other one goes."""
    try:
        return pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return gzip.decompress(pathlib.Path(f"{path}.gz").read_bytes())


class Client:
    """One connection. Messages come in order; notifications are kept apart by receive()."""

    def __init__(self, home):
        folder = os.open(home, os.O_PATH)
        try:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(DEADLINE_S)
            self.socket.connect(f"/proc/self/fd/{folder}/opsd.sock")
        finally:
            os.close(folder)
        self.lines = self.socket.makefile("rb")
        self.ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.lines.close()
        self.socket.close()

    def send(self, method, **params):
        request = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return request["id"]

    def receive(self):
        """The next message, or None when opsd closed the connection."""
        line = self.lines.readline()
        return json.loads(line) if line else None

    def answer(self, wanted):
        for message in iter(self.receive, None):
            if message.get("id") == wanted and "method" not in message:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
        raise ConnectionResetError("opsd closed the connection")

    def call(self, method, **params):
        return self.answer(self.send(method, **params))


class Fleet:
    def __init__(self, folder=None):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ops-", dir="/tmp"))
        self.folder = self.top / folder if folder else self.top
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = self.folder / ".ops"
        self.mark = f"OPS_TEST_MARK={self.top.name}"
        self.process = None  # what was started: the guard
        self.supervisor = None  # the one that was first; where it is killed, ask pid
        self.said = self.top / "opsd.stderr"

    # --- the fleet

    def apps(self, *apps, **more):
        name, value = self.mark.split("=")
        marked = [{**app, "env": {name: value, **app.get("env", {})}} for app in apps]
        self.manifest.write_text(json.dumps({"apps": marked, **more}))

    @property
    def manifest(self):
        return self.folder / "ecosystem.json"

    def file(self, name):
        return self.folder / name

    def log(self, name, kind="out"):
        path = self.folder / "logs" / f"{name}-{kind}.log"
        return path.read_bytes() if path.exists() else b""

    def whole_log(self, name, kind="out"):
        """With what was rotated away, oldest first."""
        path = self.folder / "logs" / f"{name}-{kind}.log"
        numbers = sorted({int(p.name[len(path.name) + 1:].split(".")[0])
                          for p in path.parent.glob(f"{path.name}.*")}, reverse=True)
        return b"".join(map(rotated_bytes, (f"{path}.{n}" for n in numbers))) + self.log(name, kind)

    def lines(self, name, kind="out"):
        return self.log(name, kind).decode().splitlines()

    # --- opsd

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OPS_") and k != "COLUMNS"}
        return {**kept, **dict([self.mark.split("=")]), **more}

    def start(self, *options, ready=True, **more):
        """opsd in the foreground, with everything started unless --no-start is given."""
        with open(self.said, "ab") as said:
            self.process = subprocess.Popen(
                [BIN / "opsd", "--home", self.home, "--manifest", self.manifest, "--foreground",
                 *options], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/",
                env=self.environment(**more))
        if ready:
            wait_until(lambda: self.guard == self.process.pid, what="opsd answers")
            self.supervisor = self.pid
        return self

    @property
    def pid(self):
        """The supervisor, which does all the work."""
        return self.rpc("ping")["pid"]

    @property
    def guard(self):
        """The process that is opsd to whoever started it."""
        return self.rpc("ping")["guard_pid"]

    def daemon_log(self):
        parts = [self.said, self.home / "opsd.log"]
        return "".join(p.read_text(errors="replace") for p in parts if p.exists())

    def opsctl(self, *words, timeout=DEADLINE_S, **more):
        return subprocess.run([BIN / "opsctl", "--home", self.home, *map(str, words)],
                              **{"cwd": self.folder, "stdin": subprocess.DEVNULL,
                                 "capture_output": True, "text": True, "timeout": timeout,
                                 "env": self.environment(), **more})

    def opsctl_background(self, *words, **more):
        return subprocess.Popen([BIN / "opsctl", "--home", self.home, *map(str, words)],
                                **{"cwd": self.folder, "stdin": subprocess.DEVNULL,
                                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                                   "env": self.environment(), **more})

    def opsctl_asks(self, *words):
        """The same, once it has asked and waits: it sleeps, and no more than that can be seen of it.
        Whoever asks after this is answered after it."""
        process = self.opsctl_background(*words)
        wait_until(lambda: pathlib.Path(f"/proc/{process.pid}/syscall").read_text().split()[0]
                   in ("271", "7"), what="it polls")
        return process

    def connect(self):
        return Client(self.home)

    def rpc(self, method, **params):
        with self.connect() as client:
            return client.call(method, **params)

    # --- questions

    def rows(self):
        return self.rpc("workers_stat")["workers"]

    def row(self, name, instance=0):
        return {(r["name"], r["instance"]): r for r in self.rows()}[name, instance]

    def state(self, name):
        return self.row(name)["state"]

    def wait_state(self, name, *states, seconds=DEADLINE_S):
        def look():
            row = self.row(name)
            return row if row["state"] in states else None
        return wait_until(look, seconds, f"{name} {' or '.join(states)}")

    def processes(self, *but):
        """Every living process that carries the fleet's mark, opsd itself left out."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                program = os.path.basename(os.readlink(entry / "exe")).split(" ")[0]
                if (self.mark.encode() in _environment(entry) and is_alive(entry.name)
                        and program not in ("opsd", "opsctl")):
                    found.append(int(entry.name))
        return sorted(set(found) - set(but))

    def opsds(self):
        """Every living guard, supervisor and keeper."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if os.path.basename(words[0]) == "opsd" and str(self.home) in words:
                    found.append(int(entry.name))
        return found

    def slowest_answer(self, seconds=0.5):
        """To somebody who asks again and again for so long."""
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            took.append(seconds_of(lambda: self.rpc("ping")))
        return max(took)

    def zombies(self):
        return [p for parent in (self.pid, self.guard) for p in children(parent)
                if not is_alive(p)]

    # --- the end

    @property
    def groups(self):
        """The folder of the control groups of this home, or None."""
        link = self.home / "cgroup"
        return pathlib.Path(os.readlink(link)) if link.is_symlink() else None

    def remove_groups(self):
        """An opsd that was killed could not."""
        folder = self.groups
        if not folder:
            return
        with contextlib.suppress(FileNotFoundError):  # another opsd may tidy up, too
            (folder / "cgroup.kill").write_text("1")
            wait_until(lambda: not folder.exists()
                       or "populated 0" in (folder / "cgroup.events").read_text())
            for group in [*sorted(folder.rglob("*/"), reverse=True), folder]:
                group.rmdir()

    def end(self):
        pid = None
        try:
            with contextlib.suppress(OSError, Refused):
                pid = self.guard
            if self.process and self.process.poll() is None:
                if pid:  # or it is on its way out
                    wait_until(lambda: not self.zombies(), what="every child is reaped")
                self.process.terminate()
                assert self.process.wait(DEADLINE_S) == 0, self.daemon_log()
            elif pid:
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not is_alive(pid), what="opsd leaves")
            assert not any(w in self.daemon_log() for w in SANITIZER_WORDS), self.daemon_log()
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            elif pid and is_alive(pid):
                os.kill(pid, signal.SIGKILL)
            for left in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            self.remove_groups()
            shutil.rmtree(self.top, ignore_errors=True)


@pytest.fixture
def fleet():
    one = Fleet()
    yield one
    one.end()
