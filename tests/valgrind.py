"""opsd and opsctl under valgrind, by `make valgrind`: no error, no leak, no leaked descriptor.

A fleet starts, crashes, restarts, is reloaded, scaled, watched, upgraded and stopped. Whatever guard
and supervisors hold at the end they must hold, too, at the end of a life in which nothing happened.
Keepers and what runs before a worker's exec are looked at as long as valgrind can. It does not know
some system calls that opsd needs; fault/plain_calls.c, preloaded, has others in their place.
"""
import collections
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading

import pytest

from supervisor import BIN, BUILD, ROOT, Client, Fleet, py, sh, wait_until

OPTIONS = ["--track-fds=yes", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]
# Shells and what else workers run are others'.
OURS = ["--trace-children=yes", "--trace-children-skip=/bin/*,/usr/bin/*,/usr/sbin/*"]
SLOW_S = 60


class Pidfds:
    """Gives who asks a descriptor of the process whose number it sends (fault/plain_calls.c)."""

    def __init__(self):
        self.name = f"ops-pidfds-{os.getpid()}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind("\0" + self.name)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client:
                try:
                    fd = os.pidfd_open(*struct.unpack("i", client.recv(4)))
                except OSError:
                    client.send(b"n")
                else:
                    socket.send_fds(client, [b"y"], [fd])
                    os.close(fd)


class Report:
    """What valgrind says of one process."""

    def __init__(self, path):
        self.pid, self.text = int(path.stem), re.sub(r"^==\d+== ?", "", path.read_text(), flags=re.M)
        self.killed = "Process terminating with default action of signal" in self.text
        self.ended = "ERROR SUMMARY" in self.text
        self.errors = re.findall(r"ERROR SUMMARY: (\d+)", self.text)

    def open(self):
        """What was opened and not closed, by what it is and the call that opened it."""
        found = re.findall(r"^Open (.*?) ?\d+:(.*)\n +at 0x\w+: (\w+)", self.text, re.M)
        return collections.Counter((kind, re.sub(r"/tmp/ops-\w+|\d+", "N", name), call)
                                   for kind, name, call in found)


class Watched(Fleet):
    pidfds = None

    def start(self, *options, **_more):
        Watched.pidfds = Watched.pidfds or Pidfds()
        (self.top / "valgrind").mkdir()
        command = ["valgrind", *OURS, *OPTIONS, f"--log-file={self.top}/valgrind/%p", BIN / "opsd", "--home",
                   self.home, "--manifest", self.manifest, "--foreground", *options]
        with open(self.said, "ab") as said:
            # Descriptors are closed one by one there: not all that the shell allows.
            self.process = subprocess.Popen(
                ["sh", "-c", 'ulimit -n 512; exec "$@"', "sh", *command], cwd="/", stdin=subprocess.DEVNULL,
                stdout=said, stderr=said,
                env=self.environment(LD_PRELOAD=ROOT / BUILD / "tests/plain_calls.so",
                                     PIDFD_SOCKET=self.pidfds.name))
        wait_until(lambda: self.rpc("ping"), SLOW_S, "opsd answers")
        return self

    def do(self, *words, code=0):
        done = self.opsctl(*words, timeout=SLOW_S)
        assert done.returncode == code, (words, done.stdout, done.stderr, self.daemon_log())

    def leave(self):
        """In order, and with every report of it."""
        self.process.terminate()
        assert self.process.wait(SLOW_S) == 0, self.daemon_log()
        return {r.pid: r for r in map(Report, (self.top / "valgrind").iterdir())}


@pytest.fixture
def watched():
    made = []

    def make(*apps):
        made.append(Watched())
        made[-1].apps(*apps)
        return made[-1].start()
    yield make
    for fleet in made:
        fleet.end()


def upgraded(fleet):
    """The guard keeps the program of the present supervisor from then on. Returns the new one."""
    old = fleet.pid
    fleet.do("upgrade")
    return wait_until(lambda: fleet.pid != old and fleet.pid, SLOW_S)


def live(fleet):
    """What a fleet goes through. Returns the supervisors it had."""
    pids = [fleet.pid]
    wait_until(lambda: fleet.state("bad") == "errored", SLOW_S)
    fleet.wait_state("ready", "online", seconds=SLOW_S)
    with Client(fleet.home) as follower:
        follower.send("logs", follow=True, lines=5)
        follower.send("events", follow=True)
        for words in (["restart", "two"], ["reload", "ready"], ["scale", "two", "3"], ["scale", "two", "1"],
                      ["stop", "timed"], ["start", "all"], ["reset", "all"], ["signal", "USR1", "json"],
                      ["flush", "two"], ["reopen"], ["describe", "bad"], ["history", "often"], ["save"],
                      ["logs", "-n", "3"], ["env", "two"], ["run_worker", "default", "off"], ["diff"]):
            fleet.do(*words)
        assert follower.receive()
    fleet.opsctl("start", "nosuch")
    fleet.apps(*APPS[1:], sh("exec sleep 1000", "new"))
    fleet.do("apply")
    for _ in range(2):
        pids.append(upgraded(fleet))
    fleet.do("restart", "ready")
    fleet.do("delete", "new")
    fleet.do("stop", "all")
    return pids


APPS = [sh("exec sleep 1000", "gone"), sh("while :; do echo line; sleep 0.2; done", "two", instances=2),
        sh("echo no >&2; exit 3", "bad", max_restarts=2, min_uptime="1m", restart_delay=50), sh("exit 0", "off", autostart=False),
        sh("echo run", "often", schedule="@every 1s"), sh("echo a; exec sleep 1000", "timed", time=True),
        sh("trap : USR1; while :; do echo b; sleep 0.2; done", "json", log_type="json", depends_on=["ready"]),
        py("tell('READY=1'); time.sleep(1000)", "ready", ready="notify", watchdog="60s")]


def test_opsd_leaks_nothing_and_does_nothing_wrong(watched):
    idle, busy = watched(), watched(*APPS)
    unused_supervisor, supervisors = upgraded(idle), live(busy)
    pairs = [(idle.guard, busy.guard), (unused_supervisor, supervisors[-1])]
    unused, used = idle.leave(), busy.leave()
    for report in [*unused.values(), *used.values()]:
        assert report.killed or not report.ended or report.errors == ["0"], report.text
    for before, after in pairs:
        assert unused[before].ended and used[after].ended
        more = used[after].open() - unused[before].open()
        assert not more, (more, used[after].text)


@pytest.mark.parametrize("words", [
    ["stat"], ["stat", "--json"], ["describe", "w"], ["logs", "-n", "5"], ["events"], ["history", "w"], ["check"],
    ["diff"], ["ping"], ["help"], ["cron", "@daily"], ["restart", "w"], ["stat", "nosuch"], ["nosuch"]], ids=" ".join)
def test_opsctl_leaks_nothing_and_does_nothing_wrong(fleet_of_one, words, tmp_path):
    done = subprocess.run(["valgrind", *OPTIONS, "--error-exitcode=99", f"--log-file={tmp_path}/1",
                           BIN / "opsctl", "--home", fleet_of_one.home, *words], cwd=fleet_of_one.folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SLOW_S)
    report = Report(tmp_path / "1")
    assert done.returncode != 99 and not report.open(), report.text + done.stderr.decode()


@pytest.fixture(scope="module")
def fleet_of_one():
    fleet = Fleet()
    fleet.apps(sh("echo hello; exec sleep 1000"))
    fleet.start()
    yield fleet
    fleet.end()


def test_a_breach_would_be_seen():
    """The reports are read: one of a program that leaves something open says so."""
    folder = pathlib.Path(os.environ["TMPDIR"] if "TMPDIR" in os.environ else "/tmp")
    path = folder / f"{os.getpid()}"
    try:
        subprocess.run(["valgrind", *OPTIONS, f"--log-file={path}", "/bin/sh", "-c", "exec 7</dev/null; exit 0"],
                       check=True, timeout=SLOW_S)
        assert [kind for kind, *_ in Report(path).open()] == ["file descriptor"]
    finally:
        path.unlink(missing_ok=True)
