"""The whole way of a purchase, as in the demo: /start, an invoice, a payment on the chain, an access
with links, and its end; every worker of the shop, the gateway, and the stand-ins, one customer (customer.py)."""
import os
import subprocess
import sys

import pytest

import customer as customers
import seed_shop
from bot_world import shop  # noqa: F401
from fixture import BOT_TOKEN
from gateway_world import SECRET, Gateway
from harness import ROOT, wait_until

KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@pytest.fixture
def demo(shop):
    seeded = subprocess.run(
        [sys.executable, "-B", ROOT / "tests/sandbox/seed.py"], capture_output=True, text=True,
        env={**os.environ, **shop.sandbox.environment(), "DATABASE_URL": shop.database.url,
             "FIELD_ENCRYPTION_KEY": KEY})
    assert seeded.returncode == 0, seeded.stderr
    shop.sandbox.limits(per_chat=None, per_bot=None)
    shop.serve()
    shop.start(TELEGRAM_RATE_PER_CHAT=30)
    return shop


@pytest.fixture
def customer(demo):
    """What he does comes by the webhook, through the gateway."""
    gateway = Gateway(demo.worker, **demo.settings())
    demo.sandbox.control("POST", "telegram/webhook", {"first_delay_s": 0.1})
    demo.worker.start("main/webhook_tunneler", **demo.settings(
        WEBHOOK_TYPE="HOST", WEBHOOK_HOST=f"http://127.0.0.1:{gateway.port}",
        WEBHOOK_SECRET=SECRET, HTTP_LISTEN=f"127.0.0.1:{gateway.port}",
        WEBHOOK_CHECK_INTERVAL="200ms"))
    made = customers.Customer(demo.sandbox.url, demo.database.url, token=BOT_TOKEN, patience=30)
    wait_until(made.webhook_is_set)
    return made


def run(shop, worker):
    done = shop.worker(worker, **shop.settings(TRON_CONFIRMATIONS=19))
    assert done.returncode == 0, done.stdout + done.stderr


def status(shop):
    return shop.database.value("select status from cashier.crypto_invoice order by id desc limit 1")


def confirm(shop):
    shop.sandbox.clock(advance="3s")
    run(shop, "cashier/tron_transaction_checker")
    assert status(shop) == "PAID"
    shop.sandbox.clock(advance="2m")
    run(shop, "cashier/tron_transaction_checker")
    assert status(shop) == "CONFIRMED"
    run(shop, "cashier/invoice_confirm_checker")
    assert status(shop) == "REDEEMED"


def test_a_purchase_from_start_to_end(demo, customer):
    invoice = customers.buy(customer)
    run(demo, "cashier/tron_transaction_checker")
    assert status(demo) == "PAYING", "nothing was paid"
    customer.pay(invoice)
    confirm(demo)
    assert len(customers.enter(customer)) == 1
    assert customer.status(seed_shop.CLUB) == "member"
    assert "Paid" in customer.press(invoice, "What has become of it?")["text"]

    accesses = customer.write("/accesses")
    access = customer.press(accesses, next(iter(customers.buttons(accesses))))
    assert "in there already" in customer.press(access, "I cannot get in")["text"]

    prolonged = customer.press(customer.press(access, "Prolong"), "Pay with USDT (TRC-20)")
    customer.pay(prolonged)
    confirm(demo)
    customer.hear("is prolonged until")
    [row] = demo.database.query("select end_date - start_date as time from accesser.access")
    assert row.time.days == 14

    demo.database.execute("update accesser.access set start_date = '2000-01-01', end_date = now()")
    run(demo, "accesser/customer_access_revoker")
    wait_until(lambda: customer.status(seed_shop.CLUB) == "kicked")
    assert not demo.database.value("select active from accesser.access")
    assert customer.hear("")["text"]
    assert all(link["revoked"] for link in demo.sandbox.links())
    assert demo.database.value("select count(*) from ops.job where state = 'dead'") == 0
