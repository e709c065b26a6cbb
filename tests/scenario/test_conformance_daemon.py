"""Conformance, S24-S33: the daemon. What other files show:

S24  fault/test_opsd_kills.py::test_killed
S24  fault/test_opsd_kills.py::test_what_is_printed_while_opsd_is_away_is_in_the_log
S25  fault/test_opsd_kills.py::test_upgraded_under_load
S25  fault/test_opsd_kills.py::test_a_broken_upgrade_is_taken_back
S27  test_supervisor_control.py::test_s27_a_second_daemon_refuses
S28  test_supervisor_guard.py::test_s28_a_deleted_socket_is_made_again
S29  test_supervisor_stop.py::test_s29_signals_are_an_ordered_stop
S29  test_supervisor_guard.py::test_signals_end_both
S29  test_supervisor_stop.py::test_a_hangup_ends_nothing
S32  test_supervisor_life.py::test_a_worker_sees_three_descriptors_and_no_signal_settings
S32  test_supervisor_life.py::test_s32_a_caller_that_waits_for_its_pipe_gets_its_end
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conformance_fleet import BIN, SANITIZED, build, home, is_alive, opsd_stands_still, parent_of, \
    rounds, status_of, wait_until  # noqa: F401
from preload import preload
from supervisor import descriptors, open_files, settled, sh

DAY_S = 86400
STUBBORN = "trap '' INT; echo ready; while :; do sleep 1000; done"


@pytest.fixture(scope="module")
def at_pid(tmp_path_factory):
    return build("at_pid.c", tmp_path_factory.mktemp("at_pid"))


@pytest.mark.parametrize("whose", ["worker", "keeper", "both"])
def test_s26_a_stranger_with_a_recorded_pid_is_not_signalled(home, at_pid, whose):
    home.apps(sh("exec sleep 1000", kill_timeout=200), sh("exec sleep 1000", "other"))
    home.start()
    worker = home.wait_state("w", "online")["pid"]
    other = home.wait_state("other", "online")["pid"]
    keeper = parent_of(worker)
    assert keeper != home.pid, "there is no keeper"
    home.kill("both")
    for pid in (keeper, worker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{keeper}") and not os.path.exists(f"/proc/{worker}"),
               what="their pids are free")
    strangers = {"worker": [worker], "keeper": [keeper], "both": [worker, keeper]}[whose]
    for pid in strangers:
        got = subprocess.run([at_pid, str(pid), "sleep", "1000"], env=home.environment(),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        if got.returncode == 77:
            pytest.skip("one may not choose a process id here")
        assert got.returncode == 0
    home.recover()
    # the worker is gone, and another is started in its place: it is wanted
    row = wait_until(lambda: home.row("w")["state"] == "online" and home.row("w"))
    assert row["pid"] not in (worker, keeper)
    for word in ("restart", "stop"):
        assert home.opsctl(word, "w").returncode == 0
    assert all(map(is_alive, strangers))
    assert home.row("other")["pid"] == other
    home.rpc("kill")
    wait_until(lambda: not home.own())
    assert all(map(is_alive, strangers)) and not is_alive(other)


def test_s24_stat_tells_who_is_guard_and_who_supervisor(home):
    home.apps(sh("exec sleep 1000"))
    home.start()
    daemon = home.rpc("workers_stat")["daemon"]
    assert (daemon["pid"], daemon["guard_pid"]) == (home.pid, home.process.pid)
    for who in ("supervisor", "guard"):
        pids = home.kill(who)
        home.await_pair(*pids)
        daemon = home.rpc("workers_stat")["daemon"]
        assert (daemon["pid"], daemon["guard_pid"]) == (home.pid, home.guard)
        assert parent_of(daemon["pid"]) == daemon["guard_pid"]


def test_s27_a_second_daemon_refuses_whatever_file_was_deleted(home):
    home.apps(sh("exec sleep 1000"))
    home.start()
    pid, supervisor = home.wait_state("w", "online")["pid"], home.pid
    for file in [p for p in home.home.rglob("*") if not p.is_dir()]:
        file.unlink()
        got = subprocess.run([BIN / "opsd", "--home", home.home, "--manifest", home.manifest],
                             capture_output=True, text=True, timeout=30, env=home.environment())
        assert got.returncode == 1 and "another opsd runs" in got.stderr, file
    assert home.processes() == [pid]
    wait_until(lambda: home.pid == supervisor, what="it is there at its socket again")


def test_s29_quit_leaves_at_once_and_leaves_the_workers(home):
    home.apps(sh("exec sleep 1000"), sh(STUBBORN, "stubborn"))
    home.start()
    pids = [home.wait_state(name, "online")["pid"] for name in ("w", "stubborn")]
    home.process.send_signal(signal.SIGQUIT)
    assert home.process.wait(10) == 0
    assert home.opsctl("ping").returncode == 3
    assert all(map(is_alive, pids))
    home.recover()
    assert [home.row(name)["pid"] for name in ("w", "stubborn")] == pids


def memory(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_s30_descriptors_and_memory_stay_the_same(home):
    home.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(10)))
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    daemon = [home.pid, home.guard]
    with home.connect() as client:
        def cycles(n):
            for _ in range(n):
                client.call("stop", names=["all"])
                client.call("start", names=["all"])
            wait_until(lambda: len(home.own()) == 2 + 10, what="the keepers of ended workers left")
            return settled(lambda: tuple(map(descriptors, daemon)))
        before, size = cycles(3), [*map(memory, daemon)]
        assert cycles(rounds(300) // 10) == before
    for now, then in zip(map(memory, daemon), size):
        assert now - then < 2 << 20 or SANITIZED
    assert len(home.processes()) == 10


def test_s31_an_idle_fleet_wakes_nobody(home):
    home.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(100)))
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    pids = home.own()
    assert {home.pid, home.guard} <= set(pids)
    # once the last event is past, a second without a single wake-up comes, and then another
    wait_until(lambda: opsd_stands_still(home, pids), what="a second without an event")
    assert opsd_stands_still(home, pids)


def test_s32_nothing_of_the_callers_is_kept_open(home):
    home.apps(sh("exec sleep 1000"))
    ends = os.pipe()
    try:
        for fd in ends:
            os.set_inheritable(fd, True)
        assert home.opsctl("start", "all", "--wait", pass_fds=ends).returncode == 0
        inherited = os.readlink(f"/proc/self/fd/{ends[0]}")
        everybody = [*home.own(), *home.processes()]
        assert len(everybody) >= 2
        for pid in everybody:
            assert inherited not in open_files(pid).values(), pid
    finally:
        for fd in ends:
            os.close(fd)


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S], ids=["forward", "back"])
def test_s33_the_wall_clock_may_jump(home, jump):
    """No clock of this machine is set: opsd alone is told another time of day."""
    clock = home.file("clock")
    clock.write_text("0")
    home.apps(sh(STUBBORN, kill_timeout=1200), sh("date +%s%N >> starts; exit 1", "crashing",
              backoff={"initial": 1500, "factor": 1, "max": 1500, "jitter": 0}), sh("exec sleep 1000", "s"))
    home.start(**preload("opsd_clock"), OPSD_CLOCK=str(clock))
    wait_until(lambda: home.lines("w") == ["ready"])
    steady = home.wait_state("s", "online")["pid"]
    begun = time.monotonic()
    stop = home.opsctl_background("stop", "w")
    home.wait_state("w", "stopping")
    home.wait_state("crashing", "waiting restart")
    clock.write_text(str(jump))
    assert stop.wait(20) == 0  # no day later
    stop.communicate()
    assert time.monotonic() - begun >= 1.2, home.daemon_log()
    wait_until(lambda: len(home.file("starts").read_text().split()) >= 3)
    first, second, third = (int(t) / 1e9 for t in home.file("starts").read_text().split()[:3])
    assert second - first >= 1.5 and third - second >= 1.5
    assert home.row("s")["uptime_ms"] < 60000
    # and not for one that comes after
    pids = home.kill("supervisor")
    home.await_pair(*pids)
    row = home.row("s")
    assert row["pid"] == steady and 0 <= row["uptime_ms"] < 60000


def test_s33_no_stranger_is_taken_for_a_worker_after_a_jump(home):
    """A start time that is counted from a wall clock would make every worker a stranger."""
    clock = home.file("clock")
    clock.write_text("0")
    home.apps(sh("exec sleep 1000"))
    home.start(**preload("opsd_clock"), OPSD_CLOCK=str(clock))
    pid = home.wait_state("w", "online")["pid"]
    home.kill("both")
    home.recover()  # without the preload: the day is another one for it
    clock.write_text(str(-DAY_S))
    assert home.row("w")["pid"] == pid and home.processes() == [pid]
    assert status_of(pid, "Pid") == pid
