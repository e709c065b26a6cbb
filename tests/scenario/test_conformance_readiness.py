"""Conformance, S37-S45: readiness and dependencies. What other files show:

S37  test_supervisor_dependencies.py::test_s37_online_only_after_it_says_so
S37  test_supervisor_dependencies.py::test_s37_an_end_before_ready_is_a_failed_start
S37  test_supervisor_ready.py::test_s37_a_newline_on_a_descriptor
S37  test_supervisor_ready.py::test_s37_an_end_before_the_newline_is_a_failed_start
S38  test_supervisor_dependencies.py::test_s38_never_ready_is_a_failure
S39  test_supervisor_dependencies.py::test_s39_b_follows_a
S40  test_supervisor_dependencies.py::test_s40_a_late_success_still_starts_the_dependent
S41  test_supervisor_dependencies.py::test_s41_cycles_and_unknown_names_are_refused_and_nothing_is_started
S42  test_supervisor_dependencies.py::test_s42_a_restart_while_it_waits_is_no_wedge
S44  test_supervisor_dependencies.py::test_s44_only_the_worker_itself_can_say_that_it_is_ready
S44  test_supervisor_ready.py::test_s44_nobody_can_be_named_the_main_process
S45  test_supervisor_watchdog.py::test_s45_a_reload_that_dies_has_failed
"""
import os
import signal
import socket
import threading

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import py, sh

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def test_s39_restart_true_hands_a_restart_on(home):
    home.apps(sh("exec sleep 1000", "a", **QUICK),
              sh("exec sleep 1000", "b", depends_on={"a": {"condition": "ready", "restart": True}}),
              sh("exec sleep 1000", "c", depends_on=["a"]))
    home.start()
    b, c = (home.wait_state(name, "online")["pid"] for name in "bc")
    assert home.opsctl("restart", "a").returncode == 0
    row = wait_until(lambda: home.row("b")["pid"] not in (None, b) and home.row("b"))
    assert row["state"] == "online" and not is_alive(b)
    os.kill(home.wait_state("a", "online")["pid"], signal.SIGKILL)
    wait_until(lambda: home.row("b")["pid"] not in (None, b, row["pid"]))
    assert home.row("c")["pid"] == c
    # a stop takes it away once; nothing goes round in circles
    assert home.opsctl("stop", "a").returncode == 0
    assert home.state("b") == "waiting"
    restarts = home.row("b")["restarts"]
    for _ in range(20):
        home.rpc("ping")
    assert (home.state("a"), home.row("b")["restarts"]) == ("stopped", restarts)
    assert not home.processes()


def test_s41_a_cycle_of_twenty_is_told_by_its_names(home):
    home.apps(*(sh("touch started", f"w{n}", depends_on=[f"w{(n + 1) % 20}"]) for n in range(20)))
    got = home.opsctl("start", "all")
    assert got.returncode == 1 and "w7" in got.stderr
    assert not home.file("started").exists()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SERVER = r"""
import select
assert os.environ['LISTEN_FDS'] == '1' and os.environ['LISTEN_PID'] == str(os.getpid())
while os.path.exists('hold'): time.sleep(0.005)
s = socket.socket(fileno=3)
s.setblocking(False)
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
tell('READY=1')
while not asked:
  if not select.select([s], [], [], 0.02)[0]: continue
  try: c, _ = s.accept()
  except BlockingIOError: continue
  c.setblocking(True)
  c.recv(4096)
  c.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n.')
  c.close()
"""


class Load:
    """Clients that ask without a pause; whoever gets no whole answer is counted."""

    def __init__(self, port, clients=4):
        self.port, self.over = port, threading.Event()
        self.good, self.failed = 0, []
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 20) as s:
                    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    said = b"".join(iter(lambda: s.recv(4096), b""))
                if said.endswith(b"\r\n\r\n."):
                    self.good += 1
                else:
                    self.failed.append(said)
            except OSError as e:
                self.failed.append(e)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_more(self, count):
        before = self.good
        wait_until(lambda: self.good >= before + count, what="requests are answered")


def test_s43_a_reload_refuses_no_request(home):
    port = free_port()
    home.apps(py(SERVER, ready="notify", listen=[f"tcp://127.0.0.1:{port}"]))
    home.start()
    pid = home.wait_state("w", "online")["pid"]
    with Load(port) as load:
        for _ in range(5):
            load.wait_more(50)
            assert home.opsctl("reload", "w").returncode == 0
            row = home.wait_state("w", "online")
            assert row["pid"] != pid and not is_alive(pid)
            pid = row["pid"]
        load.wait_more(50)
    assert not load.failed, load.failed[:5]


def test_s43_one_that_never_gets_ready_leaves_the_old_one(home):
    port = free_port()
    home.apps(py(SERVER, ready="notify", listen=[f"tcp://127.0.0.1:{port}"], listen_timeout=500))
    home.start()
    pid = home.wait_state("w", "online")["pid"]
    home.file("hold").touch()
    with Load(port) as load:
        load.wait_more(50)
        got = home.opsctl("reload", "w")
        assert got.returncode == 1 and "ready" in got.stderr
        load.wait_more(50)
    assert not load.failed, load.failed[:5]
    row = home.row("w")
    assert (row["state"], row["pid"]) == ("online", pid) and home.processes() == [pid]


def test_s43_a_supervisor_killed_amid_a_reload_leaves_one(home):
    home.apps(py("while os.path.exists('hold'): time.sleep(0.005)\ntell('READY=1')\ntime.sleep(1000)",
                 ready="notify", listen_timeout=3000))
    home.start()
    old = home.wait_state("w", "online")["pid"]
    home.file("hold").touch()
    reload = home.opsctl_background("reload", "w")
    wait_until(lambda: len(home.processes()) == 2)
    pids = home.kill("supervisor")
    home.await_pair(*pids)
    reload.communicate(timeout=30)
    home.file("hold").unlink()
    row = wait_until(lambda: (row := home.row("w"))["state"] == "online"
                     and home.processes() == [row["pid"]] and row, what="one of the two is left")
    assert is_alive(old) == (row["pid"] == old)
