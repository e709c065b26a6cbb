"""What one client or one worker may cost: descriptors, time on the loop, other people's answers."""
import json
import os
import pathlib
import socket

import pytest

from supervisor import SANITIZED, Client, Refused, descriptors, fleet, seconds_of, settled, sh, wait_until  # noqa: F401

LOGS_A_CONNECTION = 16
# LONG_LINE_MB=1024 is the case in question; it takes some ten seconds.
LONG_LINE = int(os.environ.get("LONG_LINE_MB", 24)) << 20
GROWTH_MOST_KB = 8 << 10


def peak_kb(pid):
    """The most memory that it ever had; what was freed is kept for a while under the sanitizers."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 0 if SANITIZED else int(status.split("VmHWM:")[1].split()[0])


def tail(path, n):
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - n))
        return file.read()


def test_one_connection_cannot_take_all_descriptors(fleet):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(5)))
    fleet.start()
    fleet.opsctl("start", "all", "--wait")
    before = settled(lambda: descriptors(fleet.supervisor))
    with Client(fleet.home) as greedy:
        for _ in range(300):
            greedy.send("logs", follow=True, lines=0)
        refused = 0
        while refused < 300 - LOGS_A_CONNECTION:
            refused += "too many" in greedy.receive()["error"]["message"]
        assert descriptors(fleet.supervisor) <= before + 1 + LOGS_A_CONNECTION * 2 * 5
        assert fleet.opsctl("restart", "w0", "--wait").returncode == 0
    wait_until(lambda: descriptors(fleet.supervisor) <= before + 1)


@pytest.mark.parametrize("method, params", [
    ("logs", {"follow": True, "names": ["w"]}),
    ("run_worker", {"app": "default", "worker": "w"}),
])
def test_a_client_that_shuts_down_and_then_goes_is_noticed(fleet, method, params):
    fleet.apps(sh("exec sleep 1000", autostart=False))
    fleet.start()
    before = settled(lambda: descriptors(fleet.supervisor))
    clients = [Client(fleet.home) for _ in range(5)]
    for client in clients:
        client.send(method, **params)
        client.socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: descriptors(fleet.supervisor) >= before + 5)
    for client in clients:
        client.close()
    wait_until(lambda: descriptors(fleet.supervisor) <= before and not fleet.processes())


def test_a_client_that_only_notifies_and_goes_is_noticed(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    before = settled(lambda: descriptors(fleet.supervisor))
    for _ in range(5):
        with Client(fleet.home) as client:
            client.socket.sendall(b'{"jsonrpc":"2.0","method":"ping"}\n')
            client.socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: descriptors(fleet.supervisor) <= before)


def test_a_huge_log_does_not_hold_up_the_others(fleet):
    """Gigabytes without a newline have to be read to know where the last lines begin. Whoever asks
    after that is answered before it."""
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    log = fleet.folder / "logs" / "w-out.log"
    log.parent.mkdir(exist_ok=True)
    log.touch()
    os.truncate(log, 2 << 30)  # sparse: it costs no disk
    with Client(fleet.home) as reader:
        reader.send("logs", names=["w"], lines=10)
        asked = reader.send("ping")
        for _ in range(5):
            assert fleet.opsctl("ping").returncode == 0
        assert reader.receive()["id"] == asked


def test_a_line_without_end_on_the_socket_costs_no_memory_and_delays_nobody(fleet):
    """It is refused at a mebibyte; whoever never stops sending is refused again and again."""
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    piece, sent, refused, answered = b"x" * (1 << 20), 0, 0, []
    with Client(fleet.home) as other:
        assert other.call("ping")
        before = peak_kb(fleet.supervisor)
        while sent < LONG_LINE:
            with Client(fleet.home) as client:
                sent += client.socket.send(piece)
                answered.append(seconds_of(lambda: other.call("ping")))
                try:
                    while True:
                        sent += client.socket.send(piece)
                except (BrokenPipeError, ConnectionResetError):
                    refused += 1
    assert refused >= LONG_LINE >> 22
    assert sorted(answered)[len(answered) // 2] < 0.1 or SANITIZED
    assert peak_kb(fleet.supervisor) - before < GROWTH_MOST_KB


@pytest.mark.parametrize("form", [{}, {"time": True}, {"log_type": "json"}], ids=str)
def test_a_line_without_end_of_a_worker_costs_no_memory_and_no_byte(fleet, form):
    fleet.apps(sh(f"head -c {LONG_LINE} /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000",
                  log_max_size=0, autostart=False, **form), sh("exec sleep 1000", "other"))
    fleet.start()
    before = peak_kb(fleet.supervisor)
    assert fleet.opsctl("start", "w").returncode == 0
    assert fleet.opsctl("restart", "other").returncode == 0
    wait_until(lambda: b"end" in tail(fleet.file("logs/w-out.log"), 60), 30 + LONG_LINE / (4 << 20))
    assert peak_kb(fleet.supervisor) - before < GROWTH_MOST_KB
    long, end = fleet.log("w").split(b"\n")[:2]
    if "log_type" in form:
        long, end = (json.loads(line)["message"].encode() for line in (long, end))
    elif form:
        long, end = (line.partition(b": ")[2] for line in (long, end))
    assert end == b"end" and len(long) == LONG_LINE and long.count(b"x") == LONG_LINE


def test_another_log_file_in_the_manifest_counts_from_the_next_start(fleet):
    fleet.apps(sh("echo one; exec sleep 1000"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["one"])
    fleet.apps(sh("echo two; exec sleep 1000", out_file="new/w.log"))
    assert fleet.opsctl("restart", "w").returncode == 0
    wait_until(lambda: (fleet.folder / "new" / "w.log").read_text() == "two\n")
    assert (fleet.folder / "logs" / "w-out.log").read_text() == "one\n"
    assert fleet.opsctl("logs", "w", "--out").stdout == "two\n"
    assert str(fleet.folder / "new" / "w.log") in fleet.opsctl("describe", "w").stdout


def test_a_deleted_status_file_is_no_obstacle(fleet):
    fleet.apps(sh("echo here; exec sleep 1000"))
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["here"])
    for name in os.listdir(fleet.home / "run"):
        (fleet.home / "run" / name).unlink()
    assert fleet.opsctl("restart", "w", "--wait").returncode == 0
    log = fleet.folder / "logs" / "w-out.log"
    wait_until(lambda: log.read_text() == "here\nhere\n")


def test_a_start_that_fails_blames_only_those_that_failed(fleet):
    fleet.apps(sh("exit 1", "bad", max_restarts=1, min_uptime="1m"), sh("exec sleep 1000", "slow", min_uptime="1m"))
    fleet.start("--no-start")
    with pytest.raises(Refused) as caught:
        fleet.rpc("start", names=["all"], wait=True)
    assert [w["name"] for w in caught.value.data["workers"]] == ["bad"]


def test_a_start_that_never_ran_shows_no_lines_of_an_earlier_one(fleet):
    script = fleet.folder / "w.sh"
    script.write_text("#!/bin/sh\necho earlier\nexec sleep 1000\n")
    script.chmod(0o755)
    fleet.apps({"name": "w", "script": "./w.sh", "interpreter": "none"})
    fleet.start()
    wait_until(lambda: fleet.lines("w") == ["earlier"])
    script.unlink()
    got = fleet.opsctl("restart", "w", "--wait")
    assert got.returncode == 1 and "No such file" in got.stderr and "earlier" not in got.stderr


def test_run_worker_knows_what_the_manifest_says_now(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.apps(sh("exec sleep 1000"), sh("echo new", "greet", namespace="shop", autostart=False))
    got = fleet.opsctl("run_worker", "shop", "greet")
    assert (got.returncode, got.stdout) == (0, "new\n")
    got = fleet.opsctl("run_worker", "default", "greet")
    assert got.returncode == 4 and "opsctl run_worker shop greet" in got.stderr


def test_the_daemons_log_tells_what_happened_and_when(fleet):
    fleet.apps(sh("exit 3", max_restarts=1, min_uptime="1m"))
    fleet.opsctl("start", "all")
    fleet.wait_state("w", "errored")
    lines = (fleet.home / "opsd.log").read_text().splitlines()
    started = next(line for line in lines if " started worker=w " in line)
    ended = next(line for line in lines if " ended worker=w " in line)
    assert started[:4].isdigit() and started[10] == "T"
    assert "exited with code 3" in ended and "state=errored" in ended


def test_the_requirement_documents_words_work_too(fleet):
    """`run_all_workers` and `workers_stat`, and a worker named with the ending of its old file."""
    fleet.apps(sh("exec sleep 1000"), sh("echo once", "job", namespace="shop", autostart=False))
    assert fleet.opsctl("run_all_workers", "--wait").returncode == 0
    assert " online " in fleet.opsctl("workers_stat").stdout
    assert fleet.opsctl("run_worker", "shop", "job.py").stdout == "once\n"
