"""opsd wants something and the machine has none: it says what and where, stays up, what ran goes on
running, and what could not be done is done once it can be.

What a manifest may have wrong: tests/scenario (test_conformance_config, test_supervisor_life,
test_conformance_life), the journal on a full disk: test_conformance_state."""
import contextlib
import os
import resource
import subprocess

import pytest

from preload import preload
from supervisor import BIN, Fleet, descriptors, fleet, sh, wait_until  # noqa: F401

IDLE = "exec sleep 1000"
QUICK = {"backoff": {"initial": 20, "factor": 1, "max": 20, "jitter": 0}}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and becomes another user")


def mount(*words):
    return subprocess.run(["mount", *words], capture_output=True).returncode == 0


@pytest.fixture
def small(fleet):
    """A home on a disk of its own; fill() leaves no room on it, free() gives it back."""
    fleet.home.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=512k", "none", fleet.home):
        pytest.skip("cannot mount here")
    filler = fleet.home / "filler"

    def fill():
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))

    fleet.fill, fleet.free = fill, filler.unlink
    yield fleet
    mount("-o", "remount,rw", fleet.home)
    filler.unlink(missing_ok=True)
    try:
        fleet.end()
    finally:
        subprocess.run(["umount", "-l", fleet.home], check=True)
        fleet.home.rmdir()
        fleet.top.rmdir()


def came_up(fleet, *but):
    """Two that run; how they are later on is compared to this."""
    fleet.apps(sh(IDLE, "steady"), sh(IDLE, "late", autostart=False, **QUICK), *but)
    fleet.start()
    return fleet.wait_state("steady", "online")["pid"]


@as_root
def test_a_full_disk_is_named_and_waited_for(small):
    pid = came_up(small, sh(IDLE, "other"))
    small.wait_state("other", "online")
    small.fill()
    done = small.opsctl("start", "late")
    assert done.returncode == 1 and "late" in done.stderr and "No space left on device" in done.stderr
    assert small.opsctl("restart", "other").returncode == 0
    saved = small.opsctl("save")
    assert saved.returncode == 1 and "No space left on device" in saved.stderr
    assert "the journal cannot be written" in small.daemon_log()
    assert small.row("steady")["pid"] == pid and small.row("late")["state"] == "waiting restart"
    small.free()
    small.wait_state("late", "online")
    assert small.opsctl("save").returncode == 0
    os.kill(small.pid, 9)
    wait_until(lambda: small.pid != small.supervisor)
    assert small.wait_state("steady", "online")["pid"] == pid
    small.wait_state("late", "online")


@as_root
def test_a_fleet_starts_on_a_full_disk_once_there_is_room(small):
    small.apps(sh(IDLE, **QUICK))
    small.fill()
    done = small.opsctl("start", "all")
    assert done.returncode == 1 and "No space left on device" in done.stderr, done
    assert small.state("w") == "waiting restart"
    small.free()
    small.wait_state("w", "online")


@as_root
def test_a_home_that_is_read_only_is_named(small):
    small.apps(sh(IDLE))
    assert mount("-o", "remount,ro", small.home)
    for words in ["start", "all"], ["run_all_workers"]:
        done = small.opsctl(*words)
        assert done.returncode == 1 and f"{small.home}: Read-only file system" in done.stderr, done
    wait_until(lambda: not small.opsds())
    assert small.opsctl("stat").returncode == 3 and not small.processes()


@as_root
@pytest.mark.parametrize("made", [False, True], ids=["cannot be made", "belongs to another"])
def test_a_home_that_one_may_not_write_to_is_named(fleet, made):
    os.chmod(fleet.top, 0o755)
    fleet.apps(sh(IDLE))
    if made:
        fleet.home.mkdir(mode=0o755)
    done = subprocess.run([*NOBODY, BIN / "opsctl", "--home", fleet.home, "start", "all"], cwd=fleet.folder,
                          env=fleet.environment(HOME="/"), capture_output=True, text=True)
    assert done.returncode == 1 and f"{fleet.home}: Permission denied" in done.stderr, done
    wait_until(lambda: not fleet.opsds())
    assert not fleet.processes()


def test_a_home_that_is_a_file_is_named(fleet):
    fleet.apps(sh(IDLE))
    fleet.home.write_text("not a folder")
    done = fleet.opsctl("start", "all")
    assert done.returncode == 1 and f"{fleet.home}: not a folder" in done.stderr, done
    assert fleet.home.read_text() == "not a folder" and fleet.opsctl("stat").returncode == 3


@as_root
def test_a_log_folder_that_is_read_only_is_named_and_waited_for(fleet):
    logs = fleet.folder / "logs"
    logs.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=512k,ro", "none", logs):
        pytest.skip("cannot mount here")
    try:
        fleet.apps(sh(f"echo first; {IDLE}"))
        fleet.start()
        pid = fleet.wait_state("w", "online")["pid"]
        wait_until(lambda: "Read-only file system" in fleet.daemon_log())
        assert f"{logs}/w-out.log" in fleet.daemon_log()
        assert mount("-o", "remount,rw", logs)
        wait_until(lambda: fleet.lines("w") == ["first"])
        assert fleet.row("w")["pid"] == pid
        fleet.rpc("kill")
        fleet.process.wait()
    finally:
        subprocess.run(["umount", "-l", logs], check=True)


@contextlib.contextmanager
def few_descriptors(fleet, more):
    """opsd may open so many more than it has."""
    supervisor = fleet.pid
    usual = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (descriptors(supervisor) + more, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, usual)


@pytest.mark.parametrize("more", range(1, 12, 2))
def test_too_few_descriptors_are_named_and_waited_for(fleet, more):
    """Each number is another step that fails; with enough of them none does."""
    pid = came_up(fleet)
    with few_descriptors(fleet, more):
        seen = fleet.opsctl("stat")
        assert seen.returncode == 0 and str(pid) in seen.stdout, seen
        done = fleet.opsctl("start", "late")
        assert done.returncode == 0 or "Too many open files" in done.stderr, done
        assert fleet.row("steady")["pid"] == pid
    assert fleet.opsctl("start", "late").returncode == 0
    fleet.wait_state("late", "online")
    assert fleet.pid == fleet.supervisor and fleet.row("steady")["pid"] == pid


def test_no_memory_for_a_process_is_named_and_waited_for(fleet):
    fleet.apps(sh(IDLE, "steady"), sh(IDLE, "late", autostart=False, **QUICK))
    famine = fleet.file("famine")
    fleet.start(**preload("starve", STARVE=str(famine)))
    pid = fleet.wait_state("steady", "online")["pid"]
    famine.touch()
    done = fleet.opsctl("start", "late")
    assert done.returncode == 1 and "cannot fork: Cannot allocate memory" in done.stderr, done
    ran = fleet.opsctl("run", "default", "late")
    assert ran.returncode == 1 and "Cannot allocate memory" in ran.stderr, ran
    assert fleet.row("steady")["pid"] == pid and len(fleet.processes()) == 1
    famine.unlink()
    fleet.wait_state("late", "online")
    assert fleet.pid == fleet.supervisor and fleet.row("steady")["pid"] == pid
