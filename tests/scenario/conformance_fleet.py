"""A supervisor of a test's own that may lose any of its processes: guard, supervisor, or both.

    home.start(); home.apps(...); home.rpc(...)   all that Fleet can (supervisor.py)
    home.pid, home.guard                          the supervisor's pid and its guard's
    home.kill("guard"), home.kill("both")         kill -9; returns the pids
    home.recover()                                opsd again on the same home
    rounds(500)                                   OPS_ROUNDS in the environment says otherwise

Whatever happens, nothing that carries the home's mark in its environment outlives the test.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from supervisor import BIN, DEADLINE_S, ROOT, SANITIZED, SANITIZER_WORDS, Fleet, Refused, is_alive, \
    wait_until

GONE = (OSError, Refused, ValueError)  # what asking a daemon ends with that is being killed


def rounds(usual):
    return int(os.environ.get("OPS_ROUNDS", usual))


def status_of(pid, field):
    """A number of /proc/PID/status; None once it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])


def parent_of(pid):
    return status_of(pid, "PPid")


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def build(source, folder):
    """Compiles one C file of tests/worker."""
    program = folder / source.removesuffix(".c")
    subprocess.run(["cc", "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                    ROOT / "tests/worker" / source, "-o", program], check=True)
    return program


class Home(Fleet):
    def start(self, *options, ready=True, **more):
        super().start(*options, ready=False, **more)
        if ready:
            wait_until(lambda: self.rpc("ping"), what="opsd answers")
        return self

    def daemonise(self, *options, **more):
        """As a person does after a crash: opsd makes a daemon of itself and is there."""
        return subprocess.run([BIN / "opsd", "--home", self.home, "--manifest", self.manifest, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
                              env=self.environment(**more), timeout=DEADLINE_S)

    def recover(self, *options, rivals=False, **more):
        """The same, and it has to succeed. Rivals are others who do it, too, if only by `opsctl
        start`; one of all wins."""
        got = self.daemonise(*options, **more)
        lost = rivals and got.returncode == 1 and "another opsd runs" in got.stderr
        assert got.returncode == 0 or lost, got.stderr
        wait_until(lambda: self.rpc("ping"), what="opsd answers again")
        return self

    # --- its processes

    def daemon(self):
        """The pids of both as the kernel has them; the guard's is None while there is none."""
        supervisor = self.rpc("ping")["pid"]
        parent = parent_of(supervisor)
        guard = parent if parent and self.program(parent) == "opsd" else None
        return {"pid": supervisor, "guard_pid": guard}

    @property
    def guard(self):
        pid = self.daemon()["guard_pid"]
        assert pid, "there is no guard"
        return pid

    def own(self):
        """Every living opsd of this home: guard, supervisor, keepers."""
        return [p for p in self.marked() if self.program(p) == "opsd"]

    @staticmethod
    def program(pid):
        """A binary that was replaced keeps its name in front of " (deleted)"."""
        with contextlib.suppress(OSError):
            return os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0]

    def marked(self):
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return sorted(p for p in found if is_alive(p))

    # --- what happens to them

    def kill(self, who):
        """The guard is stopped first where both are to go: it must not make another supervisor."""
        daemon = self.daemon()
        supervisor, guard = daemon["pid"], daemon["guard_pid"]
        assert guard, "there is no guard"
        pids = {"supervisor": [supervisor], "guard": [guard], "both": [guard, supervisor]}[who]
        self.killed_at = time.monotonic()
        if who == "both":
            os.kill(pids[0], signal.SIGSTOP)
            wait_until(lambda: state_of(pids[0]) == "T", what="the guard stands still")
        for pid in reversed(pids):
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait_until(lambda: not is_alive(pid), what=f"the {who} is dead")
        if self.process:
            self.process.poll()
        return pids

    def await_pair(self, *but):
        """Both are there again, and neither is one of `but`, which were killed."""
        def look():
            daemon = self.daemon()
            pair = daemon["pid"], daemon["guard_pid"]
            return all(pair) and not set(pair) & set(but) and all(map(is_alive, pair)) and daemon
        return wait_until(look, what="a supervisor and its guard")

    # --- the end

    def end(self):
        try:
            self._leave()
            said = self.daemon_log()
            assert not any(word in said for word in SANITIZER_WORDS), said
        finally:
            self._remove()

    def _leave(self):
        """opsd is asked, and has to go and to take everything with it."""
        with contextlib.suppress(*GONE):
            self.rpc("kill")
            wait_until(lambda: not self.own(), what="opsd and its keepers leave")
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(DEADLINE_S) == 0, self.daemon_log()

    def _remove(self):
        """Again until none is left: a guard that is still there makes others meanwhile."""
        end = time.monotonic() + DEADLINE_S
        while (left := self.marked()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait(DEADLINE_S)
        with contextlib.suppress(OSError):
            subprocess.run(["rm", "-rf", self.top], check=False)


def opsd_stands_still(home, pids, seconds=1.0):
    """Whether these processes were not woken once in that time."""
    def switches():
        return [(status_of(p, "voluntary_ctxt_switches"), status_of(p, "nonvoluntary_ctxt_switches"))
                for p in pids]
    before, end = switches(), time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)
    return switches() == before


@pytest.fixture
def home():
    one = Home()
    yield one
    one.end()


__all__ = ["BIN", "GONE", "Home", "Refused", "SANITIZED", "build", "home", "is_alive",
           "opsd_stands_still", "parent_of", "rounds", "state_of", "status_of", "wait_until"]
