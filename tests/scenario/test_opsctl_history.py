"""opsctl history: what became of every process, whatever became of opsd."""
import datetime
import itertools
import json
import os
import signal
import time

from supervisor import fleet, is_alive, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def history(fleet, name="w", *words):
    got = fleet.opsctl("history", name, "--json", *words)
    assert got.returncode == 0, got.stderr
    document = json.loads(got.stdout)
    assert document["version"] == 1
    return document["runs"]


def test_runs_of_a_schedule_with_their_tries(fleet):
    fleet.apps(sh("echo $OPS_TICK; echo trouble >&2; [ $(grep -c . logs/w-out.log) -ge 3 ] || exit 3",
                  schedule="@every 1h", run_on_start=True, **QUICK))
    began = time.time()
    fleet.start()
    wait_until(lambda: fleet.state("w") == "scheduled" and fleet.row("w")["last_run"])
    runs = history(fleet)
    assert [r["exit_code"] for r in runs] == [0] + [3] * (len(runs) - 1) and len(runs) >= 3
    assert [r["attempt"] for r in runs] == list(range(len(runs), 0, -1))
    assert len({r["tick"] for r in runs}) == 1
    newest, row = runs[0], fleet.row("w")
    assert {k: newest[k] for k in ("tick", "started", "duration_ms", "exit_code", "exit_signal")} == row["last_run"]
    assert newest["name"] == "w" and newest["instance"] == 0 and not newest["by_hand"]
    assert newest["lines"] == [newest["tick"], "trouble"]
    assert "exited with code 3" in runs[-1]["reason"]
    assert began - 1 <= instant(newest["started"]) <= instant(newest["at"]) <= time.time()
    described = fleet.rpc("describe", name="w")["workers"][0]["exits"]
    assert [e["reason"] for e in described] == [r["reason"] for r in runs][:5]
    assert history(fleet, "w", "-n", 2) == runs[:2]


def test_why_a_service_was_restarted(fleet):
    fleet.apps(sh("echo up; exec sleep 1000", **QUICK))
    fleet.start()
    pid = wait_until(lambda: fleet.lines("w") and fleet.row("w")["pid"])
    os.kill(pid, signal.SIGKILL)
    other = wait_until(lambda: (p := fleet.row("w")["pid"]) not in (None, pid) and p)
    assert fleet.opsctl("restart", "w").returncode == 0
    assert fleet.opsctl("stop", "w").returncode == 0
    by_hand, restarted, killed = history(fleet)
    assert (killed["pid"], killed["exit_signal"], killed["exit_code"]) == (pid, 9, None)
    assert "(SIGKILL)" in killed["reason"] and killed["lines"] == ["up"]
    assert restarted["pid"] == other and "restarted by hand" in restarted["reason"]
    assert "stopped by hand" in by_hand["reason"]
    assert killed["tick"] is killed["attempt"] is killed["skipped_ticks"] is None


def test_what_could_not_be_started_and_what_was_run_by_hand(fleet):
    fleet.apps({"name": "w", "script": "/nowhere/w"}, sh("echo hello; exit 4", "x", autostart=False))
    fleet.start()
    fleet.wait_state("w", "errored")
    (run,) = history(fleet)
    assert run["started"] is run["exit_code"] is run["pid"] is None
    assert "No such file" in run["reason"]
    assert fleet.opsctl("run_worker", "default", "x").returncode == 4
    (run,) = history(fleet, "x")
    assert run["by_hand"] and run["exit_code"] == 4 and run["lines"] == ["hello"]


def test_instances_apart_and_together(fleet):
    fleet.apps(sh("exit 0", instances=3, autorestart=False), sh("exit 0", "x", autorestart=False))
    fleet.start()
    wait_until(lambda: all(r["exit_code"] == 0 for r in fleet.rows()))
    assert sorted(r["instance"] for r in history(fleet)) == [0, 1, 2]
    assert [r["instance"] for r in history(fleet, "w:1")] == [1]
    assert [r["instance"] for r in history(fleet, str(fleet.row("w", 2)["id"]))] == [2]
    runs = history(fleet, "all")
    assert sorted(r["name"] for r in runs) == ["w", "w", "w", "x"]
    assert [r["at"] for r in runs] == sorted((r["at"] for r in runs), reverse=True)
    assert len(history(fleet, "all", "-n", 2)) == 2


def test_for_people(fleet):
    fleet.apps(sh("echo bad; exit 7", autorestart=False), sh("exec sleep 1000", "x"))
    fleet.start()
    wait_until(lambda: fleet.row("w")["exit_code"] == 7)
    text = fleet.opsctl("history", "w").stdout
    assert "REASON" in text and "exit 7" in text and "exited with code 7" in text and "\x1b" not in text
    assert "no process of x has ended yet" in fleet.opsctl("history", "x").stdout
    assert fleet.opsctl("history", "nobody").returncode == 4
    assert fleet.opsctl("history").returncode == 2


def test_without_an_opsd_it_says_so(fleet):
    fleet.apps(sh("exit 0"))
    assert fleet.opsctl("history", "w").returncode == 3


def test_each_exit_is_there_once_however_opsd_is_killed(fleet):
    """Every line that a run printed belongs to one record; only the one that was stopped may have
    had no time to print."""
    fleet.apps(sh("echo $$", restart_delay=5, max_restarts=100000))
    fleet.start()
    for _ in range(int(os.environ.get("OPS_HISTORY_KILLS", "12"))):
        pid, seen = fleet.pid, len(fleet.lines("w"))
        wait_until(lambda: len(fleet.lines("w")) > seen + 2)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
        wait_until(lambda: fleet.pid)
    assert fleet.opsctl("stop", "w").returncode == 0
    printed = [int(line) for line in fleet.lines("w")]
    ended = [r["pid"] for r in reversed(history(fleet, "w", "-n", 1000)) if r["pid"]]
    assert printed and ended in (printed, [*printed, ended[-1]]) and len(ended) < 1000


def test_a_line_that_was_cut_short_spoils_no_other(fleet):
    fleet.apps(sh("exit 5", autorestart=False))
    folder = fleet.home / "history"
    folder.mkdir(parents=True, mode=0o700)
    whole = {"at": "2026-01-01T00:00:00Z", "instance": 0, "pid": 1, "started": "2026-01-01T00:00:00Z"}
    (folder / "w").write_text(json.dumps(whole) + "\n\0\0\0\nnull\n[]\n" + '{"at":"2026-01-02T')
    fleet.start()
    wait_until(lambda: fleet.row("w")["exit_code"] == 5)
    newest, older = history(fleet)
    assert newest["exit_code"] == 5 and older["pid"] == 1


def test_it_is_bounded_and_keeps_the_newest(fleet):
    fleet.apps(sh("exit 5", autorestart=False))
    folder = fleet.home / "history"
    folder.mkdir(parents=True, mode=0o700)
    lines = (json.dumps({"at": "2026-01-01T00:00:00Z", "instance": 0, "pid": n, "reason": "x" * 400})
             for n in itertools.count())
    (folder / "w").write_text("\n".join(itertools.islice(lines, 700)) + "\n")
    fleet.start()
    wait_until(lambda: fleet.row("w")["exit_code"] == 5)
    assert (folder / "w").stat().st_size < 2000
    runs = history(fleet, "w", "-n", 1000)
    assert [r["pid"] for r in runs[1:]] == list(range(699, -1, -1))


def test_skipped_ticks_are_counted_with_the_run(fleet):
    fleet.apps(sh("sleep 2.5", schedule="@every 1s"))
    fleet.start()
    (run,) = wait_until(lambda: history(fleet))[-1:]
    seconds = run["duration_ms"] // 1000
    assert run["skipped_ticks"] in (seconds, seconds + 1) and run["attempt"] == 1
