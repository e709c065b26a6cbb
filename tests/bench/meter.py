"""How processes are measured."""
import contextlib
import os
import re
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
POLL_S = 0.002


def median(times, function):
    """Of what function returns; called with the number of the round."""
    return statistics.median(function(number) for number in range(times))


def seconds_of(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def memory_mb(pid, field="VmRSS"):
    """From /proc/PID/status; 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            found = re.search(rf"^{field}:\s+(\d+) kB$", status.read(), re.M)
    except OSError:
        found = None
    return int(found[1]) / 1024 if found else 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(command, environment, folder):
    """Returns exit code, seconds and the most memory it had, in MB. That is polled: what wait4(2)
    says counts the memory of whoever forked, too."""
    most = 0
    start = time.perf_counter()
    with open(os.path.join(folder, "output"), "wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
        while process.poll() is None:
            most = max(most, memory_mb(process.pid, "VmHWM"))
            time.sleep(POLL_S)
    return process.returncode, time.perf_counter() - start, most


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(POLL_S)


# --- of several processes at once

STAMP_BYTES = 32  # programs/stamp.c


def _sum(pids, value):
    """Of those that are still there."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += value(f"/proc/{pid}")
    return total


def _number(file, field):
    with open(file, encoding="ascii", errors="replace") as lines:
        found = re.search(rf"^{field}:\s+(\d+)", lines.read(), re.M)
    return int(found[1]) if found else 0


def shared_memory_mb(pids):
    """PSS: what several share is divided among them (proc(5), smaps_rollup)."""
    return _sum(pids, lambda folder: _number(f"{folder}/smaps_rollup", "Pss")) / 1024


def _of_threads(folder, value):
    return sum(value(f"{folder}/task/{thread}") for thread in os.listdir(f"{folder}/task"))


def switches(pids):
    """How often any thread of theirs was given a processor."""
    return _sum(pids, lambda folder: _of_threads(folder, lambda thread: (
        _number(f"{thread}/status", "voluntary_ctxt_switches")
        + _number(f"{thread}/status", "nonvoluntary_ctxt_switches"))))


def _run_ns(thread):
    with open(f"{thread}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0])


def processor_seconds(pids):
    """To the nanosecond, where cpu_seconds counts ticks."""
    return _sum(pids, lambda folder: _of_threads(folder, _run_ns)) / 1e9


def descriptors(pids):
    return _sum(pids, lambda folder: len(os.listdir(f"{folder}/fd")))
