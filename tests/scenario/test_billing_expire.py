"""billing/expire_subscriptions and billing/expire_payments: what ends, and what must not."""
import pytest

from billing_world import AGAIN, FAILED, World, world  # noqa: F401

WEEK_AGO = "2026-03-03T21:09:59Z"
PAID = "2026-04-11 12:00"


# --- subscriptions


@pytest.mark.parametrize("ended_at, status", [
    ("2026-03-07T21:10:00Z", "EXPIRED"),
    ("2026-03-07T21:10:00.000001Z", "ACTIVE"),
    ("2020-01-01T00:00:00Z", "EXPIRED"),
])
def test_subscription_expires_after_the_days_of_grace(world, ended_at, status):
    subscription = world.subscription(ended_at=ended_at, auto_renew=False)
    world.run("expire_subscriptions")
    assert world.state(subscription).status == status
    assert len(world.notices(1000)) == (status == "EXPIRED")


def test_days_of_grace_can_be_set(world):
    subscription = world.subscription(ended_at="2026-03-10T21:09:00Z", auto_renew=False)
    world.run("expire_subscriptions", BILLING_GRACE_DAYS="0")
    assert world.state(subscription).status == "EXPIRED"


def test_subscription_with_an_open_charge_is_skipped(world):
    unknown = world.subscription(ended_at="2026-03-07T12:00:00Z")
    pending = world.subscription(ended_at="2026-03-07T12:00:00Z", method="slow")
    world.sandbox.methods(["slow"], status="pending")
    world.sandbox.fault("500-before", method="POST", metadata={"subscription_id": str(unknown)})
    world.run("autopayments", code=AGAIN)
    world.run("expire_subscriptions")
    assert [world.state(i).status for i in (unknown, pending)] == ["ACTIVE", "ACTIVE"]
    assert world.notices() == []


def test_subscription_that_is_being_charged_at_this_moment_is_skipped(world):
    """The charge is committed after the statement began and before it gets the lock."""
    subscription = world.subscription(ended_at="2026-03-01T00:00:00Z")
    busy = world.database.connect(autocommit=False)
    with busy.cursor() as cursor:
        cursor.execute("select from billing.subscription for no key update")
    assert "locked" in world.run("expire_subscriptions", code=AGAIN)
    assert world.state(subscription).status == "ACTIVE"
    busy.rollback()
    busy.close()
    world.run("expire_subscriptions")
    assert world.state(subscription).status == "EXPIRED"


def test_expire_subscriptions_dry_run(world):
    world.subscription(ended_at="2026-03-01T00:00:00Z")
    before = world.everything()
    assert "would expire subscriptions count=1" in world.run("expire_subscriptions", "--dry-run")
    assert world.everything() == before


def test_names_are_escaped_in_notices(world):
    world.database.execute("update billing.tariff set name = '<b>&'")
    world.subscription(ended_at="2026-03-01T00:00:00Z")
    world.run("expire_subscriptions")
    assert "&lt;b&gt;&amp;" in world.notices(1000)[0]


# --- payments


@pytest.mark.parametrize("created_at, status", [
    (WEEK_AGO, "EXPIRED"), ("2026-03-03T21:10:00Z", "PENDING"),
])
def test_pending_payment_expires_after_days(world, created_at, status):
    payment = world.pending(created_at=created_at)
    world.run("expire_payments")
    assert world.one("payment", "provider_payment_id", payment).status == status


def test_paid_payment_is_finished_instead(world):
    payment = world.pending(created_at=WEEK_AGO)
    world.sandbox.succeed(payment, captured_at="2026-03-04T00:00:00Z")
    world.run("expire_payments")
    row = world.one("payment", "provider_payment_id", payment)
    assert row.status == "SUCCEEDED"
    assert world.state(row.subscription_id).status == "ACTIVE"
    assert world.end(row.subscription_id) == "2026-04-04 03:00"


def test_canceled_payment_is_canceled(world):
    payment = world.pending(created_at=WEEK_AGO)
    world.sandbox.cancel(payment, reason="expired_on_confirmation")
    world.run("expire_payments")
    row = world.one("payment", "provider_payment_id", payment)
    assert (row.status, row.error) == ("CANCELED", "expired_on_confirmation")


def test_payment_that_the_provider_does_not_know_expires(world):
    world.insert("payment", status="PENDING", provider_payment_id="../no such/payment?",
                 created_at=WEEK_AGO)
    world.insert("payment", status="PENDING", created_at=WEEK_AGO)
    world.pending(created_at=WEEK_AGO)
    world.run("expire_payments")
    assert {row.status for row in world.database.query("select status from billing.payment")} \
        == {"EXPIRED"}
    assert len(world.sandbox.requests("GET")) == 2
    assert all(one["path"].startswith("/v3/payments/") for one in world.sandbox.requests("GET"))


@pytest.mark.parametrize("fault", ["500-before", "429", "invalid-json", "drop-before"])
def test_failure_for_one_leaves_it_for_the_next_run(world, fault):
    stuck, fine = [world.pending(created_at=WEEK_AGO) for _ in range(2)]
    number = world.sandbox.fault(fault, method="GET", path=f"/v3/payments/{stuck}", times=None)
    world.run("expire_payments", code=AGAIN)
    assert world.one("payment", "provider_payment_id", stuck).status == "PENDING"
    assert world.one("payment", "provider_payment_id", fine).status == "EXPIRED"
    world.sandbox.clear_faults(number)
    world.run("expire_payments")
    assert world.one("payment", "provider_payment_id", stuck).status == "EXPIRED"


def test_nothing_expires_when_access_is_denied(world):
    payment = world.pending(created_at=WEEK_AGO)
    world.sandbox.fault("401", times=None)
    world.run("expire_payments", code=FAILED)
    assert world.one("payment", "provider_payment_id", payment).status == "PENDING"


def test_many_are_asked_about_by_pages(world):
    ours = [world.pending(created_at=WEEK_AGO) for _ in range(330)]
    world.sandbox.succeed(ours[5])
    world.sandbox.cancel(ours[6])
    world.run("expire_payments")
    rows = world.database.query("select status, count(*) as n from billing.payment group by 1")
    assert {row.status: row.n for row in rows} == {"EXPIRED": 328, "SUCCEEDED": 1, "CANCELED": 1}
    assert len(world.sandbox.requests("GET")) == 4


def test_few_of_ours_among_many_of_others_are_asked_one_by_one(world):
    """The list gets only so many pages; what it did not answer is asked."""
    world.database.execute("delete from billing.payment")
    ours = [world.pending(created_at=WEEK_AGO) for _ in range(40)]
    for _ in range(200):
        world.sandbox.payment(status="canceled", created_at="2026-03-03T22:00:00Z")
    world.run("expire_payments")
    assert world.database.value("select count(*) from billing.payment where status = 'EXPIRED'") \
        == len(ours)
    assert len(world.sandbox.requests("GET")) == 41


def test_late_success_revives_payment_and_subscription(world):
    subscription = world.subscription(method="slow")
    world.sandbox.methods(["slow"], status="pending")
    world.run("autopayments")
    [payment] = world.payments(subscription, "PENDING")
    world.at("2026-03-19T21:10:00Z")
    world.run("expire_subscriptions")
    assert world.state(subscription).status == "ACTIVE"  # its charge is open
    world.run("expire_payments")
    world.run("expire_subscriptions")
    assert world.state(subscription).status == "EXPIRED"
    assert world.charge(subscription).state == "EXPIRED"
    world.run("autopayments")
    assert len(world.posts()) == 1  # no second charge for a period that may still be paid

    world.at("2026-03-25T12:00:00Z")
    world.sandbox.succeed(payment.provider_payment_id)
    world.run("matching_successful_payments")
    assert world.state(subscription).status == "EXPIRED"  # not its affair
    world.run("matching_pending_payments")
    assert world.state(subscription).status == "ACTIVE"
    assert world.end(subscription) == PAID
    assert len(world.payments(subscription)) == 1 and world.charge(subscription).state == "SUCCEEDED"


def test_expire_payments_dry_run(world):
    world.pending(created_at=WEEK_AGO)
    before = world.everything()
    assert "would expire payments count=1" in world.run("expire_payments", "--dry-run")
    assert world.everything() == before
