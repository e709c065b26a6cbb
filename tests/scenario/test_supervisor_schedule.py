"""Ticks: runs that begin when they are due, never two at once, tried again until the next."""
import datetime
import os
import pathlib
import re
import signal
import time

import pytest

from scheduled_home import scheduled, ticked  # noqa: F401
from supervisor import fleet, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_run_for_each_tick(fleet):
    fleet.apps(sh("echo $OPS_TICK $(date +%s.%N)", schedule="* * * * * *"))
    fleet.start()
    rows = wait_until(lambda: len(fleet.lines("w")) >= 3 and fleet.lines("w"))
    ticks = [row.split()[0] for row in rows]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", t) for t in ticks)
    for row in rows:
        tick, began = row.split()
        assert 0 <= float(began) - instant(tick) < 5
    assert 1 in [instant(b) - instant(a) for a, b in zip(ticks, ticks[1:])]

    def between_two():
        row = fleet.row("w")
        gap = row["next_run"] and instant(row["next_run"]) - instant(row["last_run"]["tick"])
        return row["state"] == "scheduled" and gap == 1 and row
    row = wait_until(between_two)
    assert row["restarts"] == 0 and row["wanted"] == "up"
    assert row["last_run"]["exit_code"] == 0
    assert sorted(row["last_run"]) == ["duration_ms", "exit_code", "exit_signal", "started", "tick"]


def test_a_failed_run_is_tried_again_with_the_same_tick(fleet):
    fleet.apps(sh("echo $OPS_TICK; [ $(grep -c . logs/w-out.log) -ge 3 ] || exit 1",
                  schedule="@every 1h", run_on_start=True, **QUICK))
    fleet.start()
    wait_until(lambda: len(fleet.lines("w")) >= 3 and fleet.state("w") == "scheduled")
    lines = fleet.lines("w")
    assert len(set(lines)) == 1 and len(lines) <= 4
    assert fleet.row("w")["last_run"]["exit_code"] == 0


def test_exit_75_of_a_run_is_tried_again_too(fleet):
    fleet.apps(sh("echo run; [ $(grep -c . logs/w-out.log) -ge 6 ] || exit 75", max_restarts=2,
                  schedule="@every 1h", run_on_start=True, **QUICK))
    fleet.start()
    wait_until(lambda: len(fleet.lines("w")) >= 6 and fleet.state("w") == "scheduled")


def test_a_run_that_fails_too_often_waits_for_its_next_tick(fleet):
    fleet.apps(sh("echo run; exit 1", schedule="@every 1h", run_on_start=True, max_restarts=3,
                  min_uptime="1m", **QUICK))
    fleet.start()
    row = wait_until(lambda: (r := fleet.row("w"))["state"] == "scheduled" and r["last_run"] and r)
    assert fleet.lines("w") == ["run"] * 3
    assert "the next tick is awaited" in row["reason"] and row["last_run"]["exit_code"] == 1


def test_exit_78_of_a_run_is_not_tried_again(fleet):
    fleet.apps(sh("echo run; exit 78", schedule="@every 1h", run_on_start=True, **QUICK))
    fleet.start()
    row = fleet.wait_state("w", "errored")
    assert fleet.lines("w") == ["run"] and row["next_run"]


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_s59_a_run_longer_than_its_period_is_never_two(fleet, overlap):
    fleet.apps(sh("[ -e running ] && echo twice; touch running; echo $OPS_TICK; "
                  "sleep 1.3; rm running", schedule="@every 1s", overlap=overlap))
    fleet.start()
    rows = wait_until(lambda: len(fleet.lines("w")) >= 3 and fleet.lines("w"))
    assert "twice" not in rows
    gaps = [instant(b) - instant(a) for a, b in zip(rows, rows[1:])]
    if overlap == "skip":
        assert all(gap >= 2 for gap in gaps)
        assert "tick skipped" in fleet.daemon_log()
    else:
        assert gaps[0] in (1, 2)  # 2 where opsd had to wait for a second itself


def test_a_tick_that_waits_for_its_turn_survives_a_reading_of_the_manifest(fleet):
    fleet.apps(sh("echo $OPS_TICK; while [ ! -e go ]; do sleep 0.01; done", schedule="@every 1s",
                  overlap="queue"), sh("exec sleep 1000", "other"))
    fleet.start()
    first = instant(wait_until(lambda: fleet.lines("w"))[0])
    wait_until(lambda: time.time() > first + 1.2)
    assert fleet.opsctl("restart", "other").returncode == 0
    assert fleet.opsctl("start", "all").returncode == 0
    fleet.file("go").touch()
    rows = wait_until(lambda: len(fleet.lines("w")) >= 2 and fleet.lines("w"))
    assert instant(rows[1]) == first + 1


def test_ticks_that_came_due_while_it_was_stopped_are_not_made_up_for(fleet):
    fleet.apps(sh("echo $OPS_TICK $(date +%s.%N)", schedule="@every 1s"))
    fleet.start()
    wait_until(lambda: fleet.lines("w"))
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.row("w")["next_run"] is None
    count, stopped = len(fleet.lines("w")), time.time()
    wait_until(lambda: time.time() > stopped + 1.3)
    assert len(fleet.lines("w")) == count
    began = time.time()
    assert fleet.opsctl("start", "w").returncode == 0
    rows = wait_until(lambda: len(fleet.lines("w")) > count and fleet.lines("w"))
    assert instant(rows[count].split()[0]) > began


def test_a_scheduled_worker_does_not_run_when_opsd_starts(fleet):
    fleet.apps(sh("echo run", schedule="@every 1h"))
    assert fleet.opsctl("start", "all").returncode == 0
    assert fleet.state("w") == "scheduled"
    assert fleet.opsctl("kill").returncode == 0
    assert fleet.log("w") == b""


def test_a_run_that_takes_too_long_is_ended(fleet):
    fleet.apps(sh("sleep 1000 & wait", schedule="@every 1h", run_on_start=True, timeout=800,
                  max_restarts=2, min_uptime="1m", **QUICK))
    fleet.start()
    row = wait_until(lambda: (r := fleet.row("w"))["state"] == "scheduled" and r["last_run"] and r)
    assert "longer than" in row["reason"] and row["last_run"]["exit_signal"] == signal.SIGINT
    runs = fleet.rpc("history", names=["w"])["runs"]
    assert [run["exit_signal"] for run in runs] == [signal.SIGINT] * 2
    assert not fleet.processes()


def test_a_worker_that_becomes_a_service_does_so_at_its_restart(fleet):
    fleet.apps(sh("exec sleep 1000", schedule="@every 1h"))
    fleet.start()
    fleet.wait_state("w", "scheduled")
    fleet.apps(sh("exec sleep 1000"))
    assert fleet.opsctl("restart", "w").returncode == 0
    assert fleet.state("w") == "online"
    fleet.apps(sh("exec sleep 1000", schedule="@every 1h"))
    assert fleet.opsctl("restart", "w").returncode == 0
    assert fleet.state("w") == "scheduled" and fleet.row("w")["next_run"]
    assert not fleet.processes()


def test_an_upgrade_of_tzdata_is_noticed_with_the_manifest(fleet):
    zone, zones = fleet.file("zone"), pathlib.Path("/usr/share/zoneinfo")
    zone.write_bytes((zones / "Asia/Tokyo").read_bytes())
    fleet.apps(sh("true", schedule="0 0 1 1 *"))
    fleet.start(TZ=str(zone))
    assert fleet.row("w")["next_run"].endswith("-12-31T15:00:00Z")
    new = fleet.file("new")
    new.write_bytes((zones / "Asia/Kathmandu").read_bytes())
    new.replace(zone)
    assert fleet.opsctl("apply").returncode == 0
    wait_until(lambda: fleet.row("w")["next_run"].endswith("-12-31T18:15:00Z"))


def test_apply_cuts_off_no_run(fleet):
    script = "echo $OPS_TICK $V; while [ ! -e go ]; do sleep 0.01; done; echo end $V"
    fleet.apps(sh(script, schedule="@every 1h", run_on_start=True, env={"V": "1"}))
    fleet.start()
    wait_until(lambda: fleet.lines("w"))
    pid = wait_until(lambda: fleet.row("w")["pid"])
    fleet.apps(sh(script, schedule="@every 1h", run_on_start=True, env={"V": "2"}))
    assert "live" in fleet.opsctl("diff").stdout
    assert fleet.opsctl("apply").returncode == 0
    assert fleet.row("w")["pid"] == pid
    fleet.file("go").touch()
    fleet.wait_state("w", "scheduled")
    assert fleet.lines("w")[1:] == ["end 1"]
    assert fleet.opsctl("restart", "w").returncode == 0
    wait_until(lambda: fleet.lines("w")[3:] == ["end 2"])


def test_restart_begins_a_run_under_way_anew(fleet):
    fleet.apps(sh("echo $OPS_TICK; [ -e go ] || exec sleep 1000", schedule="@every 1h", run_on_start=True),
               sh("echo run", "idle", schedule="@every 1h"))
    fleet.start()
    wait_until(lambda: fleet.lines("w"))
    fleet.file("go").touch()
    assert fleet.opsctl("restart", "all").returncode == 0
    wait_until(lambda: len(fleet.lines("w")) == 2)
    fleet.wait_state("w", "scheduled")
    assert len(set(fleet.lines("w"))) == 1 and fleet.lines("idle") == []
    assert fleet.state("idle") == "scheduled" and fleet.row("idle")["next_run"]


def test_run_on_start_is_each_start_by_hand_and_no_crash(fleet):
    fleet.apps(sh("echo run", schedule="@every 1h", run_on_start=True))
    fleet.start()
    wait_until(lambda: fleet.lines("w") and fleet.state("w") == "scheduled")
    os.kill(fleet.supervisor, signal.SIGKILL)
    wait_until(lambda: fleet.pid != fleet.supervisor)
    wait_until(lambda: fleet.state("w") == "scheduled")
    for word in ("stop", "start"):
        assert fleet.opsctl(word, "w").returncode == 0
    wait_until(lambda: len(fleet.lines("w")) == 2 and fleet.state("w") == "scheduled")
    assert fleet.lines("w") == ["run"] * 2


def test_wait_gives_the_code_of_the_run_that_comes(fleet):
    fleet.apps(sh("exit 9", schedule="@every 2s", max_restarts=1))
    fleet.start()
    got = fleet.opsctl("wait", "w")
    assert got.returncode == 9 and "exited with code 9" in got.stdout


def test_a_retry_gives_way_to_the_next_tick(fleet):
    """And its OPS_TICK is the one of its own tick until then."""
    fleet.apps(sh("echo $OPS_TICK; exit 1", schedule="@every 1s",
                  backoff={"initial": 150, "factor": 1, "max": 150, "jitter": 0}))
    fleet.start()

    def gave_way():
        """Some tick was tried again, and the very next one run, too."""
        rows = fleet.lines("w")
        return any(rows.count(a) > 1 and instant(b) - instant(a) == 1
                   for a, b in zip(rows, rows[1:])) and rows
    rows = wait_until(gave_way)
    assert rows == sorted(rows)
    runs = fleet.rpc("history", names=["w"], n=1000)["runs"][::-1]
    for tick in set(rows):
        tries = [run["attempt"] for run in runs if run["tick"] == tick]
        assert tries == list(range(1, len(tries) + 1))


def test_stop_ends_a_run_under_way(fleet):
    fleet.apps(sh("echo run; exec sleep 1000", schedule="@every 1h", run_on_start=True))
    fleet.start()
    fleet.wait_state("w", "online")
    wait_until(lambda: fleet.lines("w") == ["run"])
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.state("w") == "stopped" and not fleet.processes()


@pytest.mark.parametrize("fields, said", [
    ({"schedule": "61 * * * *"}, "61"), ({"schedule": "* * * *"}, "schedule"),
    ({"schedule": "@every 0s"}, "schedule"), ({"schedule": ""}, "schedule"),
    ({"schedule": "0 0 31 2 *"}, "schedule"),
    ({"schedule": "@daily", "timezone": "Mars/Olympus"}, "Mars/Olympus"),
    ({"schedule": "@daily", "timezone": "../../etc/passwd"}, "timezone"),
])
def test_s61_a_bad_pattern_is_refused_and_nothing_starts(fleet, fields, said):
    fleet.apps(sh("true", **fields), sh("touch started", "innocent"))
    got = fleet.opsctl("start", "all")
    assert got.returncode == 1 and said in got.stderr
    assert not fleet.file("started").exists()


def test_many_ticks_at_one_moment(scheduled):
    scheduled.apps(*(ticked(f"w{n}", "* * * * *") for n in range(60)))
    scheduled.start_at("2026-06-01T12:00:30Z")
    scheduled.set_clock("2026-06-01T12:01:00Z")
    wait_until(lambda: all(scheduled.ticks(f"w{n}") == ["2026-06-01T12:01:00Z"] for n in range(60)))


def test_s60_ticks_while_opsd_was_away_are_no_burst(fleet):
    fleet.apps(sh("echo $OPS_TICK", schedule="* * * * * *"))
    fleet.start()
    wait_until(lambda: fleet.lines("w"))
    os.kill(fleet.supervisor, signal.SIGSTOP)
    stopped = time.time()
    wait_until(lambda: time.time() > stopped + 2.5)
    resumed = time.time()
    os.kill(fleet.supervisor, signal.SIGCONT)
    ticks = wait_until(lambda: (found := [instant(t) for t in fleet.lines("w")])[-1] > resumed and found)
    assert len([t for t in ticks if stopped < t <= resumed]) <= 1
