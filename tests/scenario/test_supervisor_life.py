"""Starting, crashing, starting again: the numbers are those of the conformance list."""
import datetime
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conformance_fleet import parent_of
from supervisor import SANITIZED, descriptors, fleet, is_alive, open_files, py, settled, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def test_s1_a_crash_loop_slows_down_and_ends_errored(fleet):
    fleet.apps(sh("date +%s%N >> starts; exit 1", max_restarts=5, min_uptime="1m",
                  backoff={"initial": 50, "factor": 2, "max": 400, "jitter": 0}))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    starts = [int(t) / 1e6 for t in fleet.file("starts").read_text().split()]
    assert len(starts) == 5
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    for gap, least in zip(gaps, [50, 100, 200, 400]):
        assert gap >= least
    assert row["restarts"] == 4 and row["unstable_restarts"] == 4
    assert row["exit_code"] == 1 and "max_restarts" in row["reason"]
    assert not fleet.processes()
    # and a person may begin anew
    assert fleet.opsctl("start", "w").returncode in (0, 1)
    wait_until(lambda: len(fleet.file("starts").read_text().split()) == 10)


def test_a_keeper_whose_worker_has_ended_waits_for_opsd_as_long_as_there_is_a_home(fleet):
    def looks(pid):
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])

    fleet.apps(sh("exec sleep 1000"), sh("exec sleep 1000", "longer"))
    fleet.start()
    ended, longer = (fleet.wait_state(name, "online")["pid"] for name in ("w", "longer"))
    keeper, daemons = parent_of(ended), (fleet.guard, fleet.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):  # so that neither replaces the other
        for pid in daemons:
            os.kill(pid, number)
    os.kill(ended, signal.SIGKILL)
    wait_until(lambda: not is_alive(ended))
    before = looks(keeper)
    wait_until(lambda: looks(keeper) > before + 1)
    assert len(fleet.opsds()) == 2
    shutil.rmtree(fleet.home)
    os.kill(longer, signal.SIGKILL)
    wait_until(lambda: not fleet.opsds())


@pytest.mark.skipif(SANITIZED, reason="what finds errors comes along everywhere")
def test_a_keeper_has_neither_the_heap_nor_the_libraries_of_opsd(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    worker = fleet.wait_state("w", "online")["pid"]
    stat = pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    opsd, keeper = (pathlib.Path(f"/proc/{pid}/maps").read_text()
                    for pid in (fleet.rpc("workers_stat")["daemon"]["pid"], stat[1]))
    for what in ("[heap]", "/libuv.so", "/libcjson.so", "/libz.so"):
        assert what in opsd and what not in keeper
    assert "/libc.so" in keeper
    # of what is static and has no value yet it has one stretch of three
    nameless = [sum(line[:4] == maps[:4] and len(line.split()) == 5 for line in maps.splitlines())
                for maps in (opsd, keeper)]
    assert nameless == [3, 1]


def test_s2_restart_window_counts_long_lives_too(fleet):
    fleet.apps(sh("echo up; sleep 0.1; exit 1", min_uptime=10, max_restarts=4,
                  restart_window="10m", **QUICK))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    assert fleet.lines("w") == ["up"] * 4
    assert row["unstable_restarts"] == 0


def test_s3_the_delay_starts_again_after_a_long_life(fleet):
    fleet.apps(sh("""n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n
                     if [ $n = 2 ]; then sleep 0.9; fi; exit 1""",
                  max_restarts=50, min_uptime=100,
                  backoff={"initial": 100, "factor": 10, "max": 1000, "reset_after": 800, "jitter": 0}))
    fleet.start()
    wait_until(lambda: fleet.row("w")["restarts"] >= 4)

    def instant(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    runs = fleet.rpc("history", names=["w"])["runs"][::-1]
    short, long = (instant(runs[n + 1]["started"]) - instant(runs[n]["at"]) for n in (1, 2))
    assert short > 0.99 and 0.09 < long < 0.9


def test_s4_a_killed_worker_has_one_successor(fleet):
    fleet.apps(sh("exec sleep 1000", **QUICK))
    fleet.start()
    first = fleet.wait_state("w", "online")["pid"]
    os.kill(first, signal.SIGKILL)
    second = wait_until(lambda: (row := fleet.row("w"))["pid"] not in (None, first) and row)
    assert fleet.processes() == [second["pid"]]
    assert second["exit_signal"] == 9 and second["exit_code"] is None
    assert second["restarts"] == 1


def test_s5_stop_exit_codes_end_it_and_a_signal_is_no_code(fleet):
    fleet.apps(sh("exit 42", "code", stop_exit_codes=[42]),
               sh("exit 0", "zero", stop_exit_codes=[0]),
               sh("n=$(ls seen* 2>/dev/null | wc -l); touch seen$n; [ $n = 2 ] && exec sleep 1000; kill -9 $$",
                  "signal", stop_exit_codes=[0, 9, 137], **QUICK))
    fleet.start()
    assert fleet.wait_state("code", "stopped")["exit_code"] == 42
    assert fleet.wait_state("zero", "stopped")["exit_code"] == 0
    row = wait_until(lambda: (row := fleet.row("signal"))["restarts"] == 2 and row)
    assert row["exit_signal"] == 9 and row["exit_code"] is None


@pytest.mark.parametrize("script, said", [
    ("./missing", "No such file"), ("./plain", "Permission denied"), ("./nothing", "Exec format"),
    ("no-such-word-in-path", "No such file"),
])
def test_s6_a_program_that_cannot_be_run(fleet, script, said):
    fleet.file("plain").write_text("#!/bin/sh\n")
    fleet.file("nothing").write_text("this is no program\n")
    fleet.file("nothing").chmod(0o755)
    fleet.apps({"name": "w", "script": script, "interpreter": "none"})
    fleet.start("--no-start")
    before = descriptors(fleet.supervisor)
    got = fleet.opsctl("start", "w")
    assert got.returncode == 1
    assert said in got.stdout + got.stderr and "w" in got.stderr
    row = fleet.row("w")
    assert row["state"] == "errored" and row["restarts"] == 0 and said in row["reason"]
    for _ in range(20):
        fleet.opsctl("start", "w")
    # its two logs and its notify socket stay open for the next try
    wait_until(lambda: descriptors(fleet.supervisor) <= before + 5)


def test_s8_a_folder_that_is_not_there(fleet):
    fleet.apps(sh("true", cwd="nowhere"))
    fleet.start("--no-start")
    assert fleet.opsctl("start", "w").returncode == 1
    assert "nowhere" in fleet.row("w")["reason"]


def test_exit_78_is_not_tried_again(fleet):
    fleet.apps(sh("echo run >> runs; exit 78", **QUICK))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    assert row["exit_code"] == 78 and "configuration" in row["reason"]
    # nothing is planned any more, so nothing will come
    assert fleet.rpc("describe", name="w")["workers"][0]["next_try_in_ms"] is None
    assert fleet.file("runs").read_text() == "run\n"


def test_exit_75_uses_up_no_budget(fleet):
    fleet.apps(sh("echo run >> runs; [ $(wc -l < runs) -ge 12 ] && exec sleep 1000; exit 75",
                  max_restarts=2, **QUICK))
    fleet.start()
    row = fleet.wait_state("w", "online")
    wait_until(lambda: len(fleet.file("runs").read_text().split()) == 12)
    row = fleet.wait_state("w", "online")
    assert row["unstable_restarts"] == 0


def test_s48_the_environment_is_the_manifests_of_now(fleet):
    script = "env > env.new; mv env.new env.txt; exec sleep 1000"
    fleet.apps(sh(script, env={"KEPT": "1", "GONE": "2"}))

    def variables():
        return dict(l.split("=", 1) for l in fleet.file("env.txt").read_text().splitlines() if "=" in l)

    leak = {**fleet.environment(), "LEAK": "from the shell"}
    assert fleet.opsctl("start", "all", env=leak).returncode == 0
    wait_until(lambda: variables()["GONE"] == "2")
    assert "LEAK" not in variables()
    fleet.apps(sh(script, env={"KEPT": "3"}))
    fleet.file("env.txt").unlink()
    assert fleet.opsctl("restart", "w", env=leak).returncode == 0
    wait_until(lambda: variables()["KEPT"] == "3")
    assert "GONE" not in variables() and "LEAK" not in variables()
    assert variables()["name"] == "w" and variables()["NODE_APP_INSTANCE"] == "0"
    assert variables()["OPS_HOME"] == str(fleet.home)


def test_a_worker_sees_three_descriptors_and_no_signal_settings(fleet):
    fleet.apps(py("""print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1], flush=True)
print(os.readlink('/proc/self/fd/0'), flush=True)
print([l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigIgn'))], flush=True)
print(os.getpgrp() == os.getpid(), os.getcwd(), flush=True)
time.sleep(1000)"""))
    # opsd is started with more open than it should pass on
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    try:
        assert fleet.opsctl("start", "all", close_fds=False).returncode == 0
    finally:
        os.close(extra)
    lines = wait_until(lambda: len(fleet.lines("w")) == 4 and fleet.lines("w"))
    assert lines[0] == "[0, 1, 2]"
    assert lines[1] == "/dev/null"
    blocked, ignored = (int(v, 16) for v in re.findall(r"\\t([0-9a-f]{16})", lines[2]))
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25)
    assert blocked == 0 and ignored & ~(1 << 12 | 1 << 24) == 0
    assert lines[3] == f"True {fleet.folder}"


def test_output_blocks_also_after_one_who_had_its_way_with_that(fleet):
    """Node makes its output non-blocking, and the next process has the same pipe."""
    fleet.apps(py("""print(os.get_blocking(1), os.get_blocking(2), flush=True)
os.set_blocking(1, False)
os.set_blocking(2, False)
sys.exit(1)""", **QUICK, max_restarts=3, min_uptime="1m"))
    fleet.start()
    fleet.wait_state("w", "errored")
    assert wait_until(lambda: len(fleet.lines("w")) == 3 and fleet.lines("w")) == ["True True"] * 3


def test_a_pipe_grows_for_one_who_prints(fleet):
    """A user may have few pages of pipes in all (pipe(7)), and most error outputs stay silent."""
    fleet.apps(py("print('here', flush=True); time.sleep(1000)"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["here"])
    pid = fleet.row("w")["pid"]

    def size(number):
        with open(f"/proc/{pid}/fd/{number}", "rb") as pipe:
            return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    assert size(1) >= 16 * size(2) and size(2) <= 65536


def test_s32_a_caller_that_waits_for_its_pipe_gets_its_end(fleet):
    fleet.apps(sh("exec sleep 1000"))
    got = subprocess.run(["sh", "-c", 'x=$("$0" --home "$1" start all 2>&1); echo "got: $x"',
                          pathlib.Path(fleet.opsctl("version").args[0]), fleet.home],
                         cwd=fleet.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=20, env=fleet.environment())
    assert got.stdout == "got: w online\n"
    assert not any(open_files(fleet.pid)[fd].startswith("pipe:") for fd in (0, 1, 2))


def test_instances_have_numbers_logs_and_names_of_their_own(fleet):
    fleet.apps(sh("echo $NODE_APP_INSTANCE; exec sleep 1000", instances=3),
               sh("exec sleep 1000", "most", instances="max"))
    fleet.start()
    for n in range(3):
        wait_until(lambda: fleet.log(f"w-{n}") == b"%d\n" % n)
    assert fleet.opsctl("stop", "w:1").returncode == 0
    assert [fleet.row("w", n)["state"] for n in range(3)] == ["online", "stopped", "online"]
    assert len([r for r in fleet.rows() if r["name"] == "most"]) == os.cpu_count()
    assert fleet.opsctl("start", "w").returncode == 0
    assert fleet.row("w", 1)["state"] == "online"


def test_autostart_false_is_left_alone_by_all(fleet):
    fleet.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b", autostart=False))
    fleet.start()
    fleet.wait_state("a", "online")
    assert fleet.opsctl("start", "all").returncode == 0
    assert fleet.state("b") == "stopped"
    assert fleet.opsctl("restart", "all").returncode == 0
    assert fleet.state("b") == "stopped"
    assert fleet.opsctl("start", "b").returncode == 0
    assert fleet.state("b") == "online"


def test_describe_tells_why_and_shows_the_last_words(fleet):
    fleet.apps(sh("echo hello; echo 'it is broken' >&2; exit 3", max_restarts=2, min_uptime="1m", **QUICK))
    fleet.start()
    fleet.wait_state("w", "errored")
    one = fleet.rpc("describe", name="w")["workers"][0]
    assert [e["exit_code"] for e in one["exits"]] == [3, 3]
    assert all(e["lines"] == ["hello", "it is broken"] for e in one["exits"])
    assert "exited with code 3" in one["exits"][1]["reason"]
    shown = fleet.opsctl("describe", "w").stdout
    assert "it is broken" in shown and "errored" in shown


def test_descriptors_and_memory_stay_the_same(fleet):
    """S30 in small: 300 starts and stops."""
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(10)))
    fleet.start()
    wait_until(lambda: all(r["state"] == "online" for r in fleet.rows()))

    def memory():
        return int(pathlib.Path(f"/proc/{fleet.pid}/statm").read_text().split()[1]) * 4096

    with fleet.connect() as client:
        def rounds(n):
            for _ in range(n):
                client.call("stop", names=["all"])
                client.call("start", names=["all"])
        rounds(3)
        before, size = settled(lambda: descriptors(fleet.supervisor)), memory()
        rounds(30)
        # those of a keeper that was dismissed are closed when it is gone
        wait_until(lambda: descriptors(fleet.supervisor) <= before, what="nothing is left open")
    assert memory() - size < 8 << 20 or SANITIZED
    assert len(fleet.processes()) == 10
