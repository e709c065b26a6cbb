"""An import that is struck at every boundary with the outside (kill_at.c), then run until it is done:
each sale is in the table once, and the stock is what the sales took, to the last gramme.

The scene has everything in it: a token that ran out, several pages that shift while they are turned,
a reversal of what is written off already, a sale without a recipe, a task to be made, an owner that
is not the only one. Its jobs are queued before and again after the strike.
"""
import itertools
import os

import pytest

from coffee_world import MACHINE, MILK, TEA, gone, sale, world  # noqa: F401
from fixture import until
from preload import kill_at, struck

SALES = 12
# Every boundary takes minutes: OPS_STEP=1 strikes at each, by default at some.
STEP = int(os.environ.get("OPS_STEP", "61"))


def begin(world):
    world.database.execute("truncate coffee.users, ops.job, ops.lane, ops.lane_arrival, ops.owner"
                           " cascade")
    world.sandbox.reset()
    owners = [world.owner("ivan", token="old"), world.owner("anna", machine=900)]
    for login in "ivan", "anna":
        world.account(login, page_most=5)
    world.sell(sale(100), sale(101))
    world.import_()
    world.database.execute("update coffee.inventories set current_stock = current_stock - 98000,"
                           " max_stock = 2000 where item_name = %s", MILK)
    world.account("ivan", page_most=5, expire=True)
    world.sell(sale(100, reverse_id=5), sale(102, item=TEA),
               *[sale(n, hours=1 + n / 100) for n in range(SALES - 1)])
    world.sell(sale(200, machine=900), login="anna")
    world.sandbox.fault("sale-between", path="/vendista/transactions", nth=3, login="ivan",
                        sales=[sale(SALES - 1, hours=0.1)])
    world.run("schedule_imports", "--what", "last24h")
    return owners


def finish(world):
    """What a minute of silence would bring about."""
    world.database.execute("update ops.owner set beat_at = '-infinity'")
    world.serve()
    world.import_()


def check(world, owners):
    assert not world.open_jobs()
    taken = gone(SALES + 1)
    assert world.stock(owners[0]) == {**taken, MILK: taken[MILK] + 98000}
    assert world.stock(owners[1])[MILK] == gone(1)[MILK] + 98000
    states = world.states()
    assert len(states) == SALES + 4
    assert states[100] == ("ignored", "returned") and states[102] == ("needs_recipe", "due")
    assert world.database.value("select count(*) from coffee.tasks") == 1
    assert len(world.notices(2000)) == 1
    log = {row.item_name: row.sum for row in world.database.query(
        "select item_name, sum(delta) from coffee.inventory_change_log where user_id = %s"
        " group by item_name", owners[0])}
    assert {item: -amount for item, amount in log.items()} == taken


def strike(world, **settings):
    """Starts the worker, which is killed; returns what struck it, None when it got through."""
    serving = world.start(**settings)
    until(lambda: serving.process.poll() is not None or not world.open_jobs(), "struck or done", 60)
    if serving.process.poll() is None:
        serving.signal(15)
    serving.wait()
    return struck(serving.output)


@pytest.mark.parametrize("when, first", [("before", 2), ("after", 6)])
def test_killed(world, when, first):
    for number in itertools.count(min(first, STEP), STEP):
        owners = begin(world)
        if strike(world, **kill_at(number, when=when)) is None:
            assert number > first, "the library does not see the worker's calls"
            return
        finish(world)
        check(world, owners)


def test_undisturbed(world):
    """The scene by itself, so that a strike is not blamed for what the scene lacks."""
    owners = begin(world)
    finish(world)
    check(world, owners)


def test_two_imports_of_one_owner_at_once(world):
    """Two workers, and jobs of every kind for the same sales."""
    owners = begin(world)
    for what in "daily", "weekly", "terminals":
        world.run("schedule_imports", "--what", what)
    workers = [world.start(), world.start()]
    until(lambda: not world.open_jobs(), "all imports ended", 60)
    for worker in workers:
        worker.signal(15)
        assert worker.wait() == 0
    finish(world)
    check(world, owners)
