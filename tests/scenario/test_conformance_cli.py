"""Conformance, S62-S68 and what already holds of the logs: limits and the command line. What other
files show:

S52  test_supervisor_logs.py::test_s52_bytes_are_the_same_in_the_log
S53  test_supervisor_logs.py::test_s53_last_words_are_there
S57  test_supervisor_logs.py::test_s57_exactly_as_many_lines_as_asked_for
S63  test_supervisor_control.py::test_s63_an_unknown_worker_is_exit_4_with_a_hint
S63  test_supervisor_control.py::test_s63_restart_all_of_an_empty_fleet
S64  test_supervisor_control.py::test_s64_without_a_daemon_every_verb_fails_at_once_and_starts_none
S66  test_supervisor_control.py::test_s66_a_reader_that_leaves_ends_logs_quietly
S67  test_supervisor_control.py::test_s67_another_user_is_refused_and_secrets_are_not_shown
S68  test_supervisor_guard.py::test_s68_as_process_1_it_reaps_orphans
"""
import pytest

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import keeps_within, py, seconds_of, sh

# The verbs that the two older lists (test_supervisor_control.py) do not have.
VERBS = [("reload", "NAME"), ("delete", "NAME"), ("reset", "NAME"), ("scale", "NAME", "2"),
         ("signal", "HUP", "NAME"), ("pid", "NAME"), ("env", "NAME"), ("wait", "NAME"), ("send", "NAME", "x")]
WHOLE = [("save",), ("events",), ("monit",), ("stat", "-w"), ("diff",), ("apply",), ("upgrade",)]


def test_s62_memory_is_counted_over_the_tree_and_has_to_last(home):
    """Neither of the two processes is over the limit; both together are."""
    home.apps(py("""
first = not os.path.exists('seen')
open('seen', 'w')
if first:
  os.fork()
  held = b'x' * (40 << 20)
time.sleep(1000)""", max_memory_restart="64M"), sh("exec sleep 1000", "small", max_memory_restart="64M"))
    home.start()
    pid = home.wait_state("w", "online")["pid"]
    small = home.wait_state("small", "online")["pid"]
    row = wait_until(lambda: home.row("w")["restarts"] == 1 and home.row("w"), 60)
    assert row["unstable_restarts"] == 0
    wait_until(lambda: not is_alive(pid))
    assert "memory" in home.opsctl("describe", "w").stdout
    assert home.row("small")["pid"] == small


def test_s62_a_peak_is_no_reason(home):
    home.apps(py("""
held = b'x' * (100 << 20)
held = None
open('past', 'w')
time.sleep(1000)""", max_memory_restart="64M"))
    home.start()
    wait_until(home.file("past").exists)
    wait_until(lambda: home.row("w")["memory_bytes"] and home.row("w")["memory_bytes"] < 64 << 20)
    assert home.row("w")["restarts"] == 0


@pytest.mark.parametrize("verb", VERBS, ids=lambda v: v[0])
def test_s63_an_unknown_worker_is_exit_4(home, verb):
    home.apps(sh("exec sleep 1000", "billing"))
    home.start("--no-start")
    got = home.opsctl(*("biling" if w == "NAME" else w for w in verb))
    assert got.returncode == 4 and "billing" in got.stderr


@pytest.mark.parametrize("verb", VERBS + WHOLE, ids=lambda v: v[0])
def test_s64_without_a_daemon_it_says_so_within_a_second(home, verb):
    home.apps(sh("exec sleep 1000"))

    def ask():
        got = home.opsctl(*("w" if w == "NAME" else w for w in verb))
        assert got.returncode == 3 and "not running" in got.stderr
    keeps_within(1, lambda: seconds_of(ask))
    assert not home.own() and not home.processes()


@pytest.mark.parametrize("ending, code", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137),
                                          ("kill -TERM $$", 143)])
def test_s65_wait_returns_how_it_ended(home, ending, code):
    home.apps(sh(f"while [ ! -e go ]; do sleep 0.01; done; {ending}", autorestart=False))
    home.start()
    home.wait_state("w", "online")
    process = home.opsctl_asks("wait", "w")
    late = home.opsctl("wait", "w", "--timeout", "100ms")
    assert late.returncode == 1 and process.poll() is None
    home.file("go").touch()
    process.communicate(timeout=20)
    assert process.returncode == code


def test_s65_wait_outlives_the_supervisor(home):
    home.apps(sh("while [ ! -e go ]; do sleep 0.01; done; exit 7", autorestart=False))
    home.start()
    home.wait_state("w", "online")
    pids = home.kill("supervisor")
    home.file("go").touch()
    home.await_pair(*pids)
    assert home.wait_state("w", "stopped")["exit_code"] == 7


def test_s67_env_masks_what_looks_secret(home):
    home.apps(sh("exec sleep 1000", env={"API_SECRET": "hunter2", "PLAIN": "seen"}))
    home.start()
    home.wait_state("w", "online")
    got = home.opsctl("env", "w")
    assert got.returncode == 0 and "seen" in got.stdout and "hunter2" not in got.stdout
