"""The control socket, the daemon around it, and clients of every kind."""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading

import pytest

from supervisor import BIN, SANITIZED, Client, Fleet, Refused, descriptors, fleet, py, settled, sh, wait_until  # noqa: F401

ROW = ["id", "name", "namespace", "instance", "pid", "state", "wanted", "ready", "restarts",
       "unstable_restarts", "uptime_ms", "cpu_percent", "memory_bytes", "exit_code", "exit_signal",
       "reason", "next_run", "last_run", "stats", "status_text", "completed", "adopted", "user",
       "watching"]
DAEMON = ["pid", "guard_pid", "version", "uptime_ms", "memory_bytes", "home", "manifest"]
VERBS = [("start", "NAME"), ("stop", "NAME"), ("restart", "NAME"), ("stat", "NAME"),
         ("describe", "NAME"), ("logs", "NAME"), ("run_worker", "default", "NAME")]


def test_stat_json_has_the_documented_fields(fleet):
    """More may come; none of these may go or be renamed."""
    fleet.apps(sh("exec sleep 1000", namespace="shop"), sh("true", "cron", schedule="@every 1h"))
    fleet.start()
    fleet.wait_state("w", "online")
    wait_until(lambda: fleet.row("w")["memory_bytes"] and fleet.row("cron")["next_run"])
    got = fleet.opsctl("stat", "--json")
    document = json.loads(got.stdout)
    assert got.stdout.count("\n") == 1
    assert {"daemon", "version", "workers"} <= set(document) and document["version"] == 1
    assert not set(DAEMON) - set(document["daemon"])
    assert document["daemon"]["guard_pid"] == fleet.process.pid
    assert document["daemon"]["home"] == str(fleet.home)
    assert document["daemon"]["manifest"] == str(fleet.manifest)
    for row in document["workers"]:
        assert not set(ROW) - set(row)
    w, cron = document["workers"]
    assert (w["name"], w["namespace"], w["state"], w["wanted"]) == ("w", "shop", "online", "up")
    assert w["pid"] in fleet.processes() and w["uptime_ms"] >= 0 and w["memory_bytes"] > 0
    assert w["exit_code"] is w["exit_signal"] is w["next_run"] is w["last_run"] is None
    assert (w["stats"], w["adopted"], w["watching"], w["user"]) == ({}, False, False, None)
    assert cron["state"] == "scheduled" and cron["pid"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", cron["next_run"])
    # one worker, and a namespace
    assert [r["name"] for r in json.loads(fleet.opsctl("stat", "w", "--json").stdout)["workers"]] == ["w"]
    assert [r["name"] for r in json.loads(fleet.opsctl("stat", "shop", "--json").stdout)["workers"]] == ["w"]


def test_one_name_and_several_are_both_understood(fleet):
    fleet.apps(sh("exec sleep 1000"), sh("exec sleep 1000", "v"))
    fleet.start()
    fleet.wait_state("w", "online")
    with fleet.connect() as client:
        for method in ("restart", "describe", "workers_stat", "stat", "status", "stop"):
            for params in ({"name": "w"}, {"names": ["w"]}):
                rows = client.call(method, **params)["workers"]
                assert [row["name"] for row in rows] == ["w"], (method, params)


def test_s21_every_answer_belongs_to_its_request(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(5)))
    fleet.start()
    problems = []

    def one(number):
        chance = random.Random(number)
        with fleet.connect() as client:
            sent = {}
            for _ in range(30):
                name = f"w{chance.randrange(5)}"
                kind = chance.choice(["workers_stat", "describe", "missing"])
                if kind == "missing":
                    sent[client.send("describe", name=f"missing{number}x")] = f"missing{number}x"
                else:
                    sent[client.send(kind, name=name)] = name
            while sent:
                message = client.receive()
                name = sent.pop(message["id"])
                if "error" in message:
                    if name not in message["error"]["message"]:
                        problems.append((name, message))
                elif [w["name"] for w in message["result"]["workers"]] != [name]:
                    problems.append((name, message))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems


# JSON-RPC 2.0, section 5.1
@pytest.mark.parametrize("line, code, id_", [
    (b'{"jsonrpc":"2.0","id":1,"method":"ping"', -32700, None),
    (b"garbage", -32700, None),
    (b"\xff\xfe\x00", -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700, None),
    (b"[" * 5000, -32700, None),
    (b"[]", -32600, None),
    (b"1", -32600, None),
    (b'{"id":7}', -32600, 7),
    (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', -32600, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"no_such"}', -32601, 7),
    (b'{"jsonrpc":"2.0","id":"x","method":"ping","params":[1]}', -32602, "x"),
    (b'{"jsonrpc":"2.0","id":7,"method":"describe"}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"stop","params":{"names":"w"}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"stop","params":{"names":[]}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"stop","params":{"names":[1,null]}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"logs","params":{"names":{"a":1}}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"logs","params":{"lines":-1}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"run_worker","params":{"app":1,"worker":"w"}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"cancel","params":{"id":1}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"stop","params":{"names":["nobody"]}}', -32004, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"describe","params":{"name":"x' + "\u043f".encode() * 100
     + b'"}}', -32004, 7),
])
def test_s22_a_malformed_request_gets_its_error_and_the_connection_goes_on(fleet, line, code, id_):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    with fleet.connect() as client:
        client.socket.sendall(line + b"\n")
        message = client.receive()
        assert (message["error"]["code"], message["id"]) == (code, id_)
        assert client.call("ping")["guard_pid"] == fleet.process.pid


def test_a_notification_gets_no_answer(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    with fleet.connect() as client:
        for method in ("ping", "no_such", "describe"):
            client.socket.sendall(b'{"jsonrpc":"2.0","method":"%s"}\n' % method.encode())
        asked = client.send("ping")
        assert client.receive()["id"] == asked


def test_s22_half_a_request_harms_nobody(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    held = [fleet.connect() for _ in range(20)]
    for n, client in enumerate(held):
        client.socket.sendall(b'{"jsonrpc":"2.0","id":1,"meth'[:n + 1])
    assert fleet.opsctl("ping").returncode == 0
    for client in held[:10]:
        client.close()
    assert fleet.opsctl("ping").returncode == 0
    for client in held[10:]:
        client.close()


def test_two_megabytes_without_a_newline_are_refused(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    with fleet.connect() as client:
        try:
            client.socket.sendall(b"x" * (2 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.receive()["error"]["code"] == -32600
        assert _is_closed(client)
    assert fleet.rpc("ping")["guard_pid"] == fleet.process.pid


def test_the_257th_client_is_turned_away_until_one_leaves(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    before = settled(lambda: descriptors(fleet.supervisor))
    clients = [fleet.connect() for _ in range(256)]
    for client in clients:
        assert client.call("ping")
    with fleet.connect() as late:
        message = late.receive()
        assert message["id"] is None and "too many clients" in message["error"]["message"]
        assert late.receive() is None
    got = fleet.opsctl("ping")
    assert got.returncode == 1 and "too many clients" in got.stderr
    clients.pop().close()
    wait_until(lambda: fleet.rpc("ping"))
    for client in clients:
        client.close()
    wait_until(lambda: descriptors(fleet.supervisor) <= before)


def test_a_client_that_asks_and_does_not_read_is_not_asked_for_more(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"worker-number-{n}") for n in range(200)))
    fleet.start("--no-start")
    with fleet.connect() as greedy, fleet.connect() as other:
        def send():
            with contextlib.suppress(OSError):
                for n in range(3000):
                    request = {"jsonrpc": "2.0", "id": n, "method": "workers_stat"}
                    greedy.socket.sendall(json.dumps(request).encode() + b"\n")
        sender = threading.Thread(target=send)
        sender.start()
        assert greedy.receive()["id"] == 0
        assert other.call("ping")
        memory = int(pathlib.Path(f"/proc/{fleet.supervisor}/statm").read_text().split()[1]) * 4096
        assert memory < 100 << 20 or SANITIZED
        # and yet it is not forgotten
        for n in range(1, 50 if SANITIZED else 500):
            assert greedy.receive()["id"] == n
        greedy.socket.shutdown(socket.SHUT_RDWR)
        sender.join()


def test_a_client_that_leaves_amid_what_it_asked_for_harms_nobody(fleet):
    fleet.apps(sh("exec yes a line that is somewhat longer than the shortest one", "w",
                  out_file="/dev/null"), sh("exec sleep 1000", "v"))
    fleet.start()
    for n in range(20):
        with fleet.connect() as client:
            client.send("logs", names=["all"], lines=100, follow=True)
            client.send("run_worker", app="default", worker="w")
            client.send("restart", names=["v"], wait=True)
            for _ in range(n * 10):
                client.receive()
    wait_until(lambda: len(os.listdir(fleet.home / "run")) == 2)
    assert fleet.rpc("ping")


def _is_closed(client):
    try:
        while client.socket.recv(1 << 20):
            pass
        return True
    except ConnectionResetError:
        return True


def test_whoever_only_stops_sending_still_gets_the_answer(fleet):
    fleet.apps(sh("exec sleep 1000", kill_timeout=300))
    fleet.start()
    fleet.wait_state("w", "online")
    with fleet.connect() as client:
        asked = client.send("restart", names=["w"], wait=True)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer(asked)["workers"][0]["state"] == "online"
        assert client.receive() is None


@pytest.mark.parametrize("verb", VERBS, ids=lambda v: v[0])
def test_s63_an_unknown_worker_is_exit_4_with_a_hint(fleet, verb):
    fleet.apps(sh("exec sleep 1000", "billing"))
    fleet.start("--no-start")
    got = fleet.opsctl(*("biling" if w == "NAME" else w for w in verb))
    assert got.returncode == 4
    assert 'did you mean "billing"' in got.stderr


def test_s63_restart_all_of_an_empty_fleet(fleet):
    fleet.apps()
    fleet.start()
    for word, code in (("restart", 4), ("reload", 4), ("stop", 0), ("start", 0)):
        assert fleet.opsctl(word, "all").returncode == code


@pytest.mark.parametrize("verb", [("ping",), ("kill",), ("stat",), ("stat", "--json")]
                         + [v for v in VERBS if v[0] != "start"], ids=" ".join)
def test_s64_without_a_daemon_every_verb_fails_at_once_and_starts_none(fleet, verb):
    fleet.apps(sh("exec sleep 1000"))
    got = fleet.opsctl(*("w" if w == "NAME" else w for w in verb), timeout=5)
    assert got.returncode == 3 and "not running" in got.stderr
    assert not fleet.home.exists() or not any(fleet.home.iterdir())
    # and with what a dead one left
    fleet.home.mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(fleet.home / "opsd.sock"))
    listener.close()
    got = fleet.opsctl(*("w" if w == "NAME" else w for w in verb), timeout=5)
    assert got.returncode == 3 and "not running" in got.stderr


def test_s66_a_reader_that_leaves_ends_logs_quietly(fleet):
    fleet.apps(sh("i=0; while :; do echo $i; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 0.01; done"))
    fleet.start()
    wait_until(lambda: len(fleet.lines("w")) > 50)
    got = subprocess.run(["sh", "-c", '"$0" --home "$1" logs w -f | head -n 30', BIN / "opsctl",
                          fleet.home], capture_output=True, text=True, timeout=20)
    assert got.returncode == 0 and got.stderr == "" and len(got.stdout.splitlines()) == 30
    wait_until(lambda: fleet.rpc("ping"))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_s67_another_user_is_refused_and_secrets_are_not_shown(fleet):
    fleet.apps(sh("exec sleep 1000", env={"API_SECRET": "hunter2"}))
    fleet.start()
    fleet.wait_state("w", "online")
    os.chmod(fleet.top, 0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for words in (["stat"], ["stop", "w"]):
        got = subprocess.run([*nobody, BIN / "opsctl", "--home", fleet.home, *words],
                             capture_output=True, text=True, timeout=30)
        assert got.returncode == 5
    # even through a socket that lets everybody in, what changes something is the owner's
    os.chmod(fleet.home, 0o755)
    os.chmod(fleet.home / "opsd.sock", 0o666)
    got = subprocess.run([*nobody, BIN / "opsctl", "--home", fleet.home, "stop", "w"],
                         capture_output=True, text=True, timeout=30)
    assert got.returncode == 5
    assert fleet.state("w") == "online"
    for words in (["stat", "--json"], ["describe", "w", "--json"], ["describe", "w"]):
        assert "hunter2" not in fleet.opsctl(*words).stdout


def test_s27_a_second_daemon_refuses(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    command = [BIN / "opsd", "--home", fleet.home, "--manifest", fleet.manifest]
    # also when everything that it could go by was deleted
    for spoil in (lambda: None, lambda: os.unlink(fleet.home / "opsd.sock")):
        spoil()
        for more in ([], ["--foreground"]):
            got = subprocess.run([*command, *more], capture_output=True, text=True, timeout=30,
                                 env=fleet.environment())
            assert got.returncode == 1 and "another opsd runs" in got.stderr
        assert fleet.processes() == [pid]


def test_two_starts_at_once_make_one_daemon(fleet):
    fleet.apps(sh("exec sleep 1000"))
    for _ in range(5):
        both = [fleet.opsctl_background("start", "all") for _ in range(2)]
        said = [p.communicate(timeout=30) for p in both]
        assert [p.returncode for p in both] == [0, 0], said
        assert len(fleet.processes()) == 1
        assert fleet.opsctl("kill").returncode == 0


def test_a_home_of_any_length_works():
    fleet = Fleet("/".join(["d" * 49] * 4))
    try:
        fleet.apps(py("print('up', flush=True); tell('READY=1'); time.sleep(1000)", ready="notify"))
        assert len(str(fleet.home)) > 200
        assert fleet.opsctl("start", "all", "--wait").returncode == 0
        assert fleet.state("w") == "online"
        assert fleet.opsctl("logs", "w").stdout == "up\n"
        assert fleet.opsctl("kill").returncode == 0
    finally:
        fleet.end()


def test_a_daemon_with_its_first_descriptors_closed(fleet):
    fleet.apps(sh("echo out; echo err >&2; exec sleep 1000"))
    fleet.home.mkdir()
    subprocess.run(["sh", "-c", 'exec "$0" --home "$1" --manifest "$2" <&- >&- 2>&-', BIN / "opsd",
                    fleet.home, fleet.manifest], timeout=20, env=fleet.environment())
    wait_until(lambda: fleet.lines("w") == ["out"] and fleet.lines("w", "error") == ["err"])
    pid = fleet.pid
    for fd, file in [(0, "/dev/null"), (1, fleet.home / "opsd.log"), (2, fleet.home / "opsd.log")]:
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == str(file)


def test_a_manifest_that_breaks_later_touches_nothing(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    fleet.manifest.write_text('{"apps":[{"name":"w","script":"sh","max_restarts":"ten"}]}')
    for word in ("start", "restart"):
        got = fleet.opsctl(word, "w")
        assert got.returncode == 1 and "max_restarts" in got.stderr
    assert fleet.row("w")["pid"] == pid
    # what needs no manifest still works
    assert fleet.opsctl("stop", "w").returncode == 0
    fleet.manifest.unlink()
    assert fleet.opsctl("start", "w").returncode == 1


def test_any_other_client_can_use_the_socket(fleet):
    """As the documents promise: a line in, a line out, also for one that closes its side at once."""
    fleet.apps(sh("exec sleep 1000"))
    fleet.start("--no-start")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(fleet.home / "opsd.sock"))
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"workers_stat"}\r\n')
        s.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: s.recv(1 << 16), b""))
    assert json.loads(said)["result"]["version"] == 1


def test_a_wait_ends_at_the_time_that_was_asked_for(fleet):
    fleet.apps(sh("exec sleep 1000", ready="notify", listen_timeout="1h"))
    fleet.start("--no-start")
    with pytest.raises(Refused, match="did not come up"):
        fleet.rpc("start", names=["w"], wait=True, timeout_ms=100)
    with fleet.connect() as client:
        for timeout in (10**15, "9223372036854775807", -5):
            client.send("start", names=["w"], wait=True, timeout_ms=timeout)
        assert client.call("ping")
    assert fleet.state("w") == "launching"
