"""The cashier's workers, struck at every boundary with the outside (kill_at.c), then run until they
are done: no invoice is confirmed that the chain does not confirm, none is counted twice, none is
lost, and no address is free while money may come.

The scene has all of it: a payment that is final, one transaction for two invoices, a payment that is
too young, one that a fork took back, too little money, late money, invoices past their hour, and an
address that may be given away again.
"""
import itertools
import os
import threading

import pytest

from cashier_world import PRICE, SOLID, units, world  # noqa: F401
from fixture import until
from preload import kill_at, struck

# Each boundary takes a minute or two in all: OPS_STEP=1 strikes at each, by default at some.
STEP = int(os.environ.get("OPS_STEP", "31"))
FINAL = {"final": "CONFIRMED", "first": "CONFIRMED", "second": "CONFIRMED", "young": "PAID",
         "forked": "PAYING", "less": "PAYING", "late": "EXPIRED", "over": "EXPIRED",
         "unpaid": "PAYING", "long ago": "EXPIRED"}


class Scene:
    def __init__(self, world):
        self.world = world
        world.sandbox.reset()
        world.begin(addresses=len(FINAL))
        long_ago = world.open()
        world.later("61m"), world.check(), world.expire(), world.later("22h")
        late = world.open()
        world.later("61m"), world.check(), world.expire()
        over = world.open()
        world.later("61m")
        names = [name for name in FINAL if name not in ("long ago", "late", "over")]
        self.invoices = {name: world.open() for name in names}
        self.invoices.update({"long ago": long_ago, "late": late, "over": over})
        self.txids = {name: world.pay(self.invoices[name]) for name in ("final", "forked", "late")}
        self.txids["less"] = world.pay(self.invoices["less"], "9")
        both = world.transfer(*[{"to": world.address(self.invoices[name]), "value": units(PRICE)}
                                for name in ("first", "second")])
        self.txids.update(first=both["txid"], second=both["txid"])
        world.check()
        world.later("1m")
        world.fork(self.txids["forked"], listed=False)
        self.txids["young"] = world.pay(self.invoices["young"])
        world.database.execute(
            "insert into cashier.building_invoice (customer_id, plan_id, expire_date)"
            " values (%s, %s, %s)", world.customer, world.plan, world.now)

    def states(self):
        return {name: self.world.status(invoice) for name, invoice in self.invoices.items()}

    def check_always(self):
        """True at any moment, whatever was struck."""
        states = self.states()
        confirmed = {name for name, state in states.items() if state == "CONFIRMED"}
        assert confirmed <= {"final", "first", "second"}
        assert all(states[name] in ("PAYING", "PAID") for name in ("young", "unpaid", "less"))
        payments = self.world.database.query(
            "select txid, address, count(*) from cashier.crypto_transaction t"
            " join cashier.crypto_invoice i on i.id = t.invoice_id where pays group by 1, 2")
        assert all(row.count == 1 for row in payments)
        free = {row.address for row in self.world.database.query(
            "select address from cashier.tron_address where status = 'FREE'")}
        assert free <= {self.world.address(self.invoices["long ago"])}
        assert len(self.world.alerts()) <= 2

    def finish(self):
        self.world.check()
        self.world.expire()

    def check(self):
        self.check_always()
        assert self.states() == FINAL
        recorded = {(row.invoice_id, row.txid): row.pays for row in self.world.database.query(
            "select * from cashier.crypto_transaction")}
        assert recorded == {(self.invoices[name], txid): name not in ("forked", "less", "late")
                            for name, txid in self.txids.items()}
        alerts = self.world.alerts()
        assert len(alerts) == 2 and all(
            sum(self.txids[name] in alert for alert in alerts) == 1 for name in ("less", "late"))
        assert self.world.pool() == {"FREE": 1, "BUSY": len(FINAL) - 1}
        assert self.world.database.value("select count(*) from cashier.building_invoice") == 0


def strike(world, name, **settings):
    """Runs the worker once; returns what struck it, None when it got through."""
    running = world.worker.start(f"cashier/{name}", **world.settings(**settings))
    code = running.wait()
    line = struck(running.output)
    assert line or code == 0, running.output
    return line


@pytest.mark.parametrize("name", ["tron_transaction_checker", "invoice_expire_checker"])
@pytest.mark.parametrize("what, when", [("worker", "before"), ("worker", "after"),
                                        ("session", "after"), ("stop", "after")])
def test_struck(world, name, what, when):
    for number in itertools.count(min(STEP, 5), STEP):
        scene = Scene(world)
        if name == "invoice_expire_checker":
            world.check()
        line = strike(world, name, **kill_at(number, what=what, when=when))
        scene.check_always()
        world.database.alone()
        scene.finish()
        scene.check()
        if line is None:
            assert number > 5, "the library does not see the worker's calls"
            return


def test_undisturbed(world):
    """The scene by itself, so that a strike is not blamed for what the scene lacks; once more, and
    nothing changes."""
    scene = Scene(world)
    for _ in range(2):
        scene.finish()
        scene.check()


def test_two_that_settle_the_same_at_once(world):
    """A host that lost its lock, and does not know it yet."""
    invoice = world.open()
    sighting = ('[{"address": "%s", "txid": "%s", "on_chain": true, "from_address": "T",'
                ' "amount": "9990000e-6", "block_number": 1, "block_time": "%s",'
                ' "confirmations": 19, "final": true}]' % (world.address(invoice), "ab" * 32,
                                                           world.now))
    call = "select event from cashier.settle(%s, %s, %s, %s, '1')"
    arguments = ('[{"address": "%s", "whole": true}]' % world.address(invoice), sighting, SOLID,
                 world.now)
    first, second = world.database.connect(False), world.database.connect(False)
    found = []

    def settle_second():
        with second.cursor() as cursor:
            cursor.execute(call, arguments)
            found.extend(cursor.fetchall())
        second.commit()

    with first.cursor() as cursor:
        cursor.execute(call, arguments)
        assert cursor.fetchall() == [("CONFIRMED",)]
    waiting = threading.Thread(target=settle_second)
    waiting.start()
    until(lambda: world.database.value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database()") == 1, "one waits")
    first.commit()
    waiting.join()
    assert found == [] and len(world.recorded(invoice)) == 1 and world.alerts() == []
    first.close(), second.close()
