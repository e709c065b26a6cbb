"""Readiness, and who waits for whom."""
import json
import os
import pathlib
import signal

import pytest

from supervisor import children, fleet, py, sh, wait_until  # noqa: F401

QUICK = {"backoff": {"initial": 20, "factor": 1.5, "max": 100, "jitter": 0}}
READY_WHEN_TOLD = """import os.path
while not os.path.exists('go'): time.sleep(0.005)
tell('READY=1')
time.sleep(1000)"""


def test_s37_online_only_after_it_says_so(fleet):
    fleet.apps(py(READY_WHEN_TOLD, ready="notify", listen_timeout="1h"))
    fleet.start()
    row = fleet.wait_state("w", "launching")
    assert row["ready"] is False
    fleet.file("go").touch()
    assert fleet.wait_state("w", "online")["ready"] is True


def test_s37_an_end_before_ready_is_a_failed_start(fleet):
    fleet.apps(sh("exit 0", ready="notify", max_restarts=2, min_uptime=100, **QUICK))
    fleet.start()
    assert fleet.wait_state("w", "errored")["unstable_restarts"] == 1


def test_wait_ready_is_pm2s_word_for_it(fleet):
    fleet.apps(py(READY_WHEN_TOLD, wait_ready=True, listen_timeout="1h"))
    fleet.start()
    fleet.wait_state("w", "launching")
    fleet.file("go").touch()
    fleet.wait_state("w", "online")


def test_s38_never_ready_is_a_failure(fleet):
    fleet.apps(sh("exec sleep 1000", ready="notify", listen_timeout=200, max_restarts=1))
    fleet.start("--no-start")
    got = fleet.opsctl("start", "w", "--wait")
    assert got.returncode == 1
    row = fleet.row("w")
    assert row["state"] == "errored" and "ready" in row["reason"]
    assert not fleet.processes()


def test_ready_by_a_command(fleet):
    fleet.apps(sh("exec sleep 1000", ready={"exec": ["test", "-e", "go"]}, listen_timeout="1h"))
    fleet.start()
    fleet.wait_state("w", "launching")
    fleet.file("go").touch()
    fleet.wait_state("w", "online")


def test_a_command_that_hangs_is_no_readiness_and_does_not_survive(fleet):
    fleet.apps(sh("exec sleep 1000", ready={"exec": ["sleep", "999"]}, listen_timeout=300,
                  max_restarts=1))
    fleet.start()
    fleet.wait_state("w", "errored")
    wait_until(lambda: not fleet.processes())
    wait_until(lambda: not children(fleet.supervisor))


def test_a_probe_that_is_due_while_its_worker_is_stopped_costs_nothing(fleet):
    """opsd once asked its clock without a pause for as long as such a worker took to leave."""
    fleet.apps(sh("trap '' INT; echo ready; while :; do sleep 1000; done", kill_timeout=1000,
                  ready={"exec": ["false"]}, listen_timeout="1h"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["ready"])

    def cpu():
        fields = pathlib.Path(f"/proc/{fleet.supervisor}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    assert fleet.opsctl("stop", "w").returncode == 0
    assert cpu() - before < 0.3


def test_s39_b_follows_a(fleet):
    fleet.apps(sh("exec sleep 1000", "b", depends_on=["a"]),
               py(READY_WHEN_TOLD, "a", ready="notify", listen_timeout="1h"))
    fleet.start()
    fleet.wait_state("a", "launching")
    row = fleet.wait_state("b", "waiting")
    assert row["reason"] == "waits for a" and row["pid"] is None
    fleet.file("go").touch()
    fleet.wait_state("b", "online")
    # a stop by hand takes b away, until a is back
    assert fleet.opsctl("stop", "a").returncode == 0
    assert fleet.state("b") == "waiting"
    assert fleet.row("b")["wanted"] == "up"
    assert fleet.opsctl("start", "a").returncode == 0
    fleet.wait_state("b", "online")
    # a crash and a restart do not
    pid = fleet.row("b")["pid"]
    os.kill(fleet.row("a")["pid"], signal.SIGKILL)
    wait_until(lambda: fleet.row("a")["restarts"] == 1 and fleet.state("a") == "online")
    assert fleet.opsctl("restart", "a").returncode == 0
    assert fleet.row("b")["pid"] == pid


def test_starting_one_starts_what_it_needs(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}", depends_on=[f"w{n - 1}"] if n else [])
                 for n in range(20)), sh("exec sleep 1000", "other"))
    fleet.start("--no-start")
    assert fleet.opsctl("start", "w19", "--wait").returncode == 0
    states = {r["name"]: r["state"] for r in fleet.rows()}
    assert states.pop("other") == "stopped"
    assert set(states.values()) == {"online"}


def test_a_web_of_dependencies_takes_no_exponential_time(fleet):
    layers = [[f"l{l}n{n}" for n in range(4)] for l in range(24)]
    fleet.apps(*(sh("exec sleep 1000", name, depends_on=layers[l - 1] if l else [])
                 for l, layer in enumerate(layers) for name in layer))
    fleet.start("--no-start")
    assert fleet.opsctl("start", "l23n0").returncode == 0
    wait_until(lambda: fleet.state("l23n0") == "online")


def test_a_dependent_is_started_though_nothing_else_happens(fleet):
    """No request, no output, no exit: only opsd itself knows that its turn has come."""
    fleet.apps(*(sh(f"touch started{n}; exec sleep 1000", f"w{n}", depends_on=[f"w{n + 1}"])
                 for n in range(4)), sh("exec sleep 1000", "w4"))
    fleet.start(ready=False)
    wait_until(fleet.file("started0").exists)


def test_s40_a_late_success_still_starts_the_dependent(fleet):
    fleet.apps(sh("[ -e tried ] || { touch tried; exit 1; }; exec sleep 1000", "a", **QUICK),
               sh("exec sleep 1000", "b", depends_on={"a": "ready"}))
    fleet.start()
    fleet.wait_state("b", "online")
    fleet.wait_state("a", "online")


def test_completed_is_an_end_with_0(fleet):
    fleet.apps(sh("exec sleep 1000", "b", depends_on={"a": "completed"}),
               sh("echo run >> runs; [ $(wc -l < runs) -ge 3 ] || exit 1", "a", stop_exit_codes=[0],
                  **QUICK))
    fleet.start()
    fleet.wait_state("b", "online")
    assert fleet.state("a") == "stopped"
    assert fleet.file("runs").read_text() == "run\n" * 3
    # it has done its work: stopping it neither waits for b nor takes b away
    assert fleet.opsctl("stop", "a").returncode == 0
    assert fleet.state("b") == "online"


def test_a_list_means_ready_and_a_task_that_is_done_is(fleet):
    fleet.apps(sh("true", "task", autorestart=False), sh("exec sleep 1000", "b", depends_on=["task"]))
    fleet.start()
    pid = fleet.wait_state("b", "online")["pid"]
    fleet.wait_state("task", "stopped")
    assert fleet.opsctl("stop", "task").returncode == 0
    assert fleet.row("b")["pid"] == pid
    assert fleet.opsctl("stop", "all").returncode == 0
    assert fleet.opsctl("start", "b").returncode == 0
    fleet.wait_state("b", "online")


def test_started_is_enough_for_some(fleet):
    fleet.apps(py(READY_WHEN_TOLD, "a", ready="notify", listen_timeout="1h"),
               sh("exec sleep 1000", "b", depends_on={"a": "started"}))
    fleet.start()
    fleet.wait_state("b", "online")
    assert fleet.state("a") == "launching"


@pytest.mark.parametrize("apps, said", [
    ([sh("true", "a", depends_on=["b"]), sh("true", "b", depends_on=["a"])], ["a", "b"]),
    ([sh("true", "a", depends_on=["a"])], ["a"]),
    ([sh("true", "a", depends_on=["missing"])], ["a", "missing"]),
], ids=["cycle", "itself", "missing"])
def test_s41_cycles_and_unknown_names_are_refused_and_nothing_is_started(fleet, apps, said):
    fleet.apps(*apps, sh("touch started", "innocent"))
    got = fleet.opsctl("start", "all")
    assert got.returncode == 1
    assert all(word in got.stderr for word in said)
    assert not fleet.file("started").exists()
    assert fleet.opsctl("ping").returncode == 3


def test_s42_a_restart_while_it_waits_is_no_wedge(fleet):
    fleet.apps(py(READY_WHEN_TOLD, "a", ready="notify", listen_timeout="1h"),
               sh("exec sleep 1000", "b", depends_on=["a"]))
    fleet.start()
    fleet.wait_state("b", "waiting")
    for _ in range(3):
        assert fleet.opsctl("restart", "b").returncode == 0
        assert fleet.state("b") == "waiting"
    fleet.file("go").touch()
    row = fleet.wait_state("b", "online")
    assert [p for p in fleet.processes() if p != fleet.row("a")["pid"]] == [row["pid"]]


def test_s44_only_the_worker_itself_can_say_that_it_is_ready(fleet):
    fleet.apps(py("""open('address.new', 'w').write(os.environ['NOTIFY_SOCKET'])
os.rename('address.new', 'address')
while not os.path.exists('go'): time.sleep(0.005)
if os.fork() == 0:
  tell('READY=1\\nSTATUS=child')
  time.sleep(1000)
time.sleep(1000)""", ready="notify", listen_timeout="1h"),
               py("""while not os.path.exists('address'): time.sleep(0.005)
os.environ['NOTIFY_SOCKET'] = open('address').read()
tell('READY=1\\nSTATUS=stranger')
open('told', 'w')
time.sleep(1000)""", "stranger"))
    fleet.start()
    wait_until(fleet.file("told").exists)
    fleet.rpc("ping")
    row = fleet.row("w")
    assert (row["state"], row["status_text"]) == ("launching", None)
    # a descendant may
    fleet.file("go").touch()
    wait_until(lambda: fleet.row("w")["status_text"] == "child")
    fleet.wait_state("w", "online")


def test_status_and_stats_are_shown(fleet):
    fleet.apps(py("""tell('STATUS=half done\\nX_STATS={"selected":12,"nested":{"a":[1]}}')
while not os.path.exists('go'): time.sleep(0.005)
tell('X_STATS=nonsense')
tell('X_STATS=[1]')
tell('X_STATS={"a":1,"a":2}')
s = '\\u043f' * 150
tell('STATUS=' + s)
tell('BOGUS')
open('told', 'w')
time.sleep(1000)"""))
    fleet.start()
    row = wait_until(lambda: fleet.row("w")["status_text"] and fleet.row("w"))
    assert row["status_text"] == "half done"
    assert row["stats"] == {"selected": 12, "nested": {"a": [1]}}
    fleet.file("go").touch()
    wait_until(fleet.file("told").exists)
    # a text is cut, but what is sent stays UTF-8
    row = wait_until(lambda: fleet.row("w")["status_text"].startswith("\u043f") and fleet.row("w"))
    assert row["stats"] == {"selected": 12, "nested": {"a": [1]}}
    assert fleet.opsctl("stat", "--json").returncode == 0


def test_a_worker_that_floods_its_notify_socket_keeps_nobody_waiting(fleet):
    fleet.apps(py("while True: tell('STATUS=x')"))
    fleet.start()
    wait_until(lambda: fleet.row("w")["status_text"] == "x")
    for _ in range(20):
        assert fleet.opsctl("ping").returncode == 0
    assert fleet.opsctl("stop", "w").returncode == 0


def test_stopping_everything_stops_dependents_first(fleet):
    def slow(seconds):
        return (f"trap 'sleep {seconds}; echo $name >> order; exit 0' INT; echo ready; "
                "while :; do sleep 0.01; done")
    patient = {"kill_timeout": "1m"}
    fleet.apps(sh(slow(0), "db", **patient), sh(slow(0), "api", depends_on=["db"], **patient),
               sh(slow(0.3), "web", depends_on=["api"], **patient),
               sh(slow(0.1), "job", depends_on=["db"], **patient))
    fleet.start()
    names = ["db", "api", "web", "job"]
    wait_until(lambda: all(fleet.lines(n) == ["ready"] for n in names))
    assert fleet.opsctl("stop", "all").returncode == 0
    order = fleet.file("order").read_text().split()
    assert sorted(order) == sorted(names)
    assert order.index("web") < order.index("api") < order.index("db") and order[-1] == "db"


def test_stopping_a_dependency_waits_for_those_that_need_it(fleet):
    fleet.apps(sh("trap 'echo db >> order; exit 0' INT; echo ready; while :; do sleep 0.01; done", "db",
                  kill_timeout="1m"),
               sh("trap 'sleep 0.2; echo api >> order; exit 0' INT; echo ready; while :; do sleep 0.01; done",
                  "api", depends_on=["db"], kill_timeout="1m"))
    fleet.start()
    wait_until(lambda: fleet.lines("db") == fleet.lines("api") == ["ready"])
    assert fleet.opsctl("stop", "db").returncode == 0
    assert fleet.file("order").read_text().split() == ["api", "db"]
    assert fleet.state("api") == "waiting"
