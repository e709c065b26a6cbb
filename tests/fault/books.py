"""What must be true of billing whatever was killed when: the provider's books are ours.

The provider's ledger is the truth about money. Nothing here knows what a worker should have done;
that is for the scenes (scenes.py) to say.
"""
from collections import Counter, defaultdict
from datetime import datetime


def months_later(instant, months):
    """Good for days that every month has."""
    month = instant.month - 1 + months
    return instant.replace(year=instant.year + month // 12, month=month % 12 + 1)


def period_of(charge):
    """Which renewal a charge paid for; None for a purchase."""
    metadata = charge["metadata"]
    if "subscription_id" not in metadata:
        return None
    return int(metadata["subscription_id"]), metadata["period_end"]


def check_payments(world, charges):
    """Every charge is booked once, as a payment or as one that nobody knows the purpose of, and
    nothing is booked that was not charged."""
    booked = world.database.query(
        "select provider_payment_id as id, amount, currency from billing.payment"
        " where status = 'SUCCEEDED' and provider_payment_id not like 'first-%%'"
        " union all select provider_payment_id, (payload #>> '{amount,value}')::numeric,"
        " payload #>> '{amount,currency}' from billing.unmatched_payment")
    assert Counter((row.id, str(row.amount), row.currency) for row in booked) \
        == Counter((charge["id"], charge["amount"], charge["currency"]) for charge in charges)


def check_periods(world, charges):
    """No period is charged twice, and a subscription is longer by what was paid for it."""
    periods = Counter(filter(None, map(period_of, charges)))
    twice = {period: n for period, n in periods.items() if n > 1}
    assert not twice, f"charged more than once: {twice}"

    paid = defaultdict(int)
    for row in world.database.query(
            "select subscription_id as id from billing.payment where status = 'SUCCEEDED'"
            " and provider_payment_id not like 'first-%%'"):
        paid[row.id] += 1
    for row in world.database.query("select * from billing.subscription"):
        began = world.began.get(row.id)
        if began:
            expected = months_later(datetime.fromisoformat(began), paid[row.id])
        else:  # it was bought: its first period is what it was bought with
            expected = months_later(row.started_at, 1)
            assert paid[row.id] == 1
        assert row.ended_at == expected, f"subscription {row.id}: {paid[row.id]} payments"


def check_renewals(world, charges):
    """No outcome is unknown, and what each renewal says is what happened to its key."""
    by_key = {charge["key"]: charge for charge in charges if charge["key"]}
    for row in world.database.query("select * from billing.autopayment"):
        charge = by_key.pop(str(row.idempotence_key), None)
        assert row.state in ("SUCCEEDED", "PENDING", "RETRY"), row
        assert (row.state == "SUCCEEDED") == bool(charge), row
        if charge:
            assert row.provider_payment_id == charge["id"]
        waiting = world.database.query(
            "select 1 from billing.payment where status = 'PENDING' and provider_payment_id = %s",
            row.provider_payment_id)
        assert len(waiting) == (row.state == "PENDING"), row
    assert not by_key, f"charged with a key that no renewal has: {by_key}"


def check_run(world, worker, runs):
    """Each tick ended well, and was begun no oftener than there were runs."""
    rows = world.database.query(
        "select * from ops.run where app = 'billing' and worker = %s", worker)
    for row in rows:
        assert (row.exit_code, row.error) == (0, None) and row.finished_at, row
    assert 1 <= sum(row.attempt for row in rows) <= runs


def check_books(world):
    charges = world.charges()
    check_payments(world, charges)
    check_periods(world, charges)
    check_renewals(world, charges)
