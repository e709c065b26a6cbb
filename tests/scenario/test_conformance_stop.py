"""Conformance, S9-S18: stopping. What other files show:

S9   test_supervisor_stop.py::test_s9_the_kill_comes_at_kill_timeout_and_not_before
S10  test_supervisor_stop.py::test_s10_the_whole_tree_is_gone_when_stop_returns
S14  test_supervisor_stop.py::test_s14_stop_ends_a_delay_for_good
S14  test_supervisor_stop.py::test_s14_a_delay_that_was_stopped_never_comes_back
S15  test_supervisor_stop.py::test_s15_a_worker_that_is_not_ready_yet_stops_at_once
S16  test_supervisor_stop.py::test_s16_stopping_what_is_stopped_succeeds
S16  test_supervisor_stop.py::test_s16_two_stops_at_once_send_one_signal
"""
import contextlib
import os
import signal

import pytest

from conformance_fleet import home, is_alive, rounds, wait_until  # noqa: F401
from supervisor import held, py, sh

QUICK = {"backoff": {"initial": 5, "factor": 1, "max": 5, "jitter": 0}, "max_restarts": 100000,
         "min_uptime": 10}
# A process that left by two forks and a session of its own, and hears neither INT nor TERM.
GRANDCHILD = """
def leave(name):
  if os.fork():
    os.wait()
    return
  os.setsid()
  if os.fork(): os._exit(0)
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  signal.signal(signal.SIGTERM, signal.SIG_IGN)
  open(name + '.new', 'w').write(str(os.getpid()))
  os.rename(name + '.new', name)
  time.sleep(1000)
  os._exit(0)
"""


def pid_in(home, name):
    return int(wait_until(lambda: home.file(name).exists() and home.file(name).read_text()))


def test_s11_a_child_that_does_not_listen_is_gone_when_stop_returns(home):
    home.apps(sh("(trap '' INT TERM; sh -c 'echo $PPID' > child.new; mv child.new child; exec sleep 1000) &"
                 " exec sleep 1000",
                 kill_timeout=300))
    home.start()
    child = pid_in(home, "child")
    assert home.opsctl("stop", "w").returncode == 0
    assert not is_alive(child) and not home.processes()


@pytest.mark.parametrize("word", ["stop", "restart"])
def test_s12_whoever_left_by_two_forks_and_a_session_is_gone_too(home, word):
    home.apps(py(GRANDCHILD + "leave('second' if os.path.exists('first') else 'first')\n"
                 "time.sleep(1000)", kill_timeout=300))
    home.start()
    grandchild = pid_in(home, "first")
    assert is_alive(grandchild)
    assert home.opsctl(word, "w").returncode == 0
    assert not is_alive(grandchild)
    if word == "stop":
        assert not home.processes()


def test_s12_orphans_of_two_workers_are_told_apart(home):
    """Their environment tells nothing: only their ancestor does."""
    script = "env -i /usr/bin/setsid /bin/sh -c 'echo $$ > \"$0\"; exec sleep 1000' $PWD/$name & wait; wait"
    home.apps(sh(script, "a"), sh(script, "b"))
    home.start()
    a, b = pid_in(home, "a"), pid_in(home, "b")
    try:
        assert home.opsctl("stop", "a").returncode == 0
        assert not is_alive(a) and is_alive(b)
        assert home.opsctl("stop", "b").returncode == 0
        assert not is_alive(b)
    finally:
        for pid in (a, b):  # these carry no mark
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_s13_a_port_held_by_what_a_crash_left_is_free_for_the_next(home):
    home.apps(py("""import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
port = int(open('port').read()) if os.path.exists('port') else 0
try: s.bind(('127.0.0.1', port))
except OSError as e:
  print(e, flush=True)
  os._exit(5)
s.listen()
open('port', 'w').write(str(s.getsockname()[1]))
n = len([f for f in os.listdir('.') if f.startswith('left')])
""" + GRANDCHILD + """
s.set_inheritable(True)
leave('left%d' % n)
while not os.path.exists('left%d' % n): time.sleep(0.005)
if n < 5: os.kill(os.getpid(), signal.SIGSEGV)
time.sleep(1000)""", limits={"core": 0}, **QUICK))
    home.start()
    last = pid_in(home, "left5")
    assert home.lines("w") == []
    for n in range(5):
        assert not is_alive(pid_in(home, f"left{n}"))
    assert is_alive(last)


def test_s17_a_worker_that_dies_as_it_is_stopped_is_stopped(home):
    home.apps(sh("exec sleep 1000", **QUICK))
    home.start()
    with home.connect() as client:
        for n in range(rounds(500)):
            pid = wait_until(lambda: home.row("w")["pid"])
            with held(pid) as kill:
                request = client.send("stop", names=["w"]) if n % 2 else None
                kill()
            request = request or client.send("stop", names=["w"])
            (row,) = client.answer(request)["workers"]
            assert (row["state"], row["pid"]) == ("stopped", None)
            assert not is_alive(pid)
            client.call("start", names=["w"])
        client.call("stop", names=["w"])
    assert not home.processes()


SPARED = GRANDCHILD + """leave('free')
if os.fork() == 0:
  open('near.new', 'w').write(str(os.getpid()))
  os.rename('near.new', 'near')
  time.sleep(1000)
time.sleep(1000)"""


def test_s18_treekill_false_spares_who_left_the_group(home):
    home.apps(py(SPARED, treekill=False, kill_timeout=300))
    home.start()
    free, near = pid_in(home, "free"), pid_in(home, "near")
    assert home.opsctl("stop", "w").returncode == 0
    assert is_alive(free) and not is_alive(near)
    os.kill(free, signal.SIGKILL)


def test_s18_treekill_false_still_holds_for_another_supervisor(home):
    home.apps(py(SPARED, treekill=False, kill_timeout=300))
    home.start()
    free, near = pid_in(home, "free"), pid_in(home, "near")
    pids = home.kill("supervisor")
    home.await_pair(*pids)
    assert is_alive(free) and is_alive(near)
    assert home.opsctl("stop", "w").returncode == 0
    assert is_alive(free) and not is_alive(near)
    os.kill(free, signal.SIGKILL)
