"""No job starts later than it could have: consumers and what they have to do are thrown together.

A job waits while it is not due, its lane is at work or told to wait, its bot pauses or has had its
starts of the second, somebody holds its row, or all consumers are full. Whoever starts it long after
all that has slept over it; the poll of a second hides such a thing and does not make it right.

OPS_DUE_ROUNDS is how many rounds are played (default 2), OPS_DUE_SEED where their dice begin.
"""
import collections
import datetime
import os
import random
import threading
import time

import pytest

from harness import Lag
from queue_world import program, world  # noqa: F401

ROUNDS = int(os.environ.get("OPS_DUE_ROUNDS", "2"))
SEED = int(os.environ.get("OPS_DUE_SEED", "0")) or random.randrange(10**6)
LATE_S = 0.35  # half a poll is 0.5
LASTS_S, DELAY_S = 1.2, 0.8
LANE_S = 0.01  # between two starts of a lane of paced consumers

Job = collections.namedtuple("Job", "ready lane bot ms until do")


class Round:
    def __init__(self, world, dice):
        self.world, self.dice = world, dice
        self.paced = dice.random() < 0.5
        self.rate = dice.choice([40, 300])
        self.consumers = dice.choice([1, 1, 2, 3])
        self.room = dice.choice([1, 2, 64])
        self.lanes = [f"lane{n}" for n in range(dice.choice([3, 40, 200]))]
        self.bots = [None, "a", "b"][:dice.randint(1, 3)]
        self.bot_of = {lane: dice.choice(self.bots) for lane in self.lanes}
        self.jobs, self.held, self.holders = {}, collections.defaultdict(list), []

    def __str__(self):
        return (f"{self.consumers} with room for {self.room}, {len(self.lanes)} lanes of {self.bots},"
                f" {f'{self.rate} a second' if self.paced else 'free'}")

    # --- what happens

    def payload(self, do, now):
        what = {"do": do, "ms": self.dice.choice([0, 0, 1, 20])}
        if do in ("wait", "hold", "pause"):
            what["until"] = int((now + self.dice.random() * DELAY_S) * 1000)
        return what

    def enqueue(self, lane, do="done", delayed=False):
        now = time.time()
        run_at = now + self.dice.random() * DELAY_S if delayed else now
        payload, bot = self.payload(do, now), self.bot_of.get(lane)
        number = self.world.enqueue(payload, group_key=lane, bot=bot, run_at=datetime.datetime
                                    .fromtimestamp(run_at, datetime.timezone.utc))
        self.jobs[number] = Job(max(run_at, time.time()), lane, bot, payload["ms"] / 1000,
                                payload.get("until", 0) / 1000, do)
        return number

    def one(self):
        do = self.dice.choice(["done"] * 12 + ["wait", "hold"])
        lane = self.dice.choice([None, *self.lanes]) if do == "done" else self.dice.choice(self.lanes)
        if self.dice.random() < 0.03 and self.bot_of.get(lane):
            do = "pause"
        self.enqueue(lane, do, self.dice.random() < 0.4)

    def many_at_once(self):
        """Of one transaction, as a broadcast is."""
        lanes = self.dice.sample(self.lanes, min(len(self.lanes), 60))
        for bot in self.bots:
            keys = [lane for lane in lanes if self.bot_of[lane] == bot]
            before = self.world.database.value("select coalesce(max(id), 0) from ops.job")
            self.world.enqueue_many([{} for _ in keys], bot=bot, group_keys=keys)
            for row in self.world.database.query(
                    "select id, group_key from ops.job where id > %s and payload = '{}'", before):
                self.jobs[row.id] = Job(time.time(), row.group_key, bot, 0, 0, "done")

    def cancelled(self):
        """Their lanes look like work, and there is none; of a paced bot each still has its turn."""
        lanes = self.lanes[:3 if self.paced else 80]
        numbers = [self.enqueue(lane, delayed=True) for lane in lanes]
        for number in numbers:
            if self.world.database.value("select ops.job_cancel(%s)", number) == "cancelled":
                self.jobs.pop(number)

    def held_row(self):
        """Somebody cancels it, and thinks better of it."""
        number = self.enqueue(self.dice.choice([None, *self.lanes]), delayed=True)
        self.holders.append(threading.Thread(target=self.hold, args=(
            number, self.world.database.connect(autocommit=False), self.dice.random() * 2 * DELAY_S)))
        self.holders[-1].start()

    def hold(self, number, connection, seconds):
        with connection.cursor() as cursor:
            began = time.time()
            cursor.execute("select ops.job_cancel(%s)", (number,))
            time.sleep(seconds)
        connection.rollback()
        connection.close()
        # Nobody tells that it was let go; those without a lane are found by the poll.
        self.held[number].append((began, time.time() + (1 if self.jobs[number].lane is None else 0.1)))

    def play(self):
        settings = {"SENDER_CONCURRENCY": str(self.room)}
        if self.paced:
            settings |= {"CONSUMER_PACED": "1", "TELEGRAM_RATE_PER_BOT": str(self.rate),
                         "TELEGRAM_RATE_PER_CHAT": str(int(1 / LANE_S))}
        running = [self.world.begin(**settings) for _ in range(self.consumers)]
        for consumer in running:
            consumer.wait_line("serving")
        end = time.monotonic() + LASTS_S
        while time.monotonic() < end:
            self.dice.choice([self.one] * 40 + [self.many_at_once, self.cancelled, self.held_row])()
            time.sleep(self.dice.choice([0, 0.001, 0.03]))
        deadline = time.monotonic() + 30
        while not self.world.over() and time.monotonic() < deadline:
            time.sleep(0.02)
        for holder in self.holders:
            holder.join()
        for consumer in running:
            consumer.signal(15)
            assert consumer.wait() == 0
        assert self.world.over(), self.world.database.query("select * from ops.job_open")

    # --- what came of it

    def occupied(self, starts):
        """By lane and by bot, the times in which nothing of it could start."""
        lanes, bots = collections.defaultdict(list), collections.defaultdict(list)
        recent = collections.defaultdict(list)
        for number, times in self.held.items():
            job = self.jobs[number]
            lanes[job.lane] += [(max(since, job.ready), until) for since, until in times if job.lane]
        for start in starts:
            job = self.jobs[start.job]
            again = job.until if job.do in ("wait", "pause") else 0
            if job.lane:
                lanes[job.lane].append(
                    (start.at, max(start.at + job.ms + LANE_S * self.paced, again)))
            if job.do == "pause":
                bots[job.bot].append((start.at, job.until))
            if self.paced and job.lane:
                times = recent[job.bot]
                times.append(start.at)
                window = times[-self.rate] + 1.01 if len(times) >= self.rate else 0
                bots[job.bot].append((start.at, max(start.at + 0.9 / self.rate, window)))
        return lanes, bots

    def full(self, starts):
        """The times in which all consumers together had no room."""
        changes = sorted(change for start in starts for change in
                         ((start.at, 1), (start.at + self.jobs[start.job].ms + 0.003, -1)))
        count, since, full = 0, None, []
        for at, change in changes:
            count += change
            if count >= self.room * self.consumers and since is None:
                since = at
            elif count < self.room * self.consumers and since is not None:
                full.append((since, at))
                since = None
        return full

    def latest(self):
        """The longest time in which a job could have started and did not: (seconds, start)."""
        starts = sorted(self.world.starts(), key=lambda start: start.at)
        lanes, bots = self.occupied(starts)
        full = self.full(starts)
        worst, seen = (0, None), set()
        for start in starts:
            job = self.jobs[start.job]
            ready = job.until if start.job in seen else job.ready
            seen.add(start.job)
            taken = sorted(lanes[job.lane] + (bots[job.bot] if job.lane else []) + full
                           + self.held[start.job])
            worst = max(worst, (idle(ready, start.at, taken), start), key=lambda pair: pair[0])
        assert seen == set(self.jobs)
        return worst


def idle(since, until, taken):
    """The longest time between since and until that none of taken covers."""
    longest = 0
    for begin, end in taken:
        if begin >= until:
            break
        longest = max(longest, begin - since)
        since = max(since, end)
    return max(longest, until - since)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_starts_later_than_it_could_have(world, number):
    played = Round(world, random.Random(SEED + number))
    with Lag() as lag:
        played.play()
    late, start = played.latest()
    what = (f"OPS_DUE_SEED={SEED + number} OPS_DUE_ROUNDS=1: {played}, {len(played.jobs)} jobs: the"
            f" machine was {lag.worst * 1000:.0f} ms late")
    print(what, f"and a start {late * 1000:.0f} ms")
    assert late < LATE_S + lag.worst, (what, late, start, played.jobs[start.job])
    assert world.database.deadlocks() == 0, what
