"""opsctl against a stand-in for opsd that answers what it is told to: well, badly, or not at all."""

import base64
import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import unicodedata
from pathlib import Path

import pytest

from supervisor import keeps_within, seconds_of

ROOT = Path(__file__).resolve().parents[2]
OPSCTL = ROOT / os.environ.get("BUILD", "build") / "bin" / "opsctl"
DEADLINE = 20  # seconds; nothing here takes one, except on a machine in trouble


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPS_", "COLUMNS", "NO_COLOR"))}
    return {**kept, "TERM": "xterm", **more}


def opsctl(home, *words, program=OPSCTL, **more):
    return subprocess.run([program, "--home", home, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=DEADLINE, **{"env": environment(), **more})


def listen(home):
    """The socket of a home whose path may be longer than a socket's address."""
    home.mkdir(parents=True, exist_ok=True)
    folder = os.open(home, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{folder}/opsd.sock")
    listener.listen(16)
    os.close(folder)
    return listener


class Opsd:
    """Answers each request with the bytes that `answer(request)` returns: str, bytes, a dict (the
    result), an Exception (the error), or a list of these; None closes the connection."""

    def __init__(self, home, answer):
        self.home, self.answer, self.requests = home, answer, []
        self.listener = listen(home)
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            for line in connection.makefile("rb"):
                request = json.loads(line)
                self.requests.append(request)
                said = self.answer(request)
                for one in said if isinstance(said, list) else [said]:
                    if one is None:
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    connection.sendall(encode(request, one))
        except OSError:  # the other side went away, or the test is over
            pass

    def stop_listening(self):
        with contextlib.suppress(OSError):  # it is called twice
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        self.stop_listening()
        for connection in self.connections:
            connection.close()


def encode(request, said):
    if isinstance(said, bytes):
        return said
    if isinstance(said, Refusal):
        said = {"id": request["id"], "error": said.error}
    elif "method" not in said:
        said = {"id": request["id"], "result": said}
    return json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n"


class Refusal:
    def __init__(self, code, message="so it is", **more):
        self.error = {"code": code, "message": message, **more}


def notification(method, **params):
    return {"method": method, "params": params}


@pytest.fixture
def home(tmp_path):
    return tmp_path / ".ops"


@pytest.fixture
def opsd(home):
    made = []

    def make(answer):
        made.append(Opsd(home, answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def worker(**more):
    return {"id": 0, "name": "sender", "namespace": "messenger", "instance": 0, "pid": 4711,
            "state": "online", "wanted": "up", "ready": True, "restarts": 2,
            "unstable_restarts": 1, "uptime_ms": 3723000, "cpu_percent": 1.25,
            "memory_bytes": 13000000, "exit_code": None, "exit_signal": None, "reason": None,
            "next_run": None, "last_run": None, "stats": {}, "status_text": None,
            "adopted": False, "user": None, "watching": False, **more}


def document(*workers):
    return {"version": 1, "daemon": {"pid": 1, "home": "/x"}, "workers": list(workers)}


FLEET = [
    worker(),
    worker(id=1, name="matching_successful_payments", namespace="billing", state="scheduled",
           pid=None, uptime_ms=None, cpu_percent=None, memory_bytes=None,
           next_run="2100-01-01T00:00:00Z",
           last_run={"tick": "2000-01-01T00:00:00Z", "started": "2000-01-01T00:00:00Z",
                     "duration_ms": 12, "exit_code": 0, "exit_signal": None},
           stats={"selected": 12, "changed": 10}),
    worker(id=2, name="gateway", namespace="main", state="errored", pid=None, uptime_ms=None,
           cpu_percent=None, memory_bytes=None, exit_code=1,
           reason="exited with code 1 five times in a row, each time within one second of its start"),
]


# --- the way to opsd


@pytest.mark.parametrize("words", [["stat"], ["ping"], ["describe", "a"], ["logs"], ["stop", "a"],
                                   ["run_worker", "a", "b"], ["kill"], ["pid", "a"], ["env", "a"],
                                   ["signal", "HUP", "a"], ["reset", "a"], ["wait", "a"], ["save"],
                                   ["upgrade"], ["logs", "-f"], ["reload", "a"], ["delete", "a"],
                                   ["scale", "a", "2"], ["diff"], ["apply"]], ids=" ".join)
@pytest.mark.parametrize("dead", ["no home", "empty home", "dead socket"])
def test_without_opsd_it_says_so_within_a_second(home, words, dead):
    if dead == "empty home":
        home.mkdir()
    elif dead == "dead socket":
        listen(home).close()

    def ask():
        done = opsctl(home, *words)
        assert (done.returncode, done.stdout) == (3, b"")
        assert done.stderr.decode() == (
            f"opsctl: opsd is not running (home {home}); start it with: opsctl start all\n")
    keeps_within(1, lambda: seconds_of(ask))


def test_a_home_of_somebody_else_is_not_permitted(home, opsd):
    opsd(lambda request: {})
    home.chmod(0)
    # Root would be let in wherever it likes; without these capabilities it is like anybody else.
    powers = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.getuid() else []
    done = subprocess.run([*powers, OPSCTL, "--home", home, "stat"], capture_output=True,
                          timeout=DEADLINE)
    home.chmod(0o700)
    assert done.returncode == 5
    assert b"belongs to another user" in done.stderr


def test_a_path_longer_than_a_socket_address(tmp_path):
    home = tmp_path / ("x" * 120) / ("y" * 120) / ".ops"
    server = Opsd(home, lambda request: {"pid": 7, "version": "1"})
    assert opsctl(home, "ping").stdout.decode() == f"opsd 1 answers (pid 7, home {home})\n"
    server.close()


def test_the_home_is_beside_the_manifest_above(tmp_path, opsd):
    opsd(lambda request: {"pid": 7, "version": "1"})
    (tmp_path / "ecosystem.json").write_text("[]")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    done = subprocess.run([OPSCTL, "ping"], cwd=below, env=environment(), capture_output=True,
                          timeout=DEADLINE)
    assert done.stdout.decode() == f"opsd 1 answers (pid 7, home {tmp_path}/.ops)\n"
    done = subprocess.run([OPSCTL, "ping"], cwd="/", env=environment(OPS_HOME=str(tmp_path / ".ops")),
                          capture_output=True, timeout=DEADLINE)
    assert done.returncode == 0


@pytest.mark.parametrize("said, why", [
    (None, "closed the connection without an answer"),
    ([b'{"jsonrpc":"2.0","id":1,"res', None], "in the middle of an answer"),
    (b"what?\n", "no message"),
    (b"\n", "no message"),
    (b'{"jsonrpc":"2.0","id":1,"result":{}} junk\n', "no message"),
    (b'{"jsonrpc":"2.0","id":1,"result":"\xff"}\n', "not UTF-8"),
    (b'{"id":1,"result":{},"result":{}}\n', "twice"),
    (b"[" * 100 + b"]" * 100 + b"\n", "nested"),
    (b"[1]\n", "neither answer nor notification"),
    (b'{"jsonrpc":"2.0","id":1}\n', "neither answer nor notification"),
    (b'{"jsonrpc":"2.0","id":1,"error":"no"}\n', "neither answer nor notification"),
    (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}\n', "neither"),
    (b'{"jsonrpc":"2.0","method":"log"}\n', "neither answer nor notification"),
    (b'{"jsonrpc":"2.0","id":"\x00"}\n', "NUL"),
])
def test_nonsense_is_a_failure_that_says_what_it_was(home, opsd, said, why):
    opsd(lambda request: said)
    done = opsctl(home, "stat")
    assert done.returncode == 1
    assert why in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize("said", [b"", b'{"jsonrpc":"2.0","id":1,'])
def test_silence_ends_after_the_timeout(home, opsd, said):
    opsd(lambda request: said)
    began = time.monotonic()
    done = opsctl(home, "stat", "--timeout", "200ms")
    assert 0.2 <= time.monotonic() - began < 5
    assert done.returncode == 1
    assert done.stderr == b"opsctl: opsd did not answer within 0.2 s\n"


def test_an_opsd_that_accepts_nothing(home):
    listener = listen(home)
    done = opsctl(home, "stat", "--timeout", "200ms")
    listener.close()
    assert done.returncode == 1
    assert b"did not answer" in done.stderr


def test_answers_to_others_and_notifications_are_passed_over(home, opsd):
    opsd(lambda request: [notification("event", a=1), {"id": 99, "method": "x", "params": {}},
                          b'{"jsonrpc":"2.0","id":99,"result":{}}\n', {"pid": 5, "version": "1"}])
    assert opsctl(home, "ping").returncode == 0


def test_a_huge_answer_in_small_pieces(home, opsd):
    rows = [worker(id=i, name=f"w{i}", status_text="x" * 4000) for i in range(4000)]

    def answer(request):
        line = encode(request, document(*rows))
        return [line[i:i + 50001] for i in range(0, len(line), 50001)]

    opsd(answer)
    done = opsctl(home, "stat", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["workers"]) == 4000
    keeps_within(5, lambda: seconds_of(lambda: opsctl(home, "stat")))
    assert len(opsctl(home, "stat").stdout.splitlines()) == 4001


def test_a_line_without_end_is_given_up(home, opsd):
    opsd(lambda request: [b" " * (1 << 20)] * 70)
    done = opsctl(home, "stat")
    assert done.returncode == 1
    assert b"longer than 64 MB" in done.stderr


AGAIN = [["stat"], ["stat", "a"], ["describe", "a"], ["ping"], ["pid", "a"], ["start", "a"],
         ["stop", "a"], ["run_all_workers"], ["env", "a"], ["reset", "a"], ["save"], ["resurrect"],
         ["wait", "a"], ["kill"], ["diff"]]
ONCE = [["restart", "a"], ["signal", "HUP", "a"], ["run_worker", "a", "b"], ["upgrade"],
        ["reload", "a"], ["delete", "a"], ["scale", "a", "+1"], ["apply"]]
RESTARTED = b"opsctl: opsd was restarted while it did this; look with: opsctl stat\n"


@pytest.mark.parametrize("words", AGAIN + ONCE, ids=" ".join)
@pytest.mark.parametrize("cut", [None, b'{"jsonrpc":'], ids=["unanswered", "amid"])
def test_when_opsd_is_replaced_a_request_is_repeated_if_that_does_no_harm(home, opsd, words, cut):
    """The first connection is cut; whoever comes again gets an answer."""
    seen = []

    def answer(request):
        seen.append(request["method"])
        if len(seen) == 1:
            return [cut, None] if cut else None
        rows = [worker(exit_code=0)]
        return {"pid": 0, "version": "1", "workers": rows, "daemon": {}}

    server = opsd(answer)
    done = opsctl(home, *words)
    if words in ONCE:
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", RESTARTED)
        assert len(seen) == 1
    else:
        assert (done.returncode, done.stderr) == (0, b"")
        first, again = server.requests[:2]
        assert first["method"] == again["method"] and first["params"] == again["params"]


def test_an_opsd_that_is_replaced_for_ever_is_given_up(home, opsd):
    server = opsd(lambda request: None)
    done = opsctl(home, "stat")
    assert done.returncode == 1 and b"closed the connection without an answer" in done.stderr
    assert 2 <= len(server.requests) <= 10


@pytest.mark.parametrize("code, exit_code", [
    (-32001, 1), (-32003, 3), (-32004, 4), (-32005, 5), (-32602, 2),
    (-32700, 1), (-32600, 1), (-32601, 1), (-32603, 1), (12345, 1),
])
def test_errors_become_exit_codes(home, opsd, code, exit_code):
    opsd(lambda request: Refusal(code, "no worker \"a\x1b[2J\""))
    for words in (["stat", "a"], ["stop", "a"], ["describe", "a"], ["run_worker", "a", "b"],
                  ["logs", "a"]):
        done = opsctl(home, *words)
        assert done.returncode == exit_code
        assert done.stderr.decode() == 'opsctl: no worker "a\\x1b[2J"\n'


def test_a_refusal_before_any_request_was_read(home, opsd):
    opsd(lambda request: b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"full"}}\n')
    done = opsctl(home, "ping")
    assert (done.returncode, done.stderr) == (1, b"opsctl: full\n")


def failure_of(done):
    """The error on stdout, which must be a single line."""
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)["error"]


def test_with_json_a_failure_is_a_document(home, opsd):
    done = opsctl(home, "stat", "--json")
    assert done.returncode == 3
    why = f"opsd is not running (home {home}); start it with: opsctl start all"
    assert failure_of(done) == {"code": -32003, "message": why}
    assert done.stderr.decode() == f"opsctl: {why}\n"
    data = {"workers": [{"name": "a", "instance": 0, "state": "errored", "lines": []}]}
    opsd(lambda request: {"stat": b"what?\n", "stop": Refusal(-32004, "no worker"),
                          "start": Refusal(-32001, "did not come up", data=data),
                          "run_worker": Refusal(-32004, "no worker"),
                          }.get(request["method"], b"what?\n"))
    done = opsctl(home, "start", "a", "--json")
    assert done.returncode == 1
    assert failure_of(done) == {"code": -32001, "message": "did not come up", "data": data}
    assert done.stderr == b"opsctl: did not come up\nopsctl: a errored\n"
    for words in (["stop", "a"], ["run_worker", "a", "b"]):
        done = opsctl(home, *words, "--json")
        assert (done.returncode, failure_of(done)["code"]) == (4, -32004)
    assert failure_of(opsctl(home, "stat", "--json"))["code"] == -32001
    done = opsctl(home, "help", "lgos", "--json")
    assert (done.returncode, failure_of(done)["code"]) == (2, -32602)


def test_a_document_that_was_printed_is_the_only_one(home, opsd):
    opsd(lambda request: [{"exit_code": None, "exit_signal": None, "duration_ms": 1}])
    done = opsctl(home, "run_worker", "a", "b", "--json")
    assert (done.returncode, done.stdout.count(b"\n")) == (1, 1)
    assert b"does not tell how the run ended" in done.stderr


# --- words and options


@pytest.mark.parametrize("words, says", [
    ([], "usage: opsctl"),
    (["strat"], 'did you mean "start"?'),
    (["sttat"], 'did you mean "stat"?'),
    (["jlist"], 'here it is: opsctl stat --json'),
    (["startOrReload", "x.json"], "here it is: opsctl start FILE.json, then opsctl reload FILE.json"),
    (["dash"], "here it is: opsctl monit"),
    (["statuss"], 'did you mean "status"?'),
    (["qqqqqq"], "see: opsctl help"),
    (["stop"], "opsctl: stop takes at least 1 name, got 0\nopsctl: usage: opsctl stop all|NAME|APP...\n"),
    (["stat", "a", "b"], "opsctl: stat takes at most 1 name, got 2\nopsctl: usage: opsctl stat [NAME]"),
    (["check", "a", "b"], "check takes at most 1 file, got 2\n"),
    (["run", "a"], "run_worker takes at least 2 words, got 1\nopsctl: usage: opsctl run_worker APP WORKER"),
    (["ping", "x"], "opsctl: ping takes at most 0 words, got 1\nopsctl: usage: opsctl ping\n"),
    (["run_worker", "billing", "autopayments", "--dry-run"],
     "opsctl: --dry-run is no option of opsctl; options for the worker go after --\n"),
    (["run", "billing", "autopayments", "-x"], "-x is no option of opsctl; options for the worker"),
    (["run", "billing", "autopayments", "--lines", "5"],
     "run_worker takes no --lines; options for the worker go after --\n"),
    (["--dry-run", "run", "billing", "autopayments"], 'there is no option "--dry-run"'),
    (["stat", "--timeout", "5"], '--timeout: want a duration with its unit (5s, 2m), got "5"\n'),
    (["stat", "--timeout=0s"], 'got "0s"'),
    (["stat", "--timeout=-5"], 'got "-5"'),
    (["stop", "a", "--wait"], "stop takes no --wait"),
    (["stat", "-f"], "stat takes no --follow"),
    (["logs", "-n"], "--lines wants N after it"),
    (["logs", "-n", "-1"], '--lines: want a whole number from 0, got "-1"'),
    (["logs", "-fnx"], 'got "x"'),
    (["start", "all", "--timeout", "soon"], '--timeout: want a duration with its unit (5s, 2m), got "soon"'),
    (["stat", "--jsno"], "did you mean --json?"),
    (["stat", "--json=1"], "--json takes no value"),
    (["stat", "-q"], 'no option "-q"'),
    (["signal", "HUP"], "signal takes at least 2 words, got 1\nopsctl: usage: opsctl signal SIG NAME"),
    (["signal", "-HUP", "a"], 'no option "-HUP"'),
    (["wait"], "wait takes at least 1 name, got 0"),
    (["startup", "--root="], '--root: want DIR, got ""'),
    (["stop", "a", "--name", "b"], "stop takes no --name"),
    (["help", "lgos"], 'did you mean "logs"?'),
])
def test_usage_errors(home, words, says):
    done = opsctl(home, *words)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert done.stdout == b""


def test_help_knows_every_command(home):
    done = opsctl(home, "--help")
    assert done.returncode == 0
    for word in ("start", "stop", "restart", "stat", "describe", "logs", "run_worker", "check",
                 "kill", "ping", "version", "help", "pid", "env", "signal", "reset", "wait", "save",
                 "resurrect", "upgrade", "startup", "unstartup", "reload", "delete", "scale", "diff",
                 "apply"):
        assert f"\n  {word} " in done.stdout.decode()
        one = opsctl(home, "help", word)
        assert one.returncode == 0
        assert one.stdout == opsctl(home, word, "-h").stdout
        assert one.stdout.startswith(f"usage: opsctl {word}".encode())
    assert b"also called: workers_stat, ls, list, status, ps, l\n" in opsctl(home, "help", "ps").stdout
    assert opsctl(home, "version").stdout == opsctl(home, "--version").stdout
    assert "version" in json.loads(opsctl(home, "version", "--json").stdout)


def test_options_stand_anywhere(home, opsd):
    server = opsd(lambda request: {"workers": []})
    for words in (["--wait", "start", "a", "b"], ["start", "--wait", "a", "b"],
                  ["start", "a", "b", "--wait"], ["start", "--wait", "--", "a", "b"]):
        assert opsctl(home, *words).returncode == 0
        assert server.requests[-1]["params"] == {"names": ["a", "b"], "wait": True}
    assert opsctl(home, "restart", "a", "--timeout=1m30s").returncode == 0
    assert server.requests[-1]["params"] == {"names": ["a"], "wait": False, "timeout_ms": 90000}


# --- start, stop, restart, kill


def test_a_line_for_each_worker_that_was_touched(home, opsd):
    server = opsd(lambda request: {"workers": [
        worker(name="autopayments", state="scheduled"),
        worker(name="a\nb", state="waiting restart"), worker(name="multi"),
        worker(name="multi", instance=1)]})
    done = opsctl(home, "start", "billing")
    assert done.stdout.decode() == (
        "autopayments scheduled\na\\nb waiting restart\nmulti:0 online\nmulti:1 online\n")
    assert opsctl(home, "stop", "billing", "--json").stdout.startswith(b'{"workers":[{"id":0')
    assert [r["method"] for r in server.requests] == ["start", "stop"]


def test_a_failed_start_shows_reason_and_last_lines(home, opsd):
    opsd(lambda request: Refusal(-32001, "2 of 3 workers did not start", data={"workers": [
        {"name": "gateway", "instance": 0, "state": "errored", "reason": "exit 78",
         "lines": ["error no DATABASE_URL", "\x1b[31mred"]},
        {"name": "multi", "instance": 1, "state": "online", "reason": "", "lines": []}]}))
    done = opsctl(home, "start", "gateway", "--wait")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "opsctl: 2 of 3 workers did not start\n"
        "opsctl: gateway errored: exit 78\n"
        "opsctl:     | error no DATABASE_URL\n"
        "opsctl:     | \\x1b[31mred\n"
        "opsctl: multi:1 online\n")


def test_problems_of_the_manifest_are_lines_and_notes_too(home, opsd):
    said = [Refusal(-32001, "/srv/ecosystem.json is wrong", data={"problems": [
        'apps[0].max_restarts: want a whole number from 0, got "ten" (line 4)',
        "apps[1].x: unknown field (line 9)"]}),
        {"workers": [worker(name="a")], "notes": ["apps[0].vizion: is accepted but means nothing"]}]
    opsd(lambda request: said[request["method"] == "restart"])
    done = opsctl(home, "start", "all")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "opsctl: /srv/ecosystem.json is wrong\n"
        'opsctl: apps[0].max_restarts: want a whole number from 0, got "ten" (line 4)\n'
        "opsctl: apps[1].x: unknown field (line 9)\n")
    done = opsctl(home, "restart", "all")
    assert (done.returncode, done.stdout) == (0, b"a online\n")
    assert done.stderr == b"opsctl: note: apps[0].vizion: is accepted but means nothing\n"
    assert opsctl(home, "restart", "all", "--json").stderr == b""


def test_giving_up_says_what_goes_on(home, opsd):
    data = {"workers": [{"name": "a", "instance": 0, "state": "launching", "lines": []},
                        {"name": "b", "instance": 0, "state": "errored", "lines": []}]}
    opsd(lambda request: Refusal(-32001, "2 of 2 did not come up", data=data)
         if request["method"] in ("start", "restart") else {} if request["method"] == "ping" else b"")
    for word in ("kill", "stop"):
        began = time.monotonic()
        done = opsctl(home, word, *(["a"] if word == "stop" else []), "--timeout", "200ms")
        assert time.monotonic() - began < 4
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == (b"opsctl: opsd did not answer within 0.2 s: "
                               b"still stopping; it goes on in the background\n")
    for word in ("start", "restart"):
        assert opsctl(home, word, "a", "--wait").stderr == (
            b"opsctl: 2 of 2 did not come up\nopsctl: a launching\nopsctl: b errored\n"
            b"opsctl: what is still under way goes on in the background\n")


FAKE_OPSD = """import json, os, socket, sys, time
home = sys.argv[sys.argv.index("--home") + 1]
with open({record!r}, "w") as f:
    json.dump({{"argv": sys.argv[1:], "fds": sorted(
        int(n) for n in os.listdir("/proc/self/fd")
        if os.path.exists("/proc/self/fd/" + n) and int(n) != f.fileno())}}, f)
{act}
os.makedirs(home, exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(home + "/opsd.sock")
ready, tell = os.pipe()
if os.fork():
    os.close(tell)
    os.read(ready, 1)
    os._exit(0)
os.setsid()
with open({record!r} + ".pid", "w") as f:
    f.write(str(os.getpid()))
listener.listen()
os.close(tell)
while True:
    connection, _ = listener.accept()
    for line in connection.makefile("rb"):
        request = json.loads(line)
        result = {{"kill": {{"stopped": 3}}, "ping": {{"pid": os.getpid()}}}}.get(
            request["method"], {{"workers": []}})
        connection.sendall(json.dumps(
            {{"jsonrpc": "2.0", "id": request["id"], "result": result}}).encode() + b"\\n")
        if request["method"] == "kill":
            time.sleep(0.3)  # what the client must wait out
            os._exit(0)
"""


@pytest.fixture
def installed(tmp_path):
    """opsctl with a stand-in for opsd beside it; gives a function to say what that one does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(OPSCTL, folder / "opsctl")
    (tmp_path / "ecosystem.json").write_text("[]")

    def install(act=""):
        program = folder / "opsd"
        record = tmp_path / "record"
        # Python changes what happens at SIGPIPE, so a shell looks at it first.
        program.write_text(f"#!/bin/sh\ngrep -E 'Sig(Ign|Blk)' /proc/self/status > {record}.signals\n"
                           f'exec /usr/bin/python3 {folder}/opsd.py "$@"\n')
        program.chmod(0o755)
        (folder / "opsd.py").write_text(FAKE_OPSD.format(act=act, record=str(record)))
        return folder / "opsctl"

    yield install
    try:
        os.kill(int((tmp_path / "record.pid").read_text()), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass


def test_start_starts_opsd_and_leaks_nothing_into_it(tmp_path, home, installed):
    program = installed()
    leak, other = os.pipe()
    os.set_inheritable(other, True)
    # stderr is a pipe too: `$(opsctl start all 2>&1)` must return although the daemon lives on.
    done = opsctl(home, "start", "all", program=program, cwd="/", pass_fds=[other])
    os.close(other)
    assert (done.returncode, done.stderr) == (0, b"")
    assert select.select([leak], [], [], DEADLINE)[0], "the daemon holds a pipe of the caller"
    os.close(leak)
    record = json.loads((tmp_path / "record").read_text())
    assert record["argv"] == ["--home", str(home), "--manifest", str(tmp_path / "ecosystem.json"),
                              "--no-start"]
    assert record["fds"][:3] == [0, 1, 2] and len(record["fds"]) == 3
    for line in (tmp_path / "record.signals").read_text().splitlines():
        assert not int(line.split()[1], 16) & (1 << (signal.SIGPIPE - 1)), line
    done = opsctl(home, "kill", program=program)
    assert (done.returncode, done.stdout) == (0, b"opsd is gone; workers stopped: 3\n")
    assert opsctl(home, "ping", program=program).returncode == 3


@pytest.mark.parametrize("act, says", [
    ("sys.exit('opsd: another opsd holds the lock')", "opsd: another opsd holds the lock"),
    ("sys.exit('opsd: ecosystem.json is wrong\\napps[0].x: unknown\\napps[1].y: ' + 'y' * 6000)",
     "opsd: ecosystem.json is wrong\nopsctl: apps[0].x: unknown\nopsctl: apps[1].y: " + "y" * 6000),
    ("sys.exit(9)", "opsd did not start: it ended with exit code 9"),
    ("os.kill(os.getpid(), 9)", "opsd was ended by signal 9 while it started"),
])
def test_the_reason_why_opsd_did_not_start(home, installed, act, says):
    done = opsctl(home, "start", "all", program=installed(act))
    assert (done.returncode, done.stderr.decode()) == (1, f"opsctl: {says}\n")


def test_start_without_a_manifest(tmp_path, installed):
    done = opsctl(tmp_path / "elsewhere", "start", "all", program=installed(), cwd="/")
    assert done.returncode == 1
    assert b"no ecosystem.json" in done.stderr


def test_start_without_opsd_installed(tmp_path, home, installed):
    program = installed()
    (tmp_path / "bin" / "opsd").unlink()
    done = opsctl(home, "start", "all", program=program, env=environment(PATH="/nowhere"))
    assert done.returncode == 1
    assert b"opsd: No such file or directory; install it beside opsctl or in PATH" in done.stderr


# --- stat


def columns_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def in_terminal(home, columns, *words, **more):
    """The output of opsctl on a terminal that is that wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([OPSCTL, "--home", home, *words], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=environment(**more))
    os.close(theirs)
    text = b""
    while True:
        try:
            assert select.select([ours], [], [], DEADLINE)[0]
            read = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            read = b""
        if not read:
            break
        text += read
    os.close(ours)
    process.wait(DEADLINE)
    return text.decode().replace("\r\n", "\n")


def test_piped_every_row_is_a_line_with_every_column(home, opsd):
    opsd(lambda request: document(*FLEET))
    done = opsctl(home, "stat", env=environment(COLUMNS="40"))
    assert b"\x1b" not in done.stdout
    head, *rows = done.stdout.decode().splitlines()
    assert head.split("  ")[0] == "ID"
    titles = ["ID", "NAME", "NAMESPACE", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY",
              "LAST RUN", "NEXT RUN", "STATUS"]
    assert [t for t in titles if t in head] == titles
    assert len(rows) == 3
    sender = rows[0].split()
    assert sender == ["0", "sender", "messenger", "online", "4711", "1h2m", "2", "1.2%", "12.4M",
                      "-", "-", "-"]
    assert rows[1].split()[:5] == ["1", "matching_successful_payments", "billing", "scheduled", "-"]
    assert "ok, " in rows[1] and rows[1].endswith("selected=12 changed=10")
    assert rows[2].endswith("within one second of its start")


def plain(text):
    import re
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_on_a_terminal_no_line_is_wider_than_it(home, opsd, columns):
    opsd(lambda request: document(*FLEET, worker(id=3, name="зажигалка", status_text="тест " * 30),
                                  worker(id=4, name="灯" * 8, status_text="明" * 90)))
    text = in_terminal(home, columns, "stat")
    lines = plain(text).splitlines()
    assert max(columns_of(line) for line in lines) <= columns
    assert "\x1b[32monline" in text and "\x1b[31merrored" in text and "\x1b[36mscheduled" in text
    together = "".join("".join(lines).split())
    assert "зажигалка" in together
    if columns >= 80:
        assert "matching_successful_payments" in text
        assert "STATUS" in text
        assert "".join(lines).count("明") == 90
    if columns == 200:
        assert "NAMESPACE" in text and "MEMORY" in text


def test_columns_without_anything_are_left_out_on_a_terminal(home, opsd):
    opsd(lambda request: document(worker()))
    text = in_terminal(home, 200, "stat")
    assert "NEXT RUN" not in text and "STATUS" not in text and "MEMORY" in text


@pytest.mark.parametrize("more, head", [
    ({}, ["ID", "NAME", "STATE", "UPTIME", "RESTARTS", "STATUS"]),
    ({"state": "waiting restart"}, ["ID", "NAME", "STATE", "RESTARTS", "STATUS"]),
    ({"name": "web", "status_text": None, "cpu_percent": None},  # where nothing stands, goes first
     ["ID", "NAME", "NAMESPACE", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY"]),
])
def test_eighty_columns_have_room_for_restarts(home, opsd, more, head):
    opsd(lambda request: document(worker(**{"name": "matching_successful_payments",
                                            "status_text": "selected=12 " * 8, **more})))
    assert plain(in_terminal(home, 80, "stat")).splitlines()[0].split() == head


def test_colour_and_width_by_environment(home, opsd):
    opsd(lambda request: document(*FLEET))
    assert "\x1b" not in in_terminal(home, 80, "stat", NO_COLOR="1")
    assert "\x1b" not in in_terminal(home, 80, "stat", TERM="dumb")
    assert max(map(columns_of, plain(in_terminal(home, 200, "stat", COLUMNS="60")).splitlines())) <= 60


def test_no_text_of_a_worker_steers_the_terminal(home, opsd):
    evil = "a\x1b]0;title\x07b\u009b2Jc\u202ed\u2028e\x7f\rf\tg"
    rows = worker(name=evil, namespace=evil, state=evil, status_text=evil, stats={evil: evil})
    rows["exits"] = [{"at": "2000-01-01T00:00:00Z", "exit_code": 1, "exit_signal": None,
                      "uptime_ms": 1, "reason": evil, "lines": [evil]}]
    rows.update(script=evil, args=[evil], cwd=evil, schedule=evil, timezone=evil,
                depends_on=[{"name": evil, "condition": evil, "met": False}], out_file=evil)
    opsd(lambda request: document(rows) if request["method"] != "logs" else
         [notification("log", name=evil, instance=0, stream="out", line=evil), {"lines": 1}])
    for words in (["stat"], ["describe", "a"], ["logs"]):
        text = in_terminal(home, 300, *words, NO_COLOR="1")
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
                       for c in text.replace("\n", "").replace("\t", "")), (words, text)
        assert "\\x1b]0;title\\x07b\\x9b2Jc\\u202ed\\u2028e\\x7f\\rf" in text


def test_instances_are_told_apart(home, opsd):
    opsd(lambda request: document(worker(), worker(id=1, instance=1), worker(id=2, name="bot")))
    names = [line.split()[1] for line in opsctl(home, "stat").stdout.decode().splitlines()[1:]]
    assert names == ["sender:0", "sender:1", "bot"]


@pytest.mark.parametrize("state, exit_code", [("online", 0), ("launching", 0), ("stopped", 3),
                                              ("errored", 3), ("scheduled", 0), ("waiting", 3),
                                              ("waiting restart", 3), ("stopping", 3)])
def test_stat_of_one_tells_by_exit_code_whether_it_runs(home, opsd, state, exit_code):
    server = opsd(lambda request: document(worker(state=state)))
    assert opsctl(home, "stat", "sender").returncode == exit_code
    assert opsctl(home, "stat", "sender", "--json").returncode == exit_code
    assert server.requests[0]["params"] == {"name": "sender", "sparse": True}
    assert opsctl(home, "stat").returncode == 0


def test_a_worker_that_completed_is_not_up_but_well(home, opsd):
    one = worker(name="migrate", state="stopped", completed=True, exit_code=0, reason="exit 0")
    server = opsd(lambda request: {**document(one)})
    done = opsctl(home, "stat", "migrate")
    assert done.returncode == 3
    row = done.stdout.decode().splitlines()[1].split()
    assert (row[3], row[-1]) == ("stopped", "completed")
    for words in (["start", "all"], ["restart", "all"]):
        assert opsctl(home, *words).stdout == b"migrate completed\n"
    assert "  state         completed\n" in opsctl(home, "describe", "migrate").stdout.decode()
    one.update(completed=False)
    assert opsctl(home, "start", "all").stdout == b"migrate stopped\n"
    assert b"exit code tells" in opsctl(home, "help", "stat").stdout
    assert server.requests


@pytest.mark.parametrize("more, status", [
    ({"state": "stopped", "wanted": "up"}, "it is so"),
    ({"state": "stopped", "wanted": "down"}, "about me"),
    ({"state": "stopped", "wanted": "up", "completed": True}, "completed"),
    ({"state": "online"}, "about me"), ({"state": "scheduled"}, "about me"),
    ({"state": "errored"}, "it is so"), ({"state": "waiting restart"}, "it is so"),
])
def test_the_status_is_the_reason_where_something_is_wrong(home, opsd, more, status):
    opsd(lambda request: document(worker(reason="it is so", status_text="about me", **more)))
    assert opsctl(home, "stat").stdout.decode().splitlines()[1].endswith(f"  {status}")


def test_stat_json_is_the_document_as_it_came(home, opsd):
    opsd(lambda request: document(*FLEET))
    done = opsctl(home, "--json", "ls")
    assert json.loads(done.stdout) == document(*FLEET)
    assert done.stdout.count(b"\n") == 1


def test_a_full_disk_is_a_failure(home, opsd):
    opsd(lambda request: document(*FLEET))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([OPSCTL, "--home", home, "stat"], stdout=full, timeout=DEADLINE,
                              stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr


# --- describe


def test_describe_says_why_and_when_next(home, opsd):
    one = worker(name="gateway", namespace="main", state="waiting restart", pid=None, uptime_ms=None,
                 reason="exit 1", next_try_in_ms=2500, script="/srv/gateway", args=["-x", "1"],
                 cwd="/srv", interpreter=None, schedule="10 0 * * *", timezone="Europe/Moscow",
                 depends_on=[{"name": "postgres", "condition": "ready", "met": True},
                             {"name": "migrate", "condition": "completed", "met": False}],
                 out_file="/srv/logs/gateway-out.log", error_file=None, started=None,
                 exits=[{"at": "2000-01-01T00:00:00Z", "exit_code": None, "exit_signal": 11,
                         "uptime_ms": 1500, "reason": "killed by signal 11",
                         "lines": ["ready", "", "about to fail"]}])
    server = opsd(lambda request: {"workers": [one]})
    done = opsctl(home, "describe", "gateway")
    assert server.requests[0]["params"] == {"name": "gateway"}
    text = done.stdout.decode()
    head, *lines = text.splitlines()
    assert head == "gateway, id 0"
    for line in ("  state         waiting restart (wanted: up)", "  why           exit 1; it is tried again in 2s",
                 "  command       /srv/gateway -x 1",
                 "  depends on    postgres ready, migrate completed (not yet)",
                 "  schedule      10 0 * * * (Europe/Moscow)", "  restarts      2",
                 "  failed tries  1",
                 "  output        /srv/logs/gateway-out.log", "  last exits",
                 "      | ready", "      | ", "      | about to fail"):
        assert line in lines, text
    assert "    2000-01-01T00:00:00Z (" in text and " ago)  killed by signal 11\n" in text
    assert "pid " not in text and "errors" not in text
    assert json.loads(opsctl(home, "describe", "gateway", "--json").stdout) == {"workers": [one]}


def test_describe_of_a_schedule_speaks_of_its_own_zone(home, opsd):
    one = worker(state="scheduled", schedule="0 3 * * *", timezone="Europe/Moscow", restarts=0,
                 unstable_restarts=5, next_run="2100-01-01T00:00:00Z")
    opsd(lambda request: {"workers": [one]})
    text = opsctl(home, "describe", "a", env=environment(TZ="America/New_York")).stdout.decode()
    assert "  next run      2100-01-01T00:00:00Z (in " in text
    assert "d, 2100-01-01 03:00:00 Europe/Moscow)\n" in text or "h, 2100-01-01 03:00:00 Europe/Moscow)\n" in text
    assert "  restarts      0\n" in text and "  failed tries  5\n" in text
    one.update(timezone=None)
    text = opsctl(home, "describe", "a").stdout.decode()
    assert "  schedule      0 3 * * * (system's zone)\n" in text
    one.update(schedule=None)
    text = opsctl(home, "describe", "a").stdout.decode()
    assert "  restarts      0 (5 unstable)\n" in text and "failed tries" not in text


def test_describe_of_several_leaves_a_line_between_them(home, opsd):
    opsd(lambda request: {"workers": [worker(), worker(id=1, instance=1)]})
    text = opsctl(home, "describe", "sender").stdout.decode()
    assert text.startswith("sender:0, id 0\n") and "\n\nsender:1, id 1\n" in text


# --- logs


def log_line(name="sender", instance=0, stream="out", **more):
    return notification("log", name=name, instance=instance, stream=stream, **more)


def logs_of(said, *rows):
    return lambda request: document(*rows) if request["method"] == "workers_stat" else said


def test_lines_of_several_carry_names(home, opsd):
    server = opsd(logs_of([log_line(line="one"), log_line(name="gateway", stream="err", line="две"),
                           log_line(name="bot", instance=1, line=""), {"lines": 3}],
                          worker(), worker(name="gateway"), worker(name="bot"),
                          worker(name="bot", instance=1)))
    done = opsctl(home, "logs", "-n", "3")
    assert done.returncode == 0
    assert done.stdout.decode() == "sender  | one\ngateway | две\nbot:1   | \n"
    assert server.requests[-1]["params"] == {"names": ["all"], "lines": 3, "follow": False,
                                             "out": True, "err": True}
    assert opsctl(home, "logs", "a", "b", "--err").returncode == 0
    assert server.requests[-1]["params"] == {"names": ["a", "b"], "lines": 15, "follow": False,
                                             "out": False, "err": True}


def test_lines_of_one_carry_none(home, opsd):
    opsd(logs_of([log_line(line="a\tb\x1b[1m"), {"lines": 1}], worker()))
    assert opsctl(home, "logs", "sender").stdout == b"a\tb\\x1b[1m\n"


def test_raw_lines_are_the_bytes_that_were_printed(home, opsd):
    lines = [bytes(range(1, 10)) + b"\x1b[1m", b"\xff\x00\xfe", b"", b"\xff", b"\xff\xff",
             bytes(b for b in range(256) if b != 10)]
    opsd(logs_of([*(log_line(base64=base64.b64encode(line).decode()) for line in lines),
                  log_line(line="текст"), {"lines": 7}], worker(), worker(name="b")))
    expected = b"\n".join([*lines, "текст".encode(), b""])
    assert opsctl(home, "logs", "--raw").stdout == expected
    shown = opsctl(home, "logs", "sender").stdout
    assert b"\\xff\\x00\\xfe\n" in shown


@pytest.mark.parametrize("bad", ["a", "abc", "====", "ab=c", "a*==", "YWJj=", "YQ==YQ=="])
def test_base64_that_is_none_is_refused(home, opsd, bad):
    opsd(logs_of([log_line(base64=bad), {"lines": 1}], worker()))
    done = opsctl(home, "logs", "--raw")
    assert (done.returncode, done.stdout) == (1, b"")


def test_logs_as_json_lines(home, opsd):
    opsd(logs_of([log_line(line="one"), notification("gap", lines=4), {"lines": 1}], worker()))
    assert [json.loads(line) for line in opsctl(home, "logs", "--json").stdout.splitlines()] == [
        {"name": "sender", "instance": 0, "stream": "out", "line": "one"}, {"lines": 4}]
    assert "… 4 lines skipped\n".encode() in opsctl(home, "logs").stdout
    assert b"4 lines skipped" in opsctl(home, "logs", "--raw").stderr


class Running:
    """opsctl as a process that goes on; its pipes are read with a deadline."""

    def __init__(self, home, *words):
        self.process = subprocess.Popen([OPSCTL, "--home", home, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment())

    def line(self, stream="stdout"):
        pipe = getattr(self.process, stream)
        text = b""
        while not text.endswith(b"\n"):
            assert select.select([pipe], [], [], DEADLINE)[0], text
            read = os.read(pipe.fileno(), 1)
            assert read, text
            text += read
        return text.decode()

    def end(self):
        _, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, err.decode()


def test_following_shows_lines_at_once_and_ends_at_ctrl_c(home, opsd):
    opsd(logs_of([log_line(line="one")], worker()))
    run = Running(home, "logs", "-f")
    assert run.line() == "one\n"
    run.process.send_signal(signal.SIGINT)
    assert run.end() == (0, "")


def test_following_ends_when_nobody_reads_any_more(home, opsd):
    opsd(logs_of([log_line(line="one")], worker()))
    run = Running(home, "logs", "-f")
    assert run.line() == "one\n"
    run.process.stdout.close()
    assert run.process.wait(DEADLINE) == 0
    assert run.process.stderr.read() == b""
    run.process.stderr.close()


def test_a_reader_that_had_enough_is_no_failure(home, opsd):
    opsd(logs_of([log_line(line="x" * 100)] * 20000 + [{"lines": 20000}], worker()))
    done = subprocess.run(["bash", "-c", 'set -o pipefail; "$0" --home "$1" logs -n 20000 | head -1',
                           OPSCTL, home], capture_output=True, timeout=DEADLINE, env=environment())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"x" * 100 + b"\n"


def source(number=0, at=0, **more):
    return notification("source", source=number, name="sender", instance=0, stream="out", file="1:2",
                        at=at, **more)


def test_following_goes_on_with_the_next_opsd(home, opsd):
    said = [[source(at=10), source(1, at=7, more=1), log_line(line="one", source=0, at=14), None],
            [source(at=14), source(1, at=7), log_line(line="two", source=1, at=99), None]]

    def answer(request):
        if request["method"] == "workers_stat":
            return document(worker())
        if said:
            return said.pop(0)
        return Refusal(-32001, "enough")

    server = opsd(answer)
    done = opsctl(home, "logs", "-f", "-n", "1")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"one\ntwo\n", b"opsctl: enough\n")
    asked = [r["params"] for r in server.requests if r["method"] == "logs"]
    assert "from" not in asked[0]
    assert [(p["at"], p["file"], p["name"], p["stream"]) for p in asked[1]["from"]] == [
        (14, "1:2", "sender", "out"), (7, "1:2", "sender", "out")]
    assert [p["at"] for p in asked[2]["from"]] == [14, 99]


@pytest.mark.parametrize("bad", [-1, 2, "x", None])
def test_sources_out_of_order_are_refused(home, opsd, bad):
    opsd(logs_of([source(), source(bad)], worker()))
    done = opsctl(home, "logs", "-f")
    assert done.returncode == 1 and b"cannot be shown" in done.stderr


def test_following_ends_with_opsd(home, opsd):
    def answer(request):
        if request["method"] == "workers_stat":
            return document(worker())
        server.stop_listening()
        return [source(), log_line(line="one", source=0, at=4), None]

    server = opsd(answer)
    done = opsctl(home, "logs", "-f")
    assert (done.returncode, done.stdout) == (3, b"one\n")
    assert b"closed the connection without an answer; it is not running any more" in done.stderr


def test_following_an_opsd_that_tells_no_places_says_that_it_is_over(home, opsd):
    opsd(logs_of([log_line(line="one"), None], worker()))
    done = opsctl(home, "logs", "-f")
    assert (done.returncode, done.stdout) == (1, b"one\n")
    assert b"opsd was restarted while it did this" in done.stderr


# --- run_worker


def output(stream, line):
    return notification("output", stream=stream, line=line)


def ended(code=0, number=None):
    return {"exit_code": code, "exit_signal": number, "duration_ms": 5}


@pytest.mark.parametrize("end, exit_code", [(ended(0), 0), (ended(7), 7), (ended(75), 75),
                                            (ended(None, 9), 137), (ended(None, 15), 143)])
def test_a_run_gives_its_output_and_exit_code(home, opsd, end, exit_code):
    server = opsd(lambda request: [output("out", "one\x1b[1m"), output("err", "two"),
                                   notification("output", stream="out", base64="/w=="), end])
    done = opsctl(home, "run_worker", "coffee", "schedule_imports.py", "--", "--what", "daily")
    assert done.returncode == exit_code
    assert (done.stdout, done.stderr) == (b"one\x1b[1m\n\xff\n", b"two\n")
    assert server.requests[0]["method"] == "run_worker"
    assert server.requests[0]["params"] == {"app": "coffee", "worker": "schedule_imports",
                                            "args": ["--what", "daily"]}


@pytest.mark.parametrize("given, sent", [("a.py", "a"), ("a.js", "a"), ("a.b", "a.b"), (".py", ".py"),
                                         ("a.py.js", "a.py")])
def test_endings_of_old_languages_are_left_out(home, opsd, given, sent):
    server = opsd(lambda request: ended())
    assert opsctl(home, "run", "app", given).returncode == 0
    assert server.requests[0]["params"]["worker"] == sent


def test_a_run_as_json(home, opsd):
    opsd(lambda request: [output("out", "one"), ended(3)])
    done = opsctl(home, "run_worker", "a", "b", "--json")
    assert (done.returncode, done.stderr) == (3, b"one\n")
    assert json.loads(done.stdout) == ended(3)


def test_ctrl_c_cancels_the_run_once_and_waits_for_its_end(home, opsd):
    first = {}

    def answer(request):
        if request["method"] == "run_worker":
            first.update(request)
            return output("out", "at work")
        return [{}, output("out", "leaving"), {"id": first["id"], "method": "x", "params": {}},
                json.dumps({"jsonrpc": "2.0", "id": first["id"],
                            "result": ended(None, 2)}).encode() + b"\n"]

    server = opsd(answer)
    run = Running(home, "run_worker", "a", "b")
    assert run.line() == "at work\n"
    run.process.send_signal(signal.SIGINT)
    assert run.line() == "leaving\n"
    assert run.end()[0] == 130
    assert server.requests[1]["method"] == "cancel"
    assert server.requests[1]["params"] == {"id": first["id"]}


def test_a_second_ctrl_c_leaves(home, opsd):
    server = opsd(lambda request: output("out", "at work") if request["method"] == "run_worker"
                  else output("out", "asked to leave"))
    run = Running(home, "run_worker", "a", "b")
    run.line()
    run.process.send_signal(signal.SIGINT)
    assert run.line() == "asked to leave\n"
    run.process.send_signal(signal.SIGINT)
    assert run.end()[0] == -signal.SIGINT
    assert len(server.requests) == 2


def test_a_run_goes_on_when_its_output_is_not_wanted(home, opsd):
    opsd(lambda request: [output("out", "x" * 1000)] * 500 + [ended(4)])
    done = subprocess.run(["bash", "-c", '"$0" --home "$1" run a b | head -1; exit ${PIPESTATUS[0]}',
                           OPSCTL, home], capture_output=True, timeout=DEADLINE, env=environment())
    assert done.returncode == 4


# --- check


def app(**more):
    return {"name": "one", "script": "/bin/sleep", "args": ["1"], **more}


def check(folder, *apps, words=()):
    (folder / "ecosystem.json").write_text(json.dumps({"apps": list(apps)}))
    return subprocess.run([OPSCTL, "check", *words], cwd=folder, capture_output=True,
                          env=environment(), timeout=DEADLINE)


def test_a_manifest_without_faults(tmp_path):
    done = check(tmp_path, app(), app(name="two", script="sleep", schedule="@hourly",
                                      timezone="Europe/Moscow"))
    assert done.stdout.decode() == f"{tmp_path}/ecosystem.json: 2 workers, fine\n", done.stderr
    assert done.returncode == 0
    done = check(tmp_path, app(), words=["--json"])
    assert json.loads(done.stdout) == {"file": f"{tmp_path}/ecosystem.json", "workers": 1,
                                       "problems": []}


def test_every_fault_that_the_disk_tells_is_said_at_once(tmp_path):
    (tmp_path / "plain").write_text("")
    done = check(tmp_path, app(script="./gone"), app(name="two", script="./plain"),
                 app(name="three", script="no-such-word-in-path"),
                 app(name="four", cwd="/no/such/folder"),
                 app(name="five", ready={"exec": ["no-such-probe"]}),
                 app(name="six", script="./gone.py", interpreter="python3"),
                 app(name="seven", script="./plain", interpreter="no-such-interpreter"))
    assert (done.returncode, done.stdout) == (1, b"")
    text = done.stderr.decode()
    for part in ("one.script: ", "two.script: ", "three.script: no-such-word-in-path: No such file",
                 "four.cwd: /no/such/folder: No such file", "five.ready.exec: no-such-probe: No such",
                 "six.script: ",
                 "seven.interpreter: no-such-interpreter: No such file"):
        assert f"opsctl: {tmp_path}/ecosystem.json: {part}" in text
    assert text.count("\n") == 7
    assert "Permission denied" in text


def test_every_fault_that_the_parser_finds_is_said_at_once(tmp_path):
    done = check(tmp_path, app(max_restarts="ten"), app(name="two", autorestrat=True))
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert "max_restarts" in lines[0] and "autorestart" in lines[1]
    assert len(json.loads(check(tmp_path, app(max_restarts="ten"), words=["--json"]).stdout)
               ["problems"]) == 1


def test_what_the_disk_says_is_said_with_what_the_parser_finds(tmp_path):
    (tmp_path / "file").touch()
    done = check(tmp_path, app(max_restarts="ten"), app(name="two", script="./gone", cwd="nowhere"),
                 app(name="three", out_file="file/out.log", error_file=".", uid="nobody-of-that-name"),
                 app(name="four", log_file="deep/er/four.log", out_file="/dev/null", pid_file="four.pid"),
                 app(name="five", schedule="@hourly", timezone="Europe/Moskow"))
    assert (done.returncode, done.stdout) == (1, b"")
    said = [line.removeprefix(f"opsctl: {tmp_path}/ecosystem.json: ").split(": ")[0]
            for line in done.stderr.decode().splitlines()]
    assert said == ["apps[0].max_restarts", "five.timezone", "two.script", "two.cwd", "three.out_file",
                    "three.error_file", "three.uid"], done.stderr.decode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ecosystem.json", "file"]
    # only what can be read is looked at: this file cannot
    (tmp_path / "ecosystem.json").write_text('[{"name": "a", "script": "./gone"}')
    done = subprocess.run([OPSCTL, "check"], cwd=tmp_path, capture_output=True, env=environment(),
                          timeout=DEADLINE)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"gone" not in done.stderr


def test_the_folder_of_the_logs_is_looked_at(tmp_path):
    (tmp_path / "logs").touch()
    done = check(tmp_path, app())
    assert (done.returncode, done.stderr.decode()) == (1, f"opsctl: {tmp_path}/logs: Not a directory\n")


def test_what_is_checked_is_what_opsd_would_run(tmp_path):
    embedded = app(name="two", script="./gone", profiles=["embedded"])
    assert b"1 worker, fine" in check(tmp_path, app(), embedded).stdout
    (tmp_path / ".env").write_text("SECRET=x\nOPS_PROFILE=embedded\n")
    done = check(tmp_path, app(), embedded)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"two.script: " in done.stderr
    done = subprocess.run([OPSCTL, "check"], cwd=tmp_path, capture_output=True,
                          env=environment(OPS_PROFILE="other"), timeout=DEADLINE)
    assert b"1 worker, fine" in done.stdout
    (tmp_path / ".env").write_text("A=1\nOPS_PROFILE='embedded\n")
    done = check(tmp_path, app())
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"opsctl: {tmp_path}/.env: line 2: OPS_PROFILE: ")


def test_zones_are_checked_with_the_manifest(tmp_path):
    done = check(tmp_path, app(), app(name="five", schedule="@hourly", timezone="Europe/Moskow",
                                      catch_up="once"))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"opsctl: {tmp_path}/ecosystem.json: five.timezone: ")
    assert done.stderr.count(b"\n") == 1


def test_programs_are_looked_for_where_the_worker_looks(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("tool", "probe"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    (tmp_path / "variables").write_text(f"PATH={tools}\n")
    assert b"script: tool: No such file or directory in PATH" in check(
        tmp_path, app(script="tool")).stderr
    assert check(tmp_path, app(script="tool", env={"PATH": f"/nowhere:{tools}"})).returncode == 0
    assert check(tmp_path, app(script="tool", env_file="variables",
                               ready={"exec": ["probe"]})).returncode == 0
    assert b"one.script: sleep: " in check(
        tmp_path, app(script="sleep", env={"PATH": str(tools)})).stderr
    assert check(tmp_path, app(cwd="tools", ready={"exec": ["./probe"]})).returncode == 0
    assert b"one.ready.exec: ./probe: No such file or directory (line " in check(
        tmp_path, app(ready={"exec": ["./probe"]})).stderr


def test_an_env_file_that_is_not_there_or_not_right(tmp_path):
    done = check(tmp_path, app(env_file="variables"))
    assert done.returncode == 1
    assert f"one.env_file: {tmp_path}/variables: No such file" in done.stderr.decode()
    (tmp_path / "variables").write_text("A=1\nwhat\n")
    assert b"/variables: line 2: want NAME=value" in check(
        tmp_path, app(env_file="variables")).stderr


def test_javascript_is_not_read(tmp_path):
    for name, text in (("ecosystem.config.js", "const apps = []"),
                       ("ecosystem.json", "module.exports = {apps: []}")):
        (tmp_path / name).write_text(text)
        done = subprocess.run([OPSCTL, "check", name], cwd=tmp_path, capture_output=True,
                              env=environment(), timeout=DEADLINE)
        assert (done.returncode, done.stderr.decode()) == (
            1, f"opsctl: {tmp_path}/{name}: JavaScript is not read; write it as JSON\n")


def test_fields_that_are_not_honoured_are_noted(tmp_path):
    done = check(tmp_path, app(vizion=True, catch_up="once"))
    assert done.returncode == 0
    assert b"note: apps[0].vizion: is accepted but means nothing outside Node" in done.stderr
    assert b"note: apps[0].catch_up: means nothing without schedule" in done.stderr


def test_a_manifest_that_is_not_there(tmp_path):
    for words, says in ((["check"], "no ecosystem.json in this folder or above it"),
                        (["check", "other.json"], "cannot read the manifest")):
        done = subprocess.run([OPSCTL, *words], cwd=tmp_path, capture_output=True,
                              env=environment(), timeout=DEADLINE)
        assert done.returncode == 1
        assert says in done.stderr.decode()
