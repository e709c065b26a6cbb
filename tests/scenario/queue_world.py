"""A database with a queue, consumers that serve it, and the ledger of what was started."""
import collections
import json

import pytest

from consumer import build_consumer

Start = collections.namedtuple("Start", "job attempt at bot lane")


class QueueWorld:
    def __init__(self, database, worker, program, folder):
        self.database, self.worker, self.program = database, worker, program
        self.path, self.gate = folder / "ledger", folder / "gate"
        self.path.touch()
        # Of the payload of a job that goes on until self.gate.touch().
        self.gated = {"ms": 5, "gate": str(self.gate)}
        database.execute("create table if not exists noted (job_id bigint primary key, word text)")

    def consumer(self, **settings):
        """A serving process; it is ready when this returns."""
        started = self.begin(**settings)
        started.wait_line("serving")
        return started

    def begin(self, **settings):
        return self.worker.start(self.program, CONSUMER_LEDGER=str(self.path), **settings)

    def enqueue(self, payload=None, **options):
        names = "".join(f", {name} => %s" for name in options)
        return self.database.value(f"select ops.enqueue('work', 'k', %s{names})",
                                   json.dumps(payload or {}), *options.values())

    def enqueue_many(self, payloads, queue="work", bot=None, group_keys=None):
        return self.database.value(
            "select ops.enqueue_all(%s, 'k', %s::jsonb[], %s, group_keys => %s::text[])", queue,
            [json.dumps(payload) for payload in payloads], bot, group_keys)

    def job(self, number):
        [row] = self.database.query("select * from ops.job where id = %s", number)
        return row

    def states(self):
        return {row.state: row.count for row in self.database.query(
            "select state, count(*) from ops.job group by 1")}

    def over(self):
        return self.database.value("select count(*) from ops.job_open") == 0

    def starts(self):
        return [Start(int(job), int(attempt), int(at) / 1000, bot, lane) for job, attempt, at, bot, lane
                in (line.split() for line in self.path.read_text().splitlines())]

    def silence(self):
        """Every owner that does not beat again is dead: as if the time had passed."""
        self.database.execute("update ops.owner set beat_at = '-infinity'")


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return str(build_consumer(tmp_path_factory.mktemp("consumer")))


@pytest.fixture
def world(database, worker, program, tmp_path):
    return QueueWorld(database, worker, program, tmp_path)
