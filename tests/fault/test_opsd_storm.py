"""Workers that crash all the time, at once: restarts take turns, and none is left out."""
import os
import shutil
import signal

from preload import preload
from supervisor import fleet, sh, wait_until  # noqa: F401

AT_ONCE = {"backoff": {"initial": 0}, "min_uptime": 0, "max_restarts": 10 ** 9}
CRASHING = 40
ROUNDS = 20


def test_all_that_crash_are_restarted_alike(fleet):
    fleet.apps(*(sh("exit 1", f"w{n}", **AT_ONCE) for n in range(CRASHING)))
    fleet.start(ready=False)
    counts = wait_until(lambda: min(found := [row["restarts"] for row in fleet.rows()]) >= ROUNDS and found)
    assert max(counts) < 2 * min(counts), counts


def test_programs_whose_exec_hangs_keep_no_other_from_its_restart(fleet):
    """As many as there are turns, and some more."""
    program, hangs = fleet.file("stuck"), fleet.file("hangs")
    shutil.copy(shutil.which("sleep"), program)
    stuck = [{"name": f"stuck{n}", "script": str(program), "args": ["1000"], **AT_ONCE}
             for n in range(4 * os.cpu_count())]
    fleet.apps(*stuck, sh("exec sleep 1000", "other", **AT_ONCE))
    fleet.start(**preload("slow_exec", SLOW_EXEC=program.name, SLOW_WHILE=str(hangs)))
    pids = [fleet.wait_state(app["name"], "online")["pid"] for app in stuck]
    hangs.touch()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for app in stuck:
        fleet.wait_state(app["name"], "launching")
    for restarts in range(1, 4):
        os.kill(fleet.wait_state("other", "online")["pid"], signal.SIGKILL)
        wait_until(lambda: (row := fleet.row("other"))["restarts"] == restarts and row["state"] == "online")
    hangs.unlink()
    for app in stuck:
        fleet.wait_state(app["name"], "online")
