"""kill -9 of the supervisor, of its guard, of both, at random moments of a fleet that is never still.

OPS_ROUNDS=200 strikes so often, at a hundred workers; OPS_WORKERS says how many in any case.
"""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import statistics
import time

import pytest

from opsd_crowd import Crowd  # it finds the helpers of the scenarios, too
import conformance_fleet
import opsd_books as books
import supervisor
from supervisor import py, sh
from conformance_fleet import Home, build, is_alive, parent_of, rounds, wait_until
from preload import preload

ROUNDS = rounds(15)
SIZE = int(os.environ.get("OPS_WORKERS", 30 if ROUNDS < 100 else 100))
# what is promised is measured at full size; beside other tests, on two cores, it is a sign of life
ANSWERS_WITHIN_S = 0.1 if ROUNDS >= 100 and not conformance_fleet.SANITIZED else 2
SEED = int(os.environ.get("OPS_SEED", random.randrange(1 << 32)))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build("numbered.c", tmp_path_factory.mktemp("numbered"))


@pytest.fixture
def crowd(program):
    print(f"OPS_SEED={SEED}")
    home = Home()
    one = Crowd(home, program, SEED)
    try:
        yield one
    finally:
        one.leave()
        home.end()


def pause(crowd, most):
    """The moment of a kill is left to chance: that is what is tested, not a wait for something."""
    end = time.monotonic() + crowd.chance.uniform(0, most)
    wait_until(lambda: time.monotonic() > end)


def test_the_books_balance_when_nothing_is_killed(crowd):
    crowd.begin(SIZE)
    wait_until(lambda: len(books.lives(crowd.folder, "crash0:0")) >= 4)
    crowd.check()
    crowd.finish()


@pytest.mark.parametrize("who", ["supervisor", "guard", "both"])
def test_killed(crowd, who):
    crowd.begin(SIZE)
    took = []
    for _ in range(ROUNDS):
        pause(crowd, 0.4)
        took.append(crowd.strike(who))
        crowd.check()
    crowd.finish()
    median = statistics.median(took)
    print(f"{who} killed {ROUNDS} times beside {SIZE} workers: answers after {median * 1000:.0f} ms"
          f" (median), {max(took) * 1000:.0f} ms at worst")
    assert median < ANSWERS_WITHIN_S


def newest_child(pid, but):
    """The new supervisor, which answers nobody yet; keepers that came to the guard are older."""
    def began(child):
        return int(pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[19])
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = [c for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                 if int(c) not in but]
        return max(map(int, found), key=began, default=None)


def test_killed_while_it_recovers(crowd):
    """The path back may end anywhere, too."""
    crowd.begin(SIZE)
    for _ in range(max(3, ROUNDS // 3)):
        pause(crowd, 0.3)
        guard = crowd.home.guard
        known = set(map(int, pathlib.Path(f"/proc/{guard}/task/{guard}/children").read_text().split()))
        crowd.trouble += 1
        crowd.strikes += 2
        killed = crowd.home.kill("supervisor")
        # whatever was a keeper of the dead supervisor has come to the guard as well
        keepers = {p for p in crowd.home.own() if parent_of(p) in (guard, *killed)} - {guard}
        second = wait_until(lambda: newest_child(guard, known | keepers) or crowd.answers(0))
        if is_alive(second) and parent_of(second) == guard:
            pause(crowd, 0.05)
            with contextlib.suppress(ProcessLookupError):
                os.kill(second, signal.SIGKILL)
        crowd.home.await_pair(*killed)
        crowd.answers(time.monotonic())
        crowd.trouble += 1
        crowd.check()
    crowd.finish()


def test_a_keeper_is_killed(crowd):
    """Its worker cannot be looked after any more, so it goes too, and one takes its place."""
    crowd.begin(SIZE)
    keys = sorted(crowd.steady)
    for key in crowd.chance.sample(keys, max(3, min(len(keys), ROUNDS // 3))):
        pid, _ = crowd.steady.pop(key)
        keeper = parent_of(pid)
        assert keeper not in (crowd.home.pid, crowd.home.guard), "the worker has no keeper"
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: len(books.lives(crowd.folder, key)) == 2, what="another life")
        assert not is_alive(pid)
        crowd.check()
    crowd.finish()


def test_what_is_printed_while_opsd_is_away_is_in_the_log(crowd):
    """S24: lines of a worker that is there, of one that ended, and the way that one ended."""
    crowd.begin(SIZE)
    crowd.leave()
    crowd.check()
    key = next(iter(crowd.steady))
    crowd.home.kill("both")
    written = books.lives(crowd.folder, key)[-1].written[0]
    wait_until(lambda: books.lives(crowd.folder, key)[-1].written[0] > written + 200)
    told = crowd.tell()
    crowd.home.recover()
    crowd.check()
    crowd.check_told(told)
    crowd.finish()


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """opsd and opsctl in a folder of their own, where others can be put in their place."""
    for name in ("opsd", "opsctl"):
        shutil.copy2(supervisor.BIN / name, tmp_path / name)
    for module in (supervisor, conformance_fleet):
        monkeypatch.setattr(module, "BIN", tmp_path)
    return tmp_path


def put(source, target):
    """As an installation does: another file under the same name."""
    shutil.copy2(source, target.with_suffix(".new"))
    os.rename(target.with_suffix(".new"), target)


def test_upgraded_under_load(installed, crowd):
    """S25."""
    crowd.begin(SIZE)
    took = []
    for _ in range(ROUNDS):
        put(installed / "opsd", installed / "opsd")
        pause(crowd, 0.3)
        crowd.strikes += 1
        crowd.trouble += 1
        begun = time.monotonic()
        got = crowd.home.opsctl("upgrade")
        assert got.returncode == 0, got.stderr
        took.append(crowd.answers(begun))
        daemon = crowd.home.daemon()
        assert os.stat(f"/proc/{daemon['pid']}/exe").st_ino == (installed / "opsd").stat().st_ino
        crowd.trouble += 1
        crowd.check()
    crowd.finish()
    print(f"upgraded {ROUNDS} times: {statistics.median(took) * 1000:.0f} ms (median)")


BROKEN = {"text": "this is no program\n", "ends": "#!/bin/sh\nexit 1\n"}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_upgrade_is_taken_back(installed, crowd, how):
    """S25: whoever puts something else there is told, and what ran goes on."""
    crowd.begin(SIZE)
    good = installed / "opsd.good"
    shutil.copy2(installed / "opsd", good)
    broken = installed / "broken"
    broken.write_text(BROKEN[how])
    broken.chmod(0o755)
    put(broken, installed / "opsd")
    crowd.strikes += 3
    crowd.trouble += 1
    got = crowd.home.opsctl("upgrade")
    assert got.returncode == 1 and got.stderr
    crowd.answers(time.monotonic())
    crowd.trouble += 1
    crowd.check()
    put(good, installed / "opsd")
    crowd.trouble += 1
    assert crowd.home.opsctl("upgrade").returncode == 0
    crowd.trouble += 1
    crowd.check()
    crowd.finish()


def test_what_a_worker_last_said_outlives_its_keeper_and_the_supervisor():
    """The guard has the pipe, whoever else that held it is gone."""
    home = Home()
    try:
        home.apps(sh("touch up; while [ ! -e go ]; do sleep 0.01; done; echo last words; echo oh >&2;"
                     "touch said; exec sleep 1000"))
        home.start()
        wait_until(home.file("up").exists)
        pid = wait_until(lambda: home.row("w")["pid"])
        last = parent_of(pid), pid, home.pid
        os.kill(home.pid, signal.SIGSTOP)
        home.file("go").touch()
        wait_until(home.file("said").exists)
        for one in last:
            os.kill(one, signal.SIGKILL)
        wait_until(lambda: home.row("w")["pid"] not in (None, pid), what="another takes its place")
        wait_until(lambda: home.lines("w") == ["last words"] * 2, what="both have said it")
        wait_until(lambda: home.lines("w", "error") == ["oh"] * 2)
    finally:
        home.end()


@pytest.mark.parametrize("known", [True, False], ids=["known", "not known yet"])
@pytest.mark.parametrize("when", ["away", "back"])
def test_a_worker_may_say_that_it_is_ready_while_opsd_is_away(when, known):
    """Its pipe has a reader, and what it said is heard by the next opsd, also by one that finds out
    only from the keeper that it runs."""
    home = Home()
    try:
        home.apps(sh("touch up; while [ ! -e go ]; do sleep 0.01; done; echo >&3; exec sleep 1000",
                     ready={"fd": 3}, listen_timeout="1m"))
        home.start()
        wait_until(home.file("up").exists)
        pid = wait_until(lambda: home.row("w")["pid"])
        home.kill("both")
        if not known:
            with open(home.home / "journal", "a") as journal:
                journal.write('{"name":"w","instance":0,"spawned":false,"pid":0,"pid_start":0}\n')
        if when == "away":
            home.file("go").touch()
            wait_until(lambda: b"sleep\0001000" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
        home.recover()
        assert home.row("w")["pid"] == pid
        home.file("go").touch()
        assert home.wait_state("w", "online")["pid"] == pid
    finally:
        home.end()


@pytest.mark.parametrize("ptrace", ["allowed", "refused"])
def test_a_worker_may_notify_that_it_is_ready_while_opsd_is_away(ptrace):
    """Its keeper holds the socket. Where no copy of that can be had, the worker is heard from when opsd is
    back, at its old address."""
    refused = preload("withheld") if ptrace == "refused" else {}
    home = Home()
    try:
        home.apps(py("while not os.path.exists('go'): time.sleep(0.01)\n"
                     "tell('READY=1'); open('said', 'w')\n"
                     "while not os.path.exists('again'): time.sleep(0.01)\n"
                     "while True:\n"
                     "  try: tell('READY=1')\n"
                     "  except OSError: pass\n"
                     "  time.sleep(0.01)", ready="notify", listen_timeout="1m"))
        home.start()
        pid = wait_until(lambda: home.row("w")["pid"])
        home.kill("both")
        home.file("go").touch()
        wait_until(home.file("said").exists)
        home.recover(**refused)
        if refused:
            home.file("again").touch()
        row = home.wait_state("w", "online")
        assert (row["pid"], row["restarts"]) == (pid, 0)
    finally:
        home.end()


def test_a_worker_that_is_ready_is_not_kept_waiting_while_opsd_is_away():
    """Nobody reads what it says, so it is refused: a socket that somebody held would soon be full."""
    home = Home()
    try:
        home.apps(py("tell('READY=1')\n"
                     "while not os.path.exists('go'): time.sleep(0.01)\n"
                     "for n in range(1000):\n"
                     "  try: tell('WATCHDOG=1')\n"
                     "  except OSError: pass\n"
                     "open('through', 'w'); time.sleep(1000)", ready="notify", watchdog="1h"))
        home.start()
        pid = home.wait_state("w", "online")["pid"]
        home.kill("both")
        home.file("go").touch()
        wait_until(home.file("through").exists)
        home.recover()
        assert home.wait_state("w", "online")["pid"] == pid
    finally:
        home.end()


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_node_does_not_notice_that_opsd_and_its_guard_are_away():
    home = Home()
    try:
        home.file("w.js").write_text("""
            process.on('disconnect', () => process.exit(3));
            process.on('message', () => { console.log('told'); process.exit(0); });
            setInterval(() => require('fs').existsSync('go') && process.send('ready'), 10);""")
        home.apps({"name": "w", "script": "w.js", "wait_ready": True, "shutdown_with_message": True,
                   "listen_timeout": "1m", "kill_timeout": "1m"})
        home.start()
        pid = wait_until(lambda: home.row("w")["pid"])
        home.kill("both")
        home.file("go").touch()
        home.recover()
        assert home.wait_state("w", "online")["pid"] == pid
        assert home.opsctl("stop", "w").returncode == 0
        assert home.lines("w") == ["told"]
    finally:
        home.end()


def test_a_keeper_that_was_dismissed_and_still_is_there_brings_nobody_back():
    """On a busy machine it takes its time to die, while the journal says that its worker was stopped."""
    home = Home()
    try:
        home.apps(sh("touch up; while [ ! -e go ]; do sleep 0.01; done"), sh("exec sleep 1000", "rest"))
        home.start()
        wait_until(home.file("up").exists)
        pid = wait_until(lambda: home.row("w")["pid"])
        keeper = parent_of(pid)
        home.kill("both")
        home.file("go").touch()
        wait_until(lambda: not is_alive(pid))
        assert is_alive(keeper)
        with open(home.home / "journal", "a") as journal:
            journal.write('{"name":"w","instance":0,"state":"stopped","wanted":false,"spawned":false,'
                          '"keeper":0,"keeper_start":0,"pid":0,"pid_start":0}\n')
        home.recover()
        wait_until(lambda: not is_alive(keeper), what="the keeper is gone")
        row = home.row("w")
        assert (row["state"], row["wanted"], row["pid"]) == ("stopped", "down", None)
    finally:
        home.end()


def test_a_keeper_that_has_not_reported_is_known_without_the_journal():
    """The disk was full, say: what is about to begin is found, and no other takes its place."""
    home = Home()
    try:
        home.apps(sh("exec sleep 1000"), sh("exec sleep 1000", "rest"))
        home.start(**preload("opsd_lag", OPSD_LAG_MS="300"))
        for name in ("w", "rest"):
            home.wait_state(name, "online")
        assert home.opsctl("stop", "w").returncode == 0
        wait_until(lambda: len(home.own()) == 3, what="guard, supervisor and a keeper")
        journal = home.home / "journal"
        before = journal.read_bytes()
        with home.connect() as client:
            client.send("start", names=["w"])
            wait_until(lambda: b'"launching"' in journal.read_bytes()[len(before):])
            assert len(home.own()) > 3
            home.kill("both")
        journal.write_bytes(before)
        home.recover()
        assert home.opsctl("start", "w").returncode == 0
        pid = home.wait_state("w", "online")["pid"]
        wait_until(lambda: len(home.own()) == 4, what="there is one keeper for each")
        assert len(home.processes()) == 2 and home.row("w")["pid"] == pid
    finally:
        home.end()


def test_a_manifest_that_is_away_while_opsd_comes_back_is_still_the_home_s():
    """As during an update of the project: logs stay where they were, and it is read once it is back."""
    home = Home()
    try:
        home.apps(sh("while :; do echo line; sleep 0.05; done"))
        home.start()
        pid = home.wait_state("w", "online")["pid"]
        wait_until(lambda: home.lines("w"))
        away = home.file("away.json")
        home.manifest.rename(away)
        home.kill("both")
        before = len(home.lines("w"))
        got = home.opsctl("start", "/bin/sleep", "--name", "other", "--", "1000")
        assert got.returncode == 0, got.stderr
        got = home.opsctl("apply")
        assert got.returncode == 1 and str(home.manifest) in got.stderr, got.stderr
        assert home.row("w")["pid"] == pid
        wait_until(lambda: len(home.lines("w")) > before + 3, what="its log goes on")
        away.rename(home.manifest)
        assert home.opsctl("apply").returncode == 0 and home.row("w")["pid"] == pid
        assert home.rpc("workers_stat")["daemon"]["manifest"] == str(home.manifest)
    finally:
        home.end()


def test_what_was_taken_out_of_the_manifest_goes_on_until_that_is_applied():
    """An opsd that is killed meanwhile is nobody's decision to do so."""
    home = Home()
    try:
        home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1000", "b"), sh("exec sleep 1000", "c"))
        home.start()
        pid = home.wait_state("b", "online")["pid"]
        assert home.opsctl("stop", "c").returncode == 0
        home.apps(sh("exec sleep 1000", "a"))
        assert home.opsctl("restart", "a").returncode == 0
        for who in "supervisor", "both":
            home.kill(who)
            if who == "both":
                home.recover()
            row = wait_until(lambda: home.row("b"))
            assert (row["state"], row["wanted"], row["pid"]) == ("online", "up", pid)
            assert home.state("c") == "stopped"
            assert sorted(home.opsctl("diff").stdout.split()) == ["b", "c", "gone", "gone"]
        assert home.opsctl("apply").returncode == 0 and not is_alive(pid)
        home.kill("both")
        home.recover()
        assert [row["name"] for row in home.rows()] == ["a"]
    finally:
        home.end()
