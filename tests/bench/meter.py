"""How processes are measured."""
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
