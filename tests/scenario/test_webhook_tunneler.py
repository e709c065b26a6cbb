"""Updates arrive: the webhook is set and kept, the tunnel is opened, watched and never left behind."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from fixture import BOT_TOKEN
from gateway_world import SECRET, gateway, message
from harness import BUILD, DEADLINE_S, ROOT, wait_until, worker_environment
from preload import preload

assert gateway  # fixture

BOT = BOT_TOKEN.split(":")[0]
TUNNEL = ROOT / "tests/sandbox/tunnel.py"
KINDS = ["message", "callback_query", "my_chat_member"]


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class World:
    def __init__(self, gateway, sandbox, database, worker, folder):
        self.gateway, self.sandbox, self.database, self.worker = gateway, sandbox, database, worker
        self.switches = folder / "switches"
        self.switches.mkdir()
        self.settings = {
            **sandbox.environment(), "WEBHOOK_SECRET": SECRET, "TELEGRAM_ADMIN_CHAT_ID": 1,
            "HTTP_LISTEN": f"127.0.0.1:{gateway.port}", "WEBHOOK_CHECK_INTERVAL": "200ms",
            "WEBHOOK_TUNNEL_URL_REGEX": "http://127[.0-9:]+"}
        sandbox.control("POST", "telegram/webhook", {"first_delay_s": 0.1})

    def host(self, **settings):
        return self.start(WEBHOOK_TYPE="HOST",
                          WEBHOOK_HOST=f"http://127.0.0.1:{self.gateway.port}", **settings)

    def tunnel(self, *options, **settings):
        command = f"{sys.executable} {TUNNEL} --switches {self.switches} {' '.join(options)} {{port}}"
        return self.start(WEBHOOK_TYPE="SERVEO", WEBHOOK_TUNNEL_COMMAND=command, **settings)

    def start(self, **settings):
        return self.worker.start("main/webhook_tunneler", **{**self.settings, **settings})

    def switch(self, name, on=True):
        if on:
            (self.switches / name).touch()
        else:
            (self.switches / name).unlink()

    @property
    def pids(self):
        with contextlib.suppress(FileNotFoundError):
            return [int(pid) for pid in (self.switches / "pids").read_text().split()]
        return []

    @property
    def row(self):
        rows = self.database.query("select * from main.webhook")
        return rows[0] if rows else None

    def info(self, bot_token=BOT_TOKEN):
        with urllib.request.urlopen(f"{self.sandbox.url}/bot{bot_token}/getWebhookInfo") as answer:
            return json.loads(answer.read())["result"]

    def wait_healthy(self, healthy=True, *, but=None, since=None, seconds=DEADLINE_S):
        """The row when it says so; but: not of this process; since: checked after that."""
        return wait_until(lambda: (row := self.row) and row.checked_at and row.healthy is healthy
                          and row.pid != (but or -1) and (not since or row.checked_at > since)
                          and row, seconds, f"healthy={healthy}")

    def happen(self, *updates):
        return self.sandbox.control("POST", "telegram/updates",
                                    {"bot": BOT, "updates": list(updates)})["ids"]

    def stored(self):
        return [row.update_id for row in self.database.query(
            "select update_id from main.telegram_update order by update_id")]


@pytest.fixture
def world(gateway, sandbox, database, worker, tmp_path):
    made = World(gateway, sandbox, database, worker, tmp_path)
    yield made
    worker.kill_all()
    # Whatever a test did: nothing that a tunnel ever started is left.
    wait_until(lambda: not any(is_alive(pid) for pid in made.pids), what="no tunnel is left")


def text(n, chat=7):
    update = message(1, chat)
    del update["update_id"]
    update["message"]["text"] = f"message {n}"
    return update


# --- the webhook

def test_a_host_gets_its_webhook_and_updates_arrive_through_it(world):
    world.happen(text(0))  # waits until there is a webhook
    tunneler = world.host()
    tunneler.wait_line("the webhook is set")
    row = world.wait_healthy()
    assert (row.type, row.url, row.pid) == ("HOST", f"http://127.0.0.1:{world.gateway.port}", None)
    info = world.info()
    assert info["url"] == f"http://127.0.0.1:{world.gateway.port}/telegram/shop"
    assert info["allowed_updates"] == KINDS
    world.happen(*(text(n, n % 5) for n in range(1, 20)), {"edited_message": {}})
    wait_until(lambda: len(world.stored()) == 20)
    tunneler.process.terminate()
    assert tunneler.wait() == 0


def test_a_webhook_that_somebody_else_set_is_set_again(world, sandbox):
    world.host()
    world.wait_healthy()
    set_webhook(sandbox, url="http://127.0.0.1:9/other")
    wait_until(lambda: world.info()["url"].endswith("/telegram/shop"))
    world.happen(text(1))
    wait_until(lambda: len(world.stored()) == 1)


def sandbox_call(sandbox, method, params):
    request = urllib.request.Request(
        f"{sandbox.url}/bot{BOT_TOKEN}/{method}", json.dumps(params).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())["result"]


def set_webhook(sandbox, **params):
    """As somebody else does; Telegram takes one a second."""
    def taken():
        try:
            return sandbox_call(sandbox, "setWebhook", params)
        except urllib.error.HTTPError as refused:
            assert refused.code == 429

    wait_until(taken)


def test_what_telegram_refuses_for_now_is_tried_again(world):
    world.sandbox.control("POST", "telegram/webhook", {"unresolved": 1})
    world.sandbox.fault("429", path="setWebhook", retry_after=1)
    world.host().wait_line("the webhook is set")
    world.wait_healthy()


def test_each_token_has_a_webhook_of_its_own(world):
    other = "200:another_token"
    world.host(TELEGRAM_BOT_TOKEN_COFFEE=other).wait_line("bot=coffee")
    world.wait_healthy()
    assert world.info()["url"].endswith("/telegram/shop")
    assert world.info(other)["url"].endswith("/telegram/coffee")


def test_a_refused_token_does_not_stop_the_other_bots(world):
    other = "200:another_token"
    world.sandbox.control("POST", "telegram/tokens", {"revoked": [BOT_TOKEN]})
    tunneler = world.host(TELEGRAM_BOT_TOKEN_COFFEE=other)
    wait_until(lambda: world.info(other)["url"].endswith("/telegram/coffee"))
    assert "token" in world.wait_healthy(False).last_error
    assert tunneler.process.poll() is None


def test_what_telegram_cannot_deliver_shows(world):
    tunneler = world.host()
    world.wait_healthy()
    set_webhook(world.sandbox, url=world.info()["url"], secret_token="other")
    world.happen(text(1))
    tunneler.wait_line("Wrong response from the webhook: 401")
    wait_until(lambda: "Telegram cannot deliver to shop" in (world.row.last_error or ""))


def test_with_the_gateway_away_that_is_what_is_told(world):
    tunneler = world.tunnel()
    pid = world.wait_healthy().pid
    world.gateway.process.process.terminate()
    tunneler.wait_line("the gateway does not answer at http://127.0.0.1")
    assert world.wait_healthy(False).pid == pid, "the tunnel is not to blame"


# --- the tunnel

@pytest.mark.parametrize("options", [[], ["--colour"], ["--noise", "--colour"]])
def test_the_address_is_found_in_what_a_tunnel_prints(world, options):
    tunneler = world.tunnel(*options)
    tunneler.wait_line("the tunnel is open")
    row = world.wait_healthy()
    assert (row.type, row.pid) == ("SERVEO", world.pids[0])
    assert world.info()["url"] == row.url + "/telegram/shop"
    world.happen(text(1))
    wait_until(lambda: len(world.stored()) == 1)
    tunneler.process.terminate()
    assert tunneler.wait() == 0
    assert not is_alive(row.pid)


def test_a_tunnel_that_dies_is_replaced_and_the_webhook_follows(world):
    world.tunnel()
    first = world.wait_healthy()
    os.kill(first.pid, signal.SIGKILL)
    row = world.wait_healthy(but=first.pid)
    assert row.url != first.url
    wait_until(lambda: world.info()["url"] == row.url + "/telegram/shop")


@pytest.mark.parametrize("switch", ["hang", "page"])
def test_a_tunnel_that_lets_nothing_through_is_replaced(world, switch):
    tunneler = world.tunnel(**preload("hasten", HASTEN_TIMEOUT_MS=500))
    first = world.wait_healthy()
    world.switch(switch)
    tunneler.wait_line("nothing comes through", 40)
    world.switch(switch, False)
    world.wait_healthy(but=first.pid, seconds=40)
    assert not is_alive(first.pid)


def test_why_there_is_no_tunnel_is_told_in_its_own_words(world):
    refused = world.tunnel("--refuse")
    refused.wait_line("Connection refused")
    assert world.row.url is None
    wait_until(lambda: len(world.pids) >= 2, what="it is tried again")
    refused.kill()
    missing = world.start(WEBHOOK_TYPE="SERVEO", WEBHOOK_TUNNEL_COMMAND="/no/such/program {port}")
    missing.wait_line("there is no such program")


# --- nothing is left

@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_whatever_ends_the_tunneler_its_tunnel_ends_with_it(world, number):
    tunneler = world.tunnel("--child", "--noise")
    world.wait_healthy()
    assert len(world.pids) == 2 and all(is_alive(pid) for pid in world.pids)
    tunneler.signal(number)
    wait_until(lambda: not any(is_alive(pid) for pid in world.pids))


def minder_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_when_the_process_between_is_killed_too_the_tunnel_dies(world):
    tunneler = world.tunnel()
    pid = world.wait_healthy().pid
    between = minder_of(pid)
    assert between != tunneler.pid
    os.kill(between, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    again = world.wait_healthy(but=pid).pid
    tunneler.signal(signal.SIGSTOP)
    os.kill(minder_of(again), signal.SIGKILL)
    os.kill(tunneler.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(again))


def test_one_that_was_left_all_the_same_is_ended_only_if_it_is_ours(world):
    """As if the kernel had let a tunnel live on; and a pid that somebody else has by now."""
    command = [sys.executable, str(TUNNEL), "--switches", str(world.switches),
               str(world.gateway.port)]
    left = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        def record(pid, start):
            world.database.execute("delete from main.webhook")
            world.database.execute(
                "insert into main.webhook (type, pid, tunnel_start, tunnel_command)"
                " values ('SERVEO', %s, %s, %s)", pid, start, " ".join(command))

        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()

        def start_of(pid):
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]

        for pid, start in ((other.pid, f"{boot} {start_of(other.pid)}"),   # another command
                           (left.pid, f"{boot} 1"),                        # another start
                           (left.pid, f"{boot[::-1]} {start_of(left.pid)}")):  # another boot
            record(pid, start)
            tunneler = world.host()
            world.wait_healthy()
            tunneler.process.terminate()
            assert tunneler.wait() == 0
            assert left.poll() is None and other.poll() is None
        record(left.pid, f"{boot} {start_of(left.pid)}")
        world.host().wait_line("ended a tunnel that an earlier life left behind")
        assert left.wait(20) == -signal.SIGKILL and other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_two_hosts_do_not_fight_over_the_webhook(world):
    first = world.tunnel()
    url = world.wait_healthy().url
    second = world.host()
    wait_until(lambda: world.database.value(
        "select count(*) from pg_stat_activity where application_name = 'main/webhook_tunneler'"
        " and query like '%%pg_try_advisory_lock%%'") == 1)
    assert world.row.url == url
    second.process.terminate()
    assert second.wait() == 0
    assert first.process.poll() is None


def test_a_lost_database_does_not_cost_the_tunnel(world, cluster):
    tunneler = world.tunnel()
    first = world.wait_healthy()
    world.database.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                           " where application_name = 'main/webhook_tunneler'")
    checked = world.row.checked_at
    row = world.wait_healthy(since=checked)
    assert (row.pid, row.url) == (first.pid, first.url)
    assert tunneler.process.poll() is None


def test_while_another_host_has_the_lock_nothing_wakes_it_up(world):
    """Not what its tunnel goes on to print."""
    world.tunnel("--noise")
    world.wait_healthy()
    ours = "application_name = 'main/webhook_tunneler'"
    with contextlib.closing(world.database.connect()) as other, other.cursor() as cursor:
        waiting = threading.Thread(target=cursor.execute, args=(
            "select pg_advisory_lock(hashtextextended('main/webhook_tunneler', 0))",))
        waiting.start()
        wait_until(lambda: world.database.value("select count(*) from pg_locks where not granted"
                                            " and locktype = 'advisory'"))
        world.database.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}")
        waiting.join()
        asked = (f"select query_start from pg_stat_activity where {ours}"
                 " and query like '%%pg_try_advisory_lock%%'")
        wait_until(lambda: world.database.query(asked))
        times, until = set(), time.monotonic() + 1
        while time.monotonic() < until:
            times.update(world.database.query(asked))
        assert len(times) <= 2


# --- settings and commands

def test_wrong_settings_are_named(world):
    for settings, word in (({"WEBHOOK_TYPE": "NGROK"}, "WEBHOOK_TYPE"),
                           ({"WEBHOOK_TYPE": "HOST"}, "WEBHOOK_HOST"),
                           ({"WEBHOOK_HOST": "http://example.net"}, "WEBHOOK_HOST"),
                           ({"WEBHOOK_TYPE": "SERVEO", "WEBHOOK_TUNNEL_URL_REGEX": "("},
                            "WEBHOOK_TUNNEL_URL_REGEX"),
                           ({"WEBHOOK_TYPE": "SERVEO", "WEBHOOK_SECRET": "ü"}, "WEBHOOK_SECRET")):
        done = world.worker("main/webhook_tunneler", **{**world.settings, **settings})
        assert done.returncode == 78 and word in done.stderr, settings


def command(world, name, *args, **settings):
    return subprocess.run(
        [BUILD / "libexec" / name, *args], cwd=world.switches, text=True, capture_output=True,
        env=worker_environment(DATABASE_URL=world.database.url,
                               **{**world.settings, "WEBHOOK_TYPE": "HOST",
                                  "WEBHOOK_HOST": f"http://127.0.0.1:{world.gateway.port}",
                                  **settings}))


def test_setup_webhook_sets_it_and_says_what_it_is(world):
    done = command(world, "setup_webhook")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"shop: http://127.0.0.1:{world.gateway.port}/telegram/shop,"
                           " 0 updates wait\n")
    world.happen(text(1))
    wait_until(lambda: len(world.stored()) == 1)
    none = command(world, "setup_webhook", WEBHOOK_TYPE="SERVEO")
    assert none.returncode == 1 and "opsctl start webhook_tunneler" in none.stderr


def test_skip_bot_updates_forgets_what_waits_and_keeps_the_webhook(world):
    assert command(world, "setup_webhook").returncode == 0
    before = world.info()
    world.gateway.process.process.terminate()
    world.gateway.process.wait()
    world.happen(text(1), text(2), text(3))
    done = command(world, "skip_bot_updates", "--dry-run")
    assert "shop: 3 updates would be skipped\n" in done.stdout
    done = command(world, "skip_bot_updates")
    assert (done.returncode, done.stdout) == (0, "shop: 3 updates skipped\n")
    after = world.info()
    assert after["pending_update_count"] == 0
    assert (after["url"], after["allowed_updates"]) == (before["url"], KINDS)
    # Of setWebhook Telegram takes one a second: the first may have been told to wait.
    drops = [r["body"] for r in world.sandbox.requests(path=f"/bot{BOT_TOKEN}/setWebhook")
             if r["body"].get("drop_pending_updates")]
    assert drops and all(body["secret_token"] == SECRET for body in drops)
    assert not [r for r in world.sandbox.requests() if "deleteWebhook" in r["path"]]
