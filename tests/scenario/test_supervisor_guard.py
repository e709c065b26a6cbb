"""The guard: whoever of guard and supervisor dies, somebody answers in a moment."""
import contextlib
import ctypes
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from supervisor import BIN, DEADLINE_S, SANITIZED, Client, Fleet, Refused, children, descriptors, fleet, is_alive, \
    open_files, settled, sh, wait_until  # noqa: F401

ANSWER_S = 10 if SANITIZED else 2


def ids(fleet):
    got = fleet.rpc("ping")
    return got["guard_pid"], got["pid"]


def new_supervisor(fleet, dead):
    def look():
        now = ids(fleet)
        return now if now[1] != dead else None
    return wait_until(look, what="a new supervisor answers")


def successor(fleet, supervisor):
    """Guard and supervisor once the supervisor has become the guard."""
    def look():
        now = ids(fleet)
        return now if now[0] == supervisor else None
    return wait_until(look, what="the supervisor has become the guard")


def refused(fleet):
    """A second opsd on the same home."""
    got = subprocess.run([BIN / "opsd", "--home", fleet.home, "--manifest", fleet.manifest,
                          "--foreground"], capture_output=True, text=True, timeout=20,
                         env=fleet.environment())
    return got.returncode == 1 and "another opsd runs" in got.stderr


def environment(pid):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode()
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def kill_all(pids):
    """Each may be gone by itself meanwhile."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def gone(*pids):
    wait_until(lambda: not any(is_alive(p) for p in pids), what="all of opsd is gone")


def daemon(fleet):
    """opsd as `opsctl start` makes it."""
    assert fleet.opsctl("start", "all").returncode == 0
    return ids(fleet)


@pytest.fixture
def opsd(tmp_path):
    """A copy of the program, to be replaced by tests."""
    path = tmp_path / "opsd"
    shutil.copy2(BIN / "opsd", path)
    return path


# --- deaths

def test_a_killed_supervisor_is_replaced_at_once(fleet):
    fleet.apps()
    fleet.start()
    times = []
    guard, supervisor = ids(fleet)
    for _ in range(20):
        os.kill(supervisor, signal.SIGKILL)
        killed = time.monotonic()
        # not even the first attempt to connect may fail
        wait_until(lambda: not is_alive(supervisor))
        now = ids(fleet)
        times.append(time.monotonic() - killed)
        assert now[0] == guard and now[1] != supervisor
        supervisor = now[1]
    assert sorted(times[:5])[2] < ANSWER_S, times
    assert refused(fleet)


def test_a_client_that_waits_in_the_queue_is_served_by_the_next(fleet):
    fleet.apps()
    fleet.start()
    os.kill(fleet.supervisor, signal.SIGSTOP)
    with Client(fleet.home) as client:
        asked = client.send("ping")
        os.kill(fleet.supervisor, signal.SIGKILL)
        assert client.answer(asked)["guard_pid"] == fleet.process.pid


def test_a_killed_guard_is_replaced_by_the_supervisor(fleet):
    fleet.apps()
    guard, supervisor = daemon(fleet)
    times = []
    for _ in range(10):
        os.kill(guard, signal.SIGKILL)
        killed = time.monotonic()
        now = successor(fleet, supervisor)
        times.append(time.monotonic() - killed)
        assert now[1] != guard
        guard, supervisor = now
        assert refused(fleet)
    assert sorted(times)[5] < 2 * ANSWER_S, times
    assert fleet.opsctl("kill").returncode == 0
    gone(guard, supervisor)


def test_when_both_are_killed_the_next_start_works(fleet):
    fleet.apps()
    for first in (0, 1):
        for _ in range(5):
            pids = daemon(fleet)
            os.kill(pids[1], signal.SIGSTOP)  # or it would take over in between
            os.kill(pids[first], signal.SIGKILL)
            os.kill(pids[not first], signal.SIGKILL)
            gone(*pids)
            wait_until(lambda: not kill_all(fleet.opsds()), what="what was begun in between is gone")
    assert daemon(fleet)[0] not in pids


def test_deaths_in_a_row_slow_the_guard_down_and_the_home_stays_ours(fleet):
    fleet.apps()
    fleet.start()
    guard, supervisor = ids(fleet)

    def next_child():
        """What the guard has begun, which may be far from answering."""
        return next((p for p in map(int, children(guard)) if p != supervisor and is_alive(p)), None)

    times = []
    for deaths in range(8):
        os.kill(supervisor, signal.SIGABRT)
        killed = time.monotonic()
        wait_until(lambda: not is_alive(supervisor))
        if deaths == 7:
            assert refused(fleet)  # also while nobody runs but the guard
        supervisor = wait_until(next_child)
        times.append(time.monotonic() - killed)
    assert times[5] > 0.1 and times[6] > 0.2 and times[7] > 0.4, times
    wait_until(lambda: ids(fleet)[1] == supervisor)
    # a kill by hand says nothing against the program
    os.kill(supervisor, signal.SIGKILL)
    killed = time.monotonic()
    supervisor = new_supervisor(fleet, supervisor)[1]
    assert time.monotonic() - killed < 3 * ANSWER_S
    assert ids(fleet) == (guard, supervisor)


def test_a_guard_gains_nothing_from_deaths(fleet):
    fleet.apps()
    fleet.start()
    guard, supervisor = ids(fleet)
    before = settled(lambda: descriptors(guard))
    for _ in range(50):
        os.kill(supervisor, signal.SIGKILL)
        supervisor = new_supervisor(fleet, supervisor)[1]
    wait_until(lambda: descriptors(guard) == before)
    wait_until(lambda: not fleet.zombies())


# --- the first start

@pytest.mark.parametrize("how", ["foreground", "daemon"])
def test_a_wrong_manifest_is_told_to_the_caller_and_ends_all(fleet, how):
    fleet.manifest.write_text('{"apps":[{"name":"w","script":"sh","max_restarts":"ten"}]}')
    more = ["--foreground"] if how == "foreground" else []
    got = subprocess.run([BIN / "opsd", "--home", fleet.home, "--manifest", fleet.manifest, *more],
                         capture_output=True, text=True, timeout=20, env=fleet.environment())
    assert got.returncode == 1
    assert "max_restarts" in got.stderr and "mend" in got.stderr
    assert fleet.opsds() == []


def test_a_manifest_that_broke_meanwhile_keeps_no_supervisor_from_serving(fleet):
    fleet.apps()
    fleet.start()
    guard, supervisor = ids(fleet)
    for spoil in (lambda: fleet.manifest.write_text("{"), fleet.manifest.unlink):
        spoil()
        os.kill(supervisor, signal.SIGKILL)
        now = new_supervisor(fleet, supervisor)
        assert now[0] == guard
        supervisor = now[1]


def test_nothing_of_the_caller_reaches_the_supervisor(fleet):
    fleet.apps()
    leak, other = os.pipe()
    os.set_inheritable(other, True)
    subprocess.run([BIN / "opsd", "--home", fleet.home, "--manifest", fleet.manifest], check=True,
                   timeout=20, env=fleet.environment(), close_fds=False)
    os.close(other)
    assert select.select([leak], [], [], DEADLINE_S)[0], "somebody holds the caller's pipe"
    assert os.read(leak, 1) == b""
    os.close(leak)
    for pid in ids(fleet):
        assert [open_files(pid)[fd] for fd in (0, 1, 2)] == ["/dev/null"] + 2 * [f"{fleet.home}/opsd.log"]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


# --- signals

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("whom", ["guard", "supervisor"])
def test_signals_end_both(fleet, number, whom):
    fleet.apps()
    fleet.start()
    guard, supervisor = ids(fleet)
    os.kill(guard if whom == "guard" else supervisor, number)
    assert fleet.process.wait(20) == 0
    gone(guard, supervisor)
    assert not (fleet.home / "opsd.sock").exists()


def test_a_stop_survives_the_supervisor_that_was_told(fleet):
    """Once everything is to stop, killing the supervisor does not bring the fleet back."""
    fleet.apps()
    fleet.start()
    os.kill(fleet.supervisor, signal.SIGSTOP)
    fleet.process.terminate()
    os.kill(fleet.supervisor, signal.SIGKILL)
    assert fleet.process.wait(20) == 0


def test_a_hangup_opens_the_log_anew(fleet):
    fleet.apps()
    guard, supervisor = daemon(fleet)
    log = fleet.home / "opsd.log"
    for victim in (guard, supervisor):
        log.rename(fleet.home / "opsd.log.1")
        os.kill(guard, signal.SIGHUP)
        wait_until(lambda: all(open_files(p)[2] == str(log) for p in (guard, supervisor)))
    assert ids(fleet) == (guard, supervisor)


# --- the socket

def test_s28_a_deleted_socket_is_made_again(fleet):
    fleet.apps()
    fleet.start()
    path = fleet.home / "opsd.sock"
    with fleet.connect() as client:
        mine = fleet.home / "mine"
        mine.write_text("no socket")
        for spoil in (path.unlink, lambda: path.rename(fleet.home / "moved"),
                      lambda: (fleet.home / "moved").rename(path), lambda: mine.rename(path)):
            spoil()
            wait_until(lambda: fleet.opsctl("ping").returncode == 0)
        assert client.call("ping")["guard_pid"] == fleet.process.pid
    # and by the supervisor after one that died meanwhile
    os.kill(fleet.supervisor, signal.SIGSTOP)
    path.unlink()
    os.kill(fleet.supervisor, signal.SIGKILL)
    wait_until(lambda: fleet.opsctl("ping").returncode == 0)


def test_a_swept_home_costs_no_descriptor(fleet):
    fleet.apps()
    fleet.start()
    guard, supervisor = ids(fleet)
    before = settled(lambda: (descriptors(guard), descriptors(supervisor)))
    for _ in range(20):
        (fleet.home / "opsd.sock").unlink()
        wait_until(lambda: (fleet.home / "opsd.sock").stat().st_ino)
        wait_until(lambda: fleet.rpc("ping"))
    wait_until(lambda: descriptors(guard) <= before[0] and descriptors(supervisor) <= before[1])


# --- service managers

class Manager:
    """The end of NOTIFY_SOCKET that systemd would have."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind(self.path)

    def next(self):
        return self.socket.recv(1024).decode()

    def silent(self):
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            return self.socket.recv(1024)
        self.socket.settimeout(20)
        return None


def test_the_guard_talks_to_systemd_and_the_supervisor_does_not(fleet):
    fleet.apps()
    manager = Manager(fleet.top)
    fleet.start(NOTIFY_SOCKET=manager.path)
    assert manager.next() == "READY=1"
    guard, supervisor = ids(fleet)
    assert "NOTIFY_SOCKET" in environment(guard) and "NOTIFY_SOCKET" not in environment(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    supervisor = new_supervisor(fleet, supervisor)[1]
    assert manager.silent() is None  # nothing that systemd should know
    fleet.process.terminate()
    assert manager.next() == "STOPPING=1"
    assert fleet.process.wait(20) == 0


def test_under_systemd_a_supervisor_without_a_guard_makes_room(fleet):
    fleet.apps()
    manager = Manager(fleet.top)
    fleet.start(NOTIFY_SOCKET=manager.path)
    guard, supervisor = ids(fleet)
    os.kill(guard, signal.SIGKILL)
    fleet.process.wait()
    gone(guard, supervisor)
    assert fleet.opsds() == []
    fleet.start(NOTIFY_SOCKET=manager.path)  # what systemd does
    assert ids(fleet)[0] == fleet.process.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a name space of processes")
def test_s68_as_process_1_it_reaps_orphans(fleet):
    fleet.apps()
    fleet.process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", BIN / "opsd", "--home",
         fleet.home, "--manifest", fleet.manifest, "--foreground"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=fleet.environment())
    try:
        wait_until(lambda: ids(fleet)[0] == 1)
        guard = int(pathlib.Path(f"/proc/{fleet.process.pid}/task/{fleet.process.pid}/children")
                    .read_text())
        enter = ["nsenter", "--target", str(guard), "--pid", "--mount", "--"]
        got = subprocess.run([*enter, "sh", "-c", "for i in 1 2 3 4 5; do (sh -c 'exit 3' &); done; "
                              "(sleep 0.05 & sleep 0.05 &) ; echo"], timeout=20, text=True,
                             capture_output=True)
        assert got.returncode == 0, got.stderr

        def children():
            return pathlib.Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
        wait_until(lambda: len(children()) == 1, what="only the supervisor is left")
        # and it is no less of a guard for being process 1
        subprocess.run([*enter, "kill", "-9", str(ids(fleet)[1])], timeout=20, check=True)
        wait_until(lambda: ids(fleet)[0] == 1)
        subprocess.run([*enter, "kill", "-TERM", "1"], timeout=20, check=True)
        assert fleet.process.wait(20) == 0
    finally:
        fleet.process.kill()
        fleet.process.wait()
        fleet.process = None


# --- another binary

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438


def upgrade(fleet, path):
    """What `opsctl upgrade` has the supervisor say to the guard; then the supervisor makes room."""
    supervisor = fleet.pid
    link = next(int(m) for m in re.findall(r"--link\0(\d+)", pathlib.Path(
        f"/proc/{supervisor}/cmdline").read_text()))
    call = ctypes.CDLL(None, use_errno=True).syscall
    pidfd = call(SYS_PIDFD_OPEN, supervisor, 0)
    ours = call(SYS_PIDFD_GETFD, pidfd, link, 0)
    program = os.open(path, os.O_PATH)
    assert min(pidfd, ours, program) >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=ours) as said:
        socket.send_fds(said, [b"upgrade\nopsd"], [program])
    os.kill(supervisor, signal.SIGKILL)
    os.close(program)
    os.close(pidfd)
    return supervisor


def program_of(pid):
    return os.readlink(f"/proc/{pid}/exe")


def test_an_upgrade_replaces_the_supervisor_at_once_and_the_guard_after_a_while(fleet, opsd):
    fleet.apps()
    fleet.start()
    guard = fleet.guard
    before = settled(lambda: descriptors(guard))
    now = new_supervisor(fleet, upgrade(fleet, opsd))
    assert now[0] == guard and program_of(now[1]) == str(opsd)
    assert program_of(guard) == str(BIN / "opsd")
    wait_until(lambda: program_of(guard) == str(opsd), what="the guard follows")
    assert ids(fleet) == now, "the supervisor does not notice"
    wait_until(lambda: descriptors(guard) <= before)
    # the guard that was replaced is a guard
    os.kill(now[1], signal.SIGKILL)
    after = new_supervisor(fleet, now[1])
    assert after[0] == guard and program_of(after[1]) == str(opsd)
    assert refused(fleet)
    # and a supervisor of it can become one
    os.kill(guard, signal.SIGKILL)
    fleet.process.wait()
    assert program_of(successor(fleet, after[1])[1]) == str(opsd)


@pytest.mark.parametrize("what", ["/bin/false", "/bin/true", "script", "text"])
def test_a_broken_binary_is_taken_back(fleet, tmp_path, what):
    fleet.apps()
    fleet.start()
    guard = fleet.guard
    broken = pathlib.Path(what) if what[0] == "/" else tmp_path / what
    if what[0] != "/":
        broken.write_text("#!/bin/sh\nexit 0\n" if what == "script" else "nothing")
        broken.chmod(0o755)
    before = settled(lambda: descriptors(guard))
    dead = upgrade(fleet, broken)
    now = new_supervisor(fleet, dead)
    assert now[0] == guard and program_of(now[1]) == str(BIN / "opsd")
    assert "--rolled-back" in pathlib.Path(f"/proc/{now[1]}/cmdline").read_text()
    assert "did not come up" in fleet.daemon_log()
    wait_until(lambda: descriptors(guard) <= before)


def test_a_binary_that_dies_while_on_trial_is_taken_back(fleet, opsd):
    fleet.apps()
    fleet.start()
    dead = upgrade(fleet, opsd)
    for _ in range(3):
        dead = new_supervisor(fleet, dead)[1]
        assert program_of(dead) == str(opsd)
        os.kill(dead, signal.SIGABRT)
    now = new_supervisor(fleet, dead)
    assert now[0] == fleet.process.pid and program_of(now[1]) == str(BIN / "opsd")


def test_the_binary_may_be_replaced_under_a_running_opsd(fleet, opsd):
    """A package is installed over it: what dies now comes back as it was."""
    fleet.apps()
    fleet.process = subprocess.Popen(
        [opsd, "--home", fleet.home, "--manifest", fleet.manifest, "--foreground"],
        stdin=subprocess.DEVNULL, env=fleet.environment())
    supervisor = wait_until(lambda: fleet.pid)
    opsd.unlink()
    opsd.write_text("nothing")
    os.kill(supervisor, signal.SIGKILL)
    now = new_supervisor(fleet, supervisor)
    assert now[0] == fleet.process.pid
    fleet.process.kill()
    fleet.process.wait()
    assert successor(fleet, now[1])


# --- what belongs to opsd alone

@pytest.mark.parametrize("options", [["--link", "77"], ["--link", "0"], ["--guard-store", "0"],
                                     ["--guard-store", "77"]], ids=" ".join)
def test_a_person_who_uses_inner_options_is_told(fleet, options):
    fleet.apps()
    got = subprocess.run([BIN / "opsd", "--home", fleet.home, *options], capture_output=True,
                         text=True, timeout=20, env=fleet.environment(), stdin=subprocess.DEVNULL)
    assert got.returncode == 1 and "for opsd itself" in got.stderr
    assert not any(word in subprocess.run([BIN / "opsd", "--help"], capture_output=True,
                                          text=True).stdout for word in ("link", "store"))
