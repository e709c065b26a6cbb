"""Conformance, S1-S8: the life of a worker. What other files show:

S1   test_supervisor_life.py::test_s1_a_crash_loop_slows_down_and_ends_errored
S2   test_supervisor_life.py::test_s2_restart_window_counts_long_lives_too
S3   test_supervisor_life.py::test_s3_the_delay_starts_again_after_a_long_life
S4   test_supervisor_life.py::test_s4_a_killed_worker_has_one_successor
S5   test_supervisor_life.py::test_s5_stop_exit_codes_end_it_and_a_signal_is_no_code
S6   test_supervisor_life.py::test_s6_a_program_that_cannot_be_run
S8   test_supervisor_life.py::test_s8_a_folder_that_is_not_there
"""
import os
import pathlib
import resource
import signal
import subprocess

import pytest

from conformance_fleet import BIN, home, status_of, wait_until  # noqa: F401
from supervisor import descriptors, sh

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def test_s07_no_descriptors_left_is_a_delay_and_costs_none(home):
    home.apps(sh("exec sleep 1000", "before"), sh("exec sleep 1000", **QUICK))
    home.start()
    untouched = home.wait_state("before", "online")["pid"]
    pid = home.wait_state("w", "online")["pid"]
    supervisor = home.pid

    with home.connect() as client:
        def row(name):
            return next(r for r in client.call("workers_stat")["workers"] if r["name"] == name)
        assert row("w")["pid"] == pid  # and with that this client has been let in
        before = descriptors(supervisor)
        usual = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        try:
            # lower than what is open: that stays, and nothing comes to it
            resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, usual[1]))
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: "Too many open files" in (row("w")["reason"] or ""), what="it says why")
            assert row("w")["state"] == "waiting restart"
            assert descriptors(supervisor) <= before
        finally:
            resource.prlimit(supervisor, resource.RLIMIT_NOFILE, usual)
        wait_until(lambda: row("w")["state"] == "online", what="it is tried again when there is room")
        assert row("before")["pid"] == untouched
        wait_until(lambda: descriptors(supervisor) == before, what="as many are open as before")


def as_user(uid):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]


def start_as(home, uid):
    os.chown(home.top, uid, uid)
    os.chmod(home.top, 0o755)
    home.process = subprocess.Popen(
        [*as_user(uid), BIN / "opsd", "--home", home.home, "--manifest", home.manifest, "--foreground"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=home.environment())
    wait_until(lambda: home.rpc("ping"))


def let_fork(pid, uid, limit):
    subprocess.run([*as_user(uid), "prlimit", f"--pid={pid}", f"--nproc={limit}:"], check=True)


def processes_of(uid):
    return [p.name for p in pathlib.Path("/proc").glob("[0-9]*") if status_of(p.name, "Uid") == uid]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("room", [0, 1])
def test_s07_no_process_to_be_had_is_a_delay(home, room):
    """Room for none: the first fork fails. Room for one: where there are two, the second."""
    uid = 61000 + os.getpid() % 4000 * 2 + room
    home.apps(sh("exec sleep 1000", autostart=False, **QUICK))
    start_as(home, uid)
    supervisor = home.pid
    let_fork(supervisor, uid, len(processes_of(uid)) + room)
    with home.connect() as client:
        client.send("start", names=["w"])
        wait_until(lambda: client.call("ping"))
    row = home.wait_state("w", "waiting restart", "errored", "online")
    if room == 0 or home.daemon()["guard_pid"]:  # without keepers one process is enough
        assert row["state"] != "online" and "Resource temporarily unavailable" in row["reason"], row
    before = descriptors(supervisor)
    let_fork(supervisor, uid, 1000)
    home.wait_state("w", "online")
    assert home.opsctl("stop", "w").returncode == 0
    wait_until(lambda: descriptors(supervisor) <= before)


@pytest.mark.parametrize("fields, said", [({"uid": "no-such-user"}, "no-such-user"),
                                          ({"gid": "no-such-group"}, "no-such-group")])
def test_s08_a_user_that_does_not_exist_is_named(home, fields, said):
    home.apps(sh("exec sleep 1000", **fields), sh("exec sleep 1000", "other"))
    home.start("--no-start")
    got = home.opsctl("start", "w")
    assert got.returncode == 1 and said in got.stdout + got.stderr
    assert not home.processes()
    assert home.opsctl("ping").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_s08_a_user_one_may_not_become_is_a_reason(home):
    """opsd without privileges is asked to run a worker as root."""
    home.apps(sh("exec sleep 1000", uid=0))
    start_as(home, 65534)
    row = wait_until(lambda: home.row("w")["reason"] and home.row("w"))
    assert row["state"] in ("errored", "waiting restart")
    assert "not permitted" in row["reason"] and not home.processes()
