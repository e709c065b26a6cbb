"""The gateway's way in: updates are stored once and before they are acknowledged; nobody gets in
who may not, and nobody is in the way of the others."""
import base64
import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from gateway_world import SECRET, TOKEN, Answer, Gateway, gateway, message
from harness import BUILD, ROOT, wait_until, worker_environment

assert gateway  # a fixture


def stored(database):
    return [row.update_id for row in database.query(
        "select update_id from main.telegram_update order by bot, update_id")]


def jobs(database):
    return database.query("select payload, bot, group_key, kind from ops.job"
                          " where queue = 'updates' order by id")


def metric(gateway, line):
    text = gateway.ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).body
    return next(float(found.rsplit(" ", 1)[1]) for found in text.decode().splitlines()
                if found.startswith(line + " "))


# --- updates

def test_an_update_is_stored_with_its_job_and_then_acknowledged(gateway, database):
    answer = gateway.post_update(message(41, chat=-100123, text='quote " and \\ and привет 🦉'))
    assert (answer.status, answer.json) == (200, {"ok": True})
    [row] = database.query("select * from main.telegram_update")
    assert (row.bot, row.update_id) == ("shop", 41)
    assert row.payload["message"]["text"] == 'quote " and \\ and привет 🦉'
    [job] = jobs(database)
    assert (job.payload, job.bot, job.group_key, job.kind) == (
        {"updateId": 41}, "shop", "shop:-100123", "telegram-update")


def test_an_update_that_comes_again_is_acknowledged_and_stored_once(gateway, database):
    for _ in range(3):
        assert gateway.post_update(message(5)).status == 200
    assert gateway.post_update(message(5), bot="coffee").status == 200
    assert stored(database) == [5, 5]
    assert [job.bot for job in jobs(database)] == ["shop", "coffee"]
    assert metric(gateway, 'ops_gateway_updates_total{outcome="duplicate"}') == 2


LANES = [
    ({"callback_query": {"id": "1", "from": {"id": 8}, "data": "x",
                         "message": {"chat": {"id": 9}}}}, "shop:9"),
    ({"callback_query": {"id": "1", "from": {"id": 8}, "data": "x"}}, "shop:8"),
    ({"my_chat_member": {"chat": {"id": -5}, "from": {"id": 8}}}, "shop:-5"),
]


def test_each_kind_waits_in_the_lane_of_its_chat(gateway, database):
    for number, (update, _) in enumerate(LANES):
        assert gateway.post_update({"update_id": number, **update}).status == 200
    assert [job.group_key for job in jobs(database)] == [group for _, group in LANES]


def test_other_kinds_are_acknowledged_counted_and_dropped(gateway, database):
    assert gateway.post_update({"update_id": 1, "edited_message": {}}).status == 200
    assert gateway.post_update({"update_id": 2, "poll": {}}).status == 200
    assert stored(database) == [] and jobs(database) == []
    assert metric(gateway, 'ops_gateway_updates_total{outcome="dropped"}') == 2


def test_nul_is_stripped_and_nothing_else(gateway, database):
    text = r'{"update_id":1,"message":{"text":"a\u0000b\\u0000c\\\u0000d\n\u00001","chat":{"id":1}}}'
    assert gateway.post_update(text).status == 200
    [row] = database.query("select payload from main.telegram_update")
    assert row.payload["message"]["text"] == "ab\\u0000c\\d\n1"


def test_what_was_stripped_is_not_under_way_any_more(gateway):
    """Bodies that are under way may be 64 MiB together."""
    text = '{"update_id":%d,"message":{"text":"' + r"\u0000" * 170_000 + '","chat":{"id":1}}}'
    with contextlib.closing(gateway.connection()) as connection:
        for number in range(70):
            assert gateway.post_update(text % number, connection=connection).status == 200


NO_UPDATES = [
    "", "{", "[]", "7", '"x"', "null", "{}", '{"message":{}}', '{"update_id":"5","message":{}}',
    '{"update_id":1.5,"message":{}}', '{"update_id":1,"update_id":2,"message":{}}',
    b'{"update_id":1,"message":{"text":"\xff"}}', "[" * 100 + "]" * 100,
    '{"update_id":1,"message":{}} x',
]


def test_what_is_no_update_is_refused_with_a_reason(gateway, database):
    for body in NO_UPDATES:
        answer = gateway.post_update(body)
        assert answer.status == 400 and answer.json["error"], body
    assert stored(database) == []


def test_one_that_postgresql_refuses_does_not_take_the_others_along(gateway, database):
    bad = '{"update_id":%d,"message":{"chat":{"id":1},"x":1e999999}}'
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(
            lambda n: gateway.post_update(bad % n if n % 6 == 0 else message(n)).status,
            range(1, 49)))
    assert [n for n, status in enumerate(answers, 1) if status == 400] == list(range(6, 49, 6))
    assert sorted(stored(database)) == [n for n in range(1, 49) if n % 6]


def test_many_at_once_on_kept_connections_are_all_stored(gateway, database):
    def telegram(first):
        with contextlib.closing(gateway.connection()) as connection:
            return [gateway.post_update(message(n, chat=n % 10), connection=connection).status
                    for n in range(first, first + 50)]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = sum(pool.map(telegram, range(0, 1000, 50)), [])
    assert answers == [200] * 1000
    assert stored(database) == list(range(1000))
    assert len(jobs(database)) == 1000


# --- when PostgreSQL is away

def test_without_a_database_nothing_is_acknowledged_and_the_answer_comes_at_once(worker, cluster):
    gateway = Gateway(worker)
    database = worker.database
    cluster.admin(f"alter database {database.name} allow_connections false")
    database.close()
    cluster.admin("select pg_terminate_backend(pid) from pg_stat_activity"
                  f" where datname = '{database.name}'")
    gateway.process.wait_line("connection to the database is lost")
    began = time.monotonic()
    answer = gateway.post_update(message(1))
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert time.monotonic() - began < 4  # a database that hangs is waited for for five seconds
    assert gateway.ask("GET", "/healthz").status == 503
    assert gateway.api("GET", "/api/queues")[0] == 503
    cluster.admin(f"alter database {database.name} allow_connections true")
    gateway.process.wait_line("storing updates")
    assert gateway.post_update(message(1)).status == 200
    assert gateway.ask("GET", "/healthz").status == 200
    assert stored(database) == [1]


def test_it_serves_before_there_is_a_database(worker):
    gateway = Gateway.__new__(Gateway)
    gateway.worker = worker
    gateway.settings = {"HTTP_LISTEN": "127.0.0.1:0", "HTTP_API_TOKEN": TOKEN,
                        "WEBHOOK_SECRET": SECRET, "DATABASE_URL": "host=/nowhere dbname=x"}
    gateway.start(ready=False)
    assert gateway.post_update(message(1)).status == 503
    assert gateway.ask("GET", "/healthz").json["instance"]


def test_a_database_that_hangs_is_waited_for_within_limits(gateway, database):
    with contextlib.closing(database.connect(autocommit=False)) as other:
        with other.cursor() as cursor:
            cursor.execute("lock table main.telegram_update in access exclusive mode")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            began = time.monotonic()
            waiting = [pool.submit(gateway.post_update, message(n)) for n in range(8)]
            wait_until(lambda: database.value(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                " and application_name = 'main/gateway'"))
            assert gateway.ask("GET", "/healthz").status == 200
            assert [answer.result().status for answer in waiting] == [503] * 8
            assert time.monotonic() - began < 15
        other.rollback()
    # What was not acknowledged comes again, and is stored once.
    wait_until(lambda: all(gateway.post_update(message(n)).status == 200 for n in range(8)))
    assert stored(database) == list(range(8))


def test_what_was_acknowledged_survives_a_crash_of_postgresql(worker, cluster, database):
    """In the middle of a stream; what was not acknowledged is sent again, as Telegram does."""
    database.execute(f"alter database {database.name} set synchronous_commit = on")
    gateway = Gateway(worker)
    acknowledged, crashes = [], 0

    def telegram(first):
        for n in range(first, first + 40):
            wait_until(lambda: gateway.post_update(message(n)).status == 200)
            acknowledged.append(n)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sending = [pool.submit(telegram, first) for first in range(0, 320, 40)]
        for crashes in (1, 2):
            wait_until(lambda: len(acknowledged) >= crashes * 80)
            database.close()
            cluster.restart(signal.SIGQUIT)
            assert set(acknowledged[:crashes * 80]) <= set(stored(database))
        for each in sending:
            each.result()
    assert crashes == 2 and stored(database) == list(range(320))
    assert len(jobs(database)) == 320


def begin_update(gateway, number):
    """Sent, and not answered yet."""
    connection = gateway.connection()
    connection.request("POST", "/telegram/shop", json.dumps(message(number)),
                       {"Content-Type": "application/json",
                        "X-Telegram-Bot-Api-Secret-Token": SECRET})
    return connection


BUSY = ("select max(pid) from pg_stat_activity"
        " where wait_event_type = 'Lock' and application_name = 'main/gateway'")


def test_a_server_that_leaves_our_words_unread_is_noticed(gateway, database):
    """It says why it ends, and what follows is an error of the socket, not its end."""
    with contextlib.closing(database.connect(autocommit=False)) as other:
        with other.cursor() as cursor:
            cursor.execute("lock table main.telegram_update in access exclusive mode")
        first = begin_update(gateway, 1)
        backend = wait_until(lambda: database.value(BUSY))
        second = begin_update(gateway, 2)
        for _ in range(2):  # whoever answers these has seen what came before
            assert gateway.ask("GET", "/healthz").status == 200
        os.kill(gateway.process.pid, signal.SIGSTOP)
        database.query("select pg_terminate_backend(%s)", backend)
        wait_until(lambda: not os.path.exists(f"/proc/{backend}"))
        os.kill(gateway.process.pid, signal.SIGCONT)
        for connection in first, second:
            with contextlib.closing(connection):
                assert connection.getresponse().status == 503
        other.rollback()
    for number in 1, 2:
        wait_until(lambda: gateway.post_update(message(number)).status == 200)
    assert stored(database) == [1, 2]


# --- who may ask

def test_an_update_without_the_secret_is_refused_unread(gateway, database):
    for secret in (None, "", "x", SECRET[:-1], SECRET + "x", SECRET.upper()):
        answer = gateway.post_update(message(1), secret=secret)
        assert answer.status == 401 and answer.json["error"], secret
    assert stored(database) == []


def basic(password, user="me"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


PAGES = ("/", "/dashboard", "/dashboard/main.js", "/dashboard/nothing", "/dashboard/")
PATHS = PAGES + (
    "/dashboards", "/metrics", "/api/workers", "/api/queues", "/api/jobs", "/api/jobs/1/retry",
    "/api/workers/x/restart", "/api/tasks?user_id=1", "/api/auth/reset-payment-status", "/nothing",
    "/healthz/", "/telegram", "/api/../healthz", "/metrics%00", "//healthz", "/HEALTHZ")
WRONG_TOKENS = (None, "Bearer x", "Bearer", "Bearer " + TOKEN[:-1],
                "Bearer " + TOKEN + "x", "bearer  " + TOKEN, basic(""), basic(TOKEN[:-1]),
                basic(TOKEN + "x"), basic("me", TOKEN), "Basic " + TOKEN, "Basic",
                "Basic " + base64.b64encode(TOKEN.encode()).decode(), "Basic !!!")


def test_nothing_is_told_without_the_token(gateway):
    for method, path, header in itertools.product(("GET", "POST", "DELETE"), PATHS, WRONG_TOKENS):
        answer = gateway.ask(method, path, headers={"Authorization": header} if header else {})
        assert answer.status in (400, 401) and "ops_" not in answer.body.decode()
        if answer.status == 401:
            assert answer.headers["www-authenticate"].startswith(
                "Basic" if path in PAGES else "Bearer")


def test_the_token_as_a_password_opens_the_same_doors(gateway):
    for user in "", "me", "имя":
        answer = gateway.ask("GET", "/api/queues", headers={"Authorization": basic(TOKEN, user)})
        assert answer.status == 200, user
    assert gateway.ask("GET", "/metrics", headers={"Authorization": basic(TOKEN)}).status == 200


def test_a_password_alone_gives_no_orders(gateway):
    """A browser would send it along with another site's form."""
    path, password = "/api/jobs/1/retry", {"Authorization": basic(TOKEN)}
    assert gateway.ask("POST", path, headers=password).status == 403
    assert gateway.ask("POST", path, headers={**password, "X-Requested-With": "x"}).status == 404
    assert gateway.ask("POST", path, headers={"X-Requested-With": "x"}).status == 401
    assert gateway.api("POST", path)[0] == 404


def test_the_dashboard_comes_from_the_binary_and_is_kept_by_its_tag(gateway):
    password = {"Authorization": basic(TOKEN)}
    page = gateway.ask("GET", "/dashboard", headers=password)
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page.body.decode())
    assert len(names) > 3 and not re.search(r'style=|\son[a-z]+=|https?:', page.body.decode())
    tags = set()
    for path in "dashboard", *names:
        answer = gateway.ask("GET", f"/{path}", headers=password)
        assert answer.status == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-cache"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        tag = answer.headers["etag"]
        tags.add(tag)
        for kept in tag, f'W/{tag}', f'"other", {tag}':
            again = gateway.ask("GET", f"/{path}", headers={**password, "If-None-Match": kept})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        again = gateway.ask("GET", f"/{path}", headers={**password, "If-None-Match": '"other"'})
        assert (again.status, again.body) == (200, answer.body)
    assert len(tags) == 1 + len(names)
    source = ROOT / "workers/main/dashboard/main.js"
    assert gateway.ask("GET", "/dashboard/main.js", headers=password).body == source.read_bytes()
    head = gateway.ask("HEAD", "/dashboard", headers=password)
    assert (head.status, head.body, head.headers["etag"] in tags) == (200, b"", True)
    assert gateway.ask("GET", "/dashboard/nothing", headers=password).status == 404
    assert gateway.ask("POST", "/dashboard", headers={**password, "X-Requested-With": "x"}
                       ).status == 405
    home = gateway.ask("GET", "/", headers=password)
    assert (home.status, home.headers["location"]) == (303, "dashboard")
    assert TOKEN not in gateway.process.output


def test_with_the_token_wrong_paths_and_methods_are_told_apart(gateway):
    assert gateway.api("GET", "/nothing")[0] == 404
    assert gateway.post_update(message(1), bot="nobody").status == 404
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for method, path, allowed in (("POST", "/api/queues", "GET, HEAD"),
                                  ("GET", "/api/jobs/1/retry", "POST"),
                                  ("DELETE", "/metrics", "GET, HEAD")):
        answer = gateway.ask(method, path, headers=headers)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
    answer = gateway.ask("GET", "/telegram/shop", headers={"X-Telegram-Bot-Api-Secret-Token": SECRET})
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_health_is_open_and_known_as_ours(gateway):
    answer = gateway.ask("GET", "/healthz")
    assert answer.status == 200 and answer.json["status"] == "ok"
    assert len(answer.json["instance"]) == 32 and SECRET not in answer.body.decode()
    head = gateway.ask("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")


# --- slow and hostile clients

def test_a_body_that_is_too_large_is_refused(gateway, database):
    large = json.dumps(message(1, text="x" * (1 << 20)))
    with gateway.socket() as client:
        client.sendall((f"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nContent-Length: {len(large)}\r\n"
                        f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n").encode())
        assert b" 413 " in client.recv(4096)
    with gateway.socket() as client:
        client.sendall(("POST /telegram/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                        f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n").encode())
        for _ in range(40):
            client.sendall(b"8000\r\n" + b"y" * 0x8000 + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert b" 413 " in client.recv(4096)
    fits = json.dumps(message(2, text="x" * ((1 << 20) - 300)))
    assert gateway.post_update(fits).status == 200
    assert stored(database) == [2]


GARBAGE = [
    b"\x00\xff\xfe" * 500, b"GET / HTTP/9.9\r\n\r\n", b"GET /healthz\r\n\r\n", b"\r\n" * 2000,
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n",
    b"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"garbage after it \x01\x02\r\n\r\n" * 50,
]


def test_garbage_hurts_nobody(gateway):
    for each in GARBAGE:
        with gateway.socket() as client, contextlib.suppress(OSError):
            client.settimeout(0.5)  # what is cut short is waited for, within limits
            client.sendall(each)
            while client.recv(65536):
                pass
        assert gateway.ask("GET", "/healthz").status == 200, each[:60]


def test_requests_sent_in_one_go_are_answered_in_order(gateway, database):
    def request(update):
        body = json.dumps(update)
        return (f"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n{body}").encode()

    with gateway.socket() as client:
        client.sendall(b"".join(request(message(n)) for n in range(20)) +
                       b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = b""
        while piece := client.recv(65536):
            told += piece
    assert told.count(b"HTTP/1.1 200 ") == 21 and told.count(b'{"ok":true}') == 20
    assert stored(database) == list(range(20))


def test_slow_clients_are_pushed_out_and_good_ones_go_on(gateway, database):
    """Six hundred clients that send a byte now and then: more than there is room for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    slow = [gateway.socket() for _ in range(600)]
    try:
        for client in slow:
            client.sendall(b"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nX-")
        for n in range(50):
            for client in slow[n * 12:n * 12 + 12]:
                with contextlib.suppress(ConnectionError):
                    client.sendall(b"a")
            began = time.monotonic()
            assert gateway.post_update(message(n)).status == 200
            assert time.monotonic() - began < 5
        assert metric(gateway, "ops_gateway_connections") <= 512
        assert stored(database) == list(range(50))
        # Those that are left are not waited for for ever; one that wrote after its end is reset.
        slow[-1].settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            assert slow[-1].recv(1) == b""
    finally:
        for client in slow:
            client.close()


def test_one_address_cannot_take_all_connections(worker):
    """Not on loopback, where a tunnel or a proxy brings everybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            host = probe.getsockname()[0]
        except OSError:
            pytest.skip("there is no address but loopback here")
    gateway = Gateway(worker, HTTP_LISTEN="0.0.0.0:0")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.socket(host)) for _ in range(160)]

        def refused():
            count = 0
            for client in clients:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    try:
                        count += client.recv(1) == b""
                    except ConnectionResetError:
                        count += 1
            return count
        wait_until(lambda: refused() == 160 - 128)
        assert gateway.ask("GET", "/healthz").status == 200


# --- life

def test_told_to_stop_it_answers_what_it_has(gateway, database):
    with contextlib.closing(database.connect(autocommit=False)) as other:
        with other.cursor() as cursor:
            cursor.execute("lock table main.telegram_update in access exclusive mode")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(gateway.post_update, message(1))
            wait_until(lambda: database.value(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                " and application_name = 'main/gateway'"))
            gateway.process.signal(signal.SIGTERM)
            gateway.process.wait_line("stopping")
            other.rollback()
            assert waiting.result().status == 200
    assert gateway.process.wait() == 0
    assert stored(database) == [1]


WRONG_SETTINGS = [
    ({"HTTP_LISTEN": "8080"}, "HTTP_LISTEN"), ({"HTTP_LISTEN": "example.net:80"}, "HTTP_LISTEN"),
    ({"HTTP_LISTEN": "::1:80"}, "HTTP_LISTEN"), ({"HTTP_LISTEN": "127.0.0.1:"}, "HTTP_LISTEN"),
    ({"HTTP_API_TOKEN": "short"}, "HTTP_API_TOKEN"), ({"WEBHOOK_SECRET": "a b"}, "WEBHOOK_SECRET"),
    ({"DATABASE_URL": "postgres//x:secret"}, "connection string"),
]


def test_wrong_settings_are_named_and_not_tried_again(worker):
    for settings, word in WRONG_SETTINGS:
        done = worker("main/gateway", **{"HTTP_LISTEN": "127.0.0.1:0", "HTTP_API_TOKEN": TOKEN,
                                         "WEBHOOK_SECRET": SECRET, **settings})
        assert done.returncode == 78 and word in done.stderr, settings
        assert "secret" not in done.stderr.replace("WEBHOOK_SECRET", "")


def test_an_address_in_use_is_tried_again_later(gateway, worker):
    done = worker("main/gateway", **{**gateway.settings,
                                     "HTTP_LISTEN": f"127.0.0.1:{gateway.port}"})
    assert done.returncode == 75 and "HTTP_LISTEN" in done.stderr


def test_a_socket_that_was_passed_is_used(worker, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        environment = worker_environment(DATABASE_URL=worker.database.url, HTTP_API_TOKEN=TOKEN,
                                         WEBHOOK_SECRET=SECRET)
        start = ('import os,sys; os.dup2(int(sys.argv[1]), 3); '
                 'os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid())); '
                 'os.execv(sys.argv[2], sys.argv[2:])')
        process = subprocess.Popen(
            ["/usr/bin/python3", "-c", start, str(listening.fileno()),
             str(BUILD / "workers/main/gateway")], cwd=tmp_path, env=environment,
            pass_fds=[listening.fileno()], stdout=subprocess.DEVNULL)
        try:
            connection = http.client.HTTPConnection(*listening.getsockname(), timeout=20)
            connection.request("GET", "/healthz")
            assert Answer(connection.getresponse()).json["instance"]
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_old_updates_go_but_not_those_that_a_job_needs(worker, database):
    database.execute(
        "insert into main.telegram_update select 'shop', n, '{}', now() - interval '49 hours'"
        " from generate_series(1, 12000) n")
    database.execute("insert into main.telegram_update values ('shop', 20000, '{}',"
                     " now() - interval '47 hours')")
    database.execute("select ops.enqueue('updates', 'telegram-update', '{\"updateId\": 77}', 'shop')")
    gateway = Gateway(worker)
    wait_until(lambda: stored(database) == [77, 20000])
    assert gateway.ask("GET", "/healthz").status == 200
