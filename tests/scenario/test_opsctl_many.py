"""Commands that concern many workers: they tell how far they are, and end when each had its turn."""
import time

from conformance_fleet import BIN, home, wait_until  # noqa: F401
from supervisor import sh
from terminal import terminal  # noqa: F401

MANY = 20
LEAVES_WHEN_TOLD = "trap 'while [ ! -e go$N ]; do sleep 0.02; done; exit' INT; touch up$N; " \
                   "while :; do sleep 0.02; done"


def test_a_terminal_is_told_how_far_it_is(home, terminal):
    home.apps(*(sh(LEAVES_WHEN_TOLD, f"w{n}", env={"N": str(n)}, kill_timeout="20s")
                for n in range(MANY)))
    home.start()
    wait_until(lambda: all(home.file(f"up{n}").exists() for n in range(MANY)))
    view = terminal()
    view.run(BIN / "opsctl", "--home", home.home, "stop", "all", cwd=home.folder)
    view.wait(f"0 of {MANY} stopped")
    for n in range(7):
        home.file(f"go{n}").touch()
    view.wait(f"7 of {MANY} stopped")
    for n in range(7, MANY):
        home.file(f"go{n}").touch()
    screen = view.wait("ended with 0")
    assert f"of {MANY} stopped" not in screen and "w19 stopped" in screen


def test_a_pipe_is_not(home):
    home.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(MANY)))
    home.start("--no-start")
    got = home.opsctl("start", "all", "--wait")
    assert got.returncode == 0 and got.stderr == ""
    assert len(got.stdout.splitlines()) == MANY
    answers = []
    with home.connect() as client:
        client.send("stop", names=["all"], progress=True)
        while not (answers and "result" in answers[-1]):
            answers.append(client.receive())
    told = [a["params"] for a in answers if a.get("method") == "progress"]
    assert told and all(p["of"] == MANY for p in told)
    assert [p["done"] for p in told] == sorted(p["done"] for p in told)


def test_start_wait_names_all_that_cannot_be_run(home):
    home.apps(sh("true", "first", cwd="/nowhere"), sh("exec sleep 1000"), {"name": "gone", "script": "./gone"},
              {"name": "last", "script": "./gone", "interpreter": "nowhere"})
    got = home.opsctl("start", "all", "--wait")
    assert got.returncode == 1 and "3 of 4 did not come up" in got.stderr
    assert all(f"{name} errored: cannot" in got.stderr for name in ("first", "gone", "last"))


def test_start_returns_though_everybody_crashes_at_once(home):
    """At any moment some of them are being started again; each was, once."""
    home.apps(*(sh("exit 1", f"w{n}", backoff={"initial": 1, "factor": 1, "max": 1},
                   max_restarts=1000000) for n in range(60)))
    home.start("--no-start")
    begun = time.monotonic()
    assert home.opsctl("start", "all").returncode == 0
    assert time.monotonic() - begun < 20
    begun = time.monotonic()
    got = home.opsctl("start", "all", "--wait")
    assert got.returncode == 1 and "did not come up" in got.stderr
    assert time.monotonic() - begun < 20
    assert home.opsctl("stop", "all").returncode == 0
