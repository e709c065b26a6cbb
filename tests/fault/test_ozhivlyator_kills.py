"""Both workers of document 004, struck at every boundary with the outside (kill_at.c) and run again:
everybody who is due is told exactly once, and is marked exactly when his message is enqueued."""
import itertools
import os

import pytest

from preload import kill_at, struck

# OPS_STEP=1 strikes at each boundary, by default at some.
STEP = int(os.environ.get("OPS_STEP", "4"))
PEOPLE = 25
NOON = "2026-03-10T12:00:00+03:00"
DUE = """
    insert into ozhivlyator.users (chat_id, registered_at, generation_count, balance,
                                   first_generation_time)
    select n, '2026-03-09T12:00:00Z', 1, 0, '2026-03-08T12:00:00Z' from generate_series(1, %s) n
"""
MARKED = {
    "discount_offer": "discount_offered",
    "daily_bonus_reminder": "daily_bonus_reminded_on = '2026-03-10'",
}
# In one statement: the server may be at work yet for a process that is gone.
TOLD_AND_MARKED = """
    select array(select (payload ->> 'chatId')::bigint from ops.job order by 1) as told,
           array(select chat_id from ozhivlyator.users where {} order by 1) as marked
"""


@pytest.mark.parametrize("when, first", [("before", 2), ("after", 4)])
@pytest.mark.parametrize("name", MARKED)
def test_struck_anywhere_and_run_again_each_is_told_once(database, worker, name, when, first):
    for number in itertools.count(min(first, STEP), STEP):
        database.execute("truncate ozhivlyator.users, ops.job, ops.lane_arrival")
        database.execute(DUE, PEOPLE)
        done = worker(f"ozhivlyator/{name}", "--now", NOON, **kill_at(number, when=when))
        [row] = database.query(TOLD_AND_MARKED.format(MARKED[name]))
        assert row.told == row.marked, number
        database.alone()
        again = worker(f"ozhivlyator/{name}", "--now", NOON)
        assert again.returncode == 0, again.stdout + again.stderr
        [row] = database.query(TOLD_AND_MARKED.format(MARKED[name]))
        assert row.told == row.marked == list(range(1, PEOPLE + 1)), number
        if struck(done.stdout + done.stderr) is None:
            assert number > first, "the library does not see the worker's calls"
            return
