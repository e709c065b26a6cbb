"""billing/matching_*: what was paid at the provider is found, once, whichever worker sees it first."""
import pytest

from billing_world import ADMIN, AGAIN, FAILED, World, world  # noqa: F401

BOTH = ["matching_pending_payments", "matching_successful_payments"]


def bought(world, user="7", **order):
    """A customer buys a subscription; we were not told."""
    return world.sandbox.payment(metadata={"user_id": user, "tariff_id": str(world.tariff)}, **order)


def assert_bought_once(world, payment, end="2026-04-11 00:10"):
    [row] = world.database.query("select * from billing.subscription")
    assert (row.user_id, row.status, row.tariff_id) == (7, "ACTIVE", world.tariff)
    assert world.end(row.id) == end
    [paid] = world.database.query("select * from billing.payment")
    assert (paid.provider_payment_id, paid.status) == (payment["id"], "SUCCEEDED")
    assert (paid.subscription_id, paid.user_id) == (row.id, 7)
    assert len(world.notices("7")) == 1
    return row


# --- successful


def test_missing_payment_becomes_a_subscription(world):
    payment = bought(world)
    world.run("matching_successful_payments")
    row = assert_bought_once(world, payment)
    assert row.auto_renew  # the provider saved the method
    [paid] = world.database.query("select * from billing.payment")
    assert paid.payment_method_id == payment["payment_method"]["id"]
    world.run("matching_successful_payments")
    world.run("matching_pending_payments")
    assert_bought_once(world, payment)


def test_subscription_starts_when_the_money_came(world):
    bought(world, created_at="2026-03-10T20:30:00Z", captured_at="2026-03-10T20:45:00Z")
    world.run("matching_successful_payments")
    assert world.database.value("select started_at = '2026-03-10T20:45:00Z'"
                                " from billing.subscription")


def test_metadata_of_a_renewal_prolongs_that_subscription(world):
    subscription = world.subscription()
    world.sandbox.payment(metadata={"subscription_id": str(subscription),
                                    "period_end": "2026-03-11T09:00:00Z"})
    for worker in BOTH * 2:
        world.run(worker)
    assert world.end(subscription) == "2026-04-11 12:00"
    assert len(world.payments(subscription)) == 1


def test_charge_that_matching_sees_first_counts_once(world):
    """The answer to the charge is still on its way when both matching workers find the payment."""
    subscription = world.subscription()
    world.sandbox.fault("hold", method="POST")
    running = world.start("autopayments")
    world.sandbox.wait_held()
    for worker in BOTH:
        world.run(worker)
    assert world.end(subscription) == "2026-04-11 12:00"
    world.sandbox.release()
    assert running.wait() == 0
    assert world.end(subscription) == "2026-04-11 12:00"
    assert len(world.charges()) == 1 and len(world.payments(subscription)) == 1
    assert world.charge(subscription).state == "SUCCEEDED"


UNUSABLE = [
    {}, {"user_id": "7"}, {"tariff_id": "1"}, {"user_id": "7", "tariff_id": "999"},
    {"user_id": "seven", "tariff_id": "1"}, {"user_id": "99999999999999999999", "tariff_id": "1"},
    {"subscription_id": "1"}, {"subscription_id": "999", "period_end": "2026-03-11T09:00:00Z"},
    {"subscription_id": "'; drop", "period_end": "tomorrow"},
]


@pytest.mark.parametrize("metadata", UNUSABLE)
def test_unmatched_payment_is_kept_with_one_alert(world, metadata):
    payment = world.sandbox.payment(metadata=metadata)
    good = bought(world)
    for worker in BOTH * 2:
        world.run(worker)
    row = world.one("unmatched_payment", "provider_payment_id", payment["id"])
    assert row.payload["id"] == payment["id"] and row.reason
    assert len(world.notices(ADMIN)) == 1 and payment["id"] in world.notices(ADMIN)[0]
    assert_bought_once(world, good)


def test_period_end_must_be_an_instant(world):
    subscription = world.subscription()
    world.sandbox.payment(metadata={"subscription_id": str(subscription), "period_end": "2026-02-31"
                                                                                        "T00:00:00Z"})
    world.run("matching_successful_payments")
    assert world.end(subscription) == "2026-03-11 12:00" and len(world.notices(ADMIN)) == 1


def test_administrator_resolves_an_unmatched_payment(world):
    """As the README says: a PENDING row that names the subscription."""
    subscription = world.subscription()
    payment = world.sandbox.payment(metadata={})
    world.run("matching_successful_payments")
    world.insert("payment", provider_payment_id=payment["id"], subscription_id=subscription)
    world.run("matching_pending_payments")
    assert world.end(subscription) == "2026-04-11 12:00"
    assert world.database.query("select 1 from billing.unmatched_payment") == []


# --- pending


def test_pending_payment_that_was_paid_becomes_a_subscription(world):
    payment = world.pending(user_id=7, created_at="2026-03-10T20:50:00Z")
    paid = world.sandbox.succeed(payment)
    world.run("matching_pending_payments")
    assert_bought_once(world, paid)


def test_both_workers_and_one_pending_payment(world):
    """The race of the original: to the other worker a pending payment is a missing one, too."""
    payment = world.pending(user_id=7, metadata={"user_id": "7", "tariff_id": str(world.tariff)})
    paid = world.sandbox.succeed(payment)
    running = [world.start(worker) for worker in BOTH * 3]
    assert {one.wait() for one in running} <= {0, AGAIN}
    world.run("matching_pending_payments")
    assert_bought_once(world, paid)


def test_pending_payment_of_a_subscription_prolongs_it(world):
    subscription = world.subscription()
    payment = world.pending()
    world.database.execute("update billing.payment set subscription_id = %s"
                           " where provider_payment_id = %s", subscription, payment)
    world.sandbox.succeed(payment)
    world.run("matching_pending_payments")
    assert world.end(subscription) == "2026-04-11 12:00"


@pytest.mark.parametrize("status", ["EXPIRED", "CANCELED"])
def test_money_for_a_closed_row_is_booked(world, status):
    payment = world.pending(user_id=7)
    world.database.execute("update billing.payment set status = %s", status)
    paid = world.sandbox.succeed(payment)
    for worker in BOTH:
        world.run(worker)
    assert_bought_once(world, paid)


def test_revival_of_a_canceled_subscription_does_not_renew_it(world):
    subscription = world.subscription(status="CANCELED")
    world.sandbox.payment(metadata={"subscription_id": str(subscription),
                                    "period_end": "2026-03-11T09:00:00Z"})
    world.run("matching_successful_payments")
    row = world.state(subscription)
    assert (row.status, row.auto_renew) == ("ACTIVE", False)


def test_canceled_payment_is_canceled(world):
    payment = world.pending()
    world.sandbox.cancel(payment, reason="expired_on_confirmation")
    world.run("matching_pending_payments")
    assert world.one("payment", "provider_payment_id", payment).status == "CANCELED"


def test_pending_payments_are_asked_for_at_growing_intervals(world):
    payment = world.pending(created_at="2026-03-10T21:10:00Z")
    asked = []
    for minute in range(0, 60, 2):
        world.at(f"2026-03-10T21:{minute + 10 if minute < 50 else 59}:00Z")
        world.sandbox.forget_requests()
        world.run("matching_pending_payments")
        if world.sandbox.requests("GET", f"/v3/payments/{payment}"):
            asked.append(minute)
    assert asked[:3] == [0, 2, 4] and len(asked) < 12
    gaps = [b - a for a, b in zip(asked, asked[1:])]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("status, want", [(500, [1, 1, 0, 0]), (404, [1, 0, 0, 0])])
def test_only_a_question_without_an_answer_is_repeated_soon(world, status, want):
    payment = world.pending(created_at="2026-03-01T00:00:00Z")
    asked = []
    for minute in (10, 12, 14, 59):
        world.at(f"2026-03-10T21:{minute}:00Z")
        world.sandbox.forget_requests()
        world.sandbox.clear_faults()
        if minute == 10:
            world.sandbox.fault("error", method="GET", path=f"/v3/payments/{payment}", status=status)
        world.run("matching_pending_payments")
        asked.append(len(world.sandbox.requests("GET", f"/v3/payments/{payment}")))
    assert asked == want


def test_failure_for_one_does_not_stop_the_others(world):
    long_ago = "2026-03-09T00:00:00Z"  # outside of both windows: only asking by id finds them
    stuck, fine = [world.pending(user_id=user, created_at=long_ago) for user in (6, 7)]
    for payment in (stuck, fine):
        world.sandbox.succeed(payment, captured_at=long_ago)
    world.sandbox.fault("500-before", method="GET", path=f"/v3/payments/{stuck}", times=None)
    world.run("matching_pending_payments")
    assert world.one("payment", "provider_payment_id", fine).status == "SUCCEEDED"
    assert world.one("payment", "provider_payment_id", stuck).status == "PENDING"


# --- windows


def test_payment_captured_long_after_its_creation_is_seen(world):
    payment = bought(world, created_at="2026-03-10T10:00:00Z", captured_at="2026-03-10T21:09:00Z")
    world.run("matching_successful_payments")
    assert_bought_once(world, payment, "2026-04-11 00:09")


def test_window_can_be_set(world):
    bought(world, created_at="2026-03-10T18:00:00Z")
    world.run("matching_successful_payments")
    assert world.database.query("select 1 from billing.subscription") == []
    world.database.execute("delete from ops.run")
    world.run("matching_successful_payments", BILLING_MATCH_WINDOW="4h")
    assert len(world.database.query("select 1 from billing.subscription")) == 1


def test_window_reaches_back_to_the_last_good_run(world):
    """A day without a good run; what happened in it is found all the same. Nor does it count that one
    was good while the clock was ahead."""
    for hours, code in (("30", 0), ("2", 1), ("1", 75), ("-4", 0)):
        world.database.execute(
            "insert into ops.run (app, worker, host, pid, tick_at, started_at, exit_code)"
            " select 'billing', 'matching_successful_payments', 'h', 1, at, at, %s"
            " from (select %s::timestamptz - make_interval(hours => %s::int) as at) as x",
            code, world.now, hours)
    payment = bought(world, created_at="2026-03-09T16:00:00Z")
    world.run("matching_successful_payments")
    assert_bought_once(world, payment, "2026-04-09 19:00")


def test_all_pages_are_read(world):
    payments = [bought(world, user=str(user)) for user in range(1, 252)]
    world.run("matching_successful_payments")
    rows = world.database.query("select provider_payment_id as id from billing.payment")
    assert {row.id for row in rows} == {payment["id"] for payment in payments}
    assert world.database.value("select count(*) from billing.subscription") == 251


@pytest.mark.parametrize("fault", ["truncated-json", "invalid-json", "error"])
def test_unreadable_list_makes_no_good_run(world, fault):
    payment = bought(world)
    params = {"status": 418} if fault == "error" else {}
    number = world.sandbox.fault(fault, method="GET", times=None, **params)
    world.run("matching_successful_payments", code=AGAIN)
    assert world.database.value("select exit_code from ops.run") == AGAIN
    world.sandbox.clear_faults(number)
    world.run("matching_successful_payments")
    assert_bought_once(world, payment)


def test_strange_items_of_a_list_are_survived(world):
    good = ('{"id": "g", "status": "succeeded", "amount": {"value": "9.99", "currency": "RUB"},'
            ' "metadata": {"user_id": "7", "tariff_id": "%d", "note": "\\u0000"}}' % world.tariff)
    strange = '5, null, "x", [], {}, {"id": 5, "status": "succeeded"}, {"id": "s", "status": "succeeded", "amount": "x",' \
              ' "metadata": "y", "created_at": "z", "payment_method": 3}'
    world.sandbox.fault("invalid-json", method="GET", text=f'{{"items": [{strange}, {good}]}}')
    world.run("matching_successful_payments")
    assert world.database.value("select provider_payment_id from billing.payment") == "g"
    assert str(world.database.value("select amount from billing.payment")) == "9.99"
    assert {row.id for row in world.database.query(
        "select provider_payment_id as id from billing.unmatched_payment")} == {"s", "5"}


@pytest.mark.parametrize("name", BOTH)
def test_denied_is_told_once(world, name):
    world.sandbox.fault("403", times=None)
    world.run(name, code=FAILED)
    world.run(name, code=FAILED)
    assert len(world.notices(ADMIN)) == 1


@pytest.mark.parametrize("name", BOTH)
def test_matching_dry_run(world, name):
    bought(world)
    world.sandbox.succeed(world.pending())
    before = world.everything()
    assert "subscription created" in world.run(name, "--dry-run")
    assert world.everything() == before
