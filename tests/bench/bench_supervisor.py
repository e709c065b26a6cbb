"""opsd beside the least that would do (programs/floor.c) and beside others, in one run.

Homes and logs lie in BENCH_DIR, by default in memory: ext4 looks long for a free inode where many
files were deleted within the last seconds, and that would be measured instead.
"""
import contextlib
import itertools
import os
import signal
import statistics
import subprocess
import tempfile
import time
from operator import truediv
from pathlib import Path

import meter
import peers
from supervisor import Client, Refused, is_alive

HERE = Path(__file__).resolve().parent
FEW, MANY = 100, 1000
ROUNDS, PEER_ROUNDS = 7, 1
RESTARTS, RESTARTS_AMONG, UP_S = 20, 10, 0.15
CRASHING, STORM_S, WARM_UP_S, ASK_EVERY_S = 50, 10, 3, 0.1
IDLE_S = 10
CYCLES, CYCLES_AMONG = 10_000, 50
KILLS = 20

MEMORY_MAX_MB = {FEW: 8, MANY: 36}
START_MAX, START_BELOW_PM2 = 1.6, 4
RESTART_MAX = 2.5
STAT_MAX_MS = 20
STAT_WHOLE_MAX_MS = {FEW: 4, MANY: 15}
STAT_ROUNDS, STAT_FORGOTTEN_S = 21, 1.1
STAT_LONG_ROUNDS, STAT_SILENCE_S = 3, 10.2  # usage.h: USAGE_MEMORY_MS
GROWTH_MAX_MB = 0.5  # the allocator's own to and fro
ANSWER_MAX_MS = 100
GONE = (OSError, Refused, ValueError, TypeError)


def compile_programs(folder):
    """The worker is static: what is measured is who starts it, not the dynamic linker; and once more
    as most programs are."""
    folder.mkdir()
    for name, source, option in (("stamp", "stamp", "-static"), ("linked", "stamp", "-O2"),
                                 ("floor", "floor", "-O2")):
        subprocess.run(["cc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", option, "-o", folder / name,
                        HERE / f"programs/{source}.c"], check=True)
    return folder / "stamp", folder / "linked"


class Bench:
    def __init__(self, report, folder):
        self.report, self.folder = report, folder
        self.worker, self.linked = compile_programs(folder / "programs")
        self.others = [peer for peer in peers.OTHERS if not peer.missing()]
        self.all = [peers.Opsd, peers.Floor, *self.others]

    def started(self, kind, count, *more, worker=None):
        peer = kind(self.folder, worker or self.worker, count, *more)
        try:
            peer.seconds = peer.start_all()
        except BaseException:
            peer.end()
            raise
        return peer


def settle(peer):
    """Until its supervising processes are as many as before and use no processor."""
    def look():
        pids = peer.supervisors()
        return len(pids), meter.processor_seconds(pids)
    before = look()
    for _ in range(100):
        time.sleep(0.2)
        now = look()
        if now[0] == before[0] and now[1] - before[1] < 0.002:
            return
        before = now


# --- 1, 2, 5: starting, memory, idleness

def times_the_floor(seconds):
    """The median of what each was of the floor just before it: the machine is not equally fast all
    the time. Others took no turns with it."""
    floor = statistics.median(seconds["floor"])
    ratios = {name: statistics.median(values) / floor for name, values in seconds.items()}
    ratios["opsd"] = statistics.median(map(truediv, seconds["opsd"], seconds["floor"]))
    del ratios["floor"]
    return ratios


def measure_fleet(bench, count):
    """Ours and the floor take turns; the others follow, fewer times."""
    seconds, memory, processes, idle = ({} for _ in range(4))
    turns = [kind for _ in range(ROUNDS) for kind in (peers.Floor, peers.Opsd)]
    turns += [kind for _ in range(PEER_ROUNDS) for kind in bench.others]
    for kind in turns:
        with bench.started(kind, count) as peer:
            seconds.setdefault(kind.name, []).append(peer.seconds)
            if kind.name in memory:
                continue
            settle(peer)
            pids = peer.supervisors()
            memory[kind.name], processes[kind.name] = meter.shared_memory_mb(pids), len(pids)
            if count == FEW:
                idle[kind.name] = idleness(pids)
    report = bench.report
    report.compare(f"memory (PSS) with {count} idle workers, MB", memory, MEMORY_MAX_MB[count])
    report.compare("  processes beside the workers", processes)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    report.compare(f"start of {count}, from nothing to the last main(), s", medians)
    report.compare("  times the floor", times_the_floor(seconds))
    if count == MANY:
        measure_start_of_linked(bench, count)
    if count == MANY and "pm2" in medians:
        report.fact(f"  {START_BELOW_PM2} times as fast as PM2",
                    medians["opsd"] * START_BELOW_PM2 <= medians["pm2"])
    if idle:
        report.compare(f"{FEW} idle workers for {IDLE_S} s: wake-ups",
                       {name: wakes for name, (wakes, _) in idle.items()}, 0)
        report.compare("  processor time, ms", {name: ms for name, (_, ms) in idle.items()}, 0)


def measure_start_of_linked(bench, count):
    """The limit was set for workers with shared libraries, which start as slowly for the floor."""
    seconds = {}
    for _, kind in itertools.product(range(ROUNDS), (peers.Floor, peers.Opsd)):
        with bench.started(kind, count, worker=bench.linked) as peer:
            seconds.setdefault(kind.name, []).append(peer.seconds)
    bench.report.compare("  … of workers with shared libraries", times_the_floor(seconds), START_MAX)


def idleness(pids):
    wakes, seconds = meter.switches(pids), meter.processor_seconds(pids)
    time.sleep(IDLE_S)
    return (meter.switches(pids) - wakes, 1000 * (meter.processor_seconds(pids) - seconds))


# --- 3: a worker is killed

def restart_ms(peer):
    """From SIGKILL of the one that has run longest to the next main()."""
    alive = [pid for pid, _ in peer.stamps() if os.path.exists(f"/proc/{pid}")]
    known = peer.started()
    begin = time.monotonic()
    os.kill(alive[0], signal.SIGKILL)
    meter.wait_for(lambda: peer.started() > known, 20)
    return 1000 * (peer.stamps()[-1][1] - begin)


def measure_restart(bench):
    times = {}
    with contextlib.ExitStack() as stack:
        fleets = [stack.enter_context(bench.started(kind, RESTARTS_AMONG)) for kind in bench.all]
        for _, peer in itertools.product(range(RESTARTS), fleets):
            time.sleep(UP_S)
            times.setdefault(peer.name, []).append(restart_ms(peer))
    medians = {name: statistics.median(values) for name, values in times.items()}
    bench.report.compare("SIGKILL of a worker to the next one's main(), ms", medians)
    bench.report.times("  times the floor", medians, "floor", RESTART_MAX)


# --- 4: workers that end at once

def ask(peer, home=None):
    """Milliseconds of one question: on the socket, or by the command that a person types."""
    begin = time.monotonic()
    if home:
        with Client(home) as client:
            client.call("workers_stat")
    else:
        peer.run(*peer.stat())
    return 1000 * (time.monotonic() - begin)


def storm(peer):
    asked, asked_socket = [], []
    time.sleep(WARM_UP_S)
    daemons = peer.daemons()
    memory, count, begin = meter.shared_memory_mb(daemons), peer.started(), time.monotonic()
    while time.monotonic() - begin < STORM_S:
        if peer.name == "opsd":
            asked_socket.append(ask(peer, peer.home))
        if peer.stat():
            asked.append(ask(peer))
        time.sleep(ASK_EVERY_S)
    seconds = time.monotonic() - begin
    return {"growth": meter.shared_memory_mb(daemons) - memory,
            "starts": (peer.started() - count) / seconds, "asked": asked,
            "socket": asked_socket}


def measure_storm(bench):
    found = {}
    for kind in bench.all:
        with bench.started(kind, CRASHING, "fail") as peer:
            found[kind.name] = storm(peer)
    report, socket = bench.report, found["opsd"]["socket"]

    def column(name, of=lambda value: value):
        return {peer: of(values[name]) for peer, values in found.items() if values[name] != []}
    report.compare(f"{CRASHING} workers that exit at once: starts a second", column("starts"))
    report.compare("  stat meanwhile on the socket, median, ms",
                   {"opsd": statistics.median(socket)}, STAT_MAX_MS)
    report.compare("  … at worst, ms", {"opsd": max(socket)}, STAT_MAX_MS)
    report.compare("  stat by its command, median, ms", column("asked", statistics.median))
    report.compare("  … at worst, ms", column("asked", max))
    report.compare(f"  growth of memory in {STORM_S} s, MB", column("growth"), GROWTH_MAX_MB)


# --- 6: started and stopped for ever

def measure_cycles(bench):
    with bench.started(peers.Opsd, CYCLES_AMONG) as peer, Client(peer.home) as client:
        def cycle(times):
            for _ in range(times):
                client.call("stop", names=peer.names)
                client.call("start", names=peer.names)

        pids = peer.daemons()
        cycle(10)
        settle(peer)
        before = meter.descriptors(pids), meter.shared_memory_mb(pids)
        seconds = meter.seconds_of(lambda: cycle(CYCLES // CYCLES_AMONG))
        settle(peer)
        after = meter.descriptors(pids), meter.shared_memory_mb(pids)
    report = bench.report
    report.compare(f"{CYCLES} stops and starts: cycles a second", {"opsd": CYCLES / seconds})
    report.compare("  more descriptors after it", {"opsd": after[0] - before[0]}, 0)
    report.compare("  more memory after it, MB", {"opsd": after[1] - before[1]}, GROWTH_MAX_MB)


# --- 7: opsd itself is killed

def strike(peer, who):
    """Milliseconds from the kill until somebody new knows all the workers. Where nobody is left,
    `opsctl start all` is what a person would do."""
    guard, supervisor = peer.daemons()
    killed = {"supervisor": [supervisor], "guard": [guard], "both": [guard, supervisor]}[who]
    begin = time.monotonic()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if who == "both":
        # One that is dying still takes connections.
        meter.wait_for(lambda: not any(map(is_alive, killed)))
        peer.run(*peer.ctl("start", "all"))

    def answers():
        with contextlib.suppress(*GONE), Client(peer.home) as client:
            found = client.call("workers_stat")
            daemon = found["daemon"]
            pair = {daemon["pid"], daemon["guard_pid"]}
            return not pair & {None, *killed} and all(row["pid"] for row in found["workers"])
        return False

    meter.wait_for(answers)
    return 1000 * (time.monotonic() - begin)


def measure_kills(bench):
    with bench.started(peers.Opsd, FEW) as peer:
        for who in ("supervisor", "guard", "both"):
            times = []
            for _ in range(KILLS):
                # Long enough apart that no back-off of the guard's is measured.
                settle(peer)
                time.sleep(1)
                times.append(strike(peer, who))
            bench.report.compare(f"kill -9 of {who}, {FEW} workers: answers again, median, ms",
                                 {"opsd": statistics.median(times)}, ANSWER_MAX_MS)
            bench.report.compare("  … at worst, ms", {"opsd": max(times)})
        bench.report.fact("  every worker still is the one that was started",
                          peer.started() == FEW)


# --- 8: what a person waits for who types `opsctl stat`

def command_ms(words):
    """A whole process, from its start to its end; spawned without a copy of ours."""
    to_nowhere = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    begin = time.monotonic()
    pid = os.posix_spawnp(words[0], words, os.environ, file_actions=to_nowhere)
    os.waitpid(pid, 0)
    return 1000 * (time.monotonic() - begin)


def measure_stat(bench):
    """At rest: the time that the workers use is looked at for each question, the memory of those that
    slept every ten seconds; asked again within a second, the answer is the same. The floor is the
    start of a program that does nothing."""
    for count in (FEW, MANY):
        with bench.started(peers.Opsd, count) as peer:
            settle(peer)
            most = STAT_WHOLE_MAX_MS[count]
            very_first = command_ms(peer.stat())
            first, again, nothing, long_after = [], [], [], []
            for _ in range(STAT_ROUNDS):
                time.sleep(STAT_FORGOTTEN_S)
                first.append(command_ms(peer.stat()))
                again.append(command_ms(peer.stat()))
                nothing.append(command_ms(["true"]))
            for _ in range(STAT_LONG_ROUNDS):
                time.sleep(STAT_SILENCE_S)
                long_after.append(command_ms(peer.stat()))
            report = bench.report
            report.compare(f"opsctl stat of {count}, the whole process, median, ms",
                           {"opsd": statistics.median(first),
                            "floor": statistics.median(nothing)}, most)
            report.compare("  … asked again within a second, ms",
                           {"opsd": statistics.median(again)}, most)
            report.compare("  … asked again after ten seconds, ms",
                           {"opsd": statistics.median(long_after)}, most)
            report.compare("  … for the first time, ms", {"opsd": very_first}, most)


PARTS = {"fleet-100": lambda bench: measure_fleet(bench, FEW),
         "fleet-1000": lambda bench: measure_fleet(bench, MANY), "restart": measure_restart,
         "storm": measure_storm, "cycles": measure_cycles, "kills": measure_kills,
         "stat": measure_stat}


def measure(report):
    base = os.environ.get("BENCH_DIR") or ("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
    wanted = os.environ.get("BENCH_PARTS", " ".join(PARTS)).split()
    for peer in peers.OTHERS:
        if peer.missing():
            print(f"  not installed, left out: {peer.name}")
    # Short, because a socket's path is.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as folder:
        bench = Bench(report, Path(folder))
        report.head([kind.name for kind in bench.all])
        for name in wanted:
            PARTS[name](bench)
