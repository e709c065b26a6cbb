"""S51: a million numbered lines, fifty rotations, kill -9 of opsd in between: none lost, split or doubled.

OPS_LINES=1000000 prints so many; OPS_KILLS=20 strikes so often.
"""
import json
import os
import random
import re

import pytest

import supervisor  # noqa: F401
from opsd_crowd import Crowd  # noqa: F401  it finds the helpers of the scenarios, too
from conformance_fleet import home, wait_until  # noqa: F401
from supervisor import py

LINES = int(os.environ.get("OPS_LINES", 60_000))
KILLS = int(os.environ.get("OPS_KILLS", 2))
SEED = int(os.environ.get("OPS_SEED", random.randrange(1 << 32)))
LINE = 100

# In writes of all sizes, with a rest now and then, so that kills fall into looks of all kinds.
PRINTER = f"""
import random
chance = random.Random(7)
progress = os.open('progress', os.O_WRONLY | os.O_CREAT)
n = 0
while n < {LINES}:
    count = min(chance.choice((1, 1, 1, 7, 50, 600)), {LINES} - n)
    os.write(1, b''.join(b'%0{LINE - 1}d\\n' % i for i in range(n, n + count)))
    n += count
    if n * 2 // {LINES} != (n - count) * 2 // {LINES} or chance.random() < 300 / {LINES}:
        time.sleep(0.005)
    os.pwrite(progress, b'%012d' % n, 0)
open('done', 'w')
time.sleep(1000)"""


KINDS = {
    "raw": {},
    "time": {"time": True},
    "json": {"log_type": "json", "log_compress": True},
    "both": {"log_file": "both.log", "log_date_format": "HH:mm:ss.SSS", "log_compress": True},
}


def message(kind, line):
    if kind == "json":
        return json.loads(line)["message"].encode()
    return line if kind == "raw" else re.sub(rb"^[-T:.0-9]+: ", b"", line)


def rotated(home, path):
    numbers = {int(p.name[len(path.name) + 1:].split(".")[0]) for p in path.parent.glob(f"{path.name}.*")}
    parts = [supervisor.rotated_bytes(f"{path}.{n}") for n in sorted(numbers, reverse=True)]
    return parts + [path.read_bytes()]


def check(kind, parts):
    """Every part ends with a line; all together are the lines from 0 on."""
    at = 0
    for part in parts:
        assert part.endswith(b"\n") or not part
        for line in part.splitlines():
            assert message(kind, line) == b"%0*d" % (LINE - 1, at), (at, line[:200])
            at += 1
    assert at == LINES


@pytest.mark.parametrize("kind", KINDS)
def test_s51_lines_are_all_there(home, kind):  # noqa: F811
    print(f"OPS_SEED={SEED}")
    chance = random.Random(SEED)
    home.apps(py(PRINTER, log_max_size=LINES * LINE // 50, log_keep=1000, **KINDS[kind]))
    home.daemonise()
    log = home.folder / "logs" / "w-out.log"
    for n in range(KILLS):
        # spread over the whole time: each when its part of the lines is printed
        due = (n + chance.random()) * LINES / (KILLS + 1)
        wait_until(lambda: int(home.file("progress").read_bytes() or 0) >= due, 60)
        who = chance.choice(("both", "both", "supervisor", "guard"))
        killed = home.kill(who)
        if who == "both":
            home.recover()
        home.await_pair(*killed)
    wait_until(home.file("done").exists, 600)
    assert home.row("w")["restarts"] == 0
    wait_until(lambda: home.rpc("ping") and b"%0*d" % (LINE - 1, LINES - 1) in log.read_bytes()
               or b"%0*d" % (LINE - 1, LINES - 1) in supervisor.rotated_bytes(f"{log}.1"))
    parts = rotated(home, log)
    assert len(parts) > 40
    check(kind, parts)
    if kind == "both":
        wait_until(lambda: not list(log.parent.glob(".*")), what="nothing half compressed is left")
        check(kind, rotated(home, home.file("both.log")))
