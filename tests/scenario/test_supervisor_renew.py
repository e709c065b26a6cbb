"""Restarts for reasons of opsd's own: a changed file, a clock, too much memory; and pid files."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from supervisor import fleet, is_alive, open_files, py, sh, wait_until  # noqa: F401

SLEEP = "exec sleep 1000"
QUICK = {"backoff": {"initial": 20, "factor": 1, "max": 20, "jitter": 0}}


def pause(seconds):
    """Where nothing is to happen there is no condition to wait for."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def wait_restarted(fleet, name, times=1):
    return wait_until(lambda: (r := fleet.row(name))["restarts"] == times and r["state"] == "online"
                      and r["pid"] and r, what=f"{name} restarted {times} times")


# --- watch

def test_a_changed_file_restarts_its_worker_and_no_other(fleet):
    fleet.file("conf.d").mkdir()
    fleet.apps(sh("cat conf.d/a; " + SLEEP, watch=["conf.d"]), sh(SLEEP, "other"))
    fleet.file("conf.d/a").write_text("one\n")
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["one"])
    before = fleet.row("w")["pid"]
    other = fleet.wait_state("other", "online")["pid"]
    fleet.file("conf.d/a").write_text("two\n")
    row = wait_restarted(fleet, "w")
    assert row["pid"] != before and row["unstable_restarts"] == 0 and not is_alive(before)
    wait_until(lambda: fleet.lines("w") == ["one", "two"])
    assert fleet.row("other")["pid"] == other and fleet.row("other")["restarts"] == 0
    last = fleet.rpc("describe", name="w")["workers"][0]["exits"][0]
    assert "conf.d/a changed" in last["reason"]
    assert row["watching"] and not fleet.row("other")["watching"]


@pytest.mark.parametrize("how", ["rename", "in place", "removed first", "slowly"])
def test_a_replaced_binary_restarts_its_worker_exactly_once(fleet, how):
    binary, source = fleet.file("server"), fleet.file("elsewhere")
    shutil.copy(shutil.which("sleep"), source)
    shutil.copy(source, binary)
    fleet.apps({"name": "w", "script": "./server", "args": ["1000"], "watch": ["server"],
                "watch_delay": 600})
    fleet.start()
    fleet.wait_state("w", "online")
    if how == "rename":
        shutil.copy(source, fleet.file("server.tmp"))
        os.rename(fleet.file("server.tmp"), binary)
    elif how == "in place":
        subprocess.run(["install", "-m", "755", source, binary], check=True)
    elif how == "removed first":
        binary.unlink()
        shutil.copy(source, binary)
    else:
        code = source.read_bytes()
        binary.unlink()
        with open(binary, "wb") as file:
            file.write(code[:1000])
            file.flush()
            pause(1)
            file.write(code[1000:])
            binary.chmod(0o755)
    wait_restarted(fleet, "w")
    pause(1)
    row = fleet.row("w")
    assert (row["restarts"], row["unstable_restarts"], row["state"]) == (1, 0, "online")
    assert fleet.daemon_log().count(" started") == 2 and "cannot start" not in fleet.daemon_log()


def test_many_changes_at_once_are_one_restart(fleet):
    fleet.file("src").mkdir()
    fleet.apps(sh(SLEEP, watch=["src"], watch_delay=800))
    fleet.start()
    fleet.wait_state("w", "online")
    for n in range(50):
        folder = fleet.file(f"src/{n % 5}/{n % 7}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n}.txt").write_text("x")
    wait_restarted(fleet, "w")
    pause(1)
    assert fleet.row("w")["restarts"] == 1
    fleet.file("src/3/3/new").write_text("x")
    wait_restarted(fleet, "w", 2)


def test_all_of_its_folder_is_watched_but_for_what_is_not_its_program(fleet):
    fleet.file("data").mkdir()
    fleet.file("src/gen").mkdir(parents=True)
    fleet.file("node_modules/x").mkdir(parents=True)
    fleet.apps(sh("while :; do echo line; sleep 0.05; done", watch=True, watch_delay=50,
                  ignore_watch=["data", "src/gen", "*.txt"], out_file="w.log", pid_file="w.pid"),
               sh("while :; do date; sleep 0.05; done", "talks"),
               sh("exec sleep 1000", "part", watch=["src"], watch_delay=50,
                  ignore_watch=["src/gen"]))
    fleet.start()
    fleet.wait_state("w", "online")
    pause(0.5)
    for name in ("data/a", "a.txt", ".hidden", "node_modules/x/a", "a~", ".ops/x", "logs/x", "src/gen/a"):
        fleet.file(name).write_text("x")
    pause(0.7)
    assert fleet.row("w")["restarts"] == fleet.row("part")["restarts"] == 0
    fleet.file("code.py").write_text("x")
    wait_restarted(fleet, "w")
    pause(0.5)
    assert fleet.row("w")["restarts"] == 1


def test_what_a_worker_leaves_behind_and_makes_anew_is_no_reason(fleet):
    """Its state file is held open and removed while it stops, its socket replaced at each start."""
    fleet.apps(py("import pathlib\n"
                  "def leave(*_):\n  pathlib.Path('mine').unlink(); sys.exit(0)\n"
                  "signal.signal(signal.SIGINT, leave)\n"
                  "if os.path.exists('sock'): os.unlink('sock')\n"
                  "s = socket.socket(socket.AF_UNIX); s.bind('sock')\n"
                  "mine = open('mine', 'x')\nprint('up', flush=True)\n"
                  "time.sleep(1000)", watch=True, watch_delay=1000))  # from unlink to bind at most
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["up"])
    fleet.file("code").write_text("x")
    wait_until(lambda: fleet.lines("w") == ["up"] * 2)
    pause(1.5)
    assert fleet.row("w")["restarts"] == 1 and fleet.lines("w") == ["up"] * 2


def test_a_link_that_is_pointed_elsewhere_is_a_change(fleet):
    for release in ("1", "2"):
        fleet.file(f"releases/{release}/etc").mkdir(parents=True)
        fleet.file(f"releases/{release}/etc/a").write_text(release + "\n")
    fleet.file("current").symlink_to("releases/1")
    fleet.apps(sh("cat current/etc/a; " + SLEEP, watch=["current/etc"], watch_delay=100))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["1"])
    fleet.file("next").symlink_to("releases/2")
    os.rename(fleet.file("next"), fleet.file("current"))
    wait_restarted(fleet, "w")
    wait_until(lambda: fleet.lines("w") == ["1", "2"])
    fleet.file("releases/1/etc/a").write_text("x")
    pause(0.5)
    assert fleet.row("w")["restarts"] == 1
    fleet.file("releases/2/etc/a").write_text("3\n")
    wait_restarted(fleet, "w", 2)


def test_a_path_that_comes_up_later_is_a_change(fleet):
    fleet.apps(sh(SLEEP, watch=["dist/js/app.js"], watch_delay=100))
    fleet.start()
    fleet.wait_state("w", "online")
    fleet.file("dist/js").mkdir(parents=True)
    wait_until(lambda: fleet.row("w")["restarts"])
    pause(0.5)
    settled = fleet.row("w")["restarts"]
    fleet.file("dist/js/other.js").write_text("x")
    pause(0.4)
    assert fleet.row("w")["restarts"] == settled
    fleet.file("dist/js/app.js").write_text("x")
    wait_restarted(fleet, "w", settled + 1)
    shutil.rmtree(fleet.file("dist"))
    wait_restarted(fleet, "w", settled + 2)
    fleet.file("dist/js").mkdir(parents=True)
    fleet.file("dist/js/app.js").write_text("x")
    wait_until(lambda: fleet.row("w")["restarts"] > settled + 2)


def test_a_worker_that_was_given_up_is_started_by_a_change_a_stopped_one_is_not(fleet):
    fleet.apps(sh("[ -e good ] && exec sleep 1000; exit 1", watch=["good"], max_restarts=1,
                  min_uptime="1m", watch_delay=50, **QUICK),
               sh(SLEEP, "down", watch=["good"], watch_delay=50))
    fleet.start()
    fleet.wait_state("w", "errored")
    assert fleet.opsctl("stop", "down").returncode == 0
    fleet.file("good").write_text("x")
    fleet.wait_state("w", "online")
    pause(0.3)
    assert fleet.state("down") == "stopped"


def test_watch_follows_the_manifest(fleet):
    fleet.apps(sh(SLEEP, watch=["a"], watch_delay=50), sh(SLEEP, "other"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    fleet.apps(sh(SLEEP, watch=["b"], watch_delay=50), sh(SLEEP, "other"))
    assert fleet.opsctl("restart", "other").returncode == 0
    fleet.file("a").write_text("x")
    pause(0.4)
    assert fleet.row("w")["pid"] == pid
    fleet.file("b").write_text("x")
    row = wait_restarted(fleet, "w")
    fleet.apps(sh(SLEEP), sh(SLEEP, "other"))
    assert fleet.opsctl("restart", "other").returncode == 0
    fleet.file("b").write_text("y")
    pause(0.4)
    assert fleet.row("w")["pid"] == row["pid"]


def test_one_inotify_for_the_fleet_and_none_without_watch(fleet):
    def inotifies():
        return sum("inotify" in file for file in open_files(fleet.pid).values())
    fleet.apps(*(sh(SLEEP, f"w{n}") for n in range(5)))
    fleet.start()
    without = inotifies()
    fleet.apps(*(sh(SLEEP, f"w{n}", watch=True) for n in range(5)))
    assert fleet.opsctl("restart", "w0").returncode == 0
    assert inotifies() == without + 1
    fleet.apps(*(sh(SLEEP, f"w{n}") for n in range(5)))
    assert fleet.opsctl("restart", "w0").returncode == 0
    wait_until(lambda: inotifies() == without)


# --- cron_restart

def test_cron_restart_restarts_a_service_and_starts_one_that_ended(fleet):
    fleet.apps(sh(SLEEP, cron_restart="*/2 * * * * *"),
               sh("echo run", "job", autorestart=False, cron_restart="*/2 * * * * *"),
               sh("echo try; exit 78", "broken", cron_restart="*/2 * * * * *"),
               sh(SLEEP, "down", cron_restart="*/2 * * * * *"),
               sh(SLEEP, "never", autostart=False, cron_restart="*/2 * * * * *"))
    fleet.start()
    assert fleet.opsctl("stop", "down").returncode == 0
    row = wait_until(lambda: (r := fleet.row("w"))["restarts"] >= 2 and r)
    assert row["unstable_restarts"] == 0
    wait_until(lambda: len(fleet.lines("job")) >= 3 and len(fleet.lines("broken")) >= 3)
    assert fleet.state("down") == fleet.state("never") == "stopped"
    exits = fleet.rpc("describe", name="w")["workers"][0]["exits"]
    assert all("cron_restart" in e["reason"] for e in exits)


def test_cron_restart_survives_a_crash_of_opsd(fleet):
    fleet.apps(sh(SLEEP, cron_restart="*/4 * * * * *"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    os.kill(fleet.supervisor, signal.SIGKILL)
    wait_until(lambda: fleet.pid != fleet.supervisor)
    wait_until(lambda: (r := fleet.row("w"))["restarts"] and r["pid"] not in (None, pid))


# --- max_memory_restart

def test_a_worker_whose_processes_hold_too_much_together_is_restarted(fleet):
    grow = "b = b'x' * (40 << 20)\nprint('grown', flush=True)\ntime.sleep(1000)"
    fleet.apps(py("import os\nif not os.path.exists('once'):\n"
                  "  open('once', 'x')\n  os.fork()\n  " + grow.replace("\n", "\n  ") +
                  "\ntime.sleep(1000)", max_memory_restart="60M"),
               py(grow, "modest", max_memory_restart="60M"))
    fleet.start()
    wait_restarted(fleet, "w")
    last = fleet.rpc("describe", name="w")["workers"][0]["exits"][0]
    assert "more than max_memory_restart (60 MB)" in last["reason"], last
    assert fleet.row("modest")["restarts"] == 0


# --- pid_file

def test_a_pid_file_holds_the_pid_while_the_worker_runs(fleet):
    path = fleet.file("run/w.pid")
    fleet.apps(sh(SLEEP, pid_file="run/w.pid"), sh("exec sleep 0.2", "short", autorestart=False,
                                                   pid_file="run/short.pid"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    assert int(path.read_text()) == pid
    assert fleet.opsctl("restart", "w").returncode == 0
    assert int(path.read_text()) == fleet.row("w")["pid"] != pid
    fleet.wait_state("short", "stopped")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert os.listdir(fleet.file("run")) == []


def test_several_instances_have_a_pid_file_each(fleet):
    fleet.apps(sh(SLEEP, instances=2, pid_file="w.pid"))
    fleet.start()
    for number in (0, 1):
        wait_until(lambda: int(fleet.file(f"w-{number}.pid").read_text())
                   == fleet.row("w", number)["pid"])
    assert fleet.opsctl("stop", "w:1").returncode == 0
    assert fleet.file("w-0.pid").exists() and not fleet.file("w-1.pid").exists()
    assert not fleet.file("w.pid").exists()


def test_a_pid_file_that_cannot_be_written_or_is_not_ours_fails_nothing(fleet):
    fleet.file("file").write_text("x")
    fleet.apps(sh(SLEEP, pid_file="file/w.pid"), sh(SLEEP, "x", pid_file="x.pid"))
    fleet.start()
    fleet.wait_state("w", "online")
    wait_until(lambda: "cannot write its pid_file" in fleet.daemon_log())
    wait_until(lambda: fleet.file("x.pid").exists())
    fleet.file("x.pid").write_text("1\n")
    assert fleet.opsctl("stop", "x").returncode == 0
    assert fleet.file("x.pid").read_text() == "1\n"


def test_a_pid_file_is_removed_when_the_worker_ended_while_opsd_was_away(fleet):
    fleet.apps(sh("exec sleep 1000", pid_file="w.pid", autorestart=False))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    os.kill(fleet.supervisor, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: fleet.state("w") == "stopped")
    assert not fleet.file("w.pid").exists()
