"""Stopping, and commands that meet each other half-way."""
import os
import signal
import threading
import time

import pytest

from supervisor import Refused, fleet, held, is_alive, py, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}
# Says how often it was asked. The signal waits until it is taken: a handler would break into the
# print that a test has seen already.
DEAF = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print('ready', flush=True)
while signal.sigwait({signal.SIGINT}): print('asked', flush=True)"""
STUBBORN = "trap '' INT TERM; echo ready; while :; do sleep 1000; done"
LEAVES_WHEN_TOLD = {"args": ["-c", "trap 'while [ ! -e go ]; do sleep 0.01; done; exit' INT; echo ready; "
                             "while :; do sleep 0.01; done"], "kill_timeout": "1m"}


def test_s9_the_kill_comes_at_kill_timeout_and_not_before(fleet):
    fleet.apps(py(DEAF, kill_timeout=1500))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["ready"])
    begun = time.monotonic()
    assert fleet.opsctl("stop", "w").returncode == 0
    assert 1.5 <= time.monotonic() - begun < 3
    row = fleet.row("w")
    assert (row["state"], row["exit_signal"]) == ("stopped", signal.SIGKILL)
    assert fleet.lines("w") == ["ready", "asked"]


def test_kill_signal_is_the_manifests(fleet):
    fleet.apps(sh("trap 'echo usr1; exit 0' USR1; trap '' INT; echo ready; while :; do sleep 0.01; done",
                  kill_signal="SIGUSR1", kill_timeout="1m"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["ready"])
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.lines("w") == ["ready", "usr1"]
    assert fleet.row("w")["exit_code"] == 0


def test_s10_the_whole_tree_is_gone_when_stop_returns(fleet):
    fleet.apps(sh("echo $$; sh -c 'echo $$; sh -c \"echo \\$\\$; exec sleep 1000\" & wait' & wait"))
    fleet.start()
    pids = [int(p) for p in wait_until(lambda: len(fleet.lines("w")) == 3 and fleet.lines("w"))]
    assert all(is_alive(p) for p in pids)
    assert fleet.opsctl("stop", "w").returncode == 0
    assert not any(is_alive(p) for p in pids)


def test_s11_a_child_that_does_not_listen_is_killed_after_its_leader_left(fleet):
    fleet.apps(sh("(trap '' INT TERM; while :; do sleep 1000; done) & echo $!; exec sleep 1000"))
    fleet.start()
    child = int(wait_until(lambda: fleet.lines("w"))[0])
    assert fleet.opsctl("stop", "w").returncode == 0
    wait_until(lambda: not is_alive(child))


def test_s13_what_a_crashed_worker_left_is_gone_before_the_next_one(fleet):
    fleet.apps(sh("[ -e child ] && kill -0 $(cat child) 2>/dev/null && ! grep -q '^State:.*Z' "
                  "/proc/$(cat child)/status && echo still there; sleep 1000 & echo $! > child; "
                  "echo run >> runs; [ $(wc -l < runs) -ge 5 ] && exec sleep 1000; exit 1", **QUICK))
    fleet.start()
    wait_until(lambda: fleet.file("runs").read_text().count("run") == 5)
    fleet.wait_state("w", "online")
    assert fleet.log("w") == b""


def test_s14_stop_ends_a_delay_for_good(fleet):
    fleet.apps(sh("echo run >> runs; exit 1", backoff={"initial": 60000, "max": 60000}))
    fleet.start()
    fleet.wait_state("w", "waiting restart")
    assert fleet.opsctl("stop", "w").returncode == 0
    one = fleet.rpc("describe", name="w")["workers"][0]
    assert one["state"] == "stopped" and one["next_try_in_ms"] is None
    assert fleet.opsctl("start", "w").returncode == 0
    wait_until(lambda: fleet.file("runs").read_text() == "run\nrun\n")


def test_s14_a_delay_that_was_stopped_never_comes_back(fleet):
    fleet.apps(sh("echo run >> runs; exit 1", max_restarts=10000,
                  backoff={"initial": 5, "factor": 1, "max": 5, "jitter": 0}))
    fleet.file("runs").touch()
    fleet.start()
    with fleet.connect() as client:
        for _ in range(50):
            client.call("stop", names=["w"])
            runs = fleet.file("runs").read_text()
            # several delays long; what would come back would have
            client.call("ping")
            time_passes = time.monotonic() + 0.02
            wait_until(lambda: time.monotonic() > time_passes)
            assert fleet.file("runs").read_text() == runs
            client.call("start", names=["w"])


def test_s15_a_worker_that_is_not_ready_yet_stops_at_once(fleet):
    """Whether at once or at the end of an hour opsctl sees by its own deadline."""
    fleet.apps(sh("exec sleep 1000", ready="notify", listen_timeout="1h", kill_timeout="1h"))
    fleet.start()
    fleet.wait_state("w", "launching")
    assert fleet.opsctl("stop", "w").returncode == 0
    assert fleet.state("w") == "stopped"


def test_s16_stopping_what_is_stopped_succeeds(fleet):
    fleet.apps(sh("exec sleep 1000", autostart=False))
    fleet.start()
    for _ in range(2):
        got = fleet.opsctl("stop", "w")
        assert got.returncode == 0 and got.stdout == "w stopped\n"


def test_s16_two_stops_at_once_send_one_signal(fleet):
    fleet.apps(py(DEAF, kill_timeout=1500))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["ready"])
    both = [fleet.opsctl_background("stop", "w") for _ in range(2)]
    assert [p.wait(20) for p in both] == [0, 0]
    [p.communicate() for p in both]
    assert fleet.lines("w") == ["ready", "asked"]


def test_s17_a_worker_that_dies_as_it_is_stopped_is_stopped(fleet):
    fleet.apps(sh("exec sleep 1000", **QUICK, max_restarts=100000))
    fleet.start()
    with fleet.connect() as client:
        for n in range(100):
            pid = wait_until(lambda: fleet.row("w")["pid"])
            with held(pid) as kill:
                request = client.send("stop", names=["w"]) if n % 2 else None
                kill()
            request = request or client.send("stop", names=["w"])
            assert client.answer(request)["workers"][0]["state"] == "stopped"
            assert not fleet.processes()
            client.call("start", names=["w"])


def test_s19_two_restarts_at_once_leave_one_process(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    first = fleet.wait_state("w", "online")["pid"]
    with fleet.connect() as a, fleet.connect() as b:
        for _ in range(50):
            asked = a.send("restart", names=["w"]), b.send("restart", names=["w"])
            a.answer(asked[0])
            b.answer(asked[1])
            now = fleet.wait_state("w", "online")["pid"]
            assert now != first
            assert wait_until(fleet.processes) == [now]
            first = now


def test_s20_two_starts_at_once_make_no_second_copy(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(5)))
    fleet.start("--no-start")
    with fleet.connect() as a, fleet.connect() as b:
        for _ in range(20):
            asked = a.send("start", names=["all"]), b.send("start", names=["all"])
            a.answer(asked[0])
            b.answer(asked[1])
            assert len(fleet.processes()) == 5
            a.call("stop", names=["all"])
            assert not fleet.processes()


def test_random_commands_from_many_clients_never_make_two_copies(fleet):
    fleet.apps(sh("exec sleep 1000", "a", **QUICK), sh("exec sleep 0.01", "b", max_restarts=9999,
                                                       **QUICK))
    fleet.start()
    problems = []

    def command(words):
        with fleet.connect() as client:
            for word in words:
                try:
                    client.call(word, names=["all"])
                except Refused as e:
                    if "again" not in str(e):
                        problems.append(e)

    scripts = [["restart", "stop", "start", "restart", "start", "stop"] * 5,
               ["start", "restart", "stop", "stop", "start"] * 6,
               ["stop", "restart"] * 12]
    threads = [threading.Thread(target=command, args=(s,)) for s in scripts]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        assert len(fleet.processes()) <= 2
    for t in threads:
        t.join()
    assert not problems
    fleet.rpc("stop", names=["all"])
    assert not fleet.processes()
    assert {r["state"] for r in fleet.rows()} == {"stopped"}


def test_a_stop_that_somebody_undoes_is_answered(fleet):
    fleet.apps(sh("") | LEAVES_WHEN_TOLD)
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["ready"])
    with fleet.connect() as a, fleet.connect() as b:
        stop = a.send("stop", names=["w"])
        fleet.wait_state("w", "stopping")
        start = b.send("start", names=["w"])
        with pytest.raises(Refused, match="started again"):
            a.answer(stop)
        fleet.file("go").touch()
        b.answer(start)
    assert fleet.state("w") == "online"


def test_kill_with_many_workers_leaves_nothing(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(60)),
               sh(STUBBORN, "stubborn", kill_timeout=300))
    assert fleet.opsctl("start", "all").returncode == 0
    wait_until(lambda: len(fleet.processes()) >= 61)
    got = fleet.opsctl("kill")
    assert got.returncode == 0 and "workers stopped: 61" in got.stdout
    assert not fleet.processes()
    assert fleet.opsctl("ping").returncode == 3
    assert set(os.listdir(fleet.home)) - {"journal.previous", "history", "times"} == {"journal", "manifest",
                                                                  "opsd.log", "run"}
    assert os.listdir(fleet.home / "run") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_s29_signals_are_an_ordered_stop(fleet, number):
    fleet.apps(sh("trap 'echo a >> order; exit 0' INT; echo ready; while :; do sleep 0.01; done", "a",
                  kill_timeout="1m"),
               sh("trap 'sleep 0.2; echo b >> order; echo last words; exit 0' INT; echo ready; "
                  "while :; do sleep 0.01; done", "b", depends_on=["a"], kill_timeout="1m"))
    fleet.start()
    wait_until(lambda: fleet.lines("a") == fleet.lines("b") == ["ready"])
    fleet.process.send_signal(number)
    assert fleet.process.wait(20) == 0
    assert fleet.file("order").read_text().split() == ["b", "a"]
    assert fleet.lines("b") == ["ready", "last words"]
    assert not fleet.processes()


def test_a_hangup_ends_nothing(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    fleet.process.send_signal(signal.SIGHUP)
    assert fleet.wait_state("w", "online")["pid"] == pid


def test_while_opsd_leaves_nothing_new_is_started(fleet):
    fleet.apps(sh("", "a") | LEAVES_WHEN_TOLD, sh("true", "b", autostart=False))
    fleet.start()
    wait_until(lambda: fleet.lines("a") == ["ready"])
    with fleet.connect() as a, fleet.connect() as b:
        kill = a.send("kill")
        fleet.wait_state("a", "stopping")
        for method, params in [("start", {"names": ["b"]}), ("restart", {"names": ["a"]}),
                               ("run_worker", {"app": "default", "worker": "b"})]:
            with pytest.raises(Refused, match="opsd is stopping"):
                b.call(method, **params)
        fleet.file("go").touch()
        assert a.answer(kill)["stopped"] == 1
    assert fleet.process.wait(20) == 0
