"""A scene for each billing worker: a small world in which it has one of everything to do.

A scene builds its world and says what must have come of it in the end, however often the worker was
interrupted (town.py has the words).
"""
from billing_world import ADMIN, NOW

YESTERDAY = "2026-03-09T21:10:00Z"
WEEK_AGO = "2026-03-03T20:00:00Z"
SHORTLY_BEFORE, RECENTLY = "2026-03-10T21:05:00Z", "2026-03-10T20:50:00Z"
DAYS_AGO = "2026-03-08T00:00:00Z"
GRACE_OVER, ENDED, TOMORROW = (f"2026-03-{day}T12:00:00+03:00" for day in ("05", 10, 12))


def autopayments(town):
    """Renewals old and new, with every outcome, and three answers that get lost."""
    town.at(YESTERDAY)
    renewed = [town.due(ENDED) for _ in range(2)]  # keys that the provider has forgotten by now
    made, _never_made = town.claim()
    town.send(made)
    town.at(NOW)
    renewed += [town.due() for _ in range(2)]
    sent, _not_sent = town.claim()
    town.send(sent)

    for fault in ("500-after", "drop-after", "cut"):
        lost = town.due()
        town.sandbox.fault(fault, method="POST", metadata={"subscription_id": str(lost)})
        renewed.append(lost)
    for subscription in [*renewed, town.due(), town.due()]:
        town.expect(subscription, periods=1, told=1)

    town.expect(town.due(method="slow", status="pending"))
    town.expect(town.due(method="poor", status="canceled", reason="insufficient_funds"), told=1)
    town.expect(town.due(method="gone", status="canceled", reason="card_expired"), told=1,
                renews=False)
    town.expect(town.due(method="unsaved", saved=False), told=1, renews=False)
    town.expect(town.due(method=None), told=1, renews=False)
    town.expect(town.due(TOMORROW))


def expire_subscriptions(town):
    """Some that end, one still in its days of grace, one whose charge is open."""
    for _ in range(3):
        town.expect(town.due(GRACE_OVER), status="EXPIRED", told=1)
    town.expect(town.due(ENDED))
    waiting = town.due(GRACE_OVER)
    town.pending(subscription=waiting)
    town.expect(waiting)


def expire_payments(town):
    """Paid after all, canceled, unpaid, unknown to the provider; so many that the list is read."""
    subscription = town.due(TOMORROW)
    town.sandbox.succeed(town.pending(subscription=subscription, created_at=WEEK_AGO))
    town.expect(subscription, periods=1, told=1)
    buyer = town.person()
    town.sandbox.succeed(town.pending(user_id=buyer, created_at=WEEK_AGO))
    town.expect_bought(buyer)
    town.sandbox.cancel(town.pending(created_at=WEEK_AGO), reason="expired_on_confirmation")
    for _ in range(28):
        town.pending(created_at=WEEK_AGO)
    for number in range(4):
        town.insert("payment", status="PENDING", created_at=WEEK_AGO,
                    provider_payment_id=f"unknown-{number}")
    town.insert("payment", status="PENDING", created_at=WEEK_AGO)
    town.expect_payments(CANCELED=1, EXPIRED=33)


def matching_pending_payments(town):
    """Paid ones that the list shows, others that must be asked about, a renewal, one unpaid yet."""
    for created_at in (RECENTLY, DAYS_AGO):
        subscription = town.due(TOMORROW)
        town.sandbox.succeed(town.pending(subscription=subscription, created_at=created_at),
                             captured_at=created_at)
        town.expect(subscription, periods=1, told=1)
        buyer = town.person()
        town.sandbox.succeed(town.pending(user_id=buyer, created_at=created_at),
                             captured_at=created_at)
        town.expect_bought(buyer)

    town.at(SHORTLY_BEFORE)
    for outcome in ("succeed", "cancel"):
        subscription = town.due(method="slow", status="pending")
        [charge] = town.claim()
        payment = town.settle(charge, town.send(charge))
        if outcome == "succeed":
            town.sandbox.succeed(payment)
            town.expect(subscription, periods=1, told=1)
        else:
            town.sandbox.cancel(payment, reason="card_expired")
            town.expect(subscription, told=1, renews=False)
    town.at(NOW)
    town.sandbox.cancel(town.pending(created_at=DAYS_AGO), reason="expired_on_confirmation")
    town.pending(created_at=RECENTLY)
    town.expect_payments(CANCELED=2, PENDING=1)


def matching_successful_payments(town):
    """Purchases and a renewal that nobody told us of, and money for nobody knows what."""
    for order in ({"created_at": RECENTLY}, {"created_at": DAYS_AGO, "captured_at": RECENTLY}):
        buyer = town.person()
        town.sandbox.payment(
            metadata={"user_id": str(buyer), "tariff_id": str(town.tariff)}, **order)
        town.expect_bought(buyer)
    subscription = town.due()
    town.sandbox.payment(metadata={"subscription_id": str(subscription),
                                   "period_end": "2026-03-11T09:00:00Z"})
    town.expect(subscription, periods=1, told=1)
    for _ in range(2):
        town.sandbox.payment(metadata={})
    town.told[ADMIN] = 2
    town.unmatched = 2


SCENES = {scene.__name__: scene for scene in (
    autopayments, expire_subscriptions, expire_payments, matching_pending_payments,
    matching_successful_payments)}
# Those that ask the provider.
ASKING = [name for name in SCENES if name != "expire_subscriptions"]
