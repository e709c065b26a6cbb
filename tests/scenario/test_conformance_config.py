"""Conformance, S46-S50: another manifest. What other files show:

S48  test_supervisor_life.py::test_s48_the_environment_is_the_manifests_of_now
S49  test_supervisor_control.py::test_a_manifest_that_breaks_later_touches_nothing
"""
import json
import os
import signal

import pytest

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import sh


def pids(home):
    return {r["name"]: r["pid"] for r in home.rows()}


def begin(home, *apps):
    home.apps(*apps)
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    return pids(home)


def test_s46_apply_restarts_what_changed_and_nothing_else(home):
    before = begin(home, sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b"))
    home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1001", "b", env={"NEW": "1"}))
    shown = home.opsctl("diff")
    assert "b" in shown.stdout.split() or "b" in shown.stdout
    assert pids(home) == before
    assert home.opsctl("apply").returncode == 0
    after = pids(home)
    assert after["a"] == before["a"] and after["b"] not in (None, before["b"])
    # and once more: nothing is left to do
    assert home.opsctl("apply").returncode == 0
    assert pids(home) == after


def test_s46_apply_after_another_supervisor_restarts_nothing_by_itself(home):
    """What a worker was started with is remembered, not only by the process that started it."""
    before = begin(home, sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b"))
    killed = home.kill("supervisor")
    home.await_pair(*killed)
    assert home.opsctl("apply").returncode == 0
    assert pids(home) == before
    home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1001", "b"))
    killed = home.kill("supervisor")
    home.await_pair(*killed)
    assert pids(home) == before
    assert home.opsctl("apply").returncode == 0
    after = pids(home)
    assert after["a"] == before["a"] and after["b"] != before["b"]


@pytest.mark.parametrize("who", ["supervisor", "both"])
def test_s46_a_reading_that_was_not_applied_yet_is_remembered(home, who):
    """Another order has the manifest read; the process still is what it was started with, whoever asks."""
    before = begin(home, sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b"))
    home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1001", "b"))
    assert home.opsctl("start", "all").returncode == 0
    shown = home.opsctl("diff").stdout
    assert shown == "restart  b (args)\n"
    killed = home.kill(who)
    home.recover() if who == "both" else home.await_pair(*killed)
    assert home.opsctl("diff").stdout == shown
    assert home.opsctl("apply").returncode == 0
    after = pids(home)
    assert after["a"] == before["a"] and after["b"] != before["b"]
    wait_until(lambda: not json.loads((home.home / "manifest").read_text())["past"])
    killed = home.kill("supervisor")
    home.await_pair(*killed)
    assert home.opsctl("diff").stdout == "nothing would change\n"
    assert pids(home) == after


def test_s47_apply_stops_what_is_gone_and_starts_what_is_new(home):
    before = begin(home, sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b"))
    home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1000", "c"))
    assert home.opsctl("apply").returncode == 0
    home.wait_state("c", "online")
    after = pids(home)
    assert set(after) == {"a", "c"} and after["a"] == before["a"]
    assert not is_alive(before["b"]) and home.processes() == sorted(after.values())


def test_s49_a_broken_manifest_is_refused_with_its_line(home):
    before = begin(home, sh("exec sleep 1000", "a"))
    home.manifest.write_text('{"apps": [\n  {"name": "a", "script": "sh"},\n'
                             '  {"name": "b", "script": "sh",\n   "max_restarts": "ten",\n'
                             '   "autorestat": true}\n]}\n')
    for word in ("apply", "diff"):
        got = home.opsctl(word)
        assert got.returncode == 1
        assert "apps[1].max_restarts" in got.stderr and "line 4" in got.stderr
        assert "autorestart" in got.stderr and "line 5" in got.stderr
    assert pids(home) == before and home.processes() == [before["a"]]


def test_s50_a_policy_is_applied_without_a_restart(home):
    quick = {"backoff": {"initial": 20, "max": 20}}
    before = begin(home, sh("exec sleep 1000", "a", **quick), sh("exec sleep 1000", "b", **quick))
    home.apps(sh("exec sleep 1000", "a", autorestart=False, max_restarts=3, kill_timeout=300, **quick),
              sh("exec sleep 1000", "b", **quick))
    assert home.opsctl("apply").returncode == 0
    assert pids(home) == before
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: home.row("b")["pid"] not in (None, before["b"]))
    row = home.wait_state("a", "stopped")
    assert row["pid"] is None and row["exit_signal"] == signal.SIGKILL
