"""opsctl while opsd is replaced under it: by an upgrade, or by the guard after a crash."""
import itertools
import json
import os
import shutil
import signal
import subprocess

import pytest

from conformance_fleet import BIN, home, is_alive, wait_until  # noqa: F401
from supervisor import sh


def begin(home, *apps):
    home.apps(*apps)
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    return home


def program(pid):
    return os.readlink(f"/proc/{pid}/exe")


@pytest.fixture
def installed(tmp_path):
    for name in ("opsd", "opsctl"):
        shutil.copy2(BIN / name, tmp_path / name)
    return tmp_path


# --- upgrade


def test_upgrade_to_a_path(home, installed):
    begin(home, sh("exec sleep 1000"))
    before, row = home.daemon(), home.row("w")
    got = home.opsctl("upgrade", "opsd", cwd=installed)
    version = home.rpc("ping")["version"]
    assert (got.returncode, got.stdout, got.stderr) == (0, f"upgraded, {version} → {version}\n", "")
    after = home.daemon()
    assert after["pid"] != before["pid"] and after["guard_pid"] == before["guard_pid"]
    assert program(after["pid"]) == str(installed / "opsd")
    now = home.row("w")
    assert (now["pid"], now["restarts"]) == (row["pid"], 0) and now["adopted"]
    assert home.rpc("ping")["rolled_back"] is False
    assert set(json.loads(home.opsctl("upgrade", "--json").stdout)) >= {"pid", "version"}


def test_upgrade_to_what_was_installed_over_it(home, installed):
    """Without a path: the file that opsd was started from, as it is now."""
    home.apps(sh("exec sleep 1000"))
    subprocess.run([installed / "opsctl", "--home", home.home, "start", "all"], cwd=home.folder,
                   check=True, env=home.environment(), capture_output=True)
    old = home.pid
    shutil.copy2(BIN / "opsd", installed / "new")
    os.rename(installed / "new", installed / "opsd")
    assert program(old).endswith(" (deleted)")
    # from any opsctl: it is opsd that knows
    assert home.opsctl("upgrade").returncode == 0
    assert program(home.pid) == str(installed / "opsd") and not is_alive(old)


@pytest.mark.parametrize("broken", ["nothing", "#!/bin/sh\nexit 1\n"])
def test_upgrade_to_something_else_is_taken_back_and_said(home, installed, broken):
    begin(home, sh("exec sleep 1000"))
    row = home.row("w")
    (installed / "opsd").write_text(broken)
    got = home.opsctl("upgrade", installed / "opsd")
    assert (got.returncode, got.stdout) == (1, "")
    assert "does not come up; the one before" in got.stderr and "opsd.log" in got.stderr
    assert home.rpc("ping")["rolled_back"] is True and home.row("w")["pid"] == row["pid"]
    # which is over with the next good one
    assert home.opsctl("upgrade", BIN / "opsd").returncode == 0
    assert home.rpc("ping")["rolled_back"] is False


def test_upgrade_refuses_what_is_no_program(home, tmp_path):
    begin(home)
    pid = home.pid
    (tmp_path / "text").write_text("x")
    (tmp_path / "text").chmod(0o644)
    for path, why in ((tmp_path / "gone", "No such file"), (tmp_path, "not a program"),
                      (tmp_path / "text", "Permission denied")):
        got = home.opsctl("upgrade", path)
        assert got.returncode == 1 and why in got.stderr and str(path) in got.stderr
    assert home.pid == pid


def test_clients_wait_out_an_upgrade(home):
    """Whoever asks meanwhile is answered by the one before or by the next."""
    begin(home, sh("exec sleep 1000"))
    for _ in range(3):
        upgrade = home.opsctl_background("upgrade")
        while upgrade.poll() is None:
            for words in (["stat", "w"], ["ping"], ["pid", "w"], ["describe", "w"], ["start", "w"]):
                got = home.opsctl(*words)
                assert got.returncode == 0, (words, got.stderr)
        upgrade.communicate()
        assert upgrade.returncode == 0


# --- a crash


def frozen(home):
    """The supervisor stands still, so that whoever asks now waits in the queue of its socket."""
    pid = home.pid
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.parametrize("words", [["stat"], ["describe", "w"], ["ping"], ["pid", "w"], ["start", "w"],
                                   ["stop", "w"], ["env", "w"], ["save"], ["logs", "-n", "1"],
                                   ["signal", "HUP", "w"], ["restart", "w"]], ids=" ".join)
def test_whoever_waits_at_the_door_is_let_in_by_the_next(home, words):
    begin(home, sh("trap '' HUP; while :; do sleep 0.1; done"))
    pid = frozen(home)
    process = home.opsctl_asks(*words)
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b""), (out, err)
    assert home.state("w") == ("stopped" if words[0] == "stop" else "online")


SLOW = "trap 'touch asked; while [ ! -e go ]; do sleep 0.01; done; exit' INT; " \
       "touch deaf; while :; do sleep 0.01; done"


def begin_slow(home):
    begin(home, sh(SLOW, kill_timeout="30s"))
    wait_until(home.file("deaf").exists)


def test_a_stop_is_asked_for_again(home):
    begin_slow(home)
    process = home.opsctl_background("stop", "w")
    wait_until(home.file("asked").exists)
    killed = home.kill("supervisor")
    home.await_pair(*killed)
    assert process.poll() is None
    home.file("go").touch()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, b"w stopped\n", b"")


@pytest.mark.parametrize("words", [["restart", "w"], ["run_worker", "default", "w"]], ids=" ".join)
def test_what_may_not_be_asked_twice_says_so(home, words):
    begin_slow(home)
    process = home.opsctl_background(*words)
    wait_until(lambda: home.file("asked").exists() or len(home.processes()) > 2)
    home.kill("supervisor")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, b"")
    assert err == b"opsctl: opsd was restarted while it did this; look with: opsctl stat\n"
    home.file("go").touch()


def test_nobody_comes_after_an_end_of_both(home):
    begin_slow(home)
    process = home.opsctl_background("stop", "w")
    wait_until(home.file("asked").exists)
    home.kill("both")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3 and out == b"" and b"not running any more" in err
    home.file("go").touch()
    home.recover()


def test_kill_is_finished_by_the_next(home):
    begin_slow(home)
    worker, old = home.row("w")["pid"], home.pid
    process = home.opsctl_background("kill")
    wait_until(home.file("asked").exists)
    os.kill(old, signal.SIGKILL)
    home.file("go").touch()
    out, err = process.communicate(timeout=20)
    assert not is_alive(worker)
    wait_until(lambda: not home.own())
    assert process.returncode in (0, 3), (out, err)


def test_after_kill_the_home_is_free(home):
    """Also when the socket was made by a supervisor that is long gone."""
    home.apps(sh("exec sleep 1000"))
    assert home.opsctl("start", "all").returncode == 0
    home.await_pair(*home.kill("supervisor"))
    for _ in range(5):
        pair = home.daemon()
        got = home.opsctl("kill")
        assert (got.returncode, got.stdout) == (0, "opsd is gone; workers stopped: 1\n")
        assert not is_alive(pair["pid"]) and not is_alive(pair["guard_pid"])
        assert home.opsctl("start", "all").returncode == 0


# --- logs -f


class Follower:
    def __init__(self, home, *words):
        self.process = home.opsctl_background("logs", "-f", *words)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""

    def lines(self):
        with_more = self.process.stdout.read()
        self.text += with_more or b""
        return self.text.decode().splitlines()

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        lines = self.lines()
        assert self.process.stderr.read() == b""
        return lines


COUNT = "i=0; while :; do i=$((i+1)); echo $i; echo e$i >&2; sleep 0.002; done"


def test_following_goes_on_across_crashes_without_losing_or_doubling(home):
    begin(home, sh(COUNT), sh(COUNT, "v"))
    follower = Follower(home, "w", "v")
    for _ in range(3):
        seen = len(wait_until(follower.lines))
        home.await_pair(*home.kill("supervisor"))
        wait_until(lambda n=seen: len(follower.lines()) > n + 200)
    lines = [line.split(" | ", 1) for line in follower.end()]
    for label, prefix in itertools.product(("w", "v"), ("", "e")):
        numbers = [int(text.removeprefix("e")) for name, text in lines
                   if name.strip() == label and text.startswith("e") == bool(prefix)]
        assert len(numbers) > 100
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (label, prefix)


def test_following_goes_on_across_an_upgrade(home):
    begin(home, sh(COUNT))
    follower = Follower(home, "w", "--out")
    seen = len(wait_until(follower.lines))
    assert home.opsctl("upgrade").returncode == 0
    wait_until(lambda: len(follower.lines()) > seen + 200)
    numbers = list(map(int, follower.end()))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_following_a_file_that_was_empty_misses_nothing(home):
    begin(home, sh("while [ ! -e go ]; do sleep 0.01; done; echo first; exec sleep 1000"),
          sh("echo here; exec sleep 1000", "v"))
    follower = Follower(home, "w", "v")
    wait_until(lambda: follower.lines() == ["v | here"], what="it follows both")
    assert home.log("w") == b""
    killed = home.kill("supervisor")
    home.file("go").touch()
    home.await_pair(*killed)
    wait_until(lambda: follower.lines() == ["v | here", "w | first"])
    follower.end()


def test_following_ends_with_an_end_in_order(home):
    begin(home, sh("echo one; exec sleep 1000"))
    follower = Follower(home, "w")
    wait_until(lambda: follower.lines() == ["one"])
    home.opsctl("kill")
    assert follower.process.wait(20) == 3
    assert b"not running any more" in follower.process.stderr.read()
