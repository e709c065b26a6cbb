"""`opsctl monit` on a real terminal: what it shows, what its keys do, and how it leaves."""
import os
import re
import signal
import subprocess

import pytest

from supervisor import BIN, fleet, py, sh, wait_until  # noqa: F401
from terminal import terminal  # noqa: F401

CHATTY = "n=0; while :; do n=$((n+1)); echo \"line $n\"; sleep 0.2; done"
# Half of a processor is enough to be seen.
BUSY = """
while True:
  begin = time.time()
  while time.time() - begin < 0.05: pass
  time.sleep(0.05)"""
SHELL = "trap : INT QUIT; stty -g >before; {opsctl} --home {home} monit; code=$?; stty -g >after; exit $code"


def monit(fleet, terminal, columns=80, rows=24, ready="q quit", **env):
    shown = terminal(columns, rows).run(
        "sh", "-c", SHELL.format(opsctl=BIN / "opsctl", home=fleet.home), cwd=fleet.folder, **env)
    shown.wait(ready)
    return shown


def is_clean(fleet, shown, code=0):
    assert shown.wait(f"ended with {code}").startswith("before")
    assert shown.modes() == ["0", "1"]
    assert fleet.file("before").read_text() == fleet.file("after").read_text()


@pytest.fixture
def shop(fleet):
    fleet.apps(sh(CHATTY, "chatty", namespace="shop"), py(BUSY, "busy", namespace="shop"),
               sh("exec sleep 1000", "idle", instances=2), sh("exit 3", "bad", max_restarts=0))
    fleet.start()
    for name in ("chatty", "busy", "idle"):
        fleet.wait_state(name, "online")
    fleet.wait_state("bad", "errored")
    return fleet


@pytest.mark.parametrize("columns", [80, 200])
def test_the_fleet_its_sparklines_and_the_lines_of_one(shop, terminal, columns):
    shown = monit(shop, terminal, columns)
    screen = shown.wait("█")
    assert "5 workers, 4 online, 1 errored" in screen and ">chatty" in screen and "idle:1" in screen
    assert all(len(line) <= columns for line in screen.splitlines())
    assert ("exited with code 3" in screen) == (columns == 200)
    assert columns == 200 or re.search(r"^ bad .* 0$", screen, re.M)
    assert "\x1b[32m" in shown.screen(colours=True)
    shown.wait("logs of chatty")
    last = max(int(line.split()[1]) for line in shown.wait("line 1").splitlines() if line.startswith("line "))
    shown.wait(f"line {last + 3}")
    wait_until(lambda: re.search("busy .*online +[0-9.]+% +▁?[▂-█]", shown.screen()), what="busy is seen")
    shown.keys("q")
    is_clean(shop, shown)


def test_keys_do_what_the_last_row_says(shop, terminal):
    shown = monit(shop, terminal)
    shown.wait(">chatty")
    shown.keys("Down")
    shown.wait(">busy")
    pid = shop.row("busy")["pid"]
    shown.keys("r")
    shown.wait("restart busy? y")
    shown.keys("n")
    shown.wait("not done")
    assert shop.row("busy")["pid"] == pid
    shown.keys("r", "y")
    shown.wait("restart busy: done")
    assert shop.row("busy")["pid"] != pid
    shown.keys("s", "y")
    shown.wait("stop busy: done")
    assert shop.state("busy") == "stopped"
    shown.keys("t")
    shown.wait("start busy: done")
    assert shop.state("busy") == "online"
    shown.keys("End")
    shown.wait(">bad")
    shown.keys("Up")
    shown.wait(">idle:1")
    shown.keys("s", "y")
    shown.wait("stop idle:1: done")
    assert [shop.row("idle", n)["state"] for n in (0, 1)] == ["online", "stopped"]
    shown.keys("/")
    shown.keys("-l", "busyx")
    shown.wait("no worker passes the filter")
    shown.keys("BSpace")
    shown.wait(">busy")
    assert "chatty" not in shown.screen()
    shown.keys("Enter")
    shown.wait("filter: busy")
    shown.keys("Escape")
    shown.wait("chatty")


@pytest.mark.parametrize("leave", ["C-c", "C-\\", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_however_it_ends_the_terminal_is_as_before(shop, terminal, leave):
    shown = monit(shop, terminal)
    if isinstance(leave, str):
        shown.keys(leave)
    else:
        top = shown.pids("sh -c")[0]
        found = subprocess.run(["pgrep", "-P", str(top)], capture_output=True, text=True).stdout.split()
        os.kill(int(found[-1]), leave)
    is_clean(shop, shown)


def test_it_follows_the_size_of_the_terminal(shop, terminal):
    shown = monit(shop, terminal)
    shown.wait(">chatty")
    for columns, rows in ((200, 50), (40, 10), (10, 3), (100, 30)):
        shown.resize(columns, rows)
        wait_until(lambda: max(map(len, shown.lines() or [""])) <= columns and len(shown.lines()) == rows)
    shown.wait("logs of chatty")
    wait_until(lambda: "q quit" in shown.lines()[29] and "5 workers" in shown.lines()[0])


def test_a_lost_opsd_is_found_again(fleet, terminal):
    fleet.apps(sh(CHATTY, "chatty"))
    assert fleet.opsctl("start", "all").returncode == 0
    shown = monit(fleet, terminal)
    shown.wait("line 2")
    fleet.opsctl("kill")
    shown.wait("opsd is gone")
    shown.wait("not running")
    assert fleet.opsctl("start", "all").returncode == 0
    shown.wait("opsd is back")
    shown.wait_not("not running")
    shown.wait("line 2")
    old = fleet.pid
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: fleet.pid != old)
    shown.wait_not("not running")
    fleet.opsctl("stop", "chatty")
    shown.wait("stopped")
    shown.keys("q")
    is_clean(fleet, shown)


def test_what_workers_print_steers_nothing(fleet, terminal):
    evil = r"printf 'a\033[2J\033]0;title\007b\tc\r\302\233\342\200\256d \377 \320\277\n'; exec sleep 1000"
    fleet.apps(sh(evil, "evil"))
    fleet.start()
    shown = monit(fleet, terminal, 120)
    shown.wait(r"a\x1b[2J\x1b]0;title\x07b    c\r\x9b\u202ed \xff п")
    assert shown.tmux("display-message", "-p", "#{pane_title}").stdout.strip() != "title"


def test_without_opsd_without_a_terminal_and_without_colours(fleet, terminal):
    fleet.apps(sh("exec sleep 1000"))
    got = fleet.opsctl("monit")
    assert got.returncode == 3 and "opsctl start all" in got.stderr
    fleet.start()
    got = fleet.opsctl("monit")
    assert got.returncode == 1 and "terminal" in got.stderr and not got.stdout
    fleet.wait_state("w", "online")
    shown = monit(fleet, terminal, NO_COLOR="1")
    shown.wait("online")
    assert not re.search("\x1b\\[([0-9]+;)*3[1-7]m", shown.screen(colours=True))
    shown.keys("q")
    is_clean(fleet, shown)


def test_neither_opsctl_nor_opsd_loads_ncurses():
    for program, wanted in ((BIN / "opsd", False), (BIN / "opsctl", False), (BIN.parent / "libexec/monit", True)):
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        assert ("ncurses" in listed) == wanted
