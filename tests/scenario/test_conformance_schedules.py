"""Conformance, S58-S61: schedules. What other files show:

S58  ./test_cron_oracle.py::test_agrees_with_the_oracle
S59  test_supervisor_schedule.py::test_s59_a_run_longer_than_its_period_is_never_two
S59  test_opsctl_history.py::test_skipped_ticks_are_counted_with_the_run
S60  test_supervisor_schedule.py::test_a_scheduled_worker_does_not_run_when_opsd_starts
S60  test_supervisor_schedule.py::test_s60_ticks_while_opsd_was_away_are_no_burst
S61  test_supervisor_schedule.py::test_s61_a_bad_pattern_is_refused_and_nothing_starts
S61  test_opsctl_cron.py::test_says_what_is_wrong
"""
import contextlib
import pathlib
import signal

import pytest

from conformance_fleet import GONE, is_alive, rounds, wait_until
from scheduled_home import PRINT_TICK, instant, scheduled, seconds, ticked  # noqa: F401
from supervisor import sh

HALF_HOUR = 1800
ZONES = ["Europe/London", "America/New_York", "Australia/Sydney", "Europe/Moscow"]

# When a zone's clock is moved; what "30 1", "30 2" and "30 *" (hour and minute) are due within two
# hours of it, in minutes from that instant.
EDGES = [
    ("2011-03-26T23:00:00Z", "Europe/Moscow", "forward", [-30], [0]),
    ("2014-10-25T22:00:00Z", "Europe/Moscow", "back", [-30], [90]),
    ("2026-03-08T07:00:00Z", "America/New_York", "forward", [-30], [0]),
    ("2026-03-29T01:00:00Z", "Europe/London", "forward", [0], [30]),
    ("2026-04-04T16:00:00Z", "Australia/Sydney", "back", [-90], [-30]),
    ("2026-10-03T16:00:00Z", "Australia/Sydney", "forward", [-30], [0]),
    ("2026-10-25T01:00:00Z", "Europe/London", "back", [-30], [90]),
    ("2026-11-01T06:00:00Z", "America/New_York", "back", [-30], [90]),
]
REAL = [-90, -30, 30, 90]


def by_zone(zone):
    return [ticked(f"{zone.split('/')[1]}.{name}", f"30 {hour} * * *", timezone=zone)
            for name, hour in (("1", "1"), ("2", "2"), ("each", "*"))]


def test_s58_each_job_runs_once_over_every_edge(scheduled):
    apps = [app for zone in ZONES for app in by_zone(zone)]
    scheduled.apps(*apps, ticked("every", "@every 30m"))
    start = seconds(EDGES[0][0]) - 2 * 3600
    scheduled.start_at(instant(start))
    for text, zone, _, first, second in EDGES:
        edge, name = int(seconds(text)), zone.split("/")[1]
        window = range(edge - 3 * HALF_HOUR, edge + 4 * HALF_HOUR, HALF_HOUR)
        for at in window:
            scheduled.set_clock(instant(at + 1))
            scheduled.wait_tick("every", instant(at))
            scheduled.wait_idle(*(app["name"] for app in apps))
        for hour, minutes in (("1", first), ("2", second), ("each", REAL)):
            ran = [t for t in scheduled.ticks(f"{name}.{hour}") if seconds(t) in window]
            assert ran == [instant(edge + 60 * m) for m in minutes], (zone, text, hour)
        assert [t for t in scheduled.ticks("every") if seconds(t) in window] == list(map(instant, window))
    for app in apps:
        ran = scheduled.ticks(app["name"])
        assert sorted(set(ran)) == ran


# --- the clock is set

NOON = "2026-06-01T12:00:30Z"


def test_s58_a_clock_that_is_put_back_runs_nothing_twice(scheduled):
    scheduled.apps(ticked("w", "*/10 * * * *"), ticked("probe", "* * * * *"))
    scheduled.start_at("2026-06-01T11:59:30Z")
    scheduled.set_clock("2026-06-01T12:00:01Z")
    for name in ("w", "probe"):
        scheduled.wait_tick(name, "2026-06-01T12:00:00Z")
    scheduled.set_clock("2026-06-01T11:39:59Z")
    scheduled.set_clock("2026-06-01T11:40:01Z")
    scheduled.set_clock("2026-06-01T12:00:00Z")
    scheduled.wait_idle("w", "probe")
    assert scheduled.row("w")["next_run"] == "2026-06-01T12:10:00Z"
    scheduled.set_clock("2026-06-01T12:10:01Z")
    scheduled.wait_tick("w", "2026-06-01T12:10:00Z")
    scheduled.wait_tick("probe", "2026-06-01T12:10:00Z")
    assert scheduled.ticks("w") == ["2026-06-01T12:00:00Z", "2026-06-01T12:10:00Z"]
    assert scheduled.ticks("probe") == sorted(set(scheduled.ticks("probe")))


def test_s58_a_clock_that_was_wrong_by_hours_is_believed_no_longer(scheduled):
    scheduled.apps(ticked("w", "*/10 * * * *"))
    scheduled.start_at("2026-06-01T18:09:30Z")
    scheduled.set_clock("2026-06-01T18:10:01Z")
    scheduled.wait_tick("w", "2026-06-01T18:10:00Z")
    scheduled.set_clock("2026-06-01T12:05:00Z")
    wait_until(lambda: scheduled.row("w")["next_run"] == "2026-06-01T12:10:00Z")
    scheduled.set_clock("2026-06-01T12:10:01Z")
    scheduled.wait_tick("w", "2026-06-01T12:10:00Z")


def test_s58_a_clock_that_is_put_back_while_opsd_is_away_is_believed(scheduled):
    scheduled.apps(ticked("w", "*/10 * * * *"))
    scheduled.start_at("2026-06-01T18:05:00Z")
    scheduled.kill("both")
    scheduled.start_at("2026-06-01T12:05:00Z")
    assert scheduled.row("w")["next_run"] == "2026-06-01T12:10:00Z"


def wait_next(scheduled, instant_):
    wait_until(lambda: all(r["next_run"] == instant_ for r in scheduled.rows()))


CATCH_UP = [ticked("none", "0 * * * *"), ticked("once", "0 * * * *", catch_up="once")]


def assert_missed(scheduled, last, after):
    """One run of the last tick that was missed where it is made up for; then all is as usual."""
    scheduled.wait_tick("once", last)
    wait_next(scheduled, after)
    scheduled.set_clock(instant(seconds(after) + 1))
    for name in ("none", "once"):
        scheduled.wait_tick(name, after)
    assert scheduled.ticks("none") == [after]
    assert scheduled.ticks("once") == [last, after]


def test_s60_a_clock_that_is_put_forward_is_no_burst(scheduled):
    """As a machine that slept: what it is told of the time is the same."""
    scheduled.apps(*CATCH_UP)
    scheduled.start_at(NOON)
    wait_next(scheduled, "2026-06-01T13:00:00Z")
    scheduled.set_clock("2026-06-01T18:40:00Z")
    assert_missed(scheduled, "2026-06-01T18:00:00Z", "2026-06-01T19:00:00Z")
    missed = scheduled.rpc("history", names=["none"])["runs"][-1]
    assert missed["tick"] == "2026-06-01T18:00:00Z" and missed["started"] is None
    assert missed["reason"].startswith("missed")


def test_s58_a_service_is_restarted_once_by_its_cron(scheduled):
    scheduled.apps({**sh("echo up; exec sleep 1000", "w"), "cron_restart": "0 * * * *"})
    scheduled.start_at(NOON)
    wait_until(lambda: scheduled.lines("w") == ["up"])
    for text, times in (("2026-06-01T13:00:01Z", 2), ("2026-06-01T12:30:00Z", 2),
                        ("2026-06-01T13:00:01Z", 2), ("2026-06-01T14:00:01Z", 3),
                        ("2026-06-01T18:30:00Z", 3), ("2026-06-01T19:00:01Z", 4)):
        scheduled.set_clock(text)
        wait_until(lambda: scheduled.lines("w") == ["up"] * times, what=text)


# --- a run is longer than its period

@pytest.mark.parametrize("overlap, second, skipped", [("skip", "12:04", 2), ("queue", "12:02", 1)])
def test_s59_of_the_ticks_during_a_run_one_may_wait(scheduled, overlap, second, skipped):
    scheduled.apps(ticked("w", "* * * * *", f"{PRINT_TICK}; while [ ! -e go ]; do sleep 0.01; done",
                          overlap=overlap), ticked("each", "* * * * *"))
    scheduled.start_at("2026-06-01T12:00:30Z")
    for minute in (1, 2, 3):
        scheduled.set_clock(f"2026-06-01T12:0{minute}:01Z")
        scheduled.wait_tick("each", f"2026-06-01T12:0{minute}:00Z")
    wait_until(lambda: scheduled.ticks("w"))
    assert scheduled.ticks("w") == ["2026-06-01T12:01:00Z"]
    scheduled.kill("supervisor")  # what waits is not forgotten
    wait_until(lambda: scheduled.row("w")["state"] == "online")
    scheduled.file("go").touch()
    scheduled.wait_idle("w")
    scheduled.set_clock("2026-06-01T12:04:01Z")
    scheduled.wait_tick("each", "2026-06-01T12:04:00Z")
    scheduled.wait_tick("w", "2026-06-01T12:04:00Z")
    assert scheduled.ticks("w")[1] == f"2026-06-01T{second}:00Z"
    runs = scheduled.rpc("history", names=["w"])["runs"]
    assert runs[-1]["skipped_ticks"] == skipped


# --- opsd is away

@pytest.mark.parametrize("how", ["killed", "in order"])
def test_s60_ticks_while_opsd_is_away_are_made_up_for_once_or_not_at_all(scheduled, how):
    scheduled.apps(*CATCH_UP)
    scheduled.start_at(NOON)
    wait_next(scheduled, "2026-06-01T13:00:00Z")
    if how == "killed":
        scheduled.kill("both")
    else:
        assert scheduled.opsctl("kill").returncode == 0
    scheduled.start_at("2026-06-01T18:40:00Z")
    assert_missed(scheduled, "2026-06-01T18:00:00Z", "2026-06-01T19:00:00Z")


def test_s60_a_tick_that_is_late_on_purpose_comes_once(scheduled):
    """An opsd that is killed meanwhile is late by as much."""
    scheduled.apps(ticked("w", "0 * * * *", jitter="10m"), ticked("x", "0 * * * *", jitter="10m"))
    scheduled.start_at(NOON)
    for late in range(1, 620, 50):
        scheduled.set_clock(instant(seconds("2026-06-01T13:00:00Z") + late))
        killed = scheduled.kill("supervisor")
        scheduled.await_pair(*killed)
    for name in "wx":
        scheduled.wait_tick(name, "2026-06-01T13:00:00Z")
        assert scheduled.ticks(name) == ["2026-06-01T13:00:00Z"]
    begun = [scheduled.row(name)["last_run"]["started"] for name in "wx"]
    assert abs(seconds(begun[0]) - seconds(begun[1])) > 1


def test_s60_what_somebody_stopped_is_not_made_up_for(scheduled):
    scheduled.apps(*CATCH_UP)
    scheduled.start_at(NOON)
    assert scheduled.opsctl("stop", "once").returncode == 0
    assert scheduled.opsctl("kill").returncode == 0
    scheduled.start_at("2026-06-01T18:40:00Z")
    assert scheduled.opsctl("start", "once").returncode == 0
    wait_next(scheduled, "2026-06-01T19:00:00Z")
    assert not scheduled.ticks("once") and not scheduled.ticks("none")


def test_s60_a_missed_tick_waits_for_what_the_worker_depends_on(scheduled):
    scheduled.apps(ticked("once", "0 * * * *", catch_up="once", depends_on=["needed"]),
                   {**ticked("needed", ""), "schedule": "", "args": ["-c", "exec sleep 1000"]})
    manifest = scheduled.manifest.read_text().replace(', "schedule": ""', "")
    scheduled.manifest.write_text(manifest)
    scheduled.start_at(NOON)
    scheduled.wait_state("once", "scheduled")
    assert scheduled.opsctl("stop", "needed").returncode == 0
    scheduled.wait_state("once", "waiting")
    scheduled.set_clock("2026-06-01T14:20:00Z")
    wait_until(lambda: scheduled.row("once")["state"] == "waiting")
    assert not scheduled.ticks("once")
    assert scheduled.opsctl("start", "needed").returncode == 0
    scheduled.wait_tick("once", "2026-06-01T14:00:00Z")
    assert scheduled.ticks("once") == ["2026-06-01T14:00:00Z"]


def test_s60_a_run_that_the_end_of_opsd_cut_off_was_missed(scheduled):
    slow = f"{PRINT_TICK}; [ -e go ] || exec sleep 1000"
    scheduled.apps(ticked("none", "0 * * * *", slow), ticked("once", "0 * * * *", slow, catch_up="once"))
    scheduled.start_at(NOON)
    scheduled.set_clock("2026-06-01T13:00:01Z")
    wait_until(lambda: scheduled.ticks("none") and scheduled.ticks("once"))
    assert scheduled.opsctl("kill").returncode == 0
    scheduled.file("go").touch()
    scheduled.start_at("2026-06-01T13:20:00Z")
    wait_until(lambda: len(scheduled.ticks("once")) == 2)
    scheduled.wait_idle("once", "none")
    assert scheduled.ticks("once") == ["2026-06-01T13:00:00Z"] * 2
    assert scheduled.ticks("none") == ["2026-06-01T13:00:00Z"]


# --- a tick and the death of whoever has to do with it

def test_a_tick_whose_run_died_is_run_again(scheduled):
    """With opsd alive, with opsd dead, too; and when the machine went down."""
    scheduled.apps(ticked("w", "0 * * * *", f"{PRINT_TICK}; echo $$ > pid; [ -e go ] || exec sleep 1000",
                          backoff={"initial": 20, "max": 20, "jitter": 0}))
    scheduled.start_at(NOON)
    scheduled.set_clock("2026-06-01T13:00:01Z")

    def running(count):
        wait_until(lambda: len(scheduled.ticks("w")) == count and scheduled.row("w")["pid"])
        return scheduled.row("w")["pid"]

    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pathlib.os.pidfd_open(pid), signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))

    end(running(1))
    pid = running(2)
    scheduled.kill("both")
    end(pid)
    scheduled.recover(**scheduled.lives)
    pid = running(3)
    scheduled.kill("both")
    for left in scheduled.marked():
        end(left)
    journal = scheduled.home / "journal"
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    journal.write_text(journal.read_text().replace(boot, "another"))
    scheduled.file("go").touch()
    scheduled.recover(**scheduled.lives)
    wait_until(lambda: len(scheduled.ticks("w")) == 4)
    scheduled.wait_idle("w")
    assert scheduled.ticks("w") == ["2026-06-01T13:00:00Z"] * 4
    runs = scheduled.rpc("history", names=["w"])["runs"]
    assert [r["attempt"] for r in runs] == [4, 3, 2, 1]
    assert [r["exit_code"] for r in runs] == [0, None, None, None]
    assert runs[1]["reason"] == "the machine went down while it ran"


def test_struck_at_every_boundary_around_a_tick(scheduled):
    """Each round opsd is killed one boundary later. OPS_ROUNDS=1000 takes all of them."""
    scheduled.apps(ticked("w", "* * * * *"), ticked("once", "* * * * *", catch_up="once"))
    scheduled.start_at("2026-06-01T12:00:30Z")
    strike, at = scheduled.file("strike"), int(seconds("2026-06-01T12:01:00Z"))
    step, number, struck, begun = max(1, 60 // rounds(15)), 1, 0, []
    while number < 400:
        pid = scheduled.pid
        strike.with_suffix(".new").write_text(f"{number} supervisor")
        strike.with_suffix(".new").replace(strike)
        scheduled.set_clock(instant(at + 1))
        begun.append(instant(at))
        for name in ("w", "once"):
            scheduled.wait_tick(name, instant(at))
        strike.unlink(missing_ok=True)
        if is_alive(pid):
            break
        struck += 1
        number += step
        at += 60
    assert struck > 3
    with contextlib.suppress(*GONE):  # the last one still waits for its strike
        scheduled.kill("supervisor")
    wait_until(lambda: scheduled.rpc("ping"))
    assert scheduled.ticks("w") == begun and scheduled.ticks("once") == begun
    for name in ("w", "once"):
        runs = scheduled.rpc("history", names=[name], n=1000)["runs"]
        assert [r["tick"] for r in reversed(runs) if r["pid"]] == begun
