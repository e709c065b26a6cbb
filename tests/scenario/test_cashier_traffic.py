"""How many questions TronGrid is asked, and what becomes of its bad answers."""
import pytest

from cashier_world import PRICE, units, world  # noqa: F401
from fixture import until
import tron_address

KEY = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
LISTS, HEIGHTS, RECEIPTS = "v1/", "wallet/getnowblock", "wallet/gettransactioninfobyid"


def counts(world):
    asked = [request["path"] for request in world.asked()]
    return [sum(path.startswith(f"/tron/{which}") for path in asked)
            for which in (LISTS, HEIGHTS, RECEIPTS)]


def crowd(world, addresses, invoices):
    """So many invoices, evenly spread."""
    made = [tron_address.make(1000 + n)[1] for n in range(addresses)]
    world.add_addresses(*made)
    world.database.execute("update cashier.tron_address set status = 'BUSY'")
    world.database.execute(
        "insert into cashier.crypto_invoice (customer_id, plan_id, address, amount, create_date,"
        " expire_date) select %s, %s, (%s::text[])[n %% %s + 1], 1 + n * 0.01, %s::timestamptz,"
        " %s::timestamptz + interval '1 hour' from generate_series(1, %s) as n",
        world.customer, world.plan, made, addresses, world.now, world.now, invoices)
    return made


def test_a_thousand_invoices_on_a_hundred_addresses(world):
    """One list for an address and one height for the run; a receipt for what was paid."""
    made = crowd(world, 100, 1000)
    world.check()
    assert counts(world) == [100, 1, 0]
    assert world.last_run().stats["selected"] == 100
    for n in range(1, 11):
        world.transfer({"to": made[n], "value": units(1 + n * 0.01)})
    world.check()
    assert counts(world) == [100, 1, 10]
    world.later("1m")
    world.check()
    assert counts(world) == [100, 1, 10]
    assert world.database.value(
        "select count(*) from cashier.crypto_invoice where status = 'CONFIRMED'") == 10
    world.check()
    assert counts(world) == [100, 1, 0], "what is final is not asked about again"


def test_more_addresses_than_a_batch_has(world):
    crowd(world, 401, 401)
    world.check()
    assert counts(world) == [401, 1, 0]
    assert world.database.value("select count(*) from cashier.tron_address"
                                " where checked_at = %s", world.now) == 401


def test_only_so_many_requests_are_in_flight(world):
    crowd(world, 12, 12)
    world.sandbox.fault("hold", path="/tron/v1/*", times=None)
    running = world.worker.start("cashier/tron_transaction_checker",
                                 **world.settings(TRON_CONCURRENCY=3))
    for n in range(3, 13, 3):
        until(lambda: len(asked_of(world)) == n, f"{n} lists")
        assert world.sandbox.control("GET", "state")["held"] == 3
        world.sandbox.control("POST", "release")
    assert running.wait() == 0 and len(asked_of(world)) == 12


def asked_of(world):
    """Lists that were asked for, and are not forgotten by being looked at."""
    return world.sandbox.control("GET", "requests?path=/tron/v1/")["requests"]


# --- pages


def dust(world, address, count):
    for _ in range(count):
        world.later("3s")
        world.transfer({"to": address, "value": "1"})


@pytest.mark.parametrize("fingerprint", [True, False])
def test_pages_are_turned_to_the_last(world, fingerprint):
    """By the fingerprint, and by the last instant where the index forgot it."""
    invoice = world.open()
    dust(world, world.address(invoice), 401)
    world.pay(invoice)
    if not fingerprint:
        world.sandbox.fault("no-fingerprint", path="/tron/v1/*", times=None)
    world.check()
    lists = world.asked("v1/")
    assert len(lists) == 3 and all(r["query"]["limit"] == "200" for r in lists)
    assert ["fingerprint" in r["query"] for r in lists] == [False, fingerprint, fingerprint]
    assert (len({r["query"]["min_timestamp"] for r in lists}) == 1) == fingerprint
    assert world.status(invoice) == "PAID" and len(world.recorded(invoice)) == 402
    assert world.last_run().stats["failed"] == 0


def test_a_page_that_is_not_full_and_goes_on_is_not_the_last(world):
    invoice = world.open()
    dust(world, world.address(invoice), 201)
    world.pay(invoice)
    world.sandbox.fault("short-page", path="/tron/v1/*")
    world.check()
    assert len(world.asked("v1/")) == 2 and world.status(invoice) == "PAID"


def test_a_list_that_does_not_go_on_is_no_list(world):
    """A full page of one instant, and no fingerprint: what follows cannot be asked for."""
    invoice, other = world.open(), world.open()
    world.transfer(*[{"to": world.address(invoice), "value": "1"} for _ in range(201)])
    world.pay(other)
    world.sandbox.fault("no-fingerprint", times=None,
                        metadata={"address": world.address(invoice)})
    world.check()
    assert world.last_run().stats["failed"] == 1 and world.status(other) == "PAID"
    assert world.tron_address(invoice).checked_at is None
    world.sandbox.control("DELETE", "faults")
    world.check()
    assert world.last_run().stats["failed"] == 0 and len(world.recorded(invoice)) == 1


# --- bad answers


BAD = [{"do": "500-before"}, {"do": "502-before"}, {"do": "drop-before"}, {"do": "cut"},
       {"do": "truncated-json"}, {"do": "invalid-json"}, {"do": "invalid-json", "text": "[]"},
       {"do": "error", "status": 404}, {"do": "tron-error"}, {"do": "tron-lite"},
       {"do": "tron-changed", "set": {"success": False}}]
BAD_LISTS = [{"do": "tron-changed", "set": {"data": data}} for data in (
    None, {}, "", [{}], [7], [{"transaction_id": "77"}],
    [{"transaction_id": "77" * 32, "type": "Transfer", "value": "1", "block_timestamp": 2 ** 53}])]
BAD_RECEIPTS = [{"do": "tron-changed", "set": change} for change in (
    {"id": None}, {"id": "00" * 32}, {"blockNumber": None}, {"blockNumber": "x"}, {"log": 7},
    {"blockNumber": "-9223372036854775808"}, {"blockTimeStamp": 2 ** 53}, {"blockTimeStamp": -1})]


@pytest.mark.parametrize("which, faults", [("v1/*", BAD + BAD_LISTS),
                                           ("wallet/gettransaction*", BAD + BAD_RECEIPTS)])
def test_one_bad_answer_spoils_one_address(world, which, faults):
    """The others go on; the run is a good one that says how many failed; the next one reads it."""
    paid, spoiled = world.open(), world.open()
    world.pay(spoiled)
    subject = ({"address": world.address(spoiled)} if which == "v1/*"
               else {"txid": world.pay(spoiled, "5")})
    world.later("1s")
    for fault in faults:
        checked_at = world.tron_address(spoiled).checked_at
        world.database.execute("truncate cashier.crypto_transaction;"
                               " update cashier.crypto_invoice set status = 'PAYING'")
        world.later("1s")
        world.pay(paid)
        world.sandbox.fault(**fault, path=f"/tron/{which}", metadata=subject, times=None)
        world.check()
        assert world.last_run().stats["failed"] == 1, fault
        assert world.last_run().exit_code == 0
        assert world.status(paid) == "PAID", fault
        assert world.tron_address(spoiled).checked_at == checked_at, fault
        world.sandbox.control("DELETE", "faults")
        world.check()
        assert world.last_run().stats["failed"] == 0 and world.status(spoiled) == "PAID"


def test_without_a_height_nothing_is_confirmed(world):
    invoice = world.open()
    world.pay(invoice)
    world.later("2m")
    for fault in ({"do": "500-before"}, {"do": "invalid-json"}, {"do": "tron-lite"},
                  {"do": "tron-behind"}, {"do": "tron-changed", "set": {"block_header": None}}):
        world.sandbox.fault(**fault, path="/tron/wallet/getnowblock")
        assert "no height" in world.check()
        assert world.status(invoice) == "PAID", fault
    world.check()
    assert world.status(invoice) == "CONFIRMED"


def test_a_server_that_is_down_is_left_alone(world):
    crowd(world, 60, 60)
    world.sandbox.fault("500-before", path="/tron/*", times=None)
    assert "no usable answers" in world.check(code=75)
    assert sum(counts(world)) < 30
    assert world.last_run().stats["failed"] == 60


def test_where_a_run_broke_off_the_next_one_begins(world):
    """Each run is answered about 24 addresses, and then no more: nobody is left out for ever."""
    crowd(world, 60, 60)
    for checked in (24, 48, 60):
        world.later("1m")
        broken = world.sandbox.fault("500-before", path="/tron/v1/*", nth=25, times=None)
        world.check(TRON_CONCURRENCY=1)
        assert world.database.value("select count(checked_at) from cashier.tron_address") == checked
        world.sandbox.clear_faults(broken)


@pytest.mark.parametrize("fault", [
    {"do": "429", "retry_after": 1}, {"do": "403"}, {"do": "error", "status": 503},
    {"do": "tron-busy"}], ids=lambda fault: fault["do"])
def test_a_limit_is_obeyed_and_the_question_asked_again(world, fault):
    invoice = world.open()
    world.pay(invoice)
    world.sandbox.fault(**fault, path="/tron/*", nth=2)
    world.check()
    assert world.status(invoice) == "PAID" and world.last_run().stats["failed"] == 0
    assert counts(world) == [2, 1, 1]


def test_who_is_limited_for_ever_gives_up(world):
    invoice, other = world.open(), world.open()
    world.pay(other)
    world.sandbox.fault("429", path="/tron/v1/*", metadata={"address": world.address(invoice)},
                        times=None)
    world.check()
    assert counts(world) == [4, 1, 1]
    assert world.status(other) == "PAID" and world.last_run().stats["failed"] == 1


# --- the key


def test_the_key_is_sent_and_never_said(world):
    invoice = world.open()
    world.pay(invoice)
    world.sandbox.control("POST", "tron/key", {"key": KEY})
    text = world.check(TRON_API_KEY=KEY)
    assert world.status(invoice) == "PAID" and KEY not in text
    world.later("2m")
    for _ in range(2):
        text = world.check(TRON_API_KEY="another-key", code=1)
        assert "TRON_API_KEY" in text and "another-key" not in text
    assert world.status(invoice) == "PAID" and sum(counts(world)) < 12
    told = world.database.query("select payload ->> 'text' as text from ops.job")
    assert len(told) == 1 and "TRON_API_KEY" in told[0].text
    assert world.last_run().stats["failed"] == 1


def test_a_contract_that_is_none_is_named(world):
    world.open()
    assert "TRON_USDT_CONTRACT" in world.check(TRON_USDT_CONTRACT="USDT", code=78)


def test_an_address_that_is_none_spoils_itself(world):
    world.add_addresses("Tnonsense")
    bad, good = world.insert("Tnonsense"), world.open()
    world.pay(good)
    assert "Tnonsense" in world.check()
    assert world.status(bad, good) == ["PAYING", "PAID"]
    assert world.last_run().stats["failed"] == 1


def test_told_to_stop_it_leaves_with_what_it_has(world):
    invoices = [world.open() for _ in range(2)]
    for invoice in invoices:
        world.pay(invoice)
    world.sandbox.fault("hold", path="/tron/v1/*",
                        metadata={"address": world.address(invoices[1])})
    running = world.worker.start("cashier/tron_transaction_checker", **world.settings())
    until(lambda: world.sandbox.control("GET", "state")["held"] == 1, "a list is under way")
    running.signal(15)
    world.sandbox.control("POST", "release")
    assert running.wait() == 75
    world.check()
    assert world.status(*invoices) == ["PAID", "PAID"]
    assert PRICE == world.recorded(invoices[1])[0].amount
