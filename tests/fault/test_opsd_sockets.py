"""What clients of a `listen` address see when opsd, its guard or both are killed: nothing."""
import socket
import threading

import pytest

from opsd_crowd import Crowd  # noqa: F401  it finds the helpers of the scenarios
from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import py

# HIDES: it closes descriptor 3 once it has another, so that nobody can take it from there.
SERVER = r"""
import select
n = os.dup(3)
if HIDES: os.close(3)
s = socket.socket(fileno=n)
s.setblocking(False)
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
tell('READY=1')
while not asked:
  if not select.select([s], [], [], 0.01)[0]: continue
  try: c, _ = s.accept()
  except BlockingIOError: continue
  c.setblocking(True)
  c.recv(100)
  c.sendall(str(os.getpid()).encode())
  c.close()
"""


class Clients:
    """They ask without a pause; whoever gets no answer is counted."""

    def __init__(self, family, address):
        self.family, self.address, self.over = family, address, threading.Event()
        self.good, self.failed = 0, []
        self.thread = threading.Thread(target=self.ask)

    def ask_once(self):
        with socket.socket(self.family) as s:
            s.settimeout(20)
            s.connect(self.address)
            s.sendall(b"who are you?")
            return int(s.recv(100))

    def ask(self):
        while not self.over.is_set():
            try:
                self.ask_once()
                self.good += 1
            except (OSError, ValueError) as e:
                self.failed.append(e)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def wait_more(self, count=20):
        before = self.good
        wait_until(lambda: self.good >= before + count, what="clients are answered")


def begin(home, kind, hides=False):
    if kind == "unix":
        family, address = socket.AF_UNIX, str(home.file("socket"))
        text = f"unix://{address}"
    else:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            family, address = socket.AF_INET, s.getsockname()
        text = f"tcp://127.0.0.1:{address[1]}"
    server = SERVER.replace("HIDES", str(hides))
    home.apps(py(server, ready="notify", listen=[text], listen_timeout="20s"))
    home.start()
    home.wait_state("w", "online")
    return Clients(family, address)


@pytest.mark.parametrize("who", ["supervisor", "guard", "both"])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_no_client_is_refused(home, kind, who):
    """Twice: also what was taken over has to be found by whoever comes next."""
    with begin(home, kind) as clients:
        for _ in range(2):
            clients.wait_more()
            killed = home.kill(who)
            clients.wait_more()
            if who == "both":
                home.recover()
            home.await_pair(*killed)
            clients.wait_more()
            for word in ("restart", "reload"):
                assert home.opsctl(word, "w").returncode == 0
                clients.wait_more()
    assert not clients.failed, clients.failed[:5]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_one_that_cannot_be_taken_over_is_replaced(home, kind):
    clients = begin(home, kind, hides=True)
    before = clients.ask_once()
    home.kill("both")
    home.recover()
    assert clients.ask_once() == before, "the worker serves on"
    assert home.opsctl("restart", "w").returncode == 0
    wait_until(lambda: clients.ask_once() not in (before, None))
    assert not is_alive(before)


def test_queued_clients_survive_the_supervisor(home):
    """While no process of the worker runs, the guard's copy keeps them waiting."""
    clients = begin(home, "unix")
    assert home.opsctl("stop", "w").returncode == 0
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(clients.address)
        early.sendall(b"anybody?")
        killed = home.kill("supervisor")
        home.await_pair(*killed)
        assert home.opsctl("start", "w").returncode == 0
        early.settimeout(20)
        assert int(early.recv(100)) == home.row("w")["pid"]
