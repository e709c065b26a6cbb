"""Updates of Telegram into the database, as fast as 64 connections send them, and the same with slow
clients around; beside it a Node server that stores row by row."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import meter
from harness import BUILD, worker_environment
from postgres import Cluster

SECONDS, ROUNDS, CONNECTIONS, SLOW = 4, 3, 64, 500
UPDATES_A_SECOND_LEAST = 2000
MEMORY_MAX_MB = 60
PROGRAMS = Path(__file__).resolve().parent / "programs"
SETTINGS = {"HTTP_LISTEN": "127.0.0.1:0", "HTTP_API_TOKEN": "bench-token-0123456789",
            "WEBHOOK_SECRET": "bench_secret"}
UNITS = {"us": 0.001, "ms": 1, "s": 1000}


class Bench:
    def __init__(self, stack):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        self.cluster = Cluster("/tmp")
        stack.callback(self.cluster.stop)
        self.cluster.start()
        self.database = self.cluster.create()
        stack.callback(self.database.close)
        subprocess.run([BUILD / "workers/main/migrate"], check=True, capture_output=True,
                       env=worker_environment(DATABASE_URL=self.database.url), cwd=self.folder)
        self.gateway = stack.enter_context(subprocess.Popen(
            [BUILD / "workers/main/gateway"], cwd=self.folder, stdout=subprocess.PIPE, text=True,
            env=worker_environment(DATABASE_URL=self.database.url, **SETTINGS)))
        stack.callback(self.gateway.terminate)
        self.port = int(self.gateway.stdout.readline().rsplit("port=", 1)[1])
        self.gateway.stdout.readline()

    def peer(self, stack):
        modules = os.environ.get("BENCH_NODE_MODULES")
        if not modules:
            return None
        peer = stack.enter_context(subprocess.Popen(
            ["node", PROGRAMS / "webhook_rows.cjs", self.database.url], stdout=subprocess.PIPE,
            text=True, env={**os.environ, "NODE_PATH": modules}))
        stack.callback(peer.terminate)
        return int(peer.stdout.readline())

    def stored(self):
        return self.database.value("select count(*) from main.telegram_update")

    def round(self, port):
        """Acknowledged updates a second, the 99th percentile in ms, and whether all are stored.
        Each round sends the same ids, so the tables are emptied."""
        self.database.execute("truncate main.telegram_update, ops.job_open, ops.lane_arrival")
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s",
             PROGRAMS / "updates.lua", f"http://127.0.0.1:{port}"],
            capture_output=True, text=True, check=True).stdout
        sent = int(re.search(r"(\d+) requests in", done)[1])
        refused = int(found[1]) if (found := re.search(r"Non-2xx[^:]*: (\d+)", done)) else 0
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done).groups()
        seconds = float(re.search(r"requests in ([\d.]+)s", done)[1])
        acknowledged = sent - refused
        return acknowledged / seconds, float(value) * UNITS[unit], self.stored() >= acknowledged


def median(values):
    return sorted(values)[len(values) // 2]


@contextlib.contextmanager
def slow_clients(port):
    """Connections that have begun a request and do not go on."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW - CONNECTIONS)]
    try:
        for client in clients:
            client.sendall(b"POST /telegram/shop HTTP/1.1\r\nHost: x\r\nX-")
        yield
    finally:
        for client in clients:
            client.close()


def measure(report):
    if not shutil.which("wrk"):
        print("  not measured: wrk is missing (apt-get install wrk)")
        return
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        peer = bench.peer(stack)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(bench.round(bench.port))
            if peer:
                theirs.append(bench.round(peer))
        rate = median([rate for rate, _, _ in ours])
        report.line("updates stored and acknowledged", rate, "a second")
        report.fact(f"  at least {UPDATES_A_SECOND_LEAST:,} a second", rate >= UPDATES_A_SECOND_LEAST)
        report.fact("  every acknowledged one is stored", all(good for _, _, good in ours))
        report.line("  99 of 100 within", median([ms for _, ms, _ in ours]), "ms")
        with slow_clients(bench.port):
            slow = bench.round(bench.port)
        report.line(f"  with {SLOW - CONNECTIONS} slow clients around", slow[0], "a second")
        report.line("  peak memory", meter.memory_mb(bench.gateway.pid, "VmHWM"), "MB",
                    most=MEMORY_MAX_MB)
        if not theirs:
            print("  a Node server, row by row: set BENCH_NODE_MODULES (npm install pg)")
            return
        report.line("  a Node server, row by row", median([rate for rate, _, _ in theirs]), "a second")
        report.line("    99 of 100 within", median([ms for _, ms, _ in theirs]), "ms")
        report.line("  faster than that", rate / median([rate for rate, _, _ in theirs]), "times")
