"""A fleet that is never still: some of its workers are left alone, some crash by themselves, some end
when told to, some are started, stopped and restarted by several people at once.

    crowd.begin(30)             all of them run
    crowd.strike("supervisor")  kill -9, until the fleet answers; returns how long that took
    crowd.check()               nobody was lost, doubled or touched; counters and endings are right
    crowd.finish()              the people leave, all comes up, all is stopped, the books are closed
"""
import contextlib
import fcntl
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent / "scenario")]
from conformance_fleet import GONE, is_alive, wait_until  # noqa: E402

import opsd_books as books  # noqa: E402

QUICK = {"min_uptime": 10, "max_restarts": 1000000, "kill_timeout": 200,
         "backoff": {"initial": 20, "factor": 1.5, "max": 200, "jitter": 0}}
PEOPLE = 3
WORDS = ("restart", "stop", "start")
# How crashers end: the option that tells them, and what the books call it.
ENDINGS = (("-e", 7), ("-s", 9), ("-e", 3), ("-e", 0))


def ending(option, number):
    return -number if option == "-s" else books.EXITED + number


class Crowd:
    def __init__(self, home, program, seed):
        self.home, self.program, self.chance = home, program, random.Random(seed)
        self.folder = home.file("books")
        self.folder.mkdir()
        self.over = threading.Event()
        self.threads, self.problems = [], []
        self.trouble = 0       # odd while opsd is being killed or comes back
        self.strikes = 0
        self.endings = {}      # key of a crasher or of one that ends when told: its only ending
        self.restarts = {}     # key: as last seen
        self.wanted = {}       # name: what the last command that was answered with 0 asked for
        self.steady = {}       # key: (pid, began)

    # --- who there is

    def app(self, name, *options, **fields):
        return {"name": name, "script": str(self.program), "interpreter": "none",
                "args": [*map(str, options), str(self.folder)], **QUICK, **fields}

    def begin(self, size, **environment):
        third = size // 3
        apps = [self.app("pair", instances=2)]
        apps += [self.app(f"steady{n}") for n in range(third - 2)]
        for n in range(third):
            how = ENDINGS[n % len(ENDINGS)]
            self.endings[f"crash{n}:0"] = ending(*how)
            apps.append(self.app(f"crash{n}", "-c", "50:1500", *how, *["-l"] * (n % 2)))
        for n, how in enumerate((("-e", 7), ("-s", 9))):
            self.endings[f"told{n}:0"] = ending(*how)
            apps.append(self.app(f"told{n}", *how, autorestart=False))
        self.handled = [f"hand{n}" for n in range(size - 2 * third - 2)]
        apps += [self.app(name, *["-d"] * (n % 2), *["-l"] * (n % 3 == 0))
                 for n, name in enumerate(self.handled)]
        self.home.apps(*apps)
        self.started = time.monotonic()
        self.home.start(**environment)
        wait_until(lambda: all(r["state"] in ("online", "waiting restart") for r in self.home.rows()))
        self.keys = {self.key(row) for row in self.home.rows()}
        for key in sorted(k for k in self.keys if k.startswith(("steady", "pair"))):
            life = wait_until(lambda: books.lives(self.folder, key))[0]
            self.steady[key] = life.pid, life.began
        for n in range(PEOPLE):
            self.threads.append(threading.Thread(target=self.be_busy, args=(n,)))
            self.threads[-1].start()

    @staticmethod
    def key(row):
        return f"{row['name']}:{row['instance']}"

    # --- people

    def be_busy(self, number):
        """Each has workers of their own; the first one is everybody's."""
        chance, own = random.Random(number), self.handled[1 + number::PEOPLE]
        while not self.over.is_set():
            name = chance.choice([self.handled[0], *own])
            with contextlib.suppress(Exception) if self.over.is_set() else contextlib.nullcontext():
                self.command(chance.choice(WORDS), name, alone=name in own)

    def command(self, word, name, alone):
        before = self.trouble
        got = self.home.opsctl(word, name)
        calm = before == self.trouble and before % 2 == 0
        if got.returncode not in ((0,) if calm and alone else (0, 1, 3)):
            self.problems.append(f"{word} {name}: exit {got.returncode}: {got.stdout}{got.stderr}")
        if not alone:
            return
        self.wanted[name] = None
        if got.returncode == 0:
            self.wanted[name] = "down" if word == "stop" else "up"
        if got.returncode == 0 and word == "stop" and not self.is_free(name):
            self.problems.append(f"{name} was stopped, and something of it is there\n{self.said(name)}")

    def said(self, name):
        """What opsd logged of it, and of its own lives, at the end."""
        lines = [line for line in self.home.daemon_log().splitlines()
                 if f"worker={name} " in line or " opsd runs " in line]
        return "\n".join([*lines[-15:], str(books.lives(self.folder, f"{name}:0")[-2:])])

    def is_free(self, name):
        path = self.folder / f"{name}:0.lock"
        if not path.exists():
            return True
        with open(path) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # closing it is not enough: what another thread is about to start has it open, too
                fcntl.flock(lock, fcntl.LOCK_UN)
            except BlockingIOError:
                return False
        return True

    # --- kills

    def strike(self, who):
        """Seconds until the fleet answered; those that end when told are told while it is down."""
        self.strikes += 1
        self.trouble += 1
        pids = self.home.kill(who)
        killed = time.monotonic() if who == "both" else self.home.killed_at
        told = self.tell()
        if who == "both":
            killed = self.bring_back()
        took = self.answers(killed)
        self.home.await_pair(*pids)
        self.trouble += 1
        self.check_told(told)
        return took

    def bring_back(self):
        begun = time.monotonic()
        if self.strikes % 2:
            self.home.recover(rivals=True)
        else:
            got = self.home.opsctl("start", "steady0")
            assert got.returncode == 0, got.stderr
        return begun

    def answers(self, since):
        def asked():
            with contextlib.suppress(*GONE):
                return self.home.rpc("ping")
        wait_until(asked, what="the fleet answers")
        return time.monotonic() - since

    def tell(self):
        told = {key: books.lives(self.folder, key)[-1].pid for key in ("told0:0", "told1:0")}
        for pid in told.values():
            os.kill(pid, signal.SIGUSR1)
        for pid in told.values():
            wait_until(lambda: not is_alive(pid), what="one that was told to end ended")
        return told

    def check_told(self, told):
        for key in told:
            name = key.split(":")[0]
            row = self.home.wait_state(name, "stopped")
            assert books.ending_of(row) == self.endings[key], row
            number = len(books.lives(self.folder, key))
            assert self.home.opsctl("start", name).returncode == 0
            wait_until(lambda: len(books.lives(self.folder, key)) > number)

    # --- judging

    def check(self):
        before = time.monotonic()
        rows = {self.key(row): row for row in self.home.rows()}
        after = time.monotonic()
        assert set(rows) == self.keys
        for key, row in rows.items():
            assert row["restarts"] >= self.restarts.get(key, 0), row
            self.restarts[key] = row["restarts"]
        for key, (pid, began) in self.steady.items():
            row = rows[key]
            assert (row["state"], row["pid"], row["restarts"]) == ("online", pid, 0), row
            up = row["uptime_ms"] / 1000
            least = before - began / 1e9 - 0.1
            assert least <= up <= after - self.started, (least, row)
        for key, wanted in self.endings.items():
            row = rows[key]
            assert books.ending_of(row) in ((wanted,) if row["restarts"] else (wanted, None)), row
            assert row["wanted"] == "up" or key.startswith("told"), row
        assert not self.problems, "\n".join(self.problems)

    def leave(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def finish(self):
        self.leave()
        self.check()
        rows = {row["name"]: row for row in self.home.rows()}
        for name, wanted in self.wanted.items():
            assert wanted in (None, rows[name]["wanted"]), f"{rows[name]}\n{self.said(name)}"
        assert self.home.opsctl("start", "all").returncode == 0
        seen = set()

        def has_been_online():
            seen.update(self.key(r) for r in self.home.rows() if r["state"] == "online")
            return seen == self.keys
        wait_until(has_been_online, what="everybody is online")
        assert (got := self.home.opsctl("stop", "all")).returncode == 0, got.stderr
        assert not self.home.processes()
        self.check_counters()
        assert not (found := self.book_problems()), "\n".join(found)

    def check_counters(self):
        """A crash is a restart; one more may have been begun by a supervisor that was killed."""
        for row in self.home.rows():
            key = self.key(row)
            if key.startswith("crash"):
                again = len(books.lives(self.folder, key)) - 1
                assert again <= row["restarts"] <= again + self.strikes + 1, (again, row)

    def book_problems(self):
        return books.problems(self.folder, self.log)

    def log(self, key, stream):
        name, instance = key.split(":")
        ending = f"-{instance}" if name == "pair" else ""
        return self.home.folder / "logs" / f"{name}{ending}-{stream}.log"
