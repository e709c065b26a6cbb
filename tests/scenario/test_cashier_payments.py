"""Which transfers pay an invoice, and which never do."""
import datetime
import decimal

import pytest

from cashier_world import FAKE, PRICE, SOLID, units, world  # noqa: F401
import tron_address


def test_seen_paid_and_confirmed_when_final(world):
    invoice = world.open()
    world.check()
    assert world.status(invoice) == "PAYING" and world.recorded(invoice) == []
    world.later("1m")
    txid = world.pay(invoice)
    world.check()
    assert world.status(invoice) == "PAID"
    [row] = world.recorded(invoice)
    assert (row.txid, row.amount, row.confirmations, row.required) == (txid, PRICE, 0, SOLID)
    assert row.block_number and row.block_time and row.from_address.startswith("T")
    world.later("54s")
    world.check()
    assert world.status(invoice) == "PAID" and world.recorded(invoice)[0].confirmations == 18
    world.later("3s")
    world.check()
    assert world.status(invoice) == "CONFIRMED" and world.recorded(invoice)[0].confirmations == 19
    confirmed = world.invoice(invoice).confirmed_date
    assert confirmed == datetime.datetime.fromisoformat(world.now.replace("Z", "+00:00"))
    world.later("1m")
    world.check()
    assert world.invoice(invoice).confirmed_date == confirmed
    assert world.alerts() == [] and len(world.recorded(invoice)) == 1


def test_confirmation_is_announced(world):
    invoice = world.open()
    world.pay(invoice)
    listening = world.database.connect()
    with listening.cursor() as cursor:
        cursor.execute("listen cashier_confirmed")
        world.later("2m")
        world.check()
        cursor.execute("select 1")
        assert [(n.channel, n.payload) for n in listening.notifies] \
            == [("cashier_confirmed", str(invoice))]
    listening.close()


@pytest.mark.parametrize("wanted", [1, 40])
def test_so_many_confirmations_are_wanted(world, wanted):
    """The solid part of the chain has to say so, too, however few are wanted."""
    invoice = world.open()
    world.pay(invoice)
    for blocks in sorted({wanted - 1, wanted, SOLID - 1, SOLID, 40}):
        world.set_clock("2026-03-01T10:00:00Z")
        world.later(f"{3 * blocks}s")
        world.check(TRON_CONFIRMATIONS=wanted)
        assert world.status(invoice) == (
            "CONFIRMED" if blocks >= max(wanted, SOLID) else "PAID"), blocks


def never(world, invoice, spans=("0s", "1m", "1m")):
    for span in spans:
        world.later(span)
        world.check()
        assert world.status(invoice) == "PAYING"
    return world.recorded(invoice)


def test_an_old_transfer_pays_nothing(world):
    """The address had another invoice before, and exactly this much came in then."""
    world.transfer({"to": tron_address.make(0)[1], "value": units(PRICE)})
    world.later("3s")
    invoices = [world.open() for _ in range(3)]
    for invoice in invoices:
        assert never(world, invoice) == []
    assert world.alerts() == []


@pytest.mark.parametrize("output", [
    {"contract": FAKE}, {"type": "Approval"}, {"type": "transfer"},
    {"to": tron_address.make(99)[1]}, {"value": "0"}], ids=str)
def test_what_is_no_transfer_of_usdt_to_us_pays_nothing(world, output):
    invoice = world.open()
    world.pay(invoice, output=output)
    assert never(world, invoice) == []
    assert world.alerts() == []


def test_what_the_index_lets_through_pays_nothing(world):
    """An index that ignores every filter it is asked to apply."""
    invoice = world.open()
    ours, theirs = world.address(invoice), tron_address.make(99)[1]
    good = {"transaction_id": world.transfer({"to": theirs, "value": units(PRICE)})["txid"],
            "block_timestamp": int(datetime.datetime(
                2026, 3, 1, 11, tzinfo=datetime.timezone.utc).timestamp() * 1000),
            "token_info": {"symbol": "USDT", "decimals": 6,
                           "address": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"},
            "from": theirs, "to": ours, "type": "Transfer", "value": units(PRICE)}
    wrong = [{**good, "type": "Approval"}, {**good, "to": theirs}, {**good, "to": ours.lower()},
             {**good, "token_info": {"symbol": "USDT", "decimals": 6, "address": FAKE}},
             {**good, "block_timestamp": 1700000000000}]
    world.sandbox.fault("tron-changed", set={"data": wrong}, times=None)
    assert never(world, invoice) == []
    assert not [r for r in world.asked() if "gettransactioninfo" in r["path"]]
    # What it says of a transaction that moves nothing to us is not believed either.
    world.sandbox.control("DELETE", "faults")
    world.sandbox.fault("tron-changed", path="/tron/v1/*", set={"data": [good]}, times=None)
    assert never(world, invoice) == []


def test_a_failed_receipt_pays_nothing(world):
    invoice = world.open()
    world.pay(invoice, failed="REVERT")
    world.pay(invoice, failed="OUT_OF_ENERGY")
    assert never(world, invoice) == []


@pytest.mark.parametrize("change", [
    {"result": "FAILED"}, {"receipt": {"energy_usage_total": 1}}, {"receipt": None},
    {"receipt": {"result": "REVERT"}}, {"log": []}, {"log": None}], ids=str)
def test_each_sign_of_failure_counts(world, change):
    invoice = world.open()
    world.pay(invoice)
    world.sandbox.fault("tron-changed", path="/tron/wallet*/gettransactioninfobyid", set=change,
                        times=None)
    assert never(world, invoice) == []


def log(txid_to, value=units(PRICE), contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", **change):
    topic = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    return {"address": tron_address.decode(contract).hex(),
            "topics": [topic, "00" * 12 + "11" * 20,
                       "00" * 12 + tron_address.decode(txid_to).hex()],
            "data": f"{int(value):064x}", **change}


def test_only_a_log_that_matches_in_every_byte_counts(world):
    invoice = world.open()
    address = world.address(invoice)
    right = log(address)
    world.pay(invoice)
    for wrong in (log(address, contract=FAKE), {**right, "topics": right["topics"][:2]},
                  {**right, "topics": ["8c" + right["topics"][0][2:], *right["topics"][1:]]},
                  {**right, "topics": [*right["topics"][:2], "01" + right["topics"][2][2:]]},
                  {**right, "data": right["data"][:-2]}, {**right, "data": ""},
                  {**right, "data": None}, log(tron_address.make(99)[1]), 7, {}):
        world.sandbox.fault("tron-changed", path="/tron/wallet*/gettransactioninfobyid",
                            set={"log": [wrong]}, times=None)
        assert never(world, invoice, ["0s"]) == [], wrong
        world.sandbox.control("DELETE", "faults")
    world.check()
    assert world.status(invoice) == "PAID"


def test_one_transfer_pays_one_invoice(world):
    """Two invoices of the same amount, also at the same address: the oldest is paid."""
    first, other = world.open(), world.open()
    world.later("3s")
    second = world.insert(world.address(first), expire_date="2026-03-01T11:00Z")
    world.later("3s")
    world.pay(first)
    world.later("2m")
    world.check()
    assert world.status(first, second, other) == ["CONFIRMED", "PAYING", "PAYING"]
    world.pay(first)
    world.later("2m")
    world.check()
    assert world.status(first, second, other) == ["CONFIRMED", "CONFIRMED", "PAYING"]
    assert world.alerts() == []


def test_a_transaction_that_paid_an_invoice_pays_no_second_one(world):
    """Written by hand: created before the transfer, at the address of one that is redeemed."""
    first = world.open()
    world.later("3s")
    world.pay(first)
    world.later("2m")
    world.check()
    world.database.execute("update cashier.crypto_invoice set status = 'REDEEMED'")
    second = world.insert(world.address(first), create_date=world.ago("130s"),
                          expire_date="2026-03-01T11:00Z")
    world.check()
    assert world.status(second) == "PAYING" and world.alerts() == []


def test_one_transaction_may_pay_several_recipients(world):
    invoices = [world.open() for _ in range(3)]
    made = world.transfer(*[{"to": world.address(invoice), "value": units(PRICE)}
                            for invoice in invoices])
    world.later("2m")
    world.check()
    assert world.status(*invoices) == ["CONFIRMED"] * 3
    assert {world.recorded(invoice)[0].txid for invoice in invoices} == {made["txid"]}
    receipts = world.asked("wallet/gettransactioninfobyid")
    assert len(receipts) == 1


def test_two_transfers_of_one_transaction_to_one_address_are_one_payment(world):
    invoice = world.open()
    address = world.address(invoice)
    world.transfer({"to": address, "value": units("5")}, {"to": address, "value": units("4.99")})
    world.later("2m")
    world.check()
    assert world.status(invoice) == "CONFIRMED" and world.recorded(invoice)[0].amount == PRICE


@pytest.mark.parametrize("amount, word", [
    ("9.989999", "меньше"), ("9.990001", "больше"), ("0.000001", "меньше"),
    (decimal.Decimal((1 << 256) - 1).scaleb(-6, decimal.Context(prec=90)), "больше"),
    (decimal.Decimal(9_007_199_254_740_993).scaleb(-6), "больше")], ids=str)
def test_another_amount_is_recorded_and_told_once(world, amount, word):
    """Up to 78 digits, to the last one."""
    invoice = world.open()
    with decimal.localcontext(decimal.Context(prec=90)):
        world.pay(invoice, amount)
    for _ in range(3):
        world.check()
        world.later("1m")
    assert world.status(invoice) == "PAYING"
    [row] = world.recorded(invoice)
    assert row.amount == decimal.Decimal(amount)
    [alert] = world.alerts()
    assert word in alert and f"счёт {invoice}" in alert and row.txid in alert
    assert f"{amount} USDT" in alert
    world.pay(invoice)
    world.check()
    assert world.status(invoice) == "PAID" and len(world.alerts()) == 1


def test_two_transfers_that_make_the_amount_together_pay_nothing(world):
    """Two transactions: nobody can tell that they are one payment, so that a person decides."""
    invoice = world.open()
    for part in "5", "4.99":
        world.pay(invoice, part)
        world.later("3s")
    for _ in range(2):
        world.later("1m")
        world.check()
    assert world.status(invoice) == "PAYING" and len(world.alerts()) == 2


def test_a_second_too_late_it_pays_as_long_as_nobody_called_the_invoice_over(world):
    """Never lost: it pays, or it is told."""
    first, second = world.open(), world.open()
    world.later("3601s")
    world.pay(first)
    world.check()
    world.expire()
    assert world.status(first, second) == ["PAID", "EXPIRED"]
    world.later("3s")
    world.pay(second)
    world.check()
    assert world.status(second) == "EXPIRED" and len(world.alerts()) == 1


def test_a_second_payment_is_recorded_and_told_once(world):
    invoice = world.open()
    world.pay(invoice)
    world.later("3s")
    world.pay(invoice)
    for _ in range(3):
        world.check()
        world.later("1m")
    assert world.status(invoice) == "CONFIRMED" and len(world.recorded(invoice)) == 2
    [alert] = world.alerts()
    assert "уже оплачен" in alert


def test_an_address_without_the_administrators_chat_is_silent(world):
    invoice = world.open()
    world.pay(invoice, "1")
    text = world.check(TELEGRAM_ADMIN_CHAT_ID="")
    assert "pays no invoice" in text and world.alerts() == []


def test_nothing_is_asked_when_nothing_is_awaited(world):
    world.check()
    assert world.asked() == []


def test_a_dry_run_changes_nothing(world):
    invoice = world.open()
    world.pay(invoice)
    world.later("2m")
    world.check("--dry-run")
    assert world.status(invoice) == "PAYING" and world.recorded(invoice) == []
