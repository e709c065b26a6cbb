"""How tests run workers, and how they wait: for a condition with a deadline, never for a time."""
import os
import pathlib
import queue
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
DEADLINE_S = 20


def wait_until(condition, seconds=DEADLINE_S, what=None):
    """Returns the first true value of condition(); fails when there is none within the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what or condition}")
        time.sleep(0.02)


class Lag:
    """By how much the machine itself was late, at worst."""

    def __init__(self):
        self.worst, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self.over.is_set():
            began = time.monotonic()
            time.sleep(0.005)
            self.worst = max(self.worst, time.monotonic() - began - 0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def worker_environment(**settings):
    """What opsd gives a worker, and nothing of the shell that runs the tests."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **{k: str(v) for k, v in settings.items()}}


def migrate(database):
    done = subprocess.run([BUILD / "workers/main/migrate"], cwd="/", capture_output=True, text=True,
                          env=worker_environment(DATABASE_URL=database.url))
    assert done.returncode == 0, done.stdout + done.stderr


class Running:
    """A worker that was started: to be signalled, its lines and its end to be waited for."""

    def __init__(self, command, cwd, environment):
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.pid = self.process.pid
        self.seen = []
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_line(self, text, seconds=DEADLINE_S):
        """The next line that holds text."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"no line with {text!r}, but: {self.seen}")
            self.seen.append(line)
            if text in line:
                return line

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def wait(self, seconds=DEADLINE_S):
        """The exit code."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self.seen.append(line)
        return code

    @property
    def output(self):
        return "\n".join(self.seen)


class WorkerRunner:
    """Runs workers against a database; those that still run when it is left are killed, and what all
    of them said is printed, which pytest shows of a test that failed."""

    def __init__(self, database, folder):
        self.database, self.folder, self.running = database, folder, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()

    def kill_all(self):
        while self.running:
            started = self.running.pop()
            if started.process.poll() is None:
                started.kill()
            started.wait()
            print(started.output)

    def _prepare(self, program, args, settings):
        path = pathlib.Path(program)
        if not path.is_absolute():
            path = BUILD / "workers" / path
        environment = worker_environment(**{"DATABASE_URL": self.database.url, **settings})
        return [str(path), *args], environment

    def __call__(self, program, *args, **settings):
        command, environment = self._prepare(program, args, settings)
        return subprocess.run(command, cwd=self.folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    def start(self, program, *args, **settings):
        command, environment = self._prepare(program, args, settings)
        started = Running(command, self.folder, environment)
        self.running.append(started)
        return started
