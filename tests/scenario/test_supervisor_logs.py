"""What workers print: where it goes, unchanged, and who may look at it."""
import base64
import contextlib
import json
import os
import resource
import signal
import subprocess

import pytest

from supervisor import fleet, is_alive, keeps_within, py, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}


def test_s52_bytes_are_the_same_in_the_log(fleet):
    fleet.apps(py(r"""
o = sys.stdout.buffer
o.write(bytes(range(256)) + b'\n')
o.write(b'x' * 1000000 + b'\n')
o.write(b'\xff\x00\xd0\n\n\n')
o.write(os.urandom(300000).replace(b'\n', b'\0') + b'\n')
o.write(b'no newline')
o.flush()""", autorestart=False))
    fleet.start()
    fleet.wait_state("w", "stopped")
    log = fleet.log("w")
    assert log.startswith(bytes(range(256)) + b"\n" + b"x" * 1000000 + b"\n\xff\x00\xd0\n\n\n")
    assert log.endswith(b"\nno newline")
    assert len(log) == 257 + 1000001 + 6 + 300001 + 10


def test_s53_last_words_are_there(fleet):
    fleet.apps(sh("for i in 1 2 3 4 5; do echo line $i; done", "short", autorestart=False),
               sh("trap 'echo bye; echo sorry >&2; exit 0' INT; echo up; while :; do sleep 0.01; done",
                  "long", kill_timeout="1m"))
    fleet.start()
    fleet.wait_state("short", "stopped")
    assert fleet.lines("short") == [f"line {i}" for i in range(1, 6)]
    wait_until(lambda: fleet.lines("long") == ["up"])
    assert fleet.opsctl("stop", "long").returncode == 0
    assert fleet.lines("long") == ["up", "bye"]
    assert fleet.lines("long", "error") == ["sorry"]


def test_a_new_line_without_its_end_is_not_lost_between_two_processes(fleet):
    fleet.apps(sh("printf half; kill -9 $$", max_restarts=3, min_uptime="1m", **QUICK))
    fleet.start()
    fleet.wait_state("w", "errored")
    assert fleet.log("w") == b"half" * 3


def test_several_writers_of_one_file_do_not_mix_within_a_line(fleet):
    fleet.apps(py(r"""
import random
letter = 'abc'[int(os.environ['NODE_APP_INSTANCE'])]
for i in range(3000):
    line = letter * random.randrange(1, 400) + '\n'
    half = random.randrange(len(line))
    os.write(1, line[:half].encode())
    os.write(2 if i % 7 == 0 else 1, line[half:].encode())
os.write(1, b'\n')
time.sleep(1000)""", instances=3, out_file="one.log", error_file="errors.log"),
               py("""for i in range(2000): os.write(1, b'd' * 100 + b'\\n')
time.sleep(1000)""", "other", out_file="./logs/../one.log"))
    fleet.start()
    done = wait_until(lambda: (log := fleet.file("one.log").read_bytes()).count(b"\n\n") >= 1
                      and log.count(b"d") == 200000 and log)
    lines = fleet.file("one.log").read_bytes().split(b"\n")
    assert all(len(set(line)) <= 1 for line in lines if not line.startswith((b"a", b"b", b"c")))
    assert all(len(set(line)) <= 1 for line in lines)
    assert done


def test_a_line_longer_than_a_fifo_keeps_its_file_to_itself(fleet):
    fleet.apps(py(r"""
for i in range(4):
    os.write(1, os.environ['name'].encode() * 3000000 + b'\n')
time.sleep(1000)""", "a", out_file="one.log", log_max_size=0),
               py(r"""
for i in range(4):
    os.write(1, os.environ['name'].encode() * 3000000 + b'\n')
    os.write(1, b'short\n')
time.sleep(1000)""", "b", out_file="one.log", log_max_size=0))
    fleet.start()
    wait_until(lambda: fleet.file("one.log").stat().st_size == 8 * 3000001 + 4 * 6)
    lines = fleet.file("one.log").read_bytes().splitlines()
    assert sorted((line[:1], len(line)) for line in lines) == (
        [(b"a", 3000000)] * 4 + [(b"b", 3000000)] * 4 + [(b"s", 5)] * 4)
    assert all(len(set(line)) == 1 for line in lines if line != b"short")


def test_a_long_write_behind_half_a_line_is_not_forgotten(fleet):
    """The kernel wakes nobody for a write that has to wait for room behind what was there before."""
    fleet.apps(py("""
for i in range(3):
    os.write(1, b'half')
    time.sleep(0.05)
    os.write(1, b'x' * 3000000 + b'\\n')
time.sleep(1000)"""))
    fleet.start()
    wait_until(lambda: len(fleet.log("w")) == 3 * 3000005)
    assert set(fleet.log("w").splitlines()) == {b"half" + b"x" * 3000000}


def test_a_dead_worker_does_not_wait_for_anothers_long_line(fleet):
    """Its last lines are needed now: for `describe`, and before a run's instance is gone."""
    fleet.apps(py("os.write(1, b'x' * 1500000); open('long', 'w'); time.sleep(1000)", "a",
                  out_file="one.log"),
               sh("echo last words; exit 1", "b", out_file="one.log", autorestart=False,
                  autostart=False))
    fleet.start()
    wait_until(lambda: fleet.file("long").exists() and fleet.file("one.log").stat().st_size >= 1000000)
    assert fleet.opsctl("run_worker", "default", "b").stdout == "last words\n"
    assert fleet.file("one.log").read_bytes().endswith(b"last words\n")


def test_a_child_that_never_stops_talking_does_not_hold_up_its_dead_parent(fleet):
    fleet.apps(sh("for i in 1 2 3 4 5 6; do setsid yes & done; sleep 0.05; exit 1", max_restarts=2,
                  min_uptime="1m", out_file="/dev/null", **QUICK))
    fleet.start()
    try:
        fleet.wait_state("w", "errored")
    finally:
        for pid in fleet.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_noisy_worker_keeps_nobody_waiting(fleet):
    fleet.apps(*(sh("exec yes", f"noisy{n}", out_file="/dev/null") for n in range(3)),
               sh("for i in 1 2 3; do echo $i; done; exec sleep 1000", "quiet"))
    fleet.start()
    wait_until(lambda: fleet.lines("quiet") == ["1", "2", "3"])
    keeps_within(0.5, lambda: fleet.slowest_answer(0.2))
    assert fleet.opsctl("stop", "all").returncode == 0


def test_logs_that_go_to_one_file_or_nowhere(fleet):
    fleet.apps(sh("echo out; echo err >&2; exec sleep 1000", "both", out_file="both.log",
                  error_file="both.log"),
               sh("echo out; exec sleep 1000", "silent", disable_logs=True),
               sh("echo out; exec sleep 1000", "null", out_file="/dev/null"))
    fleet.start()
    wait_until(lambda: sorted(fleet.file("both.log").read_text().split()) == ["err", "out"])
    wait_until(lambda: fleet.state("silent") == fleet.state("null") == "online")
    assert not (fleet.folder / "logs" / "silent-out.log").exists()
    assert fleet.opsctl("logs", "both").stdout.split() == fleet.file("both.log").read_text().split()


def test_a_log_file_that_is_none_is_refused(fleet):
    os.mkfifo(fleet.file("fifo"))
    fleet.file("folder").mkdir()
    fleet.apps(sh("true", "a", out_file="fifo"), sh("true", "b", out_file="folder"))
    fleet.start()
    for name, file in (("a", "fifo"), ("b", "folder")):
        # a reader of the FIFO may come any time, so that one is tried again
        row = fleet.wait_state(name, "errored", "waiting restart")
        assert file in row["reason"]
    assert fleet.rpc("ping")


def test_a_full_disk_makes_the_worker_wait_and_then_go_on(fleet):
    fleet.apps(py("""
for i in range(40000): os.write(1, b'%099d\\n' % i)
time.sleep(1000)""", log_stall="1h"))
    fleet.start("--no-start")
    resource.prlimit(fleet.supervisor, resource.RLIMIT_FSIZE, (1000000, resource.RLIM_INFINITY))
    assert fleet.opsctl("start", "w").returncode == 0
    wait_until(lambda: len(fleet.log("w")) == 1000000)
    assert fleet.rpc("ping")
    resource.prlimit(fleet.supervisor, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: len(fleet.log("w")) == 4000000)
    assert fleet.log("w") == b"".join(b"%099d\n" % i for i in range(40000))


# --- opsctl logs


def write_log(fleet, name, text):
    path = fleet.folder / "logs" / f"{name}-out.log"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)


@pytest.mark.parametrize("wanted", [0, 1, 7, 100, 1000])
def test_s57_exactly_as_many_lines_as_asked_for(fleet, wanted):
    lines = [f"{n} " + "x" * (10000 if n % 3 else n) for n in range(300)]
    fleet.apps(sh("exec sleep 1000"))
    write_log(fleet, "w", "".join(line + "\n" for line in lines).encode())
    fleet.start("--no-start")
    got = fleet.opsctl("logs", "w", "-n", wanted)
    assert got.returncode == 0
    assert got.stdout.splitlines() == (lines[-wanted:] if wanted else [])


def test_logs_without_a_last_newline_and_of_other_bytes(fleet):
    fleet.apps(sh("exec sleep 1000"))
    write_log(fleet, "w", b"one\n\ntw\xffo\nthree")
    fleet.start("--no-start")
    assert fleet.opsctl("logs", "w", "-n", 3, "--raw", text=False).stdout == b"\ntw\xffo\nthree\n"
    said = [json.loads(line) for line in fleet.opsctl("logs", "w", "-n", 2, "--json").stdout.splitlines()]
    assert base64.b64decode(said[0]["base64"]) == b"tw\xffo"
    assert said[1] == {"name": "w", "instance": 0, "stream": "out", "line": "three"}


def test_out_and_err_are_told_apart(fleet):
    fleet.apps(sh("echo o; echo e >&2; exec sleep 1000"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["o"] and fleet.lines("w", "error") == ["e"])
    assert fleet.opsctl("logs", "w", "--out").stdout == "o\n"
    assert fleet.opsctl("logs", "w", "--err").stdout == "e\n"
    assert sorted(fleet.opsctl("logs", "w").stdout.split()) == ["e", "o"]


def test_a_follower_sees_new_lines_whole(fleet):
    fleet.apps(sh("while read line; do echo \"$line\"; done < pipe; printf 'half'; sleep 0.1; "
                  "printf ' a line\\n'; exec sleep 1000"))
    os.mkfifo(fleet.file("pipe"))
    write_log(fleet, "w", b"old\n")
    fleet.start()
    with fleet.connect() as client, open(fleet.file("pipe"), "w", buffering=1) as pipe:
        client.send("logs", names=["w"], lines=1, follow=True)
        assert client.receive()["params"]["line"] == "old"
        for n in range(100):
            pipe.write(f"new {n}\n")
            assert client.receive()["params"] == {"name": "w", "instance": 0, "stream": "out",
                                                  "line": f"new {n}"}
        pipe.close()
        assert client.receive()["params"]["line"] == "half a line"


def test_a_follower_of_a_worker_that_comes_later(fleet):
    fleet.apps(sh("echo hello; exec sleep 1000", out_file="deep/er/out.log"))
    fleet.start("--no-start")
    fleet.file("deep/er").mkdir(parents=True)
    with fleet.connect() as client:
        client.send("logs", names=["w"], lines=0, follow=True)
        client.call("ping")
        assert fleet.opsctl("start", "w").returncode == 0
        assert client.receive()["params"]["line"] == "hello"


def test_a_follower_of_a_lot_misses_nothing_while_it_reads(fleet):
    fleet.apps(sh("seq 1 200000; exec sleep 1000", autostart=False))
    fleet.start()
    with fleet.connect() as client:
        client.send("logs", names=["w"], lines=0, follow=True)
        client.call("ping")
        fleet.rpc("start", names=["w"])
        for n in range(1, 200001):
            assert client.receive()["params"]["line"] == str(n)


def test_s56_a_stuck_follower_gets_a_gap_and_holds_up_nobody(fleet):
    fleet.apps(py("""
line = b'x' * 998
for i in range(100): os.write(1, b''.join(b'%07d ' % (i * 1000 + k) + line[8:] + b'\\n' for k in range(1000)))
open('done', 'w')
time.sleep(1000)""", log_keep=20))
    fleet.start("--no-start")
    with fleet.connect() as stuck:
        stuck.send("logs", names=["w"], lines=0, follow=True)
        fleet.rpc("ping")
        fleet.rpc("start", names=["w"])
        wait_until(fleet.file("done").exists)
        wait_until(lambda: len(fleet.whole_log("w")) == 100 * 999 * 1000)
        seen, left_out, last = 0, 0, -1
        while last != 99999:
            message = stuck.receive()
            if message["method"] == "gap":
                assert message["params"]["name"] == "w"
                left_out += message["params"]["lines"]
                last += message["params"]["lines"]
            else:
                # every line is whole, and the gap says how many are missing
                line = message["params"]["line"]
                assert len(line) == 998 and int(line[:7]) == last + 1
                last += 1
                seen += 1
        assert left_out and seen + left_out == 100000


def test_megabytes_of_empty_lines_do_not_flood_the_connection(fleet):
    fleet.apps(sh("exec sleep 1000"))
    write_log(fleet, "w", b"y" * 1200000 + b"\n" * 2500000)
    fleet.start("--no-start")
    with fleet.connect() as client:
        asked = client.send("logs", names=["w"], lines=100000)
        count = 0
        for message in iter(client.receive, None):
            if message.get("id") == asked:
                break
            assert message["params"]["line"] == ""
            count += 1
        assert message["result"] == {"lines": 100000} and count == 100000


def test_logs_end_when_their_reader_is_interrupted(fleet):
    fleet.apps(sh("echo up; exec sleep 1000"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["up"])
    process = fleet.opsctl_background("logs", "w", "-f")
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.stderr.read() == b""
    process.stdout.close()
    process.stderr.close()
    assert subprocess.run(["true"]).returncode == 0 and is_alive(fleet.process.pid)
