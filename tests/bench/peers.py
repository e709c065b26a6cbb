"""What keeps processes running, behind one interface: ours, the floor, and others where installed.

A peer lives in a folder of its own, below which everything of it can be found again: its processes
are those that have the folder in their command line or work below it. So none needs to be asked who
they are, and nothing outlives end().
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import meter
from harness import BUILD

CLIENT_S = 120
MANY = 1_000_000_000


def processes_of(folder):
    """pid -> path of its program."""
    mark, found = str(folder).encode(), {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "cmdline").read_bytes() \
                    or (os.readlink(entry / "cwd") + "/").startswith(f"{folder}/"):
                found[int(entry.name)] = os.readlink(entry / "exe")
    return found


class Peer:
    name = None
    programs = ()  # without any of which it is not installed
    manifest = None

    def __init__(self, folder, worker, count, *more):
        """more: further arguments of the worker."""
        self.folder, self.worker, self.count = folder / self.name, worker, count
        self.report = self.folder / "report"
        self.command = [str(worker), str(self.report), *more]
        self.names = [f"w{n}" for n in range(count)]
        (self.folder / "logs").mkdir(parents=True)
        self.prepare()

    @classmethod
    def missing(cls):
        return [program for program in cls.programs if not shutil.which(program)]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.end()

    def prepare(self):
        """Writes its configuration."""

    def start(self):
        """From nothing; may return before the last worker runs."""
        raise NotImplementedError

    def stat(self):
        """The command that shows all workers, as a person would type it."""
        return None

    def environment(self):
        return dict(os.environ)

    def run(self, *command):
        return subprocess.run(list(map(str, command)), cwd=self.folder, env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=CLIENT_S, check=False)

    def spawn(self, *command):
        with open(self.folder / "said", "ab") as said:
            self.process = subprocess.Popen(list(map(str, command)), cwd=self.folder,
                                            env=self.environment(), stdin=subprocess.DEVNULL,
                                            stdout=said, stderr=said, start_new_session=True)

    # --- what is measured

    def stamps(self):
        """(pid, seconds of the monotonic clock) of every worker's main() so far."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.report.read_text().splitlines()
            return [(int(pid), int(ns) / 1e9) for pid, ns in map(str.split, lines)]
        return []

    def started(self):
        with contextlib.suppress(FileNotFoundError):
            return self.report.stat().st_size // meter.STAMP_BYTES
        return 0

    def start_all(self):
        """Seconds until the last worker's main()."""
        begin = time.monotonic()
        self.start()
        meter.wait_for(lambda: self.started() >= self.count, CLIENT_S)
        return max(at for _, at in self.stamps()) - begin

    def supervisors(self):
        """The pids of all that is not a worker."""
        return [pid for pid, program in processes_of(self.folder).items()
                if program != str(self.worker)]

    def daemons(self):
        """Those that stay when workers come and go."""
        return self.supervisors()

    def end(self):
        end = time.monotonic() + CLIENT_S
        while left := processes_of(self.folder):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if getattr(self, "process", None):
                self.process.poll()
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: {left} do not die")
            time.sleep(0.01)
        if getattr(self, "process", None):
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Floor(Peer):
    name = "floor"

    def start(self):
        self.spawn(self.worker.with_name("floor"), self.folder / "logs", self.count, *self.command)


class Opsd(Peer):
    name = "opsd"

    def prepare(self):
        self.home = self.folder / "home"
        self.home.mkdir()
        (self.folder / "ecosystem.json").write_text(json.dumps({"apps": [
            {"name": name, "script": self.command[0], "args": self.command[1:],
             "interpreter": "none", "restart_delay": 0, "min_uptime": 0, "max_restarts": MANY}
            for name in self.names]}))

    def ctl(self, *words):
        return [str(BUILD / "bin/opsctl"), "--home", str(self.home), *words]

    def start(self):
        """`opsctl start` would wait until those that end at once have been given up."""
        if "fail" in self.command:
            self.run(BUILD / "bin/opsd", "--home", self.home,
                     "--manifest", self.folder / "ecosystem.json")
            return
        got = self.run(*self.ctl("start", "all"))
        if got.returncode:
            raise RuntimeError(got.stdout.decode())

    def stat(self):
        return self.ctl("stat")

    def daemons(self):
        said = self.run(*self.ctl("stat", "--json")).stdout.decode()
        daemon = json.JSONDecoder().raw_decode(said)[0]["daemon"]
        return [daemon["guard_pid"], daemon["pid"]]

    def end(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.run(*self.ctl("kill"))
        super().end()


class PM2(Peer):
    name = "pm2"
    programs = ("pm2",)

    def environment(self):
        return {**os.environ, "PM2_HOME": str(self.folder / "home")}

    def prepare(self):
        (self.folder / "ecosystem.json").write_text(json.dumps({"apps": [
            {"name": name, "script": self.command[0], "args": self.command[1:],
             "interpreter": "none", "exec_mode": "fork", "vizion": False, "restart_delay": 0,
             "min_uptime": 0, "max_restarts": MANY, "out_file": f"{self.folder}/logs/{name}-out",
             "error_file": f"{self.folder}/logs/{name}-error"} for name in self.names]}))

    def start(self):
        self.run("pm2", "start", "ecosystem.json")

    def stat(self):
        return ["pm2", "ls"]


class Supervisord(Peer):
    name = "supervisord"
    programs = ("supervisord", "supervisorctl")
    HEAD = """\
[unix_http_server]
file={folder}/socket
[supervisord]
logfile={folder}/log
pidfile={folder}/pid
nodaemon=true
minfds={descriptors}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/socket
"""
    PROGRAM = """\
[program:{name}]
command={command}
autorestart=true
startsecs=0
stdout_logfile={folder}/logs/{name}-out
stderr_logfile={folder}/logs/{name}-error
"""

    def prepare(self):
        self.file = self.folder / "supervisord.conf"
        self.file.write_text(
            self.HEAD.format(folder=self.folder, descriptors=1024 + 8 * self.count)
            + "".join(self.PROGRAM.format(name=name, folder=self.folder,
                                          command=" ".join(self.command)) for name in self.names))

    def start(self):
        self.spawn("supervisord", "-n", "-c", self.file)

    def stat(self):
        return ["supervisorctl", "-c", str(self.file), "status"]


class S6(Peer):
    """One process for each worker and one for each log."""
    name = "s6"
    programs = ("s6-svscan", "s6-supervise", "s6-log", "s6-svstat")
    logger = "s6-log n3 s268435455 {log}"

    def prepare(self):
        self.scan = self.folder / "scan"
        for name in self.names:
            log = self.folder / "logs" / name
            log.mkdir()
            (self.scan / name / "log").mkdir(parents=True)
            for file, command in ((self.scan / name / "run", " ".join(self.command)),
                                  (self.scan / name / "log/run", self.logger.format(log=log))):
                file.write_text(f"#!/bin/sh\nexec {command}\n")
                file.chmod(0o755)

    def start(self):
        self.spawn("s6-svscan", "-c", 8000, self.scan)

    def stat(self):
        return ["sh", "-c", f"for d in {self.scan}/*; do s6-svstat $d; done"]


class Runit(S6):
    name = "runit"
    programs = ("runsvdir", "runsv", "svlogd", "sv")
    logger = "svlogd {log}"

    def start(self):
        self.spawn("runsvdir", self.scan)

    def stat(self):
        return ["sh", "-c", f"sv status {self.scan}/*"]


OTHERS = (PM2, Supervisord, S6, Runit)
