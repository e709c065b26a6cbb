"""Every way in which a worker can be found ready, and what must not be mistaken for it."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from supervisor import descriptors, fleet, is_alive, keeps_within, py, settled, sh, wait_until  # noqa: F401

SLEEP = "exec sleep 1000"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed")


def free_port(family=socket.AF_INET, address="127.0.0.1"):
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def when_told(script):
    """A program that waits for the file `go` before it does what makes it ready."""
    return py("while not os.path.exists('go'): time.sleep(0.005)\n" + script + "\ntime.sleep(1000)")


def becomes_ready(fleet, name="w"):
    """It is launching until it is told, and online soon afterwards."""
    wait_until(lambda: fleet.row(name)["pid"], what=f"{name} runs")
    end = time.monotonic() + 0.3
    while time.monotonic() < end:  # a few questions are asked, and not answered
        row = fleet.row(name)
        assert row["state"] == "launching" and row["ready"] is False
    fleet.file("go").touch()
    row = fleet.wait_state(name, "online")
    assert row["ready"] is True and row["restarts"] == 0
    return row


# --- a descriptor

def test_s37_a_newline_on_a_descriptor(fleet):
    fleet.apps({**when_told("os.write(7, b'up\\n'); os.close(7)"), "ready": {"fd": 7},
                "listen_timeout": "1m"})
    fleet.start()
    becomes_ready(fleet)


def test_s37_only_a_newline_counts(fleet):
    fleet.apps({**when_told("os.write(3, b'\\n')"), "ready": {"fd": 3}, "listen_timeout": "1m"},
               py("os.write(3, b'ready'); time.sleep(1000)", "b", ready={"fd": 3},
                  listen_timeout=300, max_restarts=1),
               py("os.close(3); time.sleep(1000)", "c", ready={"fd": 3}, listen_timeout=300,
                  max_restarts=1))
    fleet.start()
    becomes_ready(fleet)
    for name in "bc":
        assert "listen_timeout" in fleet.wait_state(name, "errored")["reason"]


def test_s37_an_end_before_the_newline_is_a_failed_start(fleet):
    fleet.apps(sh("exit 0", ready={"fd": 3}, max_restarts=2, min_uptime=100,
                  backoff={"initial": 20, "max": 100, "jitter": 0}))
    fleet.start()
    assert fleet.wait_state("w", "errored")["unstable_restarts"] == 1


def test_a_worker_has_no_other_descriptor_than_the_one_for_ready(fleet):
    fleet.apps(py("os.write(5, b'\\n')\n"
                  "print([n for n in range(256) if os.path.exists(f'/proc/self/fd/{n}')], flush=True)\n"
                  "time.sleep(1000)", ready={"fd": 5}))
    fleet.start()
    fleet.wait_state("w", "online")
    assert wait_until(lambda: fleet.lines("w")) == ["[0, 1, 2, 5]"]


# --- sockets

LISTEN = """s=socket.socket(socket.{family}); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(({address!r}, {port})); s.listen()"""


@pytest.mark.parametrize("family,address", [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_a_port_that_accepts(fleet, family, address):
    try:
        port = free_port(getattr(socket, family), address)
    except OSError:
        pytest.skip(f"no {family} here")
    fleet.apps({**when_told(LISTEN.format(family=family, address=address, port=port)),
                "ready": {"tcp": port}, "listen_timeout": "1m"})
    fleet.start()
    becomes_ready(fleet)


def test_a_socket_that_accepts(fleet):
    fleet.apps({**when_told("s=socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()"),
                "ready": {"unix": "s"}, "listen_timeout": "1m"})
    fleet.start()
    becomes_ready(fleet)


def test_a_socket_that_is_only_a_file_is_not_ready(fleet):
    fleet.apps(py("s=socket.socket(socket.AF_UNIX); s.bind('s'); time.sleep(1000)",
                  ready={"unix": "s"}, listen_timeout=400, max_restarts=1))
    fleet.start()
    assert "listen_timeout" in fleet.wait_state("w", "errored")["reason"]


# --- http

SERVE = """import http.server
class H(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    if self.path == '/slow': time.sleep(1000)
    self.send_response(200 if os.path.exists('go') and self.path == '/health?x=1' else 503)
    self.end_headers()
    self.wfile.write(b'x' * 100000)
  def log_message(self, *a): pass
http.server.ThreadingHTTPServer(('127.0.0.1', {port}), H).serve_forever()"""


def test_a_url_that_answers_2xx(fleet):
    port = free_port()
    fleet.apps(py(SERVE.format(port=port), ready={"http": f"http://localhost:{port}/health?x=1"},
                  listen_timeout="1m"))
    fleet.start()
    becomes_ready(fleet)


@pytest.mark.parametrize("path", ["/other", "/slow"])
def test_a_url_that_does_not(fleet, path):
    port = free_port()
    fleet.file("go").touch()
    fleet.apps(py(SERVE.format(port=port), ready={"http": f"http://127.0.0.1:{port}{path}"},
                  listen_timeout=1500, max_restarts=1))
    fleet.start()
    assert "listen_timeout" in fleet.wait_state("w", "errored")["reason"]


def test_a_server_that_never_answers_holds_up_nobody(fleet):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fleet.apps(sh(SLEEP, ready={"http": f"http://127.0.0.1:{port}/"}, listen_timeout="1m"))
        fleet.start()
        fleet.wait_state("w", "launching")
        keeps_within(0.5, fleet.slowest_answer)


# --- a command, a line

def test_a_command_that_hangs_is_tried_again(fleet):
    """The first try waits for ever; a later one finds it ready."""
    probe = "test -e first && exit 0; touch first; exec sleep 999"
    fleet.apps(sh(SLEEP, ready={"exec": ["sh", "-c", probe]}, listen_timeout="1m"))
    fleet.start()
    assert fleet.wait_state("w", "online")["restarts"] == 0
    wait_until(lambda: len(fleet.processes()) == 1)


@pytest.mark.parametrize("to", ["", ">&2"])
def test_a_text_in_a_line(fleet, to):
    fleet.apps(sh("echo starting; while ! test -e go; do sleep 0.02; done;"
                  f"printf 'now list' {to}; sleep 0.1; echo 'ening on 80' {to};" + SLEEP,
                  ready={"log": "listening on"}, listen_timeout="1m"))
    fleet.start()
    becomes_ready(fleet)


def test_a_text_that_is_never_printed(fleet):
    fleet.apps(sh("echo listening; echo on;" + SLEEP, ready={"log": "listening on"},
                  listen_timeout=300, max_restarts=1))
    fleet.start()
    assert "listen_timeout" in fleet.wait_state("w", "errored")["reason"]


# --- Node's IPC

def node_app(fleet, script, **fields):
    fleet.file("app.js").write_text(script)
    fleet.apps({"name": "w", "script": "app.js", "listen_timeout": "1m", **fields})


@needs_node
def test_node_says_ready(fleet):
    node_app(fleet, """
        const fs = require('fs'), cluster = require('cluster');
        console.log(cluster.isPrimary, process.connected);
        process.on('disconnect', () => { console.log('disconnected'); process.exit(3); });
        process.send({type: 'ready'}); process.send('almost ready');
        const t = setInterval(() => {
          if (fs.existsSync('go')) { clearInterval(t); process.send('ready'); } }, 5);
        const talk = () => process.send('x'.repeat(100000), () => {
          console.error('sent'); setTimeout(talk, 5); });
        talk();""", wait_ready=True)
    fleet.start()
    becomes_ready(fleet)
    # it goes on talking, and is neither held up nor told that nobody listens
    talked = len(fleet.lines("w", "error"))
    wait_until(lambda: len(fleet.lines("w", "error")) > talked + 20)
    assert fleet.lines("w") == ["true true"]
    assert fleet.state("w") == "online"


@needs_node
def test_node_may_talk_though_nobody_waits_for_a_word(fleet):
    """The channel does not keep a process that has nothing left to do, either."""
    node_app(fleet, """
        process.send('ready');
        console.log(process.connected);
        const t = setInterval(() => {
          if (require('fs').existsSync('go')) clearInterval(t); }, 5);""", autorestart=False)
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["true"])
    assert fleet.state("w") == "online"
    os.kill(fleet.pid, signal.SIGKILL)
    wait_until(lambda: fleet.state("w") == "online")
    fleet.file("go").touch()
    assert fleet.wait_state("w", "stopped")["exit_code"] == 0


@needs_node
def test_node_is_told_to_shut_down(fleet):
    node_app(fleet, """
        process.on('SIGINT', () => console.log('SIGINT'));
        process.on('message', m => { console.log('told', m); process.exit(0); });
        process.send('ready');""", wait_ready=True, shutdown_with_message=True,
        kill_timeout="1m")
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.lines("w") == ["told shutdown"]


def test_ready_over_the_channel_needs_no_node(fleet):
    fleet.apps({**when_told("os.write(int(os.environ['NODE_CHANNEL_FD']), b'\"ready\"\\n')"),
                "wait_ready": True, "listen_timeout": "1m"})
    fleet.start()
    becomes_ready(fleet)


def test_who_cannot_hear_the_message_gets_the_signal(fleet):
    fleet.apps(sh("trap 'echo INT; exit 0' INT; eval \"exec $NODE_CHANNEL_FD>&-\"; echo up;"
                  "while :; do sleep 0.02; done", shutdown_with_message=True, kill_timeout="1m"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["up"])
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.lines("w") == ["up", "INT"]


def test_wait_ready_is_met_by_either_way(fleet):
    fleet.apps({**when_told("tell('READY=1')"), "wait_ready": True, "listen_timeout": "1m"})
    fleet.start()
    becomes_ready(fleet)


# --- who may say so

def test_s44_only_the_worker_and_its_descendants_are_heard(fleet):
    tell = ("import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);"
            "s.sendto(b'READY=1\\nSTATUS=forged', '\\0' + sys.argv[1][1:])")
    fleet.apps(py("print(os.environ['NOTIFY_SOCKET'], flush=True)\n"
                  "while not os.path.exists('go'): time.sleep(0.005)\n"
                  "if os.fork() == 0:\n"
                  "  if os.fork() == 0: tell('READY=1\\nSTATUS=mine'); time.sleep(1000)\n"
                  "  os._exit(0)\n"
                  "time.sleep(1000)", ready="notify", listen_timeout="1m"))
    fleet.start()
    address = wait_until(lambda: fleet.lines("w"))[0]
    for stays in ("", "; print(flush=True); sys.stdin.read()"):
        with subprocess.Popen([sys.executable, "-c", tell + stays, address], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
            stranger.stdout.readline()
            row = fleet.row("w")
            assert row["state"] == "launching" and row["status_text"] != "forged"
            stranger.stdin.close()
        assert stranger.returncode == 0
    # an orphan of the worker's is one of its descendants all the same
    fleet.file("go").touch()
    assert fleet.wait_state("w", "online")["status_text"] == "mine"


def test_s44_nobody_can_be_named_the_main_process(fleet):
    fleet.apps(py("for p in (0, 1, 2**22+1, os.getppid()): tell('MAINPID=%d\\nREADY=1' % p)\n"
                  "time.sleep(1000)", ready="notify"))
    fleet.start()
    row = fleet.wait_state("w", "online")
    assert pathlib.Path(f"/proc/{row['pid']}/cmdline").read_bytes().startswith(b"/usr/bin/python3")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert not is_alive(row["pid"]) and not fleet.processes()


# --- after a crash of opsd

def kill_supervisor(fleet):
    pid = fleet.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: fleet.pid != pid, what="another supervisor answers")


@pytest.mark.parametrize("ready,script", [
    ({"fd": 3}, "os.write(3, b'\\n')"),
    ("notify", "tell('READY=1')"),
    ({"log": "go!"}, "print('go!', flush=True)"),
    ({"exec": ["test", "-e", "go"]}, "pass"),
])
def test_s24_a_start_goes_on_without_the_opsd_that_began_it(fleet, ready, script):
    fleet.apps({**when_told(script), "ready": ready, "listen_timeout": "1m"})
    fleet.start()
    pid = wait_until(lambda: fleet.row("w")["pid"])
    kill_supervisor(fleet)
    assert becomes_ready(fleet)["pid"] == pid


@needs_node
def test_s24_node_does_not_notice_that_opsd_crashed(fleet):
    node_app(fleet, """
        process.on('disconnect', () => { console.log('disconnected'); process.exit(3); });
        process.on('message', m => { console.log('told', m); process.exit(0); });
        process.send('ready');""", wait_ready=True, shutdown_with_message=True,
        kill_timeout="1m")
    fleet.start()
    row = fleet.wait_state("w", "online")
    kill_supervisor(fleet)
    assert fleet.wait_state("w", "online")["pid"] == row["pid"]
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.lines("w") == ["told shutdown"]


# --- what is left of it

@pytest.mark.parametrize("ready", [{"fd": 3}, {"tcp": 1}, {"unix": "nobody"}, {"log": "never"},
                                   {"http": "http://127.0.0.1:1/"}, {"exec": ["sleep", "999"]}])
def test_s15_a_stop_while_it_is_not_ready_leaves_nothing(fleet, ready):
    fleet.apps(sh(SLEEP, ready=ready, listen_timeout="1h"), sh(SLEEP, "other"))
    fleet.start()
    fleet.wait_state("other", "online")
    fleet.wait_state("w", "launching")
    assert fleet.opsctl("stop", "w").returncode == 0
    other = fleet.row("other")["pid"]
    wait_until(lambda: fleet.processes() == [other])
    before = settled(lambda: descriptors(fleet.supervisor))
    for _ in range(3):
        assert fleet.opsctl("start", "w").returncode == 0
        fleet.wait_state("w", "launching")
        assert fleet.opsctl("stop", "w").returncode == 0
    wait_until(lambda: fleet.processes() == [other])
    wait_until(lambda: descriptors(fleet.supervisor) <= before)
