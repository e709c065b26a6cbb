"""opsctl jobs and opsctl queues, as their binaries answer."""
import json
import os
import pwd

import pytest

from harness import BUILD
from test_bot_tasks import BAD


@pytest.fixture
def command(worker):
    return lambda name, *args: worker(BUILD / "libexec" / name, *args)


@pytest.fixture
def jobs(database):
    made = [database.value("select ops.enqueue(%s, 'k', '{\"chatId\": 7}')", queue)
            for queue in ("a", "a", "b")]
    database.execute("update ops.job set state = 'dead', last_error = E'no\\x1b[31m chat',"
                     " finished_at = now() where id = %s", made[1])
    return made


def test_jobs_are_listed_by_queue_and_state(command, jobs):
    first, dead, other = jobs
    listed = json.loads(command("jobs", "--json").stdout)
    assert [job["id"] for job in listed["jobs"]] == [other, dead, first]
    listed = json.loads(command("jobs", "a", "--state", "dead", "--json").stdout)
    assert [(job["id"], job["queue"], job["state"]) for job in listed["jobs"]] == [(dead, "a", "dead")]
    text = command("jobs", "a").stdout
    assert len(text.splitlines()) == 3 and "\x1b" not in text


def test_a_long_history_is_not_walked_and_that_is_said(command, database):
    """Numbers of old jobs are far below the newest; dead ones are listed however old they are."""
    database.execute("insert into ops.job (id, queue, kind, payload, state, finished_at, ring)"
                     " select n, 'a', 'k', '{}', case n when 1 then 'dead' else 'done' end, now(),"
                     " ops.job_ring() from generate_series(1, 5) n")
    assert "looked through" not in command("jobs", "a").stdout
    database.execute("select setval('ops.job_number', 100003)")
    text = command("jobs", "a").stdout
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["5", "4", "1", "of"]
    assert "only the newest 100000" in text
    assert "looked through" not in command("jobs", "a", "--state", "dead").stdout
    for state, complete in (("done", False), ("dead", True), ("available", True)):
        told = json.loads(command("jobs", "--state", state, "--json").stdout)
        assert told["complete"] is complete, state


def test_one_job_is_shown_with_its_payload(command, jobs):
    shown = json.loads(command("jobs", "show", str(jobs[0]), "--json").stdout)
    assert shown["payload"] == {"chatId": 7} and shown["state"] == "available"
    assert "chatId" in command("jobs", "show", str(jobs[0])).stdout


def test_a_dead_job_is_retried_and_an_available_one_cancelled(command, jobs, database):
    assert command("jobs", "retry", str(jobs[1])).returncode == 0
    assert command("jobs", "cancel", str(jobs[0])).returncode == 0
    assert dict(database.query("select id, state from ops.job where queue <> 'audit-log'")) == {
        jobs[0]: "cancelled", jobs[1]: "available", jobs[2]: "available"}
    refused = command("jobs", "retry", str(jobs[2]), "--json")
    assert refused.returncode == 0 and json.loads(refused.stdout)["state"] == "available"
    actors, acts, details = zip(*database.audited())
    assert acts == ("job-retry", "job-cancel", "job-retry") and len(set(actors)) == 1
    assert [d["job"] for d in details] == [jobs[1], jobs[0], jobs[2]]
    assert actors[0] == f"opsctl {pwd.getpwuid(os.getuid()).pw_name}"


def test_what_cannot_be_done_says_why(command, jobs, database):
    missing = command("jobs", "show", "999")
    assert missing.returncode == 1 and "no job 999" in missing.stderr
    for words in (["show"], ["show", "x"], ["--state", "lost"], ["a", "b"], ["--colour"]):
        done = command("jobs", *words)
        assert done.returncode == 2 and ("want jobs" in done.stderr or "--state STATE" in done.stderr), words
    database.execute("update ops.job set state = 'done', finished_at = now() where id = %s", jobs[0])
    done = command("jobs", "cancel", str(jobs[0]))
    assert done.returncode == 1 and "is done" in done.stderr


def test_a_job_is_added_where_its_worker_would_take_it(command, database):
    added = command("jobs", "add", "bot-tasks", "sync-groups", "{}", "--json")
    assert added.returncode == 0, added.stderr
    photo = command("jobs", "add", "messages", "send-photo", '{"chat_id": 7, "photo": "http://x"}',
                    "--bot", "shop")
    assert photo.returncode == 0, photo.stderr
    rows = database.query("select id, queue, kind, bot from ops.job where queue <> 'audit-log'"
                          " order by id")
    assert [row[1:] for row in rows] == [("bot-tasks", "sync-groups", "tgadmin"),
                                         ("messages", "send-photo", "shop")]
    assert json.loads(added.stdout)["id"] == rows[0].id
    assert [(action, details["job"]) for _, action, details in database.audited()] == [
        ("job-add", row.id) for row in rows]


@pytest.mark.parametrize("kind, payload, reason", BAD)
def test_what_the_worker_would_refuse_is_refused_at_once(command, database, kind, payload, reason):
    if reason.startswith("unknown kind"):
        reason = "no kind ban-everybody of the queue bot-tasks; there are bot-tasks send-message"
    refused = command("jobs", "add", "bot-tasks", kind, json.dumps(payload))
    assert refused.returncode == 1 and reason in refused.stderr
    assert not database.query("select 1 from ops.job")


def test_dead_jobs_are_retried_together(command, database):
    database.execute("select ops.enqueue_all('q', 'k', array(select jsonb_build_object('n', n)"
                     " from generate_series(1, 1002) n))")
    other = database.value("select ops.enqueue('other', 'k', '{}')")
    twins = [database.value("select ops.enqueue('q', 'k', '{}')") for _ in range(2)]
    database.execute("update ops.job set state = 'dead', finished_at = now(), ring = ops.job_ring()")
    database.execute("update ops.job set dedup_key = 'twin' where id = any(%s)", twins)
    done = command("jobs", "retry", "--state", "dead", "q")
    assert done.returncode == 0 and "1000 dead jobs of q" in done.stdout and "once again" in done.stdout
    done = command("jobs", "retry", "q", "--state", "dead", "--json")
    assert json.loads(done.stdout)["retried"] == 3
    left = database.query("select id from ops.job where state = 'dead' order by id")
    assert [row.id for row in left] == [other, twins[1]]
    assert len(database.audited()) == 2


def test_queues_tell_depth_age_and_failures(command, jobs):
    told = json.loads(command("queues", "--json").stdout)["queues"]
    assert [(q["queue"], q["depth"], q["dead"], q["failures"]) for q in told] == [
        ("a", 1, 1, 1), ("b", 1, 0, 0)]
    assert told[0]["oldest_ms"] >= 0 and told[0]["rate"] == 0
    assert command("queues").stdout.splitlines()[0].split()[0] == "queue"


def test_a_count_that_is_an_estimate_is_marked(command, database):
    database.execute("select ops.enqueue_all('long', 'k', array(select jsonb_build_object('n', n)"
                     " from generate_series(1, 10100) n))")
    database.execute("select ops.enqueue('short', 'k', '{}')")
    database.execute("analyze ops.job_open")
    told = json.loads(command("queues", "--json").stdout)["queues"]
    assert [(q["depth_estimated"], q["dead_estimated"]) for q in told] == [(True, False),
                                                                          (False, False)]
    assert 10_000 < told[0]["depth"] < 11_000 and told[1]["depth"] == 1
    _, long, short = (line.split() for line in command("queues").stdout.splitlines())
    assert long[1] == f"~{told[0]['depth']}" and long[2] == "0" and short[1] == "1"
