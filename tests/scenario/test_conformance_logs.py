"""Conformance, S51-S57: logs. What other files show:

S51  fault/test_log_kills.py::test_s51_lines_are_all_there
S52  test_supervisor_logs.py::test_s52_bytes_are_the_same_in_the_log
S53  test_supervisor_logs.py::test_s53_last_words_are_there
S56  test_supervisor_logs.py::test_s56_a_stuck_follower_gets_a_gap_and_holds_up_nobody
S57  test_supervisor_logs.py::test_s57_exactly_as_many_lines_as_asked_for
"""
import os
import re
import resource
import shutil
import signal
import statistics
import time

import pytest

from supervisor import fleet, py, rotated_bytes, sh, wait_until  # noqa: F401

# Prints what it is told, a line at a time.
ECHO = "exec cat pipe"
LOST = re.compile(rb"opsd: lost (\d+) lines here, from \S+ to \S+: ([^\n]*)\n")


class Talker:
    """A worker that prints what the test says."""

    def __init__(self, fleet, **fields):
        os.mkfifo(fleet.file("pipe"))
        fleet.apps(sh(ECHO, **fields))
        fleet.start()
        self.fleet, self.pipe = fleet, os.open(fleet.file("pipe"), os.O_WRONLY)

    def say(self, *lines):
        os.write(self.pipe, b"".join(b"%s\n" % line for line in lines))

    def close(self):
        os.close(self.pipe)


@pytest.fixture
def talker(fleet):  # noqa: F811
    made = []

    def make(**fields):
        made.append(Talker(fleet, **fields))
        return made[0]
    yield make
    for one in made:
        one.close()


def has(path, text):
    return wait_until(lambda: path.exists() and path.read_bytes() == text, what=f"{text} in {path}")


def test_a_line_is_in_its_log_before_anybody_could_miss_it(talker, fleet):  # noqa: F811
    """Only what comes fast is left to gather: who reads along sees a line when it is printed."""
    log, t = fleet.folder / "logs" / "w-out.log", talker()
    took, text = [], b""
    for n in range(20):
        text += b"%d\n" % n
        begun = time.monotonic()
        t.say(b"%d" % n)
        has(log, text)
        took.append(time.monotonic() - begun)
    assert statistics.median(took) < 0.1, took


# --- S54: what others do to a log

def test_s54_a_deleted_log_is_made_again(talker, fleet):  # noqa: F811
    log, t = fleet.folder / "logs" / "w-out.log", talker()
    t.say(b"one")
    has(log, b"one\n")
    log.unlink()
    t.say(b"two", b"three")
    has(log, b"two\nthree\n")
    shutil.rmtree(log.parent)
    t.say(b"four")
    has(log, b"four\n")


def test_s54_a_renamed_log_is_left_alone(talker, fleet):  # noqa: F811
    log, t = fleet.folder / "logs" / "w-out.log", talker()
    t.say(b"one")
    has(log, b"one\n")
    log.rename(fleet.file("old.log"))
    t.say(b"two")
    has(log, b"two\n")
    assert fleet.file("old.log").read_bytes() == b"one\n"


@pytest.mark.parametrize("how", ["opsctl", "SIGHUP"])
def test_s54_reopen_makes_the_log_anew(talker, fleet, how):  # noqa: F811
    """As logrotate has it: what the old file still gets is complete when the new one is there."""
    log, t = fleet.folder / "logs" / "w-out.log", talker()
    t.say(b"one")
    has(log, b"one\n")
    log.rename(fleet.file("old.log"))
    if how == "opsctl":
        assert fleet.opsctl("reopen").returncode == 0
    else:
        os.kill(fleet.guard, signal.SIGHUP)
    wait_until(log.exists)
    assert log.read_bytes() == b""
    t.say(b"two")
    has(log, b"two\n")
    assert fleet.file("old.log").read_bytes() == b"one\n"


def test_s54_copytruncate(talker, fleet):  # noqa: F811
    log, t = fleet.folder / "logs" / "w-out.log", talker()
    t.say(b"a long line to begin with", b"and another")
    wait_until(lambda: log.exists() and log.read_bytes().endswith(b"another\n"))
    shutil.copy(log, fleet.file("copy"))
    os.truncate(log, 0)
    t.say(b"two")
    has(log, b"two\n")
    with open(log, "ab") as other:
        other.write(b"somebody else's\n")
    t.say(b"three")
    has(log, b"two\nsomebody else's\nthree\n")


def test_flush_empties_what_there_is(talker, fleet):  # noqa: F811
    log, t = fleet.folder / "logs" / "w-out.log", talker(log_max_size=10)
    t.say(b"one line", b"two lines", b"three")
    wait_until(lambda: fleet.whole_log("w").endswith(b"three\n"))
    assert log.with_name("w-out.log.1").exists()
    assert fleet.opsctl("flush", "w").returncode == 0
    assert os.listdir(log.parent) == ["w-out.log"] and log.read_bytes() == b""
    t.say(b"four")
    has(log, b"four\n")
    assert fleet.opsctl("flush", "nobody").returncode == 4


# --- S55: a log that takes nothing

NUMBERED = """
for i in range(60000):
    os.write(1, b'%099d\\n' % i)
    if i == 40000: open('far', 'w')
open('done', 'w')
time.sleep(1000)"""


def fill_disk(pid, bytes_left=None):
    """What write(2) says then, EFBIG for ENOSPC, is all that opsd sees of it."""
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_left or unlimited, unlimited))


def numbers(log, line=rb"(\d{99})"):
    """Of the lines before what is lost, how many that are, and of those behind it."""
    match = LOST.search(log)
    before, after = log[:match.start()].splitlines(), log[match.end():].splitlines()
    if before and not re.fullmatch(line, before[-1]):
        before.pop()  # what a line has left that began where the disk ended
    return ([int(re.fullmatch(line, one)[1]) for one in before], int(match[1]),
            [int(re.fullmatch(line, one)[1]) for one in after])


@pytest.mark.parametrize("fields, line", [({}, rb"(\d{99})"), ({"time": True}, rb"[-T:\d]+: (\d{99})")],
                         ids=["raw", "time"])
def test_s55_a_full_disk_holds_nobody_up_for_ever(fleet, fields, line):  # noqa: F811
    """Beside another one that prints, so that what is counted is not what was looked at before."""
    fleet.apps(py(NUMBERED, log_stall="200ms", log_max_size=0, **fields),
               py("while True: os.write(1, b'\\n' * 60000); time.sleep(0.002)", "other",
                  out_file="/dev/null"))
    fleet.start("--no-start")
    fill_disk(fleet.supervisor, 1000050)
    assert fleet.opsctl("start", "other", "w").returncode == 0
    wait_until(fleet.file("done").exists)
    assert fleet.rpc("ping") and fleet.state("w") == "online"
    fill_disk(fleet.supervisor)
    wait_until(lambda: fleet.log("w").endswith(b"059999\n") or b"opsd: lost" in fleet.log("w"))
    wait_until(lambda: fleet.log("w").endswith(b"059999\n"))
    assert len(LOST.findall(fleet.log("w"))) == 1
    before, lost, after = numbers(re.sub(rb"[-T:\d]+: (opsd:)", rb"\1", fleet.log("w")), line)
    assert before == list(range(len(before))) and before
    assert after == list(range(60000 - len(after), 60000))
    assert lost == 60000 - len(before) - len(after)
    assert "File too large" in fleet.daemon_log()


def test_s55_a_short_shortage_costs_nothing(fleet):  # noqa: F811
    fleet.apps(py(NUMBERED, log_stall="1m", log_max_size=0, time=True))
    fleet.start("--no-start")
    fill_disk(fleet.supervisor, 1000050)
    assert fleet.opsctl("start", "w").returncode == 0
    # What is taken from a pipe at once is written as a whole or not at all.
    wait_until(lambda: len(fleet.log("w")) > 1000050 - 1.25 * (256 << 10))
    fill_disk(fleet.supervisor)
    wait_until(lambda: fleet.log("w").endswith(b"059999\n"))
    assert [int(line.split(b": ")[1]) for line in fleet.log("w").splitlines()] == list(range(60000))


def test_s55_a_folder_that_is_gone_for_good(fleet):  # noqa: F811
    """Nothing can be made where a folder should be: as on a file system that is read-only."""
    fleet.file("logs").write_text("in the way")
    fleet.apps(py(NUMBERED, log_stall="200ms"), sh("echo here; exec sleep 1000", "other",
                                                  out_file="other.log"))
    fleet.start()
    wait_until(fleet.file("done").exists)
    has(fleet.file("other.log"), b"here\n")
    fleet.file("logs").unlink()
    wait_until(lambda: fleet.log("w").endswith(b"059999\n"))
    before, lost, after = numbers(fleet.log("w"))
    assert not before and lost + len(after) == 60000
    assert after == list(range(lost, 60000))


# --- rotation

def test_rotation_is_on_by_default(fleet):  # noqa: F811
    fleet.apps(py("block = (b'x' * 999 + b'\\n') * 1000\nfor n in range(70): os.write(1, block)\n"
                  "os.write(1, b'end\\n')\ntime.sleep(1000)"))
    fleet.start()
    logs = fleet.file("logs")
    wait_until(lambda: fleet.log("w").endswith(b"end\n"))
    assert sorted(os.listdir(logs)) == ["w-out.log", *(f"w-out.log.{n}" for n in range(1, 6))]
    assert all((10 << 20) - 1000 < (logs / f"w-out.log.{n}").stat().st_size <= 10 << 20
               for n in range(1, 6))


def test_rotated_logs_have_numbers_and_whole_lines(fleet):  # noqa: F811
    lines = b"".join(b"%05d %s\n" % (n, b"x" * (n % 90)) for n in range(2000))
    fleet.apps(py("os.write(1, b''.join(b'%05d %s\\n' % (n, b'x' * (n % 90)) for n in range(2000)))\n"
                  "time.sleep(1000)", log_max_size=5000, log_keep=3))
    fleet.start()
    wait_until(lambda: fleet.log("w").endswith(lines[-90:]))
    logs = fleet.folder / "logs"
    assert sorted(os.listdir(logs)) == ["w-out.log", *(f"w-out.log.{n}" for n in (1, 2, 3))]
    assert lines.endswith(fleet.whole_log("w"))
    for n in (1, 2, 3):
        part = (logs / f"w-out.log.{n}").read_bytes()
        assert 4900 < len(part) <= 5000 and part.endswith(b"\n") and re.match(rb"\d{5} ", part)


def test_compressed_logs_are_those_that_were_rotated(fleet):  # noqa: F811
    fleet.apps(py("for n in range(3000):\n  os.write(1, b'%099d\\n' % n)\ntime.sleep(1000)",
                  log_max_size="50K", log_keep=100, log_compress=True))
    fleet.start()
    whole = b"".join(b"%099d\n" % n for n in range(3000))
    logs = fleet.folder / "logs"
    wait_until(lambda: sorted(os.listdir(logs)) == ["w-out.log", *(f"w-out.log.{n}.gz" for n in
                                                                  range(1, 6))])
    wait_until(lambda: fleet.log("w").endswith(b"%099d\n" % 2999))
    assert fleet.whole_log("w") == whole
    assert fleet.opsctl("logs", "w", "-n", 2900).stdout.encode() == whole[100 * 100:]


def test_what_a_kill_left_half_done_is_put_right(fleet):  # noqa: F811
    """A free number from a rotation, a file in both forms, and half of a compressed one."""
    logs = fleet.file("logs")
    logs.mkdir()
    (logs / "w-out.log").write_bytes(b"7 old\n")
    (logs / "w-out.log.1").write_bytes(b"6 old\n")
    (logs / "w-out.log.3").write_bytes(b"5 old\n")
    (logs / "w-out.log.3.gz").write_bytes(b"half")
    (logs / ".w-out.log.gz").write_bytes(b"half")
    fleet.apps(sh("echo 8; echo 9; exec sleep 1000", log_max_size=8, log_compress=True))
    fleet.start()
    wait_until(lambda: sorted(os.listdir(logs)) == ["w-out.log", *(f"w-out.log.{n}.gz" for n in (1, 2, 3))])
    wait_until(lambda: fleet.whole_log("w") == b"5 old\n6 old\n7 old\n8\n9\n")


def test_nothing_is_kept_when_nothing_is_to_be(fleet):  # noqa: F811
    fleet.apps(py("for n in range(100):\n  os.write(1, b'%099d\\n' % n)\ntime.sleep(1000)",
                  log_max_size=1000, log_keep=0))
    fleet.start()
    wait_until(lambda: fleet.log("w").endswith(b"%099d\n" % 99))
    assert os.listdir(fleet.file("logs")) == ["w-out.log"] and len(fleet.log("w")) <= 1000


def test_opsds_own_log_is_rotated(fleet):  # noqa: F811
    fleet.apps(sh("exec sleep 1000"))
    assert fleet.opsctl("start", "all").returncode == 0
    log = fleet.home / "opsd.log"
    first = log.read_bytes()
    os.truncate(log, 11 << 20)

    def look():
        assert fleet.opsctl("restart", "w").returncode == 0
        return log.with_name("opsd.log.1").exists()
    wait_until(look)
    assert log.with_name("opsd.log.1").read_bytes().startswith(first)
    assert fleet.opsctl("restart", "w").returncode == 0
    wait_until(lambda: b"started worker=w" in log.read_bytes() and log.stat().st_size < 1 << 20)
    guard = fleet.guard
    wait_until(lambda: os.readlink(f"/proc/{guard}/fd/2") == str(log))
