"""The billing workers among a million subscriptions, and against a slow provider."""
import contextlib
import tempfile
from pathlib import Path

import meter
from billing_world import ENDS_TODAY, NOW, call
from fixture import Sandbox
from harness import BUILD, worker_environment
from postgres import Cluster

SUBSCRIPTIONS, DUE, EXPIRING, ASKED = 1_000_000, 1_000, 100_000, 1_000
ROUNDS = 3
# One that changes the rows; expire_payments first counts those it must ask about, and finds none.
STATEMENTS_MAX = {"subscription": 1, "payment": 3}
MEMORY_MAX_MB = 30
LATENCY_S, CHARGES = 0.05, 160
ZONE, LONG_AGO = "Europe/Moscow", "2026-03-02T00:00:00Z"

# Everybody has paid before; the first :due end today, the others within the coming four weeks.
END = (f"'{ENDS_TODAY}'::timestamptz"
       " + case when n <= {due} then '0'::interval else make_interval(days => 1 + n % 28) end")
FILL = """
    insert into billing.tariff (name, price, period_months) values ('Про', 100, 1);
    insert into billing.subscription (user_id, tariff_id, started_at, ended_at)
    select n, 1, '2026-02-11T12:00:00+03:00', {end}
      from generate_series(1, {all}) as n;
    insert into billing.payment (subscription_id, user_id, tariff_id, provider_payment_id,
                                 payment_method_id, status, amount, currency, created_at)
    select n, n, 1, 'first-' || n, 'good', 'SUCCEEDED', 100, 'RUB', '2026-02-11T12:00:00+03:00'
      from generate_series(1, {all}) as n;
    analyze
"""
AS_BEFORE = """
    delete from ops.job; delete from ops.run; delete from billing.autopayment;
    delete from billing.payment where id > {all};
    update billing.subscription s
       set status = 'ACTIVE', ended_at = {end}
      from generate_series(1, {touched}) as n
     where s.id = n
"""
LONG_OVER = """
    update billing.subscription set ended_at = '2026-03-01T00:00:00Z' where id <= %s
"""
# Payments that never reached the provider, so that nobody need be asked.
NEVER_PAID = """
    insert into billing.payment (status, created_at)
    select 'PENDING', '2026-03-01T00:00:00Z' from generate_series(1, %s)
"""
WAITED_FOR = """
    insert into billing.payment (status, provider_payment_id, created_at)
    values ('PENDING', %s, %s)
"""


class Bench:
    """A cluster, a stand-in and a folder for as long as the section lasts."""

    def __init__(self, stack):
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.sandbox = stack.enter_context(Sandbox(self.folder))
        self.cluster = Cluster("/tmp")
        stack.callback(self.cluster.stop)
        self.cluster.start()
        self.template = self.cluster.create()
        self.database = None
        self.run("main/migrate", self.template)

    def fresh(self, all_, due):
        """A database with so many subscriptions; the one before it goes."""
        if self.database:
            self.database.drop()
        self.database = self.cluster.create(self.template.name)
        self.numbers = {"all": all_, "touched": min(all_, EXPIRING), "end": END.format(due=due)}
        self.database.execute(FILL.format(**self.numbers))
        self.reset()

    def reset(self):
        self.database.execute(AS_BEFORE.format(**self.numbers))
        self.database.execute("vacuum analyze")
        self.sandbox.reset()
        self.sandbox.clock(now=NOW, frozen=True)
        self.sandbox.methods(["good"])

    def run(self, worker, database=None, **settings):
        """Seconds and MB."""
        environment = worker_environment(
            DATABASE_URL=(database or self.database).url, **self.sandbox.environment(), **settings)
        now = [] if worker == "main/migrate" else ["--now", NOW]
        code, seconds, memory = meter.run([str(BUILD / "workers" / worker), *now], environment,
                                          self.folder)
        if code:
            raise RuntimeError(f"{worker}: exit {code}: {(self.folder / 'output').read_text()}")
        return seconds, memory

    def plan(self, worker, statement, *args):
        """As PostgreSQL would run it."""
        rows = call(self.database, worker, statement, *args, explain=True)
        return "\n".join(line for (line,) in rows)

    def executed(self, name):
        """How often statements of this worker were executed since log_statement is on."""
        return (self.cluster.folder / "log").read_text().count(f"execute {name}.")

    def timed(self, worker, prepare, check, **settings):
        """Median seconds and most MB. prepare is called before each round, check after it."""
        memory = []

        def one_round(_number):
            self.reset()
            prepare()
            seconds, most = self.run(worker, **settings)
            memory.append(most)
            check()
            return seconds

        return meter.median(ROUNDS, one_round), max(memory)


def expect(what, found, wanted):
    if found != wanted:
        raise RuntimeError(f"{what}: {found}, want {wanted}")


def measure_renewal(bench, report):
    seconds, memory = bench.timed("billing/autopayments", lambda: None, lambda: expect(
        "charges", len(bench.sandbox.charges()), DUE))
    report.line("autopayments, 1,000 due of 1,000,000", seconds, "s")
    report.line("  that is", DUE / seconds, "charges/s")
    report.line("  peak memory", memory, "MB", most=MEMORY_MAX_MB)
    bench.reset()
    plan = bench.plan("autopayments", "claim", NOW, ZONE, 256)
    report.fact("  selected through the index, without a scan of all",
                "using subscription_active on subscription" in plan
                and "Seq Scan on subscription" not in plan)


def measure_expiry(bench, report):
    database = bench.database

    def expired(table):
        expect(f"expired {table}s", database.value(
            f"select count(*) from billing.{table} where status = 'EXPIRED'"), EXPIRING)

    database.execute(f"alter database {database.name} set log_statement = 'all'")
    for table, prepare in [
            ("subscription", lambda: database.execute(LONG_OVER, EXPIRING)),
            ("payment", lambda: database.execute(NEVER_PAID, EXPIRING))]:
        worker = f"expire_{table}s"
        before = bench.executed(worker)
        seconds, memory = bench.timed(f"billing/{worker}", prepare, lambda: expired(table))
        report.line(f"{worker}, 100,000 due", seconds, "s")
        report.line("  peak memory", memory, "MB", most=MEMORY_MAX_MB)
        report.line("  statements", (bench.executed(worker) - before) / ROUNDS, "",
                    most=STATEMENTS_MAX[table])


def measure_asking(bench, report):
    """Each of these payments must be asked about, by pages of the provider's list."""
    def prepare():
        for _ in range(ASKED):
            payment = bench.sandbox.payment(status="pending", created_at=LONG_AGO)
            bench.database.execute(WAITED_FOR, payment["id"], LONG_AGO)

    seconds, _memory = bench.timed("billing/expire_payments", prepare, lambda: None)
    report.line("expire_payments, 1,000 that the provider is asked about", seconds, "s")


def measure_concurrency(bench, report):
    def slow():
        bench.sandbox.fault("stall", method="POST", times=None, seconds=LATENCY_S)

    seconds = {}
    for limit in (1, 8, 32):
        seconds[limit], _memory = bench.timed("billing/autopayments", slow, lambda: expect(
            "charges", len(bench.sandbox.charges()), CHARGES), BILLING_CONCURRENCY=limit)
        report.line(f"{CHARGES} charges at 50 ms each, BILLING_CONCURRENCY={limit}",
                    seconds[limit], "s")
    for limit in (8, 32):
        report.line(f"  {limit} at a time, faster than one", seconds[1] / seconds[limit], "times")


def measure(report):
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        bench.fresh(SUBSCRIPTIONS, DUE)
        measure_renewal(bench, report)
        measure_expiry(bench, report)
        measure_asking(bench, report)
        bench.fresh(CHARGES, CHARGES)
        measure_concurrency(bench, report)
