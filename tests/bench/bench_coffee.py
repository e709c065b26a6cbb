"""A million sales imported again into a database that holds them, and row by row as a peer does."""
import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

from aiohttp import web

import meter
from coffee_world import KEY, encrypt
from harness import BUILD, worker_environment
from postgres import Cluster

ROWS, PAGE = 1_000_000, 1000
PEER_ROWS = 20_000
ROWS_A_SECOND_LEAST = 50_000
MEMORY_MAX_MB = 40
IMPORT_SECONDS_MAX = 600
PEER = Path(__file__).resolve().parent / "programs" / "import_rows.cjs"

ROW = ('{"id":%d,"term_id":%d,"time":"2026-01-05 06:50:28.236","sum":13900,"result":1,"reverse_id":0,'
       '"terminal_comment":"\u041a\u043e\u0444\u0435 \u2116%d","status":3,"card_number":'
       '"427600******1234","bonus":0,"left_sum":0,"left_bonus":0,"machine_item":[{"machine_item_id":'
       '%d,"machine_item_name":"\u041a\u0430\u043f\u0443\u0447\u0438\u043d\u043e","sum":13900}],'
       '"owner_id":1,"partner_id":2,"division_id":0,"bank_id":1,"rrn":"123456789012","currency":643,'
       '"error_code":0,"fiscal_number":"9999078902012345","kkt":"0001","gsm_rssi":20,"type":1,'
       '"price":13900,"discount":0,"tax":0}')


def page(number):
    rows = ",".join(ROW % (n, n % 5, n % 5, n % 20)
                    for n in range((number - 1) * PAGE + 1, number * PAGE + 1))
    return (f'{{"page_number":{number},"items_per_page":{PAGE},"items_count":{ROWS},"items":[{rows}],'
            '"success":true}')


class Pages:
    """Vendista as fast as it could be: what it costs is not the import's. Every page exists before
    it is asked for."""

    def __init__(self, rows):
        self.bodies = [page(number + 1).encode() for number in range(rows // PAGE)]
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        async def serve():
            app = web.Application()
            app.router.add_get("/token", self.token)
            app.router.add_get("/transactions", self.transactions)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(serve())
        self.loop.run_forever()

    async def token(self, _request):
        return web.json_response({"token": "0123456789abcdef01234567"})

    async def transactions(self, request):
        body = self.bodies[int(request.query["PageNumber"]) - 1]
        return web.Response(body=body, content_type="application/json")


class Bench:
    def __init__(self, stack):
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.cluster = Cluster("/tmp")
        stack.callback(self.cluster.stop)
        self.cluster.start()
        self.database = self.cluster.create()
        self.pages = Pages(ROWS)
        subprocess.run([BUILD / "workers/main/migrate"], check=True, capture_output=True,
                       env=worker_environment(DATABASE_URL=self.database.url), cwd=self.folder)
        self.owner = self.database.value(
            "insert into coffee.users (name, vendista_token_encrypted) values ('b', %s) returning id",
            encrypt("0123456789abcdef01234567"))

    def import_(self):
        """Seconds for the whole list, from the job's start to its end, and MB."""
        self.database.value("select ops.enqueue('import', 'import', %s::jsonb)", json.dumps(
            {"user_id": self.owner, "what": "history", "historical": True, "since": "2020-01-01"}))
        environment = worker_environment(
            DATABASE_URL=self.database.url, VENDISTA_URL=self.pages.url, VENDISTA_DELAY_MS="0",
            FIELD_ENCRYPTION_KEY=KEY)
        with subprocess.Popen([BUILD / "workers/coffee/vendista_import_worker"], env=environment,
                              cwd=self.folder, stdout=subprocess.DEVNULL) as worker:
            meter.wait_for(lambda: not self.open_jobs(), IMPORT_SECONDS_MAX)
            memory = meter.memory_mb(worker.pid, "VmHWM")
            worker.terminate()
        [job] = self.database.query(
            "select state, extract(epoch from finished_at - started_at)::float as seconds"
            " from ops.job where queue = 'import' order by id desc limit 1")
        if job.state != "done":
            raise RuntimeError(f"the import is {job.state}")
        return job.seconds, memory

    def open_jobs(self):
        return self.database.value("select count(*) from ops.job where queue = 'import'"
                                   " and state in ('available', 'running')")

    def peer(self):
        """Rows a second of one upsert per row, as a node-postgres client does it."""
        modules = os.environ.get("BENCH_NODE_MODULES")
        if not modules:
            return None
        done = subprocess.run(["node", PEER, self.database.url, self.pages.url, str(PEER_ROWS)],
                              env={**os.environ, "NODE_PATH": modules}, capture_output=True,
                              text=True, check=True)
        return PEER_ROWS / float(done.stdout)


def measure(report):
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        first, _memory = bench.import_()
        report.line("1,000,000 sales into an empty table", ROWS / first, "rows/s")
        again, memory = bench.import_()
        report.line("1,000,000 sales that are there already", ROWS / again, "rows/s")
        report.fact(f"  at least {ROWS_A_SECOND_LEAST:,} a second", ROWS / again >= ROWS_A_SECOND_LEAST)
        report.line("  peak memory", memory, "MB", most=MEMORY_MAX_MB)
        peer = bench.peer()
        if peer:
            report.line("  row by row with node-postgres", peer, "rows/s")
            report.line("  faster than that", ROWS / again / peer, "times")
        else:
            print("  row by row with node-postgres: set BENCH_NODE_MODULES (npm install pg)")
