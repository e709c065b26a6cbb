"""opsctl and one worker's process, against the real opsd: pid, env, signal, reset, wait."""
import json
import os
import signal

import pytest

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import sh

WORKER = [("pid", "NAME"), ("env", "NAME"), ("signal", "HUP", "NAME"), ("reset", "NAME"),
          ("wait", "NAME")]


def begin(home, *apps, start=True):
    home.apps(*apps)
    home.start(*([] if start else ["--no-start"]))
    if start:
        wait_until(lambda: all(r["state"] == "online" for r in home.rows() if r["wanted"] == "up"))
    return home


@pytest.mark.parametrize("words", WORKER, ids=lambda w: w[0])
def test_s63_an_unknown_worker(home, words):
    begin(home, sh("exec sleep 1000", "billing"), start=False)
    got = home.opsctl(*("biling" if w == "NAME" else w for w in words))
    assert (got.returncode, got.stdout) == (4, "")
    assert 'did you mean "billing"?' in got.stderr


# --- pid


def test_pid_is_a_line_for_each_process(home):
    begin(home, sh("exec sleep 1000"), sh("exec sleep 1000", "many", instances=3))
    assert home.opsctl("pid", "w").stdout == f"{home.row('w')['pid']}\n"
    many = [home.row("many", n)["pid"] for n in range(3)]
    assert list(map(int, home.opsctl("pid", "many").stdout.split())) == many
    assert home.opsctl("pid", "many:1").stdout == f"{many[1]}\n"
    assert json.loads(home.opsctl("pid", "many", "--json").stdout) == {"pids": many}
    home.opsctl("stop", "many")
    got = home.opsctl("pid", "many")
    assert (got.returncode, got.stdout, got.stderr) == (3, "", "opsctl: many does not run\n")


# --- env


def environment(home, name):
    got = home.opsctl("env", name)
    assert got.returncode == 0, got.stderr
    return dict(line.split("=", 1) for line in got.stdout.splitlines())


def test_env_is_what_the_process_was_given(home):
    begin(home, sh("exec sleep 1000", env={"PLAIN": "seen", "EMPTY": "", "TWO": "a=b\nc"}))
    pid = home.row("w")["pid"]
    real = dict(v.split("=", 1) for v in
                open(f"/proc/{pid}/environ", encoding="utf8").read().split("\0") if v)
    shown = environment(home, "w")
    assert shown["TWO"] == "a=b\\nc"
    assert {**shown, "TWO": "a=b\nc"} == {k: real[k] for k in shown}
    assert set(real) - set(shown) <= {"_", "SHLVL", "PWD", "OLDPWD"}
    lines = home.opsctl("env", "w").stdout.splitlines()
    assert lines == sorted(lines)
    # and of one that does not run, what it would get
    home.opsctl("stop", "w")
    assert environment(home, "w")["PLAIN"] == "seen"


SECRETS = {
    "API_KEY": "hunter2", "AWS_SECRET_ACCESS": "hunter2", "bot_token": "hunter2",
    "DB_PASSWORD": "hunter2", "PGPASSFILE": "hunter2", "DB_PWD": "hunter2", "AUTH": "hunter2",
    "MY_CREDENTIALS": "hunter2", "SENTRY_DSN": "hunter2", "ApiKey": "hunter2",
    "CONNINFO": "host=a password=hunter2", "CALL": "https://a/b?token=hunter2",
    "DATABASE_URL": "postgres://user:hunter2@host:5432/db?x=1",
    "BROKERS": "amqp://a:hunter2@one/ amqp://b:hunter2@two/",
    "UNESCAPED": "postgres://user:hunt/er@hunter2@host/db",
}
OPEN = {"PLAIN": "seen", "SITE": "https://host:8080/a", "PORT": "8080",
        "SSH": "ssh://git@host/x"}


def test_env_masks_what_looks_secret(home):
    begin(home, sh("exec sleep 1000", env={**SECRETS, **OPEN}))
    text = home.opsctl("env", "w").stdout + home.opsctl("env", "w", "--json").stdout
    assert "hunter2" not in text and "hunt/er" not in text
    shown = environment(home, "w")
    assert set(SECRETS) <= set(shown)
    assert {k: shown[k] for k in OPEN} == OPEN
    assert shown["DATABASE_URL"] == "postgres://user:********@host:5432/db?x=1"
    assert shown["API_KEY"] == "********"


def test_env_of_several_says_whose_it_is(home):
    begin(home, sh("exec sleep 1000", instances=2))
    text = home.opsctl("env", "w").stdout
    assert text.startswith("# w:0\n") and "\n# w:1\n" in text
    assert "# " not in home.opsctl("env", "w:1").stdout
    workers = json.loads(home.opsctl("env", "w", "--json").stdout)["workers"]
    assert [(w["name"], w["instance"], w["env"]["NODE_APP_INSTANCE"]) for w in workers] == [
        ("w", 0, "0"), ("w", 1, "1")]


# --- signal


@pytest.mark.parametrize("name", ["HUP", "SIGHUP", "sighup", "1", "-1"])
def test_signal_reaches_the_process(home, name):
    begin(home, sh("trap 'echo hup' HUP; echo up; while :; do sleep 0.01; done"))
    wait_until(lambda: home.lines("w") == ["up"])
    got = home.opsctl("signal", name, "w")
    assert (got.returncode, got.stdout) == (0, f"sent to {home.row('w')['pid']}\n")
    wait_until(lambda: home.lines("w") == ["up", "hup"])


def test_signal_reaches_nothing_that_the_worker_started(home):
    begin(home, sh("(trap 'echo child' USR1; touch child; while :; do sleep 0.01; done) & "
                   "trap 'echo worker' USR1; touch worker; while :; do sleep 0.01; done"))
    wait_until(lambda: home.file("child").exists() and home.file("worker").exists())
    home.opsctl("signal", "USR1", "w")
    wait_until(lambda: home.lines("w"))
    home.opsctl("signal", "USR1", "w")
    wait_until(lambda: len(home.lines("w")) == 2)
    assert home.lines("w") == ["worker"] * 2


def test_a_signal_that_kills_is_an_exit_like_any_other(home):
    begin(home, sh("exec sleep 1000"))
    pid = home.row("w")["pid"]
    assert home.opsctl("signal", "KILL", "w").returncode == 0
    row = wait_until(lambda: home.row("w")["pid"] not in (None, pid) and home.row("w"))
    assert row["exit_signal"] == signal.SIGKILL and row["restarts"] == 1


def test_signal_goes_to_all_instances_and_to_an_adopted_one(home):
    begin(home, sh("trap 'echo got' USR2; echo up; while :; do sleep 0.01; done", instances=2))
    wait_until(lambda: all(home.log(f"w-{n}") for n in range(2)))
    home.await_pair(*home.kill("supervisor"))
    got = home.opsctl("signal", "USR2", "w", "--json")
    assert len(json.loads(got.stdout)["workers"]) == 2
    wait_until(lambda: all(home.lines(f"w-{n}") == ["up", "got"] for n in range(2)))


def test_signal_refuses(home):
    begin(home, sh("exec sleep 1000"), sh("exec sleep 1000", "idle", autostart=False))
    for name in ("NOSUCH", "0", "65", "-0", "", "SIG"):
        got = home.opsctl("signal", name, "w")
        assert got.returncode == 2 and "want a name (HUP, SIGHUP) or a number" in got.stderr, name
    for name, near in (("HPU", "HUP"), ("sigusr", "USR1"), ("TREM", "TERM")):
        got = home.opsctl("signal", name, "w")
        assert (got.returncode, got.stderr) == (2, f'opsctl: no signal "{name}"; did you mean {near}?\n')
    got = home.opsctl("signal", "HUP", "idle")
    assert got.returncode == 3 and "does not run" in got.stderr
    assert home.row("w")["restarts"] == 0


# --- reset


def test_reset_sets_the_counters_to_zero(home):
    home.apps(sh("exit 1", backoff={"initial": 10, "max": 10}, max_restarts=3),
              sh("exec sleep 1000", "other"))
    home.start()
    row = home.wait_state("w", "errored")
    assert row["unstable_restarts"] and row["restarts"]
    home.opsctl("restart", "other")
    got = home.opsctl("reset", "w")
    assert (got.returncode, got.stdout) == (0, "w errored\n")
    row = home.row("w")
    assert (row["restarts"], row["unstable_restarts"]) == (0, 0)
    assert home.row("other")["restarts"] == 1
    # for good
    home.await_pair(*home.kill("supervisor"))
    assert home.row("w")["restarts"] == 0 and home.row("other")["restarts"] == 1
    assert home.opsctl("reset", "all").returncode == 0
    assert home.row("other")["restarts"] == 0


# --- wait


GATE = "while [ ! -e go ]; do sleep 0.01; done; "


@pytest.mark.parametrize("ending, code", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255),
                                          ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_s65_wait_ends_with_the_run_and_its_code(home, ending, code):
    begin(home, sh(GATE + ending, autorestart=False))
    process = home.opsctl_asks("wait", "w")
    late = home.opsctl("wait", "w", "--timeout", "100ms")
    assert late.returncode == 1 and "did not end in time" in late.stderr
    assert process.poll() is None
    home.file("go").touch()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, b"") and out.startswith(b"w ")
    # of one that has ended it is the last code, at once
    assert home.opsctl("wait", "w").returncode == code
    row = json.loads(home.opsctl("wait", "w", "--json").stdout)["workers"][0]
    assert (row["exit_code"], row["exit_signal"]) == ((code, None) if code in (0, 7, 255)
                                                      else (None, code - 128))


def test_wait_is_for_this_run_although_another_begins(home):
    begin(home, sh("[ -e go ] || { " + GATE + " exit 9; }; exec sleep 1000"))
    process = home.opsctl_asks("wait", "w")
    assert home.row("w")  # answered after the other
    home.file("go").touch()
    process.communicate(timeout=20)
    assert process.returncode == 9
    home.wait_state("w", "online")


def test_wait_outlives_the_supervisor(home):
    """Also when the run ends while there is none, and another is begun by the next one."""
    begin(home, sh("[ -e go ] || { " + GATE + " exit 9; }; exec sleep 1000"))
    process = home.opsctl_asks("wait", "w")
    held = home.opsctl_asks("wait", "w", "--timeout", "1h")
    home.await_pair(*home.kill("supervisor"))
    wait_until(lambda: home.rpc("ping"))
    home.kill("supervisor")
    home.file("go").touch()
    for one in (process, held):
        said = one.communicate(timeout=20)
        assert one.returncode == 9, said


def test_wait_of_several_instances_is_for_all_of_them(home):
    begin(home, sh('while [ ! -e go$NODE_APP_INSTANCE ]; do sleep 0.01; done; exit $NODE_APP_INSTANCE',
                   instances=3, autorestart=False))
    process = home.opsctl_asks("wait", "w")
    home.file("go2").touch()
    home.file("go0").touch()
    assert home.opsctl("wait", "w:2").returncode == 2
    assert home.opsctl("wait", "w:0").returncode == 0
    assert process.poll() is None
    home.file("go1").touch()
    process.communicate(timeout=20)
    assert process.returncode == 1


def test_wait_for_what_never_ran(home):
    begin(home, sh("exec sleep 1000", "idle"), sh("exec sleep 1000", "later", schedule="@hourly"),
          start=False)
    got = home.opsctl("wait", "idle")
    assert got.returncode == 3 and "no earlier run" in got.stderr
    # one that is scheduled will run
    home.opsctl("start", "later")
    assert home.opsctl("wait", "later", "--timeout", "100ms").returncode == 1
    # one that cannot be started does not
    home.apps(sh("exec sleep 1000", "idle"), {"name": "bad", "script": "/no/such/program"})
    home.opsctl("start", "bad")
    got = home.opsctl("wait", "bad", "--timeout", "20s")
    assert got.returncode in (1, 3) and not got.stdout, got


def test_wait_ends_with_a_stop_by_hand(home):
    begin(home, sh("trap 'exit 5' INT; touch up; while :; do sleep 0.01; done", kill_timeout="1m"))
    wait_until(home.file("up").exists)
    process = home.opsctl_asks("wait", "w")
    assert home.opsctl("wait", "w", "--timeout", "50ms").returncode == 1
    home.opsctl("stop", "w")
    process.communicate(timeout=20)
    assert process.returncode == 5


# --- stat


def test_stat_tells_of_adoption_and_of_the_manifest(home):
    begin(home, sh("exec sleep 1000"), sh("exec sleep 1000", "own", uid=str(os.getuid())))
    assert (home.row("w")["adopted"], home.row("w")["user"]) == (False, None)
    assert home.row("own")["user"] == str(os.getuid())
    daemon = json.loads(home.opsctl("stat", "--json").stdout)["daemon"]
    assert daemon["guard_pid"] == home.process.pid and daemon["pid"] != daemon["guard_pid"]
    home.await_pair(*home.kill("supervisor"))
    assert home.row("w")["adopted"] is True
    home.opsctl("restart", "w")
    assert home.row("w")["adopted"] is False and home.row("own")["adopted"] is True
    home.opsctl("stop", "own")
    assert home.row("own")["adopted"] is False
