"""What the gateway tells to whoever has the token: the fleet, the queues, the runs, as JSON and for
Prometheus; and what it does when it is asked to."""
import re
import socket
import tempfile
import threading

import pytest

from gateway_world import TOKEN, Gateway, gateway, message
from harness import wait_until
from supervisor import fleet, sh

assert gateway and fleet  # fixtures

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)')
SLEEPER = "trap 'exit 0' INT TERM; while :; do sleep 0.1; done"


def scrape(gateway):
    """The families by name, each sample as (labels, value); fails where the format is broken."""
    answer = gateway.ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    assert text.endswith("\n")
    families, types, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in families, "a family is told in one go"
            families[current] = []
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "summary")
            assert (kind == "counter") == name.endswith("_total")
            types[name] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            base = re.sub("_(sum|count)$", "", name) if types[current] == "summary" else name
            assert base == current
            families[current].append((dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"',
                                                      labels or "")), float(value)))
    assert set(families) == set(types)
    return families


def sample(families, family, **labels):
    [value] = [value for found, value in families[family]
               if labels.items() <= found.items()]
    return value


@pytest.fixture
def watched(worker, fleet):
    """A gateway beside a fleet of two."""
    fleet.apps(sh(SLEEPER, "good", namespace="a"), sh("exit 3", "bad", max_restarts=1))
    fleet.start()
    fleet.wait_state("good", "online")
    fleet.wait_state("bad", "errored")
    yield Gateway(worker, OPS_HOME=fleet.home)


# --- the fleet

def test_the_fleet_is_told_and_one_of_it_restarted(watched, fleet):
    status, told = watched.api("GET", "/api/workers")
    assert status == 200
    assert {row["name"] for row in told["workers"]} == {"good", "bad"}
    before = fleet.row("good")["pid"]
    status, told = watched.api("POST", "/api/workers/good/restart")
    assert status == 200 and told["workers"][0]["name"] == "good"
    assert fleet.wait_state("good", "online")["pid"] != before
    assert watched.api("POST", "/api/workers/nobody/restart")[0] == 404
    for name in "all", "a", "0":
        assert watched.api("POST", f"/api/workers/{name}/restart")[0] == 404, name
    assert fleet.row("good")["restarts"] == 1
    assert watched.worker.database.audited() == [("api", "worker-restart", {"worker": "good"})]


def test_a_restart_is_written_down_before_it_is_ordered(watched, fleet, database):
    """Afterwards the gateway may be gone: it may be the one that is restarted."""
    before = fleet.row("good")["pid"]
    connection = database.connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("lock table ops.job_open in share mode")
    asking = threading.Thread(target=lambda: watched.api("POST", "/api/workers/good/restart"))
    asking.start()
    wait_until(lambda: database.value("select exists (select from pg_locks where not granted)"))
    asking.join(1)
    assert asking.is_alive() and fleet.row("good")["pid"] == before
    connection.close()
    asking.join()
    assert fleet.row("good")["pid"] != before
    assert database.audited() == [("api", "worker-restart", {"worker": "good"})]


def test_metrics_of_the_fleet(watched, fleet):
    families = scrape(watched)
    assert sample(families, "ops_opsd_up") == sample(families, "ops_database_up") == 1
    assert sample(families, "ops_worker_state", name="good", state="online", namespace="a") == 1
    assert sample(families, "ops_worker_exit_code", name="bad") == 3
    assert sample(families, "ops_worker_memory_bytes", name="good") > 0
    assert sample(families, "ops_opsd_uptime_seconds") > 0


def test_metrics_of_queues_and_runs(gateway, database):
    gateway.post_update(message(1))
    gateway.post_update(message(1))
    database.execute(
        "insert into ops.run (app, worker, host, pid, tick_at, started_at, finished_at, exit_code)"
        " select app, 'w', 'h', 1, t, t, t + interval '2 seconds', code from (values"
        " ('a', timestamptz '2026-01-01 00:00Z', 0), ('a', '2026-01-01 00:01Z', 75),"
        " ('b', '2026-01-01 00:00Z', 0)) v (app, t, code)")
    database.execute("select ops.enqueue(%s, 'k', '{}')", 'odd"\\\n')
    families = scrape(gateway)
    assert sample(families, "ops_opsd_up") == 0, "there is none here"
    assert sample(families, "ops_queue_depth", queue=r'odd\"\\\n') == 1
    assert sample(families, "ops_queue_depth", queue="updates") == 1
    assert sample(families, "ops_queue_depth_estimated", queue="updates") == 0
    assert sample(families, "ops_gateway_updates_total", outcome="stored") == 1
    assert sample(families, "ops_gateway_updates_total", outcome="duplicate") == 1
    assert sample(families, "ops_run_exit_code", app="a") == 75
    assert sample(families, "ops_run_duration_seconds", app="b", worker="w") == 2
    assert sample(families, "ops_run_good_timestamp_seconds", app="a") == 1767225602


def test_metrics_are_told_with_everything_away(worker):
    gateway = Gateway.__new__(Gateway)
    gateway.worker, gateway.settings = worker, {
        "HTTP_LISTEN": "127.0.0.1:0", "HTTP_API_TOKEN": TOKEN, "WEBHOOK_SECRET": "x",
        "DATABASE_URL": "host=/nowhere dbname=x", "OPS_HOME": "/nowhere"}
    gateway.start(ready=False)
    families = scrape(gateway)
    assert sample(families, "ops_opsd_up") == sample(families, "ops_database_up") == 0
    status, told = gateway.api("GET", "/api/workers")
    assert status == 503 and "opsd cannot be reached" in told["error"]


def test_an_opsd_that_hangs_holds_up_nobody(worker):
    """It takes connections and says nothing, or garbage."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ops-") as home:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(f"{home}/opsd.sock")
        listening.listen(64)
        gateway = Gateway(worker, OPS_HOME=home)
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(gateway.api("GET", "/api/workers")))
                  for _ in range(20)]
        for thread in asking:
            thread.start()
        assert gateway.post_update(message(1)).status == 200
        assert gateway.ask("GET", "/healthz").status == 200
        for thread in asking:
            thread.join()
        assert [status for status, _ in answers] == [503] * 20
        thread = threading.Thread(target=lambda: answers.append(gateway.api("GET", "/api/workers")))
        thread.start()
        while thread.is_alive():
            listening.settimeout(0.2)
            try:
                client, _ = listening.accept()
            except TimeoutError:
                continue
            try:
                client.sendall(b"garbage\n")
            except OSError:
                pass
            client.close()
        assert answers[-1][0] == 503
        listening.close()


# --- queues

def test_queues_and_jobs_are_told_and_a_dead_one_goes_back(gateway, database):
    for n in range(5):
        gateway.post_update(message(n))
    status, told = gateway.api("GET", "/api/queues")
    assert status == 200 and [(q["queue"], q["depth"]) for q in told["queues"]] == [("updates", 5)]
    status, told = gateway.api("GET", "/api/jobs?queue=updates&state=available&limit=2")
    assert status == 200 and len(told["jobs"]) == 2
    newest = told["jobs"][0]["id"]
    assert "payload" not in told["jobs"][0]
    assert gateway.api("GET", "/api/jobs?queue=none")[1] == {
        "version": 1, "jobs": [], "complete": True}
    for query in ("state=x", "limit=0", "limit=1001", "limit=ten", "queue=%FF"):
        assert gateway.api("GET", f"/api/jobs?{query}")[0] == 400, query

    oldest = database.value("update ops.job set state = 'done', finished_at = now(),"
                            " ring = ops.job_ring() where id = (select min(id) from ops.job)"
                            " returning id")
    assert gateway.api("POST", f"/api/jobs/{oldest}/retry")[0] == 409
    database.execute("select ops.job_cancel(%s)", newest)
    assert gateway.api("POST", f"/api/jobs/{newest}/retry") == (
        200, {"id": newest, "state": "available"})
    assert gateway.api("POST", "/api/jobs/999999/retry")[0] == 404
    assert gateway.api("POST", "/api/jobs/x/retry")[0] == 400
    database.execute("select ops.job_cancel(%s)", newest)
    assert gateway.api("POST", f"/api/jobs/00{newest}/retry")[1]["id"] == newest
    assert database.audited() == [("api", "job-retry", {"job": newest})] * 2


def test_a_job_is_ordered_and_cancelled(gateway, database):
    order = {"queue": "bot-tasks", "kind": "delete-messages-bulk",
             "payload": {"chatId": -1001, "messageIds": list(range(10 ** 9, 10 ** 9 + 10000))}}
    status, told = gateway.api("POST", "/api/jobs", order)
    assert status == 200 and told["success"] is True
    [job] = database.query("select * from ops.job where queue = 'bot-tasks'")
    assert (job.id, job.kind, job.bot, job.payload) == (
        told["id"], order["kind"], "tgadmin", order["payload"])
    for wrong, said in (({**order, "kind": "x"}, "there are bot-tasks send-message"),
                        ({**order, "payload": {}}, "chatId is missing"),
                        ({**order, "payload": []}, "want a JSON object"),
                        ({**order, "bot": "x"}, "no bot x"), ({}, "want {"), ([], "want {")):
        status, refused = gateway.api("POST", "/api/jobs", wrong)
        assert status == 400 and said in refused["error"], wrong
    assert gateway.ask("POST", "/api/jobs", "{}").status == 401
    answer = gateway.ask("DELETE", "/api/jobs", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, POST"
    for _ in range(2):
        assert gateway.api("POST", f"/api/jobs/{job.id}/cancel") == (
            200, {"id": job.id, "state": "cancelled"})
    assert gateway.api("POST", "/api/jobs/999999/cancel")[0] == 404
    database.execute("update ops.job set state = 'done', finished_at = now(), ring = ops.job_ring()"
                     " where id = %s", gateway.api("POST", "/api/jobs", order)[1]["id"])
    done = database.value("select max(id) from ops.job where queue = 'bot-tasks'")
    assert gateway.api("POST", f"/api/jobs/{done}/cancel")[0] == 409
    assert [action for _, action, _ in database.audited()] == [
        "job-add", "job-cancel", "job-cancel", "job-add"]


# --- purchases

def test_a_purchase_is_paid_over_the_api(gateway, database):
    database.execute("insert into tgadmin.models (public_id, name, username)"
                     " values ('507f1f77bcf86cd799439011', 'A', 'a')")
    database.execute("insert into tgadmin.products (model_id, name, type, price)"
                     " select id, 'P', 'content', 10 from tgadmin.models")
    number = database.value("insert into tgadmin.purchases (telegram_user_id, product_id, amount)"
                            " select 7, id, 10 from tgadmin.products returning id")
    path = f"/api/purchases/{number}/paid"
    assert gateway.ask("POST", path).status == 401
    for _ in range(2):
        assert gateway.api("POST", path) == (200, {"id": number, "status": "completed"})
    assert [(actor, action) for actor, action, _ in database.audited()] == [("api", "purchase-paid")]
    assert gateway.api("POST", "/api/purchases/99/paid")[0] == 404
    assert gateway.api("POST", "/api/purchases/x/paid")[0] == 400
    database.execute("update tgadmin.purchases set status = 'failed'")
    assert gateway.api("POST", path)[0] == 409


# --- coffee

def test_tasks_and_payment_status(gateway, database):
    user = database.value("insert into coffee.users (name, vendista_payment_status)"
                          " values ('Иван \"A\"', 'payment_required') returning id")
    database.execute("insert into coffee.tasks (user_id, task_type, status) values"
                     " (%s, 'restock', 'pending')", user)
    status, told = gateway.api("GET", f"/api/tasks?user_id={user}")
    assert status == 200
    assert [(task["user_id"], task["status"]) for task in told["tasks"]] == [(user, "pending")]
    assert gateway.api("GET", "/api/tasks?user_id=999") == (200, {"tasks": []})
    for query in ("", "?user_id=", "?user_id=x", "?user_id=-1", "?user_id=99999999999999999999"):
        assert gateway.api("GET", f"/api/tasks{query}")[0] == 400, query

    path = "/api/auth/reset-payment-status"
    status, told = gateway.api("POST", path, {"userId": user})
    assert status == 200 and told["success"] is True
    assert told["user"] == {"id": user, "name": 'Иван "A"', "vendista_payment_status": "active"}
    assert database.value("select vendista_payment_status from coffee.users") == "active"
    assert database.audited() == [("api", "reset-payment-status", {"user": user})]
    assert gateway.api("POST", path, {"userId": 999})[0] == 404
    assert len(database.audited()) == 1
    for body in (None, {}, [], {"userId": "x"}, {"userId": 0}, {"userId": None}, {"user_id": user}):
        assert gateway.api("POST", path, body)[0] == 400, body
    assert gateway.ask("POST", path, '{"userId":1}').status == 401
    assert gateway.ask("POST", path, "x" * 5000,
                       {"Authorization": f"Bearer {TOKEN}"}).status == 413
