"""What has to leave does so by its signal, in its time and with its last words in the log, also when
opsd and its guard are killed while they ask it to, at whichever boundary."""
import os

import pytest

from opsd_crowd import Crowd  # noqa: F401  it finds the helpers of the scenarios
from conformance_fleet import home, is_alive, rounds, wait_until  # noqa: F401
from opsd_striker import Striker
from supervisor import sh

ROUNDS = rounds(5)
MANY = 300  # boundaries; more than there are
# It says when it is there, and goodbye; ready at once, unless a file says that it never is.
POLITE = "trap 'echo bye $$; exit' TERM; echo $$ >> lives; [ -e never ] || echo here; " \
         "while :; do sleep 0.02; done"
REST = sh("while :; do sleep 1; done", name="rest")


def polite(**fields):
    return sh(POLITE, kill_signal="SIGTERM", kill_timeout="20s", ready={"log": "here"},
              listen_timeout="20s", **fields)


def lives(home):
    return [int(word) for word in home.file("lives").read_text().split()]


def present(home):
    return [pid for pid in lives(home) if is_alive(pid)]


def assert_polite(home):
    """Whoever is gone has said goodbye."""
    def rude():
        said = b"".join(path.read_bytes() for path in home.file("logs").glob("w*-out.log"))
        return [pid for pid in lives(home) if not is_alive(pid) and b"bye %d\n" % pid not in said]
    wait_until(lambda: not rude(), what="everybody said goodbye")


def begin(home, **fields):
    home.apps(polite(**fields), REST)
    if not home.process:
        home.start()
    assert home.opsctl("start", "all").returncode == 0
    assert home.opsctl("apply").returncode == 0
    wait_until(lambda: [r["state"] for r in home.rows()] == ["online"] * (1 + fields.get("instances", 1)))


@pytest.mark.parametrize("words", [["delete", "w"], ["apply"], ["reload", "w"], ["scale", "w", "1"]],
                         ids=" ".join)
def test_struck_while_something_leaves(home, words):
    striker = Striker(home)
    fields = {"instances": 2} if words[0] == "scale" else {}
    number = step = 0
    struck = True
    while struck and number < MANY:
        begin(home, **fields)
        home.kill("both")
        home.recover(**striker.preload)
        known = len(lives(home))
        if words == ["apply"]:
            home.apps(REST)
        number += 1 + step % max(1, 40 // ROUNDS)
        step += 3
        striker.at(number)
        home.opsctl(*words)
        struck = striker.over()
        home.recover()
        wait_until(lambda: len(present(home)) == sum(r["name"] == "w" for r in home.rows()))
        wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
        assert_polite(home)
        assert len(lives(home)) - known <= (words[0] == "reload")
        if words[0] == "scale":
            assert home.opsctl("scale", "w", "2").returncode == 0
    assert number > 1, "they were never struck"


def test_a_reload_that_was_cut_off(home):
    """The old one serves on, the new one goes, and the next reload does what it is to do."""
    begin(home)
    [old] = present(home)
    home.file("never").touch()
    asked = home.opsctl_background("reload", "w")
    wait_until(lambda: len(present(home)) == 2)
    home.kill("both")
    home.recover()
    assert asked.wait(20) in (1, 3)
    wait_until(lambda: present(home) == [old])
    assert_polite(home)
    assert home.row("w")["pid"] == old and home.row("w")["restarts"] == 0
    home.file("never").unlink()
    assert home.opsctl("reload", "w").returncode == 0
    assert home.row("w")["pid"] == lives(home)[-1] and home.row("w")["restarts"] == 1


def test_who_was_deleted_may_take_its_time(home):
    """S1 asked it to leave, S2 waits for it."""
    slow = POLITE.replace("echo bye", "touch asked; while [ ! -e go ]; do sleep 0.01; done; echo bye")
    home.apps(sh(slow, kill_signal="SIGTERM", kill_timeout="20s", ready={"log": "here"}), REST)
    home.start()
    assert home.opsctl("start", "all", "--wait").returncode == 0
    deleted = home.opsctl_background("delete", "w")
    wait_until(home.file("asked").exists)
    home.kill("both")
    home.recover()
    assert deleted.wait(20) in (1, 3)
    assert len(present(home)) == 1 and [r["name"] for r in home.rows()] == ["rest"]
    home.file("go").touch()
    wait_until(lambda: not present(home))
    assert_polite(home)
    wait_until(lambda: not list((home.home / "run").glob("w-*")), what="its status file is gone")
    assert os.path.exists(home.home / "run" / "rest-0")
