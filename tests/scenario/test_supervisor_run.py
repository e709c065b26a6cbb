"""run_worker: one run in the foreground of whoever asked."""
import json
import os
import signal

import pytest

from supervisor import Refused, fleet, is_alive, keeps_within, py, sh, wait_until  # noqa: F401


def one(script, **fields):
    return sh(script, namespace="shop", autostart=False, **fields)


@pytest.mark.parametrize("ending, code", [("exit 0", 0), ("exit 7", 7), ("exit 75", 75), ("exit 78", 78),
                                          ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_output_and_exit_code_are_the_workers(fleet, ending, code):
    fleet.apps(one(f"echo out; echo err >&2; {ending}"))
    fleet.start()
    got = fleet.opsctl("run_worker", "shop", "w")
    assert (got.returncode, got.stdout, got.stderr) == (code, "out\n", "err\n")
    # the same is in the log, and nothing is left
    assert fleet.lines("w") == ["out"] and fleet.lines("w", "error") == ["err"]
    assert [r["state"] for r in fleet.rows()] == ["stopped"]
    assert fleet.row("w")["exit_code"] is None
    assert not fleet.processes() and os.listdir(fleet.home / "run") == []


def test_arguments_are_added(fleet):
    fleet.apps({**one(""), "args": ["-c", 'echo "$0 [$1] [$2]"', "zero"]})
    fleet.start()
    got = fleet.opsctl("run", "shop", "w.py", "--", "a b", "--help")
    assert got.stdout == "zero [a b] [--help]\n"


def test_output_streams_while_it_runs(fleet):
    fleet.apps(one("echo first; while [ ! -e go ]; do sleep 0.01; done; echo second"))
    fleet.start()
    process = fleet.opsctl_background("run_worker", "shop", "w")
    assert process.stdout.readline() == b"first\n"
    fleet.file("go").touch()
    assert process.stdout.read() == b"second\n" and process.wait(10) == 0
    process.communicate()


def test_bytes_pass_unchanged(fleet):
    fleet.apps(py(r"os.write(1, b'a\x00\xff\x1b[31m\n' + b'z' * 200000 + b'\n')", namespace="shop",
                  autostart=False))
    fleet.start()
    got = fleet.opsctl("run_worker", "shop", "w", text=False)
    assert got.stdout == b"a\x00\xff\x1b[31m\n" + b"z" * 200000 + b"\n"


def test_interrupt_stops_the_run_and_its_code_is_returned(fleet):
    fleet.apps(one("trap 'echo stopping; exit 4' INT; echo up; while :; do sleep 0.01; done",
                   kill_timeout="1m"))
    fleet.start()
    process = fleet.opsctl_background("run_worker", "shop", "w")
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 4
    assert process.stdout.read() == b"stopping\n"
    process.communicate()
    assert not fleet.processes()


def test_a_client_that_goes_away_takes_its_run_with_it(fleet):
    fleet.apps(one("echo $$; exec sleep 1000"))
    fleet.start()
    with fleet.connect() as client:
        client.send("run_worker", app="shop", worker="w")
        pid = int(client.receive()["params"]["line"])
        assert is_alive(pid)
    wait_until(lambda: not is_alive(pid))
    wait_until(lambda: os.listdir(fleet.home / "run") == [])


def test_cancel_stops_the_run_of_that_id(fleet):
    fleet.apps(one("echo up; exec sleep 1000"))
    fleet.start()
    with fleet.connect() as client:
        first, second = (client.send("run_worker", app="shop", worker="w") for _ in range(2))
        assert [client.receive()["params"]["line"] for _ in range(2)] == ["up", "up"]
        assert client.call("cancel", id=second) is True
        assert client.answer(second)["exit_signal"] == signal.SIGINT
        assert len(fleet.processes()) == 1
        assert client.call("cancel", id=first) is True
        assert client.answer(first)["exit_code"] is None
        with pytest.raises(Refused, match="no run"):
            client.call("cancel", id=first)


def test_a_run_that_cannot_be_started_says_why(fleet):
    fleet.apps({"name": "w", "script": "./missing", "namespace": "shop", "autostart": False},
               {**one("true"), "name": "x", "cwd": "nowhere"})
    fleet.start()
    for name, said in (("w", "missing"), ("x", "nowhere")):
        got = fleet.opsctl("run_worker", "shop", name)
        assert got.returncode == 1 and said in got.stderr
    assert os.listdir(fleet.home / "run") == []


def test_an_app_and_a_worker_have_to_fit(fleet):
    fleet.apps(one("true"))
    fleet.start()
    assert fleet.opsctl("run_worker", "default", "w").returncode == 4
    assert fleet.opsctl("run_worker", "shop", "v").returncode == 4


def test_a_scheduled_worker_can_be_run_by_hand(fleet):
    fleet.apps(sh("echo \"tick [$OPS_TICK]\"; exit 3", namespace="shop", schedule="@every 1h"))
    fleet.start()
    got = fleet.opsctl("run_worker", "shop", "w", "--json")
    assert got.returncode == 3
    assert json.loads(got.stdout)["exit_code"] == 3
    assert got.stderr == "tick []\n"
    row = fleet.row("w")
    # It is remembered with the worker, and is none of its ticks.
    assert row["state"] == "scheduled"
    assert row["last_run"]["exit_code"] == 3 and row["last_run"]["tick"] is None


def test_it_may_run_beside_the_fleets_own(fleet):
    fleet.apps(sh("echo $$; exec sleep 1000", namespace="shop"))
    fleet.start()
    own = fleet.wait_state("w", "online")["pid"]
    process = fleet.opsctl_background("run_worker", "shop", "w")
    other = int(process.stdout.readline())
    assert other != own and fleet.processes() == sorted([own, other])
    # commands for the worker are not for the run
    assert fleet.opsctl("stop", "w").returncode == 0
    assert is_alive(other) and not is_alive(own)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 128 + signal.SIGINT
    process.communicate()


def test_what_is_left_when_a_run_ends_reaches_its_reader(fleet):
    """A FIFO full of empty lines is more than may wait for one client at once."""
    fleet.apps(one("echo $$; while [ ! -e go ]; do sleep 0.01; done; yes '' | head -c 1048576"))
    fleet.start()
    with fleet.connect() as client:
        client.send("run_worker", app="shop", worker="w")
        pid = int(client.receive()["params"]["line"])
        os.kill(fleet.supervisor, signal.SIGSTOP)
        fleet.file("go").touch()
        wait_until(lambda: not is_alive(pid))
        os.kill(fleet.supervisor, signal.SIGCONT)
        count = 0
        for line in client.lines:
            if b'"result"' in line:
                break
            count += 1
        assert count == 1048576 and json.loads(line)["result"]["exit_code"] == 0


def test_a_reader_that_stands_still_makes_the_run_wait_not_opsd(fleet):
    fleet.apps(one("exec yes", kill_timeout=300), sh("exec yes", "noisy", out_file="/dev/null"))
    fleet.start()
    with fleet.connect() as stuck:
        stuck.send("run_worker", app="shop", worker="w")
        sizes = []

        def stands_still():
            sizes.append(len(fleet.log("w")))
            return len(sizes) > 20 and len(set(sizes[-20:])) == 1 and sizes[-1]
        wait_until(stands_still)
        keeps_within(0.5, lambda: fleet.slowest_answer(0.2))
        # it can still be ended, and opsd too
        assert fleet.opsctl("kill", timeout=20).returncode == 0


def test_kill_ends_runs_too(fleet):
    fleet.apps(one("echo up; exec sleep 1000"))
    fleet.start()
    process = fleet.opsctl_background("run_worker", "shop", "w")
    assert process.stdout.readline() == b"up\n"
    assert fleet.opsctl("kill").returncode == 0
    assert process.wait(10) == 128 + signal.SIGINT
    process.communicate()
    assert not fleet.processes()
