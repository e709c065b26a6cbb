"""What a fork, a late index or a node that lags do to an invoice, and what late money is."""
import pytest

from cashier_world import PRICE, world  # noqa: F401
import tron_address

DAY = "24h"


def expire(world, invoice):
    """An hour goes by in which nobody pays."""
    world.later("61m")
    world.check()
    world.expire()
    assert world.status(invoice) == "EXPIRED"


# --- forks


def test_a_fork_takes_a_paid_invoice_back(world):
    invoice = world.open()
    txid = world.pay(invoice)
    world.check()
    assert world.status(invoice) == "PAID"
    world.later("30s")
    world.fork(txid, listed=False)
    world.check()
    assert world.status(invoice) == "PAYING"
    [row] = world.recorded(invoice)
    assert (row.block_number, row.confirmations, row.pays) == (None, 0, False)
    world.later("2m")
    world.check()
    assert world.status(invoice) == "PAYING" and world.alerts() == []
    # It comes back in a later block, and counts from there.
    world.fork(txid, to=world.now)
    world.later("54s")
    world.check()
    assert world.status(invoice) == "PAID" and world.recorded(invoice)[0].confirmations == 18
    world.later("3s")
    world.check()
    assert world.status(invoice) == "CONFIRMED" and world.alerts() == []


def test_a_fork_on_which_it_failed_takes_it_back(world):
    invoice = world.open()
    txid = world.pay(invoice)
    world.check()
    world.fork(txid, to=world.now, failed="REVERT")
    for _ in range(3):
        world.later("1m")
        world.check()
        assert world.status(invoice) == "PAYING"
    world.asked()
    world.check()
    assert len(world.asked("wallet/gettransactioninfobyid")) == 0, "it is final"


def test_money_that_was_too_much_pays_when_the_first_is_gone(world):
    invoice = world.open()
    first = world.pay(invoice)
    world.later("3s")
    world.pay(invoice)
    world.check()
    assert len(world.alerts()) == 1
    world.fork(first, listed=False)
    world.later("2m")
    world.check()
    assert world.status(invoice) == "CONFIRMED"
    assert [row.pays for row in world.recorded(invoice)] == [False, True]
    assert len(world.alerts()) == 1


def test_a_confirmed_invoice_is_never_taken_back(world):
    invoice = world.open()
    txid = world.pay(invoice)
    world.later("2m")
    world.check()
    world.fork(txid, listed=False)
    world.check()
    assert world.status(invoice) == "CONFIRMED"


def test_the_solid_part_has_to_agree(world):
    """The latest blocks say one thing, what is solid another: final is neither."""
    invoice = world.open()
    world.pay(invoice)
    world.later("2m")
    for change in {"blockNumber": 1}, {"log": []}, {"result": "FAILED"}, {"id": None}:
        world.sandbox.fault("tron-changed", path="/tron/walletsolidity/*", set=change)
        world.check()
        assert world.status(invoice) == "PAID", change
    world.sandbox.fault("tron-behind", path="/tron/walletsolidity/*")
    world.check()
    assert world.status(invoice) == "PAID"
    world.check()
    assert world.status(invoice) == "CONFIRMED"


def test_a_node_that_is_behind_confirms_nothing(world):
    """Its height is below the transaction's block."""
    invoice = world.open()
    world.later("1m")
    world.pay(invoice)
    world.sandbox.fault("tron-changed", path="/tron/wallet/getnowblock",
                        set={"block_header": {"raw_data": {"number": 5}}})
    world.check()
    assert world.status(invoice) == "PAID" and world.recorded(invoice)[0].confirmations == 0


# --- late index, lagging nodes


def test_an_invoice_does_not_expire_on_a_transfer_that_a_node_does_not_know_yet(world):
    invoice = world.open()
    world.later("59m")
    world.pay(invoice)
    world.later("2m")
    world.sandbox.fault("tron-behind", path="/tron/wallet/gettransactioninfobyid")
    world.check()
    world.expire()
    assert world.status(invoice) == "PAYING"
    world.check()
    world.expire()
    assert world.status(invoice) == "CONFIRMED"


def test_what_the_index_forgets_is_still_paid(world):
    invoice = world.open()
    txid = world.pay(invoice)
    world.check()
    world.later("2m")
    world.sandbox.fault("tron-changed", path="/tron/v1/*", set={"data": []})
    world.check()
    assert world.status(invoice) == "CONFIRMED" and world.recorded(invoice)[0].txid == txid


def test_money_that_was_in_time_and_listed_late_revives_an_expired_invoice(world):
    invoice = world.open()
    world.later("59m")
    world.pay(invoice, listed_after_ms=600_000)
    world.later("2m")
    world.check()
    world.expire()
    assert world.status(invoice) == "EXPIRED" and world.tron_address(invoice).free_at
    world.later("10m")
    world.check()
    assert world.status(invoice) == "CONFIRMED" and world.alerts() == []
    address = world.tron_address(invoice)
    assert (address.status, address.free_at, world.invoice(invoice).expired_at) \
        == ("BUSY", None, None)


# --- expiry and the pool


def test_an_invoice_expires_only_after_a_scan_that_began_after_its_end(world):
    invoice = world.open()
    world.later("59m")
    world.check()
    world.later("61s")
    world.expire()
    assert world.status(invoice) == "PAYING", "the last scan began before the end"
    world.sandbox.fault("500-before", path="/tron/v1/*")
    world.check()
    world.expire()
    assert world.status(invoice) == "PAYING", "the scan failed"
    world.check()
    world.expire()
    assert world.status(invoice) == "EXPIRED"
    assert world.pool() == {"FREE": 2, "BUSY": 1}


def test_a_paid_invoice_never_expires(world):
    invoice = world.open()
    world.later("3590s")
    world.pay(invoice)
    world.later("12s")
    world.check()
    world.expire()
    assert world.status(invoice) == "PAID"
    world.later("1h")
    world.expire()
    assert world.status(invoice) == "PAID" and world.tron_address(invoice).free_at is None


def test_less_money_does_not_keep_an_invoice_open(world):
    invoice = world.open()
    world.pay(invoice, "1")
    expire(world, invoice)


def test_an_address_is_free_a_day_after_its_invoice_expired(world):
    invoice = world.open()
    address = world.address(invoice)
    expire(world, invoice)
    world.later("23h"), world.later("59m")
    world.expire()
    assert world.pool() == {"FREE": 2, "BUSY": 1}
    world.later("1m")
    world.expire()
    assert world.pool() == {"FREE": 3}
    # It is the last to be taken again.
    assert [world.address(world.open()) for _ in range(3)][2] == address


def test_late_money_is_told_once_and_pays_no_other_invoice(world):
    first = world.open()
    expire(world, first)
    world.later("23h")
    txid = world.pay(first)
    for _ in range(3):
        world.check()
        world.later("1m")
    assert world.status(first) == "EXPIRED"
    [row], [alert] = world.recorded(first), world.alerts()
    assert row.txid == txid and not row.pays and "после срока" in alert
    world.later("2h")
    world.expire()
    taken = [world.open() for _ in range(3)]
    second = next(i for i in taken if world.address(i) == world.address(first))
    world.check()
    assert world.status(first, second) == ["EXPIRED", "PAYING"] and len(world.alerts()) == 1


def test_late_money_is_found_though_the_scans_failed_for_a_day(world):
    """The address was freed and given away meanwhile; the money is still the first one's."""
    first = world.open()
    expire(world, first)
    world.later("20h")
    world.pay(first)
    world.later("5h")
    world.expire()
    second = [world.open() for _ in range(3)][2]
    assert world.address(second) == world.address(first)
    world.check()
    assert world.status(first, second) == ["EXPIRED", "PAYING"]
    assert len(world.recorded(first)) == 1 and len(world.alerts()) == 1


def test_a_second_payment_after_redemption_is_found_within_the_hour(world):
    invoice = world.open()
    world.pay(invoice)
    world.later("2m")
    world.check()
    world.database.execute("update cashier.crypto_invoice set status = 'REDEEMED';"
                           " update cashier.tron_address set status = 'FREE'")
    world.pay(invoice)
    world.asked()
    world.later("1m")
    world.check()
    assert world.asked() == []
    world.later("1h")
    world.check()
    assert len(world.asked("v1")) == 1 and len(world.alerts()) == 1
    world.later(DAY)
    world.check()
    world.asked()
    world.later("2h")
    world.check()
    assert world.asked() == []


def test_building_invoices_are_forgotten_after_their_half_hour(world):
    for minutes in 29, 30:
        world.database.execute(
            "insert into cashier.building_invoice (customer_id, plan_id, create_date, expire_date)"
            " select %s, %s, t, t + interval '30 minutes' from (select %s::timestamptz"
            " - make_interval(mins => %s) as t) as made", world.customer, world.plan, world.now,
            minutes)
    world.expire()
    assert world.database.value("select count(*) from cashier.building_invoice") == 1


def test_an_invoice_has_an_address_of_its_own(world):
    made = [world.open() for _ in range(4)]
    assert made[3] is None, "the pool is empty"
    assert len({world.address(i) for i in made[:3]}) == 3 and world.pool() == {"BUSY": 3}
    row = world.invoice(made[0])
    assert (row.status, row.amount, str(row.expire_date - row.create_date)) \
        == ("PAYING", PRICE, "1:00:00")


def test_two_customers_at_once_get_two_addresses(world):
    world.add_addresses(tron_address.make(50)[1])
    customers = [world.another_customer() for _ in range(4)]
    connections = [world.database.connect(autocommit=False) for _ in customers]
    try:
        taken = []
        for connection, customer in zip(connections, customers):
            with connection.cursor() as cursor:
                cursor.execute("set lock_timeout = '5s'")
                cursor.execute("select (cashier.open_invoice(%s, %s, null, now())).address",
                               (customer, world.plan))
                taken.append(cursor.fetchone()[0])
        assert len(set(taken)) == 4 and None not in taken
    finally:
        for connection in connections:
            connection.close()
    assert world.pool() == {"FREE": 4}


def test_one_person_never_holds_more_addresses_than_open_invoices(world):
    """His next invoice gets the address that waits for late money of his last one, nobody else's."""
    mine = world.customer
    first = world.open(mine)
    world.later("61m")
    world.check()
    world.expire()
    theirs, again = world.open(), world.open(mine)
    assert world.address(again) == world.address(first) != world.address(theirs)
    assert world.tron_address(again).free_at is None and world.pool() == {"BUSY": 2, "FREE": 1}
    assert world.address(world.open(mine)) != world.address(again), "that one is awaited"
    world.later("25h")
    world.expire()
    assert world.tron_address(again).status == "BUSY"


def test_at_an_address_that_is_used_again_money_goes_where_it_was_meant(world):
    """In time for the old one but seen late, and after its end: by the block, not by luck."""
    mine = world.customer
    old = world.open(mine)
    world.pay(old, listed_after_ms=64 * 60_000)
    world.later("61m")
    world.database.execute("update cashier.crypto_invoice set status = 'EXPIRED', expired_at = %s",
                           world.now)
    between = world.pay(old)
    world.later("1m")
    new = world.open(mine)
    assert world.address(new) == world.address(old)
    world.later("1m")
    world.pay(new)
    world.check()
    assert world.status(old, new) == ["EXPIRED", "PAID"]
    world.later("2m")
    world.check()
    assert world.status(old, new) == ["CONFIRMED", "CONFIRMED"]
    assert [between in alert for alert in world.alerts()] == [True]


def test_a_cancelled_invoice_is_paid_by_what_was_sent_all_the_same(world):
    mine = world.customer
    invoice = world.open(mine)
    cancel = "select cashier.cancel(%s, %s, %s)"
    assert not world.database.value(cancel, world.another_customer(), invoice, world.now)
    assert world.database.value(cancel, mine, invoice, world.now)
    assert not world.database.value(cancel, mine, invoice, world.now), "it is over already"
    assert world.status(invoice) == "EXPIRED" and world.open() and world.pool()["BUSY"] == 2
    world.later("1m")
    world.pay(invoice)
    world.check()
    assert world.status(invoice) == "PAID"
    assert not world.database.value(cancel, mine, invoice, world.now), "money was seen"


def test_a_plan_that_does_not_exist_takes_no_address(world):
    with pytest.raises(Exception, match="no plan"):
        world.database.value("select (cashier.open_invoice(%s, 99, null, now())).id",
                             world.customer)
    assert world.pool() == {"FREE": 3}


def test_what_was_written_by_hand_is_believed(world):
    """A transaction that no chain can know keeps its invoice paid, and nobody is asked about it."""
    invoice = world.open()
    world.database.execute(
        "insert into cashier.crypto_transaction (invoice_id, txid, from_address, amount, required)"
        " values (%s, 'in cash', '', %s, 19)", invoice, PRICE)
    world.later("61m")
    world.check()
    world.expire()
    assert world.status(invoice) == "PAID" and world.last_run().stats["failed"] == 0
    assert len(world.asked("wallet/gettransactioninfobyid")) == 0
