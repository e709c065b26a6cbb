"""`opsctl events`: every change of state, why, and how a process ended; also for a slow reader."""
import json
import subprocess

from supervisor import BIN, fleet, sh, wait_until  # noqa: F401


def told(fleet, *words):
    got = fleet.opsctl("events", "-n", "1000", "--json", *words)
    assert got.returncode == 0, got.stderr
    document = json.loads(got.stdout)
    assert document["version"] == 1
    return document["events"]


def steps(events, name="w"):
    return [(e["from"], e["to"]) for e in events if e["name"] == name]


def test_a_life_is_told_step_by_step(fleet):
    fleet.apps(sh("exec sleep 1000", namespace="shop"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    fleet.opsctl("restart", "w", "--wait")
    fleet.opsctl("stop", "w")
    fleet.opsctl("delete", "w")
    events = told(fleet)
    up = [("waiting", "launching"), ("launching", "online")]
    assert steps(events) == [("stopped", "waiting"), *up, ("online", "stopping"), ("stopping", "waiting"),
                             *up, ("online", "stopping"), ("stopping", "stopped"), ("stopped", None)]
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    online, asked, gone = events[2], events[3], events[4]
    assert (online["pid"], online["namespace"], online["instance"]) == (pid, "shop", 0)
    assert asked["reason"] == "restarted by hand" and asked["exit_signal"] is None
    assert gone["exit_signal"] == 2 and gone["exit_code"] is None and "SIGINT" in gone["reason"]


def test_a_crash_has_its_exit_code_and_the_reason(fleet):
    fleet.apps(sh("exit 7", max_restarts=2, backoff={"initial": 1, "max": 1}))
    fleet.start()
    fleet.wait_state("w", "errored")
    ends = [e for e in told(fleet) if e["exit_code"] is not None]
    assert {e["exit_code"] for e in ends} == {7} and ends[-1]["to"] == "errored"
    assert {e["to"] for e in ends[:-1]} == {"waiting restart"}


def test_the_last_lines_and_following(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    assert len(fleet.opsctl("events", "-n", "2").stdout.splitlines()) == 2
    process = fleet.opsctl_background("events", "-f", "-n", "1", text=True)
    assert "launching" in process.stdout.readline()
    fleet.opsctl("stop", "w")
    assert "stopped by hand" in process.stdout.readline()
    process.terminate()
    assert process.wait(20) == 0


def test_a_follower_goes_on_with_the_next_opsd(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    process = fleet.opsctl_background("events", "-f", "-n", "1", "--json", text=True)
    assert json.loads(process.stdout.readline())["to"] == "online"
    old = fleet.pid
    fleet.opsctl("upgrade", BIN / "opsd")
    wait_until(lambda: fleet.pid != old)
    wait_until(lambda: fleet.opsctl("stop", "w").returncode == 0)
    assert json.loads(process.stdout.readline())["to"] == "stopping"
    process.terminate()
    assert "was restarted" in process.communicate(timeout=20)[1]


def test_who_reads_slowly_is_told_how_many_are_missing(fleet):
    """More happens than opsd keeps and a socket holds; meanwhile everybody else is answered."""
    fleet.apps(*({"name": f"w{n}", "script": "false", "max_restarts": 1000000, "min_uptime": 0,
                  "backoff": {"initial": 1, "max": 1, "factor": 1, "jitter": 0}} for n in range(20)))
    fleet.start()
    with fleet.connect() as slow, fleet.connect() as quick:
        slow.send("events", follow=True, lines=0)

        def last():
            quick.send("events", lines=1)
            events = [quick.receive(), quick.receive()]
            return events[0]["params"]["number"]
        wait_until(lambda: last() > 3500, 180)  # the ring, two queues and a margin
        seen, before, gaps = 0, 0, 0
        while not gaps and seen < 6000:
            message = slow.receive()
            if message["method"] == "gap":
                gaps = message["params"]["events"]
            else:
                seen, before = seen + 1, message["params"]["number"]
        after = slow.receive()["params"]["number"]
        assert after == before + gaps + 1 and seen > 100
    assert subprocess.run([BIN / "opsctl", "--home", fleet.home, "stop", "all"]).returncode == 0


def test_a_reader_that_leaves_ends_it_quietly(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    process = fleet.opsctl_background("events", "-f")
    process.stdout.readline()
    process.stdout.close()
    fleet.opsctl("restart", "w")
    assert process.wait(20) == 0 and process.stderr.read() == b""
