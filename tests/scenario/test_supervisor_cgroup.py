"""Each worker in a control group of its own: what escaped its keeper is found all the same."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from supervisor import BIN, Fleet, fleet, is_alive, py, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1, "max": 20, "jitter": 0}, "max_restarts": 1000}
# Leaves its session, its parent and the environment by which it could be told.
HIDE = "env -i setsid sh -c 'sh -c \"echo \\$\\$ > hidden.new; mv hidden.new hidden; exec sleep 1000\" &'"


def own_group(pid="self"):
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    return None


def mounts():
    """Those of version 2, with what each shows."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if line.split(" - ")[1].split()[0] == "cgroup2":
            yield fields[3], pathlib.Path(fields[4])


def writable():
    for root, folder in mounts():
        probe = folder / (own_group() or "/").removeprefix(root).strip("/") / f"ops-probe-{os.getpid()}"
        with contextlib.suppress(OSError):
            probe.mkdir()
            try:
                return (probe / "cgroup.kill").exists()
            finally:
                probe.rmdir()
    return False


with_groups = pytest.mark.skipif(not writable(), reason="skipped, no writable cgroup v2")


def procs(fleet, name):
    return {int(p) for p in (fleet.groups / name / "cgroup.procs").read_text().split()}


def names(fleet):
    """An empty folder may have been tidied away by another opsd that started."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(p.name for p in fleet.groups.iterdir() if p.is_dir() and p.name != "~opsd")
    return []


def keeper(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def hidden(fleet):
    pid = int(wait_until(lambda: fleet.file("hidden").exists() and fleet.file("hidden").read_text()))
    fleet.file("hidden").unlink()
    return pid


def end_all(fleet):
    """Guard, supervisor and keepers at once, as by an operator's kill -9."""
    for number in signal.SIGSTOP, signal.SIGKILL:  # none may see another die
        for pid in fleet.opsds():
            os.kill(pid, number)
    wait_until(lambda: not [p for p in fleet.opsds() if is_alive(p)])
    if fleet.process:
        fleet.process.wait()
        fleet.process = None


@with_groups
def test_a_worker_and_all_that_it_starts_is_in_its_group_until_it_is_stopped(fleet):
    fleet.apps(sh("sleep 1000 & env -i setsid sleep 1000 & wait"),
               sh("exec sleep 1000", name="two", instances=2))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    wait_until(lambda: len(procs(fleet, "w-0")) == 3)
    wait_until(lambda: names(fleet) == ["two-0", "two-1", "w-0"])
    assert pid in procs(fleet, "w-0") and keeper(pid) not in procs(fleet, "w-0")
    one = fleet.rpc("describe", name="w")["workers"][0]
    assert one["cgroup"] == f"{fleet.groups}/w-0" and one["tree_cpu_ms"] >= 0
    assert f"{fleet.groups}/w-0" in fleet.opsctl("describe", "w").stdout
    assert fleet.opsctl("stop", "w").returncode == 0
    assert names(fleet) == ["two-0", "two-1"]
    assert fleet.rpc("describe", name="w")["workers"][0]["cgroup"] is None
    folder = fleet.groups
    assert fleet.opsctl("kill").returncode == 0
    assert not folder.exists()
    fleet.process.wait()
    fleet.process = None


@with_groups
def test_a_restart_uses_the_group_anew_and_leaves_none_behind(fleet):
    fleet.apps(sh("exit 1", **QUICK), {"name": "none", "script": "/no/such/program"})
    fleet.start()
    wait_until(lambda: fleet.row("w")["restarts"] >= 20)
    assert fleet.opsctl("stop", "all").returncode == 0
    assert names(fleet) == []


@with_groups
def test_what_a_killed_keeper_left_is_killed_however_well_it_hid(fleet):
    fleet.apps(sh(f"{HIDE}; exec sleep 1000", **QUICK))
    fleet.start()
    first = fleet.wait_state("w", "online")["pid"]
    left = hidden(fleet)
    wait_until(lambda: left in procs(fleet, "w-0"))
    os.kill(keeper(first), signal.SIGKILL)
    wait_until(lambda: fleet.row("w")["pid"] not in (None, first))
    assert not is_alive(left) and not is_alive(first)
    again = hidden(fleet)
    assert fleet.opsctl("stop", "w").returncode == 0
    assert not is_alive(again) and names(fleet) == []


@with_groups
def test_a_stop_ends_what_forks_faster_than_it_can_be_killed(fleet):
    fleet.apps(py("signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                  "for n in range(4):\n"
                  "  if os.fork() == 0:\n"
                  "    os.setsid()\n"
                  "    while os.fork() == 0: pass\n"
                  "    os._exit(0)\n"
                  "tell('READY=1')\n"
                  "time.sleep(1000)", ready="notify", kill_timeout=100))
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert not fleet.processes() and names(fleet) == []


@with_groups
def test_an_opsd_after_a_kill_of_everything_clears_what_is_left(fleet):
    fleet.apps(sh(f"{HIDE}; exec sleep 1000"), sh(f"sleep 1000 & exec sleep 1000", name="stays"))
    fleet.start()
    first = fleet.wait_state("w", "online")["pid"]
    left = hidden(fleet)
    fleet.wait_state("stays", "online")
    end_all(fleet)
    assert is_alive(left) and is_alive(first)
    fleet.start()
    wait_until(lambda: fleet.row("w")["pid"] not in (None, first))
    assert not is_alive(left) and not is_alive(first)
    hidden(fleet)
    wait_until(lambda: names(fleet) == ["stays-0", "w-0"])


@with_groups
def test_what_is_left_of_a_worker_that_is_gone_from_the_manifest_is_cleared(fleet):
    fleet.apps(sh(f"{HIDE}; exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    left = hidden(fleet)
    end_all(fleet)
    fleet.apps(sh("exec sleep 1000", name="other"))
    (fleet.home / "journal").unlink()
    shutil.rmtree(fleet.home / "run")
    fleet.start()
    fleet.wait_state("other", "online")
    wait_until(lambda: not is_alive(left))
    wait_until(lambda: names(fleet) == ["other-0"])


@with_groups
def test_a_new_supervisor_leaves_the_groups_of_what_runs_alone(fleet):
    fleet.apps(sh(f"{HIDE}; exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    left = hidden(fleet)
    before = fleet.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: fleet.pid != before)
    assert fleet.wait_state("w", "online")["pid"] == pid
    wait_until(lambda: procs(fleet, "w-0") == {pid, left})
    assert fleet.opsctl("stop", "w").returncode == 0
    assert not is_alive(left) and names(fleet) == []


@with_groups
def test_two_supervisors_do_not_meet(fleet):
    other = Fleet()
    try:
        for one in fleet, other:
            one.apps(sh("exec sleep 1000"))
            one.start()
        pids = [one.wait_state("w", "online")["pid"] for one in (fleet, other)]
        assert fleet.groups != other.groups and fleet.groups.parent == other.groups.parent
        end_all(fleet)
        fleet.start()
        wait_until(lambda: fleet.row("w")["pid"] not in (None, pids[0]))
        assert fleet.opsctl("stop", "all").returncode == 0
        assert other.row("w")["pid"] == pids[1] and is_alive(pids[1])
    finally:
        other.end()


@with_groups
def test_treekill_false_spares_what_left_the_process_group(fleet):
    fleet.apps(sh(f"{HIDE}; exec sleep 1000", treekill=False))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    left = hidden(fleet)
    try:
        assert own_group(pid) == own_group(left) == own_group(fleet.pid)
        assert fleet.opsctl("stop", "w").returncode == 0
        assert not is_alive(pid) and is_alive(left)
        assert names(fleet) == []
    finally:
        os.kill(left, signal.SIGKILL)


@with_groups
def test_a_run_by_hand_and_a_reload_have_groups_of_their_own(fleet):
    fleet.apps(sh("sleep 0.1; echo ready; exec sleep 1000", ready={"log": "ready"}),
               sh("cat /proc/self/cgroup", name="once", autostart=False))
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("reload", "w").returncode == 0
    wait_until(lambda: len(names(fleet)) == 1)
    pid = fleet.row("w")["pid"]
    wait_until(lambda: procs(fleet, names(fleet)[0]) == {pid})
    ran = fleet.opsctl("run", "default", "once")
    assert f"/{fleet.groups.name}/~run-" in ran.stdout, ran
    assert len(names(fleet)) == 1


@with_groups
def test_a_folder_that_was_tidied_away_is_made_again(fleet):
    fleet.apps(sh("exec sleep 1000", autostart=False))
    fleet.start()
    with contextlib.suppress(FileNotFoundError):
        fleet.groups.rmdir()
    assert fleet.opsctl("start", "w").returncode == 0
    wait_until(lambda: procs(fleet, "w-0") == {fleet.row("w")["pid"]})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_whoever_may_make_no_group_does_without(fleet):
    os.chmod(fleet.top, 0o777)
    fleet.apps(sh("sleep 1000 & exec sleep 1000"))
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BIN / "opsctl", "--home",
               fleet.home]
    at = {"cwd": fleet.folder, "env": fleet.environment(HOME="/"), "capture_output": True, "text": True}
    started = subprocess.run([*command, "start", "all"], **at)
    assert started.returncode == 0, started
    assert fleet.groups is None
    wait_until(lambda: len(fleet.processes()) == 2)
    assert subprocess.run([*command, "stop", "all"], **at).returncode == 0
    assert not fleet.processes()
    assert subprocess.run([*command, "kill"], **at).returncode == 0
