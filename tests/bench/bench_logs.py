"""Logs: opsd beside a bare copier (programs/chatter.c), in turns, in one run.

A million lines of 100 bytes, from one worker or from fifty at once, in writes of 64 KiB or one for
each line. Rotation is on, as it is by default. A speed is that of the copier in part; processor time
is that of the process that copies, or of opsd.
"""
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import meter
from harness import BUILD
from supervisor import Client

HERE = Path(__file__).resolve().parent
LINES, LINE = int(os.environ.get("BENCH_LINES", 1_000_000)), 100
ROUNDS = 5
WRITES = {"writes of 64 KiB": 65536, "one write a line": LINE}
MANY = 50
SPEED_MIN, TIMES_MIN, CPU_MAX = 0.8, 0.5, 1.5
FORMS = {"": {}, ", with the time": {"time": True}, ", as JSON": {"log_type": "json"}}


def look_at(folder):
    """Bytes in the logs, and when the last was written."""
    total, last = 0, 0
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            st = entry.stat()
            total, last = total + st.st_size, max(last, st.st_mtime)
    return total, last


def go(fifos):
    """All that wait are let go at once; returns when that was."""
    ends = [os.open(fifo, os.O_WRONLY) for fifo in fifos]
    begin = time.time()
    for end in ends:
        os.write(end, b"x")
        os.close(end)
    return begin


def make_fifos(folder, count):
    fifos = [folder / f"go{n}" for n in range(count)]
    for fifo in fifos:
        os.mkfifo(fifo)
    return fifos


def copier(program, folder, count, write):
    """Returns seconds and processor seconds."""
    folder.mkdir()
    (folder / "logs").mkdir()
    fifos = make_fifos(folder, count)
    with subprocess.Popen([program, "copy", str(LINES // count), str(write), str(count),
                           folder / "logs"], env={"CHATTER_GO": str(folder / "go")},
                          stdout=subprocess.PIPE) as process:
        begin = go(fifos)
        used = int(process.communicate()[0])
    return look_at(folder / "logs")[1] - begin, used / 1e6


def ours(program, folder, count, write, **fields):
    folder.mkdir()
    fifos = make_fifos(folder, count)
    apps = [{"name": f"w{n}", "script": str(program), "interpreter": "none",
             "args": ["print", str(LINES // count), str(write)], "env": {"CHATTER_GO": str(fifo)},
             "log_keep": 100, **fields} for n, fifo in enumerate(fifos)]
    (folder / "ecosystem.json").write_text(json.dumps({"apps": apps}))
    home = folder / ".ops"
    opsctl = [BUILD / "bin" / "opsctl", "--home", home]
    subprocess.run([*opsctl, "start", "all"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        with Client(home) as client:
            pid = client.call("ping")["pid"]
        before = meter.processor_seconds([pid])
        logs = folder / "logs"
        begin = go(fifos)
        size, seen = 0, -1
        # Longer lines than were printed: until no more come.
        while size < LINES * LINE or size != seen:
            time.sleep(0.1)
            size, seen = (look_at(logs)[0] if logs.is_dir() else 0), size
        return look_at(logs)[1] - begin, meter.processor_seconds([pid]) - before
    finally:
        subprocess.run([*opsctl, "kill"], check=False, stdout=subprocess.DEVNULL, cwd=folder)


def medians(results):
    return [statistics.median(column) for column in zip(*results)]


def measure_kind(report, program, top, count, write, fields, name):
    copied, taken = [], []
    for n in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=top) as folder:
            copied.append(copier(program, Path(folder) / "copier", count, write))
            taken.append(ours(program, Path(folder) / "opsd", count, write, **fields))
    (bare, bare_cpu), (seconds, cpu) = medians(copied), medians(taken)
    plain = not fields
    report.compare(name, {"opsd, s": seconds, "copier, s": bare, "opsd CPU": cpu,
                          "copier CPU": bare_cpu})
    report.line("  speed, of the copier's", bare / seconds, "")
    report.fact(f"  at least {SPEED_MIN if plain else TIMES_MIN}",
                bare / seconds >= (SPEED_MIN if plain else TIMES_MIN))
    report.line("  processor time, of the copier's", cpu / bare_cpu, "times",
                CPU_MAX if plain else None)


def measure(report):
    base = os.environ.get("BENCH_DIR") or ("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
    report.head(["opsd, s", "copier, s", "opsd CPU", "copier CPU"])
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as top:
        program = Path(top) / "chatter"
        subprocess.run(["cc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-static", "-o", program,
                        HERE / "programs/chatter.c"], check=True)
        for count in (1, MANY):
            for write_name, write in WRITES.items():
                for form, fields in FORMS.items():
                    if form and count > 1:
                        continue
                    measure_kind(report, program, top, count, write, fields,
                                 f"{LINES} lines of {count}, {write_name}{form}")
