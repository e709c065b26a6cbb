"""billing/autopayments: every subscription that is due is charged once per period, whatever happens."""
import json
import signal

import pytest

from billing_world import ADMIN, AGAIN, CONFIG, ENDS_TODAY, FAILED, World, world  # noqa: F401

TOMORROW, SOON = "2026-03-11T21:10:00Z", "2026-03-10T21:12:00Z"
PAID = "2026-04-11 12:00"


def assert_paid_once(world, subscription, end=PAID):
    assert len(world.charges(subscription)) == 1
    assert len(world.payments(subscription)) == 1
    assert world.end(subscription) == end
    assert world.charge(subscription).state == "SUCCEEDED"


# --- a good day


def test_due_subscription_is_charged_and_prolonged(world):
    subscription = world.subscription()
    output = world.run("autopayments")
    assert_paid_once(world, subscription)
    assert "subscription prolonged" in output

    [payment] = world.payments(subscription)
    [charge] = world.charges()
    assert (payment.provider_payment_id, payment.status) == (charge["id"], "SUCCEEDED")
    assert (str(payment.amount), payment.currency) == ("100.00", "RUB")
    assert (payment.user_id, payment.tariff_id) == (1000, world.tariff)
    assert charge["payment_method_id"] == "good"
    assert charge["metadata"] == {"subscription_id": str(subscription),
                                  "period_end": "2026-03-11T09:00:00Z",
                                  "charge": str(world.charge(subscription).idempotence_key)}
    [text] = world.notices(1000)
    assert "11.04.2026" in text and "100.00" in text


def test_request_is_the_row(world):
    """What was sent, byte for byte, and its key are in the row: a crash repeats just that."""
    subscription = world.subscription()
    world.run("autopayments")
    row, [post] = world.charge(subscription), world.posts()
    assert post["headers"]["Idempotence-Key"] == str(row.idempotence_key)
    assert post["body"] == row.request or post["body"] == json.loads(row.request)
    assert json.loads(row.request)["capture"] is True
    assert len(json.loads(row.request)["description"]) <= 128


@pytest.mark.parametrize("ended_at, due", [
    ("2026-03-11T23:59:59.999999+03:00", True),
    ("2026-03-12T00:00:00+03:00", False),
    ("2026-03-11T00:00:00+03:00", True),
    ("2026-03-09T12:00:00+03:00", True),
])
def test_due_until_the_end_of_today_in_billing_tz(world, ended_at, due):
    subscription = world.subscription(ended_at=ended_at)
    world.run("autopayments")
    assert len(world.charges(subscription)) == due


def test_today_is_a_day_of_billing_tz(world):
    """At 21:10 UTC it is 10 March in UTC still."""
    subscription = world.subscription(ended_at="2026-03-11T00:00:01Z")
    world.run("autopayments", BILLING_TZ="UTC")
    assert world.charges() == []
    world.run("autopayments", BILLING_TZ="Asia/Tokyo")
    assert len(world.charges(subscription)) == 1


@pytest.mark.parametrize("columns", [
    {"auto_renew": False}, {"status": "EXPIRED"}, {"status": "CANCELED"},
])
def test_not_due(world, columns):
    world.subscription(**columns)
    world.run("autopayments")
    assert world.posts() == []


def test_latest_saved_method_is_charged(world):
    subscription = world.subscription(method="old")
    world.sandbox.methods(["new"])
    world.insert("payment", subscription_id=subscription, provider_payment_id="second",
                 payment_method_id="new", status="SUCCEEDED", created_at="2026-03-01T00:00:00Z")
    world.insert("payment", subscription_id=subscription, provider_payment_id="failed",
                 payment_method_id="bad", status="CANCELED", created_at="2026-03-02T00:00:00Z")
    world.run("autopayments")
    assert world.charges()[0]["payment_method_id"] == "new"


def test_without_a_saved_method_renewal_stops(world):
    subscription = world.subscription(method=None)
    world.run("autopayments")
    row = world.state(subscription)
    assert (row.auto_renew, row.renewal_stopped_reason) == (False, "no_payment_method")
    assert len(world.notices(1000)) == 1 and world.posts() == []


def test_lapsed_for_longer_than_a_period_starts_anew(world):
    subscription = world.subscription(ended_at="2026-01-11T12:00:00+03:00")
    world.run("autopayments")
    assert world.end(subscription) == "2026-04-11 00:10"


def test_many_with_few_requests_in_flight(world):
    ids = [world.subscription(user_id=user) for user in range(1, 301)]
    world.run("autopayments", BILLING_CONCURRENCY="3")
    assert len(world.charges()) == 300
    assert {world.end(i) for i in ids} == {PAID}


# --- repetition


def test_second_run_charges_nothing(world):
    subscription = world.subscription()
    world.run("autopayments")
    world.run("autopayments")
    assert_paid_once(world, subscription)
    assert len(world.posts()) == 1


def test_two_at_once_charge_once(world):
    """The second is kept out by the lock of the run; test_billing_sql.py does without the lock."""
    ids = [world.subscription(user_id=user) for user in range(1, 21)]
    running = [world.start("autopayments") for _ in range(2)]
    codes = sorted(one.wait() for one in running)
    assert codes in ([0, 0], [0, AGAIN])
    for subscription in ids:
        assert_paid_once(world, subscription)


def test_killed_between_charge_and_record(world):
    subscription = world.subscription()
    world.sandbox.fault("hold", method="POST")
    running = world.start("autopayments")
    world.sandbox.wait_held()
    running.kill()
    assert world.charge(subscription).state == "CREATED"
    world.run("autopayments")
    assert_paid_once(world, subscription)
    first, second = world.posts()
    assert first["headers"]["Idempotence-Key"] == second["headers"]["Idempotence-Key"]


def test_told_to_stop_records_what_was_charged(world):
    subscription = world.subscription()
    world.sandbox.fault("hold", method="POST")
    running = world.start("autopayments")
    world.sandbox.wait_held()
    running.signal(signal.SIGTERM)
    world.sandbox.release()
    assert running.wait() == AGAIN
    assert_paid_once(world, subscription)


def test_renewal_switched_off_while_unknown_still_settles(world):
    subscription = world.subscription()
    world.sandbox.fault("500-after", method="POST")
    world.run("autopayments", code=AGAIN)
    world.database.execute("update billing.subscription set auto_renew = false")
    world.at(SOON)
    world.run("autopayments")
    assert_paid_once(world, subscription)


# --- unknown outcomes


UNKNOWN = [
    ("429", {}), ("500-before", {}), ("500-after", {}), ("502-before", {}), ("502-after", {}),
    ("processing", {}), ("processing-before", {}), ("invalid-json", {}), ("truncated-json", {}),
    ("invalid-json", {"text": "[]"}), ("invalid-json", {"text": "null"}),
    ("invalid-json", {"text": '{"id": "\\u0000", "status": 5}'}),
    ("invalid-json", {"text": '{"id": "x", "id": "y", "status": "succeeded"}'}),
    ("invalid-json", {"text": "[" * 10000}),
    ("cut", {}), ("drop-before", {}), ("drop-after", {}),
    ("error", {"status": 405}), ("error-after", {"status": 418}), ("error", {"status": 404}),
    ("error-after", {"status": 400, "parameter": "Idempotence-Key",
                     "description": "Idempotence key duplicated"}),
]


@pytest.mark.parametrize("fault, params", UNKNOWN)
def test_unknown_outcome_is_repeated_with_the_same_key(world, fault, params):
    subscription, other = world.subscription(), world.subscription(user_id=2, method="good-2")
    world.sandbox.fault(fault, method="POST", times=2 if fault.startswith("drop") else 1,
                        metadata={"subscription_id": str(subscription)}, **params)
    world.run("autopayments", code=AGAIN)
    assert_paid_once(world, other)
    row = world.charge(subscription)
    assert (row.state, row.attempts) == ("CREATED", 1) and row.last_error
    assert row.history[0]["outcome"] == "unknown"
    assert world.state(subscription).auto_renew and world.notices(1000) == []

    # Not at once, but a minute later.
    world.sandbox.clear_faults()
    world.sandbox.forget_requests()
    world.run("autopayments", code=AGAIN)
    assert world.posts() == []
    world.at(SOON)
    world.run("autopayments")
    assert_paid_once(world, subscription)
    [post] = world.posts()
    assert post["headers"]["Idempotence-Key"] == str(row.idempotence_key)


def test_provider_dies_after_the_charge(world):
    """No answer at all; nothing is charged again once it is back."""
    subscription = world.subscription()
    world.sandbox.fault("hold", method="POST")
    running = world.start("autopayments")
    world.sandbox.wait_held()
    world.sandbox.restart()
    assert running.wait() == AGAIN
    world.at(SOON)
    world.run("autopayments")
    assert_paid_once(world, subscription)


def test_retry_after_is_obeyed(world):
    subscription = world.subscription()
    world.sandbox.fault("429", method="POST", retry_after=1800)
    world.run("autopayments", code=AGAIN)
    world.at(SOON)
    world.run("autopayments", code=AGAIN)
    assert world.charges() == []
    world.at("2026-03-10T21:41:00Z")
    world.run("autopayments")
    assert_paid_once(world, subscription)


def test_silent_provider_ends_the_run_early(world):
    ids = [world.subscription(user_id=user) for user in range(1, 101)]
    world.sandbox.fault("500-before", method="POST", times=None)
    world.run("autopayments", code=AGAIN)
    assert len(world.posts()) < 50
    world.sandbox.clear_faults()
    world.at(SOON)
    world.run("autopayments")
    for subscription in ids:
        assert_paid_once(world, subscription)


# --- refusals


RETRIED = ["insufficient_funds", "issuer_unavailable", "payment_method_limit_exceeded",
           "internal_timeout", "general_decline", "call_issuer"]
STOPPED = ["permission_revoked", "card_expired", "payment_method_restricted", "country_forbidden",
           "invalid_card_number", "invalid_csc", "fraud_suspected", "identification_required"]


@pytest.mark.parametrize("reason", RETRIED)
def test_refused_is_tried_with_a_new_key_next_day(world, reason):
    subscription = world.subscription(method="poor")
    world.sandbox.methods(["poor"], status="canceled", reason=reason)
    world.run("autopayments")
    world.run("autopayments")
    row = world.charge(subscription)
    assert (row.state, row.refused, row.last_error) == ("RETRY", 1, reason)
    assert row.history[0]["reason"] == reason and row.history[0]["payment"]
    assert len(world.payments(subscription, "CANCELED")) == 1
    assert world.state(subscription).auto_renew and len(world.notices(1000)) == 1
    assert len(world.posts()) == 1

    world.sandbox.methods(["poor"])
    world.at(TOMORROW)
    world.run("autopayments")
    assert_paid_once(world, subscription)
    after = world.charge(subscription)
    assert after.idempotence_key != row.idempotence_key
    assert [entry["outcome"] for entry in after.history] == ["refused", "succeeded"]


@pytest.mark.parametrize("reason", STOPPED)
def test_refused_for_good_stops_renewal(world, reason):
    subscription = world.subscription(method="dead")
    world.sandbox.methods(["dead"], status="canceled", reason=reason)
    world.run("autopayments")
    row = world.state(subscription)
    assert (row.auto_renew, row.renewal_stopped_reason) == (False, reason)
    assert len(world.notices(1000)) == 1 and world.end(subscription) == "2026-03-11 12:00"
    world.at(TOMORROW)
    world.run("autopayments")
    assert len(world.posts()) == 1


def test_unusable_method_stops_renewal(world):
    """Here the provider does not cancel a payment, it makes none: 400, parameter payment_method_id."""
    subscription = world.subscription(method="unsaved")
    world.sandbox.methods(["unsaved"], saved=False)
    world.run("autopayments")
    row = world.state(subscription)
    assert (row.auto_renew, row.renewal_stopped_reason) == (False, "request payment_method_id")


def test_other_bad_request_is_a_refusal(world):
    subscription = world.subscription()
    world.sandbox.fault("error", method="POST", status=400, parameter="amount.value")
    world.run("autopayments")
    row = world.charge(subscription)
    assert (row.state, row.last_error) == ("RETRY", "request amount.value")
    world.at(TOMORROW)
    world.run("autopayments")
    assert_paid_once(world, subscription)


def test_three_refusals_stop_renewal(world):
    subscription = world.subscription(method="poor")
    world.sandbox.methods(["poor"], status="canceled", reason="insufficient_funds")
    for day in range(10, 14):
        world.at(f"2026-03-{day}T21:10:00Z")
        world.run("autopayments")
    row = world.state(subscription)
    assert (row.auto_renew, row.renewal_stopped_reason) == (False, "insufficient_funds")
    assert len({post["headers"]["Idempotence-Key"] for post in world.posts()}) == 3
    assert len(world.charge(subscription).history) == 3

    # A person who switches it on again gets three more.
    world.database.execute("update billing.subscription set auto_renew = true")
    world.sandbox.methods(["poor"])
    world.at("2026-03-14T21:10:00Z")
    world.run("autopayments")
    assert len(world.charges(subscription)) == 1


# --- pending


def test_pending_charge_is_left_to_matching(world):
    subscription = world.subscription(method="slow")
    world.sandbox.methods(["slow"], status="pending")
    world.run("autopayments")
    [payment] = world.payments(subscription, "PENDING")
    assert world.charge(subscription).state == "PENDING"
    assert world.end(subscription) == "2026-03-11 12:00" and world.notices() == []
    world.at(TOMORROW)
    world.run("autopayments")
    assert len(world.posts()) == 1

    world.sandbox.succeed(payment.provider_payment_id)
    world.run("matching_pending_payments")
    assert_paid_once(world, subscription)


def test_pending_charge_that_is_canceled_counts_as_refused(world):
    subscription = world.subscription(method="slow")
    world.sandbox.methods(["slow"], status="pending")
    world.run("autopayments")
    [payment] = world.payments(subscription, "PENDING")
    world.sandbox.cancel(payment.provider_payment_id, reason="card_expired")
    world.at(SOON)
    world.run("matching_pending_payments")
    assert len(world.payments(subscription, "CANCELED")) == 1
    assert world.state(subscription).renewal_stopped_reason == "card_expired"


# --- denied


@pytest.mark.parametrize("fault", ["401", "403"])
def test_denied_stops_the_run_with_one_alert(world, fault):
    ids = [world.subscription(user_id=user) for user in range(1, 31)]
    number = world.sandbox.fault(fault, method="POST", times=None)
    output = world.run("autopayments", code=FAILED, BILLING_CONCURRENCY="2")
    assert "YOOKASSA_SECRET_KEY" in output and "test_sandbox" not in output
    assert len(world.posts()) <= 4
    world.run("autopayments", code=FAILED)
    assert len(world.notices(ADMIN)) == 1 and len(world.notices()) == 1

    world.sandbox.clear_faults(number)
    world.run("autopayments")
    for subscription in ids:
        assert_paid_once(world, subscription)


# --- a key that the provider forgot


@pytest.mark.parametrize("effect", [True, False])
def test_after_23_hours_the_charge_is_looked_up_first(world, effect):
    subscription = world.subscription()
    world.sandbox.fault("500-after" if effect else "500-before", method="POST")
    world.run("autopayments", code=AGAIN)
    key = world.charge(subscription).idempotence_key
    world.sandbox.forget_requests()
    world.at("2026-03-11T20:30:00Z")
    world.run("autopayments")
    assert_paid_once(world, subscription)
    if effect:
        assert world.posts() == []
    else:
        assert world.charge(subscription).idempotence_key != key
        assert world.charge(subscription).history[1]["outcome"] == "not found"


def test_look_up_reads_all_pages(world):
    """150 newer payments are in front of the one that counts."""
    subscription = world.subscription()
    world.sandbox.fault("500-after", method="POST")
    world.run("autopayments", code=AGAIN)
    for _ in range(150):
        world.sandbox.payment(status="canceled", created_at="2026-03-11T01:00:00Z")
    world.at("2026-03-11T22:10:00Z")
    world.run("autopayments")
    assert_paid_once(world, subscription)


@pytest.mark.parametrize("fault", ["502-before", "invalid-json", "truncated-json"])
def test_look_up_that_fails_permits_no_new_key(world, fault):
    subscription = world.subscription()
    world.sandbox.fault("500-after", method="POST")
    world.run("autopayments", code=AGAIN)
    key = world.charge(subscription).idempotence_key
    other = world.subscription(user_id=2, method="good-2", ended_at="2026-03-12T12:00:00+03:00")
    world.at("2026-03-11T21:10:00Z")
    number = world.sandbox.fault(fault, method="GET", times=None)
    world.sandbox.forget_requests()
    world.run("autopayments", code=AGAIN)
    assert [p["headers"]["Idempotence-Key"] for p in world.posts()] != [str(key)]
    assert world.charge(subscription).idempotence_key == key
    assert len(world.charges(other)) == 1  # the others are not held up
    world.sandbox.clear_faults(number)
    world.run("autopayments")
    assert_paid_once(world, subscription)


@pytest.mark.parametrize("fault", ["500-after", "500-before"])
def test_look_up_does_not_take_an_earlier_refusal_for_an_answer(world, fault):
    """The first attempt was refused shortly before midnight, the second one got no answer."""
    subscription = world.subscription(method="poor", ended_at="2026-03-10T12:00:00+03:00")
    world.at("2026-03-10T20:50:00Z")
    world.sandbox.methods(["poor"], status="canceled", reason="insufficient_funds")
    world.run("autopayments")
    world.at("2026-03-10T21:10:00Z")
    world.sandbox.methods(["poor"])
    world.sandbox.fault(fault, method="POST")
    world.run("autopayments", code=AGAIN)
    world.at("2026-03-11T21:10:00Z")
    world.run("autopayments")
    assert_paid_once(world, subscription, "2026-04-10 12:00")
    assert world.charge(subscription).refused == 1


def test_look_up_finds_a_pending_and_a_refused_charge(world):
    pending, refused = [world.subscription(user_id=user, method=f"m{user}") for user in (1, 2)]
    world.sandbox.methods(["m1"], status="pending")
    world.sandbox.methods(["m2"], status="canceled", reason="card_expired")
    world.sandbox.fault("500-after", method="POST", times=2)
    world.run("autopayments", code=AGAIN)
    world.at(TOMORROW)
    world.run("autopayments")
    assert world.charge(pending).state == "PENDING"
    assert len(world.payments(pending, "PENDING")) == 1
    assert world.state(refused).renewal_stopped_reason == "card_expired"
    assert len(world.posts()) == 2


# --- dry run, configuration


def test_dry_run_changes_and_sends_nothing(world):
    subscription = world.subscription()
    world.subscription(method=None, user_id=2)
    before = world.everything()
    output = world.run("autopayments", "--dry-run")
    assert f"would charge subscription={subscription} amount=100.00 currency=RUB" in output
    assert world.everything() == before and world.sandbox.requests() == []


def test_missing_settings_are_listed_at_once(world):
    done = world.worker("billing/autopayments", DATABASE_URL="")
    assert done.returncode == CONFIG
    for name in ("DATABASE_URL", "YOOKASSA_SHOP_ID", "YOOKASSA_SECRET_KEY"):
        assert name in done.stdout + done.stderr
