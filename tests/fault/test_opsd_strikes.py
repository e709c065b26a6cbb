"""opsd and its guard end at every boundary with the outside, one after the other: while they take a
fleet over, and while they do what they are told.

Each boundary is the last one of one pair of them; the next pair finds what they left. OPS_ROUNDS=1000
takes every boundary, else some are left out, others each time.
"""
import contextlib
import os
import random
import shutil

import pytest

from opsd_crowd import Crowd  # it finds the helpers of the scenarios, too
import opsd_books as books
from conformance_fleet import GONE, SANITIZED, Home, build, is_alive, rounds, wait_until
from opsd_striker import Striker
from preload import preload
from supervisor import py

ROUNDS = rounds(4 if SANITIZED else 12)
SIZE, FEW = 12, 5
MANY = 1000  # boundaries; more than there are
SEED = int(os.environ.get("OPS_SEED", random.randrange(1 << 32)))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build("numbered.c", tmp_path_factory.mktemp("numbered"))


@pytest.fixture
def crowd(program):
    """Nobody else gives orders: what is done at which boundary is the same every time, nearly."""
    print(f"OPS_SEED={SEED}")
    home = Home()
    one = Crowd(home, program, SEED)
    one.over.set()
    try:
        yield one
    finally:
        home.end()


def boundaries(crowd, most):
    """1, 2, … with all of them, else with gaps, until whoever asks has enough."""
    gap = max(1, most // ROUNDS)
    number = 0
    while number < MANY:
        number += crowd.chance.randint(1, 2 * gap - 1)
        yield number


def test_struck_while_they_take_over(crowd):
    home, striker = crowd.home, Striker(crowd.home)
    crowd.begin(SIZE)
    last = 0
    for number in boundaries(crowd, 120):
        crowd.strikes += 2
        home.kill("both")
        striker.arm(number)
        if home.daemonise(**striker.preload).returncode == 0:
            break
        last = number
        home.recover()
        crowd.check()
    assert last, "they were never struck"
    with contextlib.suppress(*GONE):  # the strike may still come
        home.kill("both")
    striker.file.unlink(missing_ok=True)
    home.recover()
    crowd.check()
    crowd.finish()
    print(f"struck at up to {last} boundaries")


def first_start_is_struck(crowd, striker, number):
    """A start with nothing there from before; False where the strike may still come, or none does."""
    for folder in (crowd.home.home, crowd.home.file("logs"), crowd.folder):
        shutil.rmtree(folder, ignore_errors=True)
    crowd.folder.mkdir()
    striker.arm(number)
    return crowd.home.daemonise(**striker.preload).returncode != 0


def test_struck_while_they_start_for_the_first_time(crowd):
    """Whatever has autostart comes up in the end, once."""
    home, striker = crowd.home, Striker(crowd.home)
    home.apps(*(crowd.app(f"steady{n}") for n in range(3)))
    for number in boundaries(crowd, 80):
        struck = first_start_is_struck(crowd, striker, number)
        with contextlib.suppress(*GONE):  # the strike may still come
            home.kill("both")
        home.recover()
        wait_until(lambda: [r["state"] for r in home.rows()] == ["online"] * 3)
        wait_until(lambda: len(list(crowd.folder.glob("*.lives"))) == 3)
        assert home.opsctl("kill").returncode == 0
        assert not (found := crowd.book_problems()), found
        if not struck:
            break


def unknown_keepers(home):
    """Those that were told to go and stand in no journal."""
    journal = "".join(f.read_text() for f in home.home.glob("journal*"))
    reports = [f.read_text().split() for f in home.home.glob("run/*")]
    return [words for words in reports if words and words[1] != "0"
            and f'"keeper":{words[2]},' not in journal]


def test_nobody_goes_before_it_is_written_down(crowd):
    """Starts take so long here that most are told to go before the turn of the loop is over; so
    nobody asks meanwhile."""
    home, striker = crowd.home, Striker(crowd.home, lag_ms=2)
    home.apps(*(crowd.app(f"steady{n}") for n in range(FEW)))
    log = home.home / "opsd.log"

    def came_to_an_end():
        said = log.read_text() if log.exists() else ""
        return "opsd_strike: " in said or said.count(" started ") == FEW

    for number in boundaries(crowd, 200):
        struck = first_start_is_struck(crowd, striker, number)
        if not struck:
            wait_until(came_to_an_end)
            struck = "opsd_strike: " in log.read_text()
        with contextlib.suppress(*GONE):
            home.kill("both")
        assert not (found := unknown_keepers(home)), found
        home.recover()
        assert home.opsctl("kill").returncode == 0
        assert not (found := crowd.book_problems()), found
        if not struck:
            break


def orders(crowd, pair):
    """What people and workers do all day, one thing after the other, for as long as this pair is
    there. A start that finds it dead starts another."""
    home, hand = crowd.home, crowd.handled[0]
    told = crowd.tell()
    for word in ("restart", "stop", "start", "restart", "stop"):
        if not all(map(is_alive, pair)):
            break
        got = home.opsctl(word, hand)
        assert got.returncode in ((0,) if word == "start" else (0, 1, 3)), got.stderr
    return told


def test_struck_while_they_do_as_told(crowd):
    home, striker = crowd.home, Striker(crowd.home)
    crowd.begin(SIZE)
    struck = 0
    for number in boundaries(crowd, 400):
        crowd.strikes += 2
        home.kill("both")
        home.recover(**striker.preload)
        pair = striker.at(number)
        told = orders(crowd, pair)
        if striker.over():
            struck = number
        home.recover(rivals=True)
        crowd.check()
        crowd.check_told(told)
        if struck != number:
            break
    assert struck
    crowd.finish()
    print(f"struck at up to {struck} boundaries")


def test_struck_between_an_end_and_the_next_start(crowd):
    """A worker that is restarted at once: each of its ends is counted, and known for what it was."""
    home, striker = crowd.home, Striker(crowd.home)
    home.apps(crowd.app("crash0", "-c", "20:40", "-e", 7,
                        backoff={"initial": 1, "factor": 1, "max": 1, "jitter": 0}))
    home.start()
    rounds = 0
    for number in boundaries(crowd, 60):
        if number > 60:
            break
        rounds += 1
        home.kill("both")
        home.recover(**striker.preload)
        striker.at(number)
        wait_until(lambda: not any(map(is_alive, striker.pair)), what="they are struck")
        known = len(books.lives(crowd.folder, "crash0:0"))
        home.recover()
        wait_until(lambda: len(books.lives(crowd.folder, "crash0:0")) >= known + 2)
        exits = home.rpc("describe", name="crash0")["workers"][0]["exits"]
        assert {e["exit_code"] for e in exits} == {7}, exits
        again, row = len(books.lives(crowd.folder, "crash0:0")) - 1, home.row("crash0")
        assert row["restarts"] >= again, (again, row)
    assert home.opsctl("stop", "crash0").returncode == 0
    again, row = len(books.lives(crowd.folder, "crash0:0")) - 1, home.row("crash0")
    assert again <= row["restarts"] <= again + 2 * rounds + 1, (again, row)


@pytest.mark.parametrize("ready,say", [
    ({"ready": "notify"}, "tell('READY=1')"),
    ({"ready": {"fd": 3}}, "os.write(3, b'\\n')"),
    ({"wait_ready": True}, "os.write(int(os.environ['NODE_CHANNEL_FD']), b'\"ready\"\\n')"),
])
def test_struck_when_it_has_heard_that_a_worker_is_ready(ready, say):
    """What was heard and is not written down yet is heard again."""
    home = Home()
    striker, number = Striker(home), 0
    try:
        home.apps(py(f"open('up', 'w')\nwhile not os.path.exists('go'): time.sleep(0.005)\n{say}\n"
                     "time.sleep(1000)", listen_timeout="1m", kill_signal="SIGKILL", **ready))
        home.start(**striker.preload)
        struck = True
        while struck:
            number += 1
            wait_until(home.file("up").exists)
            pid = home.row("w")["pid"]
            pair = striker.at(number)
            home.file("go").touch()
            wait_until(lambda: not any(map(is_alive, pair)) or home.row("w")["state"] == "online")
            struck = striker.over()
            home.recover(**striker.preload)
            assert home.wait_state("w", "online")["pid"] == pid
            home.file("go").unlink()
            home.file("up").unlink()
            assert home.opsctl("restart", "w").returncode == 0
        assert number > 2, "it was never struck"
    finally:
        home.end()


def test_uptime_begins_with_the_worker_though_its_keeper_lags(crowd):
    """On a busy machine a worker may have run for long when its keeper gets to look at the clock."""
    crowd.begin(SIZE, **preload("opsd_lag", OPSD_LAG_MS="300"))
    crowd.check()
    crowd.home.kill("both")
    crowd.home.recover()
    crowd.check()
    crowd.finish()
