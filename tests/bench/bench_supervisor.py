"""opsd with many workers, with idle ones, and with a talkative one."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import meter
from harness import BUILD

MANY, IDLE, IDLE_S = 200, 100, 10
LINES, LINE = 1_000_000, "x" * 99
COPY_BYTES = 65536
ROUNDS, QUESTIONS = 3, 20
SLEEPER = {"script": "/bin/sleep", "args": ["100000"], "interpreter": "none"}
TALKER = f"yes {LINE} | head -n {LINES}"


class Daemon:
    """opsd with a manifest in a folder of its own, which goes with it."""

    def __init__(self, *apps):
        # Short, because a socket's path is.
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
        self.home = self.folder / "home"
        self.home.mkdir()
        (self.folder / "ecosystem.json").write_text(json.dumps({"apps": apps}))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.opsctl("kill", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def opsctl(self, *args, check=True):
        return subprocess.run([BUILD / "bin/opsctl", "--home", self.home, *args], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=check)

    def stat(self):
        return json.loads(self.opsctl("stat", "--json").stdout)

    def processes(self):
        """opsd's own, without the workers."""
        daemon = self.stat()["daemon"]
        return [pid for pid in (daemon["guard_pid"], daemon["pid"]) if pid]

    def expect_online(self, count):
        online = sum(worker["state"] == "online" for worker in self.stat()["workers"])
        if online != count:
            raise RuntimeError(f"{online} workers are online, want {count}")


def spawn_floor(_round):
    """Nothing but starting the same programs."""
    pids = []

    def spawn_all():
        for _ in range(MANY):
            pids.append(os.posix_spawn(SLEEPER["script"], ["sleep", *SLEEPER["args"]], {}))

    seconds = meter.seconds_of(spawn_all)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return seconds


def start_many(_round):
    with Daemon({"name": "sleeper", "instances": MANY, **SLEEPER}) as daemon:
        seconds = meter.seconds_of(lambda: daemon.opsctl("start", "all"))
        daemon.expect_online(MANY)
        return seconds


def measure_start(report):
    floor, seconds = meter.median(ROUNDS, spawn_floor), meter.median(ROUNDS, start_many)
    report.line(f"opsctl start all, {MANY} workers, from nothing to all online", seconds, "s")
    report.line("  times the bare posix_spawn of as many", seconds / floor, "times")
    with Daemon({"name": "sleeper", "instances": MANY, **SLEEPER}) as daemon:
        daemon.opsctl("start", "all")
        report.line(f"opsctl stat, {MANY} workers", 1000 * meter.median(
            QUESTIONS, lambda _: meter.seconds_of(lambda: daemon.opsctl("stat"))), "ms")
        report.line(f"opsctl stat --json, {MANY} workers", 1000 * meter.median(
            QUESTIONS, lambda _: meter.seconds_of(lambda: daemon.opsctl("stat", "--json"))), "ms")


def measure_idle(report):
    with Daemon({"name": "sleeper", "instances": IDLE, **SLEEPER}) as daemon:
        daemon.opsctl("start", "all")
        daemon.expect_online(IDLE)
        pids = daemon.processes()
        report.line(f"memory of opsd, {IDLE} idle workers", sum(map(meter.memory_mb, pids)), "MB")
        before = sum(map(meter.cpu_seconds, pids))
        time.sleep(IDLE_S)
        spent = sum(map(meter.cpu_seconds, pids)) - before
        report.line(f"  processor time over {IDLE_S} s of idleness", 1000 * spent, "ms")


def copy_floor(_round):
    """Read and write, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        start = time.perf_counter()
        talker = subprocess.Popen(["/bin/sh", "-c", TALKER], stdout=subprocess.PIPE, bufsize=0)
        with open(os.path.join(folder, "log"), "wb", buffering=0) as log:
            while chunk := os.read(talker.stdout.fileno(), COPY_BYTES):
                log.write(chunk)
        seconds = time.perf_counter() - start
        talker.wait()
        return seconds


def log_lines(_round):
    with Daemon({"name": "talker", "script": "/bin/sh", "args": ["-c", TALKER], "autostart": False,
                 "interpreter": "none", "autorestart": False, "out_file": "log"}) as daemon:
        daemon.opsctl("start", "all")

        def written():
            return sum(file.stat().st_size for file in daemon.folder.glob("log*")) \
                >= LINES * (len(LINE) + 1)

        def talk():
            daemon.opsctl("start", "talker")
            meter.wait_for(written)

        return meter.seconds_of(talk)


def measure_logs(report):
    floor, seconds = meter.median(ROUNDS, copy_floor), meter.median(ROUNDS, log_lines)
    megabytes = LINES * (len(LINE) + 1) / 1e6
    report.line("1,000,000 lines of 100 bytes from one worker", megabytes / seconds, "MB/s")
    report.line("  times a bare read and write", seconds / floor, "times")


def measure(report):
    measure_start(report)
    measure_idle(report)
    measure_logs(report)
