"""The queues of others, where BENCH_NODE_MODULES says that they are installed.

    npm install bullmq ioredis graphile-worker pg pg-boss@12.30.0 node@22; apt-get install redis-server
"""
import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "programs/queue_peer.mjs"
PATIENCE_S = 120
PEERS = {"graphile-worker": "graphile-worker", "pg-boss": "pg-boss", "bullmq-redis": "bullmq",
         "bullmq-pg": "bullmq"}


def modules():
    return Path(os.environ["BENCH_NODE_MODULES"]) if os.environ.get("BENCH_NODE_MODULES") else None


def installed():
    """Names of those that can be measured."""
    there = modules()
    return [name for name, package in PEERS.items() if there and (there / package).is_dir()
            and (name != "bullmq-redis" or shutil.which("redis-server"))]


@contextlib.contextmanager
def redis(folder):
    """The socket of one that writes as BullMQ's documentation wants: AOF, every second."""
    socket = folder / "redis.sock"
    if not shutil.which("redis-server"):
        yield socket
        return
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder, "--appendonly",
         "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.01)
        yield socket
    finally:
        process.kill()
        process.wait()


class Peer:
    """One of them, with a database of its own."""

    def __init__(self, name, database, socket):
        self.name = name
        self.rounds = 1 if name == "bullmq-pg" else 5  # that takes longer than all others together
        own = modules() / "node/bin/node"
        self.node = own if own.exists() else "node"
        self.environment = {**os.environ, "DATABASE_URL": database.url, "REDIS_SOCKET": str(socket),
                            "NO_LOG_SUCCESS": "1"}

    def _run(self, what, jobs):
        done = subprocess.run([self.node, PROGRAM, self.name, what, str(jobs)], check=True, text=True,
                              env=self.environment, stdout=subprocess.PIPE, timeout=PATIENCE_S)
        return done.stdout

    def drain(self, jobs):
        """Seconds, and megabytes of the worker."""
        self._run("fill", jobs)
        told = json.loads(self._run("drain", jobs).splitlines()[-1])
        return told["seconds"], told["mb"]
