"""The workers that make and end accesses, struck at their boundaries with the outside (kill_at.c), in
turns, two at once: no access without a confirmed payment, no two accesses or two delivered links of
a chat for one payment, no confirmed payment without an access at the end; nobody is banned from a
chat that an access opens, and everybody else is.
"""
import itertools
import os

import pytest

from access_world import DAY, GROUP, NOW, OTHER, THIRD, world  # noqa: F401
from preload import kill_at, struck
from test_billing_copies import AS_BEFORE, EVERYBODY_GETS_THE_LOCK

ANNA, BORIS, CLARA, DORA = 7, 8, 9, 10
HOUR = DAY / 24
REDEEM, REVOKE = "cashier/invoice_confirm_checker", "accesser/customer_access_revoker"
# Every boundary takes minutes: OPS_STEP=1 strikes at each, by default at some.
STEP = int(os.environ.get("OPS_STEP", "37"))
DAYS = 30


class Scene:
    """Four who pay: Anna for the first time, Boris and Clara for more (hers is over and revoked), Dora
    while hers is just coming to its end; and one who does not. Two whose access is over."""

    def __init__(self, world):
        world.begin()
        self.world = world
        ids = {user: world.customer(user) for user in (ANNA, BORIS, CLARA, DORA, 11, 12, 13)}
        plan = world.plan("Two", days=DAYS, chats=[GROUP, OTHER])
        more = world.plan("More", days=DAYS, chats=[OTHER, THIRD])
        old = {BORIS: world.has_access(ids[BORIS], plan, ends=5 * DAY, expiry_notified_at=NOW),
               CLARA: world.has_access(ids[CLARA], plan, ends=-10 * DAY)}
        world.revoke()
        old[DORA] = world.has_access(ids[DORA], plan, ends=-HOUR)
        world.database.execute("delete from ops.job")
        world.sandbox.forget_requests()
        self.invoices = {user: world.confirmed(ids[user], plan, access=old.get(user))
                         for user in (ANNA, BORIS, CLARA)}
        self.unpaid = world.invoice(ids[11], plan, "PAID")
        self.over = world.has_access(ids[12], plan, ends=-HOUR), world.has_access(
            ids[13], plan, ends=-HOUR)
        world.has_access(ids[12], more, ends=9 * DAY)
        self.pay_dora = lambda: self.invoices.setdefault(
            DORA, world.confirmed(ids[DORA], plan, access=old[DORA]))

    def finish(self):
        """As opsd does it: again until both are done, a little later each time."""
        for _ in range(2):
            self.world.later(HOUR)
            for worker in REVOKE, REDEEM:
                done = self.world.run(worker, code=None)
                while done.returncode == 75:
                    self.world.later(HOUR)
                    done = self.world.run(worker, code=None)
                assert done.returncode == 0, done.output

    def check(self):
        self.check_payments()
        self.check_ends()

    def check_payments(self):
        world = self.world
        rows = {row.invoice_id: row for row in world.database.query(
            "select r.invoice_id, a.id, a.start_date, a.end_date, a.active"
            " from accesser.redemption r join accesser.access a on a.id = r.access_id")}
        assert set(rows) == set(self.invoices.values())
        for user, invoice in self.invoices.items():
            assert (world.status(invoice), world.address(invoice)) == ("REDEEMED", "FREE"), user
            assert rows[invoice].active, user
            thanks = [text for text in world.texts(user) if "thank you" in text]
            assert len(thanks) == 1, (user, thanks)
            links = [link for text in thanks for link in world.sent_links(user)]
            stored = world.database.query("select link, chat_id from accesser.invite_link"
                                          " where invoice_id = %s order by chat_id", invoice)
            assert sorted(links) == sorted(row.link for row in stored) and len(links) == 2, user
            assert [world.sandbox.join(link, user) for link in links] == ["", ""], user
        for user in ANNA, CLARA:
            row = rows[self.invoices[user]]
            assert row.end_date - row.start_date == DAYS * DAY
        assert rows[self.invoices[BORIS]].end_date == NOW + (5 + DAYS) * DAY
        assert world.status(self.unpaid) == "PAID" and not world.texts(11)
        assert len(world.accesses()) == 7

    def check_ends(self):
        world = self.world
        for access, user in zip(self.over, (12, 13)):
            assert not world.row("accesser.access", access).active
            assert len([text for text in world.texts(user) if "has ended" in text]) == 1
        banned = {(chat, user) for chat in (GROUP, OTHER, THIRD) for user in range(7, 14)
                  if world.sandbox.member(chat, user) == "kicked"}
        spared = set() if DORA in self.invoices else {(GROUP, DORA), (OTHER, DORA)}
        assert banned == {(GROUP, 12), (GROUP, 13), (OTHER, 13)} | spared
        assert not world.alerts()


def strike(scene, worker, **settings):
    """Returns what struck it, None when it got through."""
    return struck(scene.world.run(worker, code=None, **settings).output)


def judge(scene, what):
    scene.world.database.alone()
    scene.finish()
    try:
        scene.check()
    except AssertionError as wrong:
        raise AssertionError(f"{what}: {wrong}") from wrong


def test_undisturbed(world):
    """The scene by itself, so that a strike is not blamed for what the scene lacks."""
    scene = Scene(world)
    judge(scene, "undisturbed")


@pytest.mark.parametrize("worker", [REDEEM, REVOKE])
@pytest.mark.parametrize("when, first", [("before", 5), ("after", 19)])
def test_killed(world, worker, when, first):
    for number in itertools.count(min(first, STEP), STEP):
        scene = Scene(world)
        what = strike(scene, worker, **kill_at(number, when=when, KILL_FROM="PQsendQueryPrepared"))
        judge(scene, what)
        if what is None:
            assert number > first, "the library does not see the worker's calls"
            return


@pytest.mark.parametrize("first", [11])
def test_paid_for_after_a_strike_at_its_end(world, first):
    """Dora's access is being ended when her money comes."""
    for number in itertools.count(min(first, STEP), STEP):
        scene = Scene(world)
        what = strike(scene, REVOKE, **kill_at(number, when="after", KILL_FROM="PQsendQueryPrepared"))
        scene.pay_dora()
        world.later(HOUR / 12)
        world.redeem()
        judge(scene, what)
        if what is None:
            return


@pytest.fixture
def no_lock(lasting_database):
    lasting_database.execute(EVERYBODY_GETS_THE_LOCK)
    yield
    lasting_database.execute(AS_BEFORE)


@pytest.mark.parametrize("killed", [None, 60])
def test_all_at_once_without_a_lock(world, no_lock, killed):
    """Two of each, on hosts that know nothing of one another; Dora pays while they run."""
    scene = Scene(world)
    first = kill_at(killed, KILL_FROM="PQsendQueryPrepared") if killed else {}
    running = [world.start(worker, OPS_TICK=f"2035-03-10T12:00:0{n}Z", **(first if n == 0 else {}))
               for n, worker in enumerate((REVOKE, REDEEM, REVOKE, REDEEM))]
    scene.pay_dora()
    codes = [one.wait() for one in running]
    assert set(codes) <= {0, 75, -9}, [one.output for one in running]
    judge(scene, codes)


@pytest.mark.parametrize("when", ["before", "after"])
def test_chats_are_kept_or_dropped_whenever_it_dies(world, when):
    """One has a new title, one is sold and lost, one is lost, one moved to one that is known."""
    for number in itertools.count(min(7, STEP), STEP):
        world.begin()
        plan = world.plan(chats=[GROUP, OTHER])
        for chat in THIRD, -1004, -1005:
            world.chat(chat)
        world.sandbox.chats([GROUP], title="New")
        world.sandbox.chats([OTHER, THIRD], "kicked")
        world.sandbox.chats([-1004], "migrated", to=-1005)
        done = world.update_chats(
            code=None, **kill_at(number, when=when, KILL_FROM="PQsendQueryPrepared"))
        what = struck(done.output)
        world.database.alone()
        world.later(HOUR)
        world.update_chats()
        assert {row.telegram_chat_id: (row.title, row.active) for row in world.database.query(
            "select * from accesser.chat")} == {
                GROUP: ("New", True), OTHER: ("Chat -1002", False), -1005: ("Chat -1005", True)}, what
        assert world.database.value("select count(*) from accesser.plan_chat where plan_id = %s",
                                    plan) == 2, what
        if what is None:
            assert number > 7, "the library does not see the worker's calls"
            return
