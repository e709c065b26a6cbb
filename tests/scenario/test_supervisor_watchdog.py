"""What a worker says while it runs: that it is alive, that it reloads, that it needs more time."""
import datetime
import os
import signal
import time

from supervisor import fleet, is_alive, py, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def test_a_worker_that_says_nothing_is_restarted_as_a_failure(fleet):
    fleet.apps(py("print(os.environ['WATCHDOG_USEC'], flush=True); tell('READY=1')\n"
                  "time.sleep(1000)", ready="notify", watchdog=300, max_restarts=2,
                  min_uptime="10s", **QUICK))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    assert "no WATCHDOG=1 for 300 ms" in row["reason"]
    assert "SIGABRT" in row["reason"]
    assert row["unstable_restarts"] == 1
    assert fleet.lines("w") == ["300000"] * 2


def test_one_that_ignores_the_abort_is_killed(fleet):
    fleet.apps(py("signal.signal(signal.SIGABRT, signal.SIG_IGN); tell('READY=1')\n"
                  "time.sleep(1000)", ready="notify", watchdog=200, kill_timeout=300,
                  max_restarts=1, min_uptime="10s"))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    assert "no WATCHDOG=1 for 200 ms" in row["reason"] and "SIGKILL" in row["reason"]


def test_one_that_talks_stays(fleet):
    fleet.apps(py("tell('READY=1')\n"
                  "end = time.monotonic() + 1.5\n"
                  "while time.monotonic() < end: tell('WATCHDOG=1'); time.sleep(0.05)\n"
                  "open('silent', 'w').close(); time.sleep(1000)",
                  ready="notify", watchdog=1000))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    wait_until(lambda: fleet.file("silent").exists())
    assert fleet.row("w")["restarts"] == 0
    wait_until(lambda: fleet.row("w")["restarts"] == 1)
    assert not is_alive(pid)


def test_it_counts_from_ready_on(fleet):
    """One that needs longer for that than its watchdog allows would never get there."""
    fleet.apps(py("time.sleep(0.6); tell('READY=1\\nWATCHDOG=1')\n"
                  "while True: tell('WATCHDOG=1'); time.sleep(0.05)",
                  ready="notify", watchdog=500, listen_timeout="1m"))
    fleet.start()
    fleet.wait_state("w", "online")


def test_s24_a_crash_of_opsd_is_not_held_against_it(fleet):
    fleet.apps(py("tell('READY=1')\n"
                  "while True:\n"
                  "  try: tell('WATCHDOG=1')\n"
                  "  except OSError: pass\n"
                  "  time.sleep(0.02)", ready="notify", watchdog=1000))
    fleet.start()
    row = fleet.wait_state("w", "online")
    for _ in range(2):
        pid = fleet.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: fleet.pid != pid)
        end = time.monotonic() + 1.1
        while time.monotonic() < end:
            assert fleet.row("w")["pid"] == row["pid"] and fleet.row("w")["restarts"] == 0


def test_a_worker_may_say_itself_that_it_hangs(fleet):
    fleet.apps(py("tell('READY=1'); tell('WATCHDOG=trigger'); time.sleep(1000)", ready="notify",
                  watchdog="1h", max_restarts=1, min_uptime="10s"))
    fleet.start()
    assert "WATCHDOG=trigger" in fleet.wait_state("w", "errored")["reason"]


def test_s45_a_reload_that_dies_has_failed(fleet):
    fleet.apps(py("tell('READY=1'); tell('RELOADING=1\\nMONOTONIC_USEC=1\\nERRNO=2')\n"
                  "while not os.path.exists('go'): time.sleep(0.005)\nsys.exit(3)",
                  ready="notify", max_restarts=1, min_uptime="10s"))
    fleet.start()
    wait_until(lambda: fleet.row("w")["status_text"] == "reloading")
    assert fleet.state("w") == "online"
    fleet.file("go").touch()
    row = fleet.wait_state("w", "errored")
    assert row["exit_code"] == 3 and not row["status_text"]


def test_a_reload_that_is_over_shows_no_more(fleet):
    fleet.apps(py("tell('READY=1'); tell('RELOADING=1')\n"
                  "while not os.path.exists('go'): time.sleep(0.005)\n"
                  "tell('READY=1'); time.sleep(1000)", ready="notify"))
    fleet.start()
    wait_until(lambda: fleet.row("w")["status_text"] == "reloading")
    fleet.file("go").touch()
    wait_until(lambda: not fleet.row("w")["status_text"])
    assert fleet.state("w") == "online"


def test_more_time_to_start(fleet):
    """It takes longer than listen_timeout, so that it is never ready without."""
    fleet.apps(py("for n in range(12): tell('EXTEND_TIMEOUT_USEC=1000000'); time.sleep(0.1)\n"
                  "tell('READY=1'); time.sleep(1000)", ready="notify", listen_timeout=1000))
    fleet.start()
    fleet.wait_state("w", "online")


def test_asking_for_more_time_once_is_not_being_ready(fleet):
    fleet.apps(py("open('asks', 'w').close(); tell('EXTEND_TIMEOUT_USEC=1500000')\n"
                  "time.sleep(1000)", ready="notify", listen_timeout=1000, max_restarts=1))
    fleet.start()
    fleet.wait_state("w", "errored")
    (run,) = fleet.rpc("history", names=["w"])["runs"]
    ended = datetime.datetime.fromisoformat(run["at"].replace("Z", "+00:00")).timestamp()
    assert ended - fleet.file("asks").stat().st_mtime > 1.4


def test_more_time_to_stop(fleet):
    fleet.apps(py("def leave(*_):\n"
                  "  for n in range(12): tell('EXTEND_TIMEOUT_USEC=1000000'); time.sleep(0.1)\n"
                  "  print('left', flush=True); os._exit(0)\n"
                  "signal.signal(signal.SIGINT, leave); tell('READY=1')\n"
                  "while True: time.sleep(1)", ready="notify", kill_timeout=1000))
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.lines("w") == ["left"]
    assert fleet.row("w")["exit_code"] == 0


def test_descriptors_for_a_store_that_is_none_are_closed(fleet):
    fleet.apps(py("import array\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                  "a = os.environ['NOTIFY_SOCKET']\n"
                  "r, w = os.pipe()\n"
                  "s.sendmsg([b'FDSTORE=1\\nFDNAME=x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,\n"
                  "          array.array('i', [w]))], 0, '\\0' + a[1:] if a[0] == '@' else a)\n"
                  "os.close(w); os.read(r, 1); tell('READY=1'); time.sleep(1000)",
                  ready="notify", listen_timeout="1m"))
    fleet.start()
    fleet.wait_state("w", "online")
