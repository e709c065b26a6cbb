"""What must never happen to anybody's money, however strange the provider, the clocks or the data."""
import json
import re
import signal
import subprocess

import pytest

from billing_world import (ADMIN, AGAIN, DONE, ENDS_TODAY, FAILED, ROOT, World, call,  # noqa: F401
                           world)
from harness import BUILD, worker_environment

from preload import sanitizer

SOON, NEXT_HOUR, TOMORROW = "2026-03-10T21:12:00Z", "2026-03-10T22:15:00Z", "2026-03-11T21:10:00Z"
WEEK_AGO = "2026-03-03T21:09:59Z"
PAID = "2026-04-11 12:00"
OF_THE_PERIOD = {"period_end": "2026-03-11T09:00:00Z"}


def unknown(world, effect, **columns):
    """A subscription whose charge got no answer."""
    subscription = world.subscription(**columns)
    world.sandbox.methods(["slow"], status="pending")
    world.sandbox.fault("500-after" if effect else "500-before", method="POST")
    world.run("autopayments", code=AGAIN)
    world.sandbox.forget_requests()
    return subscription


def listed(world, text, times=None, **match):
    """What the provider answers when it is asked for a list."""
    return world.sandbox.control("POST", "faults", {
        "do": "invalid-json", "times": times, "text": text, "status": 200,
        "match": {"method": "GET", "path": "/v3/payments", **match}})["id"]


def keys(world):
    return {post["headers"]["Idempotence-Key"] for post in world.posts()}


# --- the list that says a charge was never made


@pytest.mark.parametrize("text", [
    '{"items": [], "next_cursor": 5}', '{"items": [], "next_cursor": ""}',
    '{"items": [], "next_cursor": []}', '{"items": [], "next_cursor": false}',
    '{"items": [null]}', '{"items": ["x"]}', '{"items": [{}]}', '{"items": [{"id": "x"}]}',
    '{"items": [{"id": 5, "status": "succeeded"}]}', '{"items": [{"id": "", "status": "canceled"}]}',
    '{"items": [{"id": "x", "status": null}]}',
    '{"items": [], "next_cursor": "always the same"}',
    '{"items": [{"id": "x", "status": "canceled", "only PostgreSQL refuses it": 1e999999}]}',
])
def test_a_malformed_list_permits_no_new_key(world, text):
    subscription = unknown(world, effect=True)
    key = world.charge(subscription).idempotence_key
    world.at(TOMORROW)
    listed(world, text)
    world.run("autopayments", code=AGAIN)
    row = world.charge(subscription)
    assert (row.state, row.idempotence_key) == ("CREATED", key) and world.posts() == []
    world.sandbox.clear_faults()
    world.run("autopayments")
    assert len(world.charges()) == 1 and world.end(subscription) == PAID


def test_a_list_that_goes_round_in_circles_ends(world):
    unknown(world, effect=True)
    world.at(TOMORROW)
    for here, there in ("ab", "bc", "ca"):
        listed(world, '{"items": [], "next_cursor": "%s"}' % there, query={"cursor": here})
    listed(world, '{"items": [], "next_cursor": "a"}')
    assert "does not end" in world.run("autopayments", code=AGAIN)
    assert len(world.sandbox.requests("GET")) < 12 and world.posts() == []


def test_a_null_cursor_is_the_last_page(world):
    subscription = unknown(world, effect=False)
    world.at(TOMORROW)
    listed(world, '{"items": [], "next_cursor": null}')
    world.run("autopayments")
    assert len(world.charges(subscription)) == 1


def test_an_item_without_an_id_is_never_booked(world):
    subscription = unknown(world, effect=False)
    world.at(TOMORROW)
    item = {"status": "succeeded", "metadata": {"subscription_id": str(subscription),
                                                **OF_THE_PERIOD}}
    listed(world, json.dumps({"items": [item, {**item, "id": ""}, {**item, "id": None}]}))
    world.run("autopayments", code=AGAIN)
    world.run("matching_successful_payments")
    assert world.end(subscription) == "2026-03-11 12:00" and world.payments(subscription) == []


def test_a_found_charge_that_cannot_be_recorded_is_not_lost(world):
    """It was made, whatever came of it here: absence it is not."""
    subscription = unknown(world, effect=True)
    world.database.execute("alter table billing.payment add check (status <> 'SUCCEEDED'"
                           " or provider_payment_id like 'first-%')")
    world.at(TOMORROW)
    world.run("autopayments", code=AGAIN)
    assert world.charge(subscription).state == "CREATED" and world.posts() == []
    world.run("autopayments", code=AGAIN)
    assert len(world.notices(ADMIN)) == 1 and world.posts() == []


# --- somebody's other payment


@pytest.mark.parametrize("status", ["canceled", "pending"])
@pytest.mark.parametrize("extra", [{}, {"charge": "another"},
                                   {"charge": "00000000-0000-4000-8000-000000000000"}])
def test_another_payment_for_the_period_says_nothing_of_the_charge(world, status, extra):
    """The customer opens a payment page for the same period, while our charge is unknown."""
    subscription = unknown(world, effect=True, method="slow")
    other = world.pending(created_at=NEXT_HOUR,
                          metadata={"subscription_id": str(subscription), **OF_THE_PERIOD, **extra})
    if status == "canceled":
        world.sandbox.cancel(other, reason="expired_on_confirmation")
    world.at(NEXT_HOUR)
    world.run("matching_pending_payments")
    world.at("2026-03-10T22:17:00Z")
    world.run("matching_pending_payments")
    row = world.charge(subscription)
    assert (row.state, row.refused, row.provider_payment_id) == ("CREATED", 0, None)
    assert world.notices(1000) == []

    world.at(TOMORROW)
    world.run("autopayments")
    assert world.posts() == [] and world.charge(subscription).state == "PENDING"
    world.sandbox.succeed(world.charge(subscription).provider_payment_id)
    world.run("matching_pending_payments")
    assert len(world.charges()) == 1 and world.end(subscription) == PAID


def test_money_without_the_key_still_settles_the_charge(world):
    """As the contract has it: subscription and end of period are enough for what was paid."""
    subscription = unknown(world, effect=False)
    world.sandbox.payment(created_at="2026-03-10T21:11:00Z", metadata={
        "subscription_id": str(subscription), **OF_THE_PERIOD})
    world.at(TOMORROW)
    world.run("autopayments")
    assert world.charge(subscription).state == "SUCCEEDED" and world.posts() == []
    assert world.end(subscription) == PAID


# --- a charge that is no longer wanted


UNWANTED = ["auto_renew = false", "status = 'CANCELED'", "ended_at = ended_at + interval '1 month'"]


@pytest.mark.parametrize("change", UNWANTED)
def test_an_unknown_charge_is_not_repeated_when_unwanted(world, change):
    subscription = unknown(world, effect=False)
    world.database.execute(f"update billing.subscription set {change}")
    world.at(SOON)
    world.run("autopayments")
    assert world.posts() == [] and world.charges() == []
    row = world.charge(subscription)
    assert row.state == "EXPIRED" and row.history[-1]["outcome"] == "not found"
    world.at(TOMORROW)
    world.run("autopayments")
    assert world.posts() == []


@pytest.mark.parametrize("change", UNWANTED)
def test_an_unwanted_charge_that_was_made_is_booked(world, change):
    subscription = unknown(world, effect=True)
    world.database.execute(f"update billing.subscription set {change}")
    world.at(SOON)
    world.run("autopayments")
    assert world.posts() == [] and len(world.charges()) == 1
    assert world.charge(subscription).state == "SUCCEEDED" and len(world.payments(subscription)) == 1


def test_an_unwanted_charge_is_not_repeated_while_it_cannot_be_looked_up(world):
    subscription, wanted = unknown(world, effect=False), unknown(world, effect=False, user_id=2)
    world.database.execute("update billing.subscription set auto_renew = false where id = %s",
                           subscription)
    world.at(SOON)
    listed(world, '{"items": 5}')
    world.run("autopayments", code=AGAIN)
    assert world.charge(subscription).state == "CREATED"
    assert [len(world.charges(i)) for i in (subscription, wanted)] == [0, 1]


def test_a_charge_is_not_repeated_while_its_subscription_changes(world):
    subscription = unknown(world, effect=False)
    world.at(SOON)
    busy = world.database.connect(autocommit=False)
    with busy.cursor() as cursor:
        cursor.execute("update billing.subscription set auto_renew = false")
        world.run("autopayments", code=AGAIN)
        assert world.posts() == []
        busy.commit()
    busy.close()
    world.run("autopayments")
    assert world.posts() == [] and world.charge(subscription).state == "EXPIRED"


# --- what was paid for


def test_the_period_is_the_one_that_was_charged(world):
    subscription = unknown(world, effect=False)
    year = world.insert("tariff", name="Год", price=1000, period_months=12)
    world.database.execute("update billing.subscription set tariff_id = %s", year)
    world.at(SOON)
    world.run("autopayments")
    [charge] = world.charges(subscription)
    assert (charge["amount"], world.end(subscription)) == ("100.00", PAID)
    [payment] = world.payments(subscription)
    assert payment.tariff_id == world.tariff


def test_a_payment_of_ones_own_is_for_its_own_tariff(world):
    subscription = world.subscription()
    year = world.insert("tariff", name="Год", price=1000, period_months=12)
    payment = world.pending()
    world.database.execute("update billing.payment set subscription_id = %s, tariff_id = %s"
                           " where provider_payment_id = %s", subscription, year, payment)
    world.sandbox.succeed(payment)
    world.run("matching_pending_payments")
    assert world.end(subscription) == "2027-03-11 12:00"
    assert world.one("payment", "provider_payment_id", payment).tariff_id == year


def test_late_money_buys_a_period_that_is_not_over(world):
    week = world.insert("tariff", name="Неделя", price=30, period_days=7)
    for user, paid_at in ((7, "2026-03-01T10:00:00Z"), (8, "2026-03-08T10:00:00Z")):
        world.sandbox.payment(created_at=paid_at, captured_at=paid_at,
                              metadata={"user_id": str(user), "tariff_id": str(week)})
    world.run("matching_successful_payments", BILLING_MATCH_WINDOW="720h")
    ends = {row.user_id: world.end(row.id)
            for row in world.database.query("select * from billing.subscription")}
    assert ends == {7: "2026-03-18 00:10", 8: "2026-03-15 13:00"}


def test_an_answer_without_an_amount_is_for_what_was_asked(world):
    subscription = unknown(world, effect=False)
    key = str(world.charge(subscription).idempotence_key)
    document = {"id": "p", "status": "succeeded", "metadata": {"charge": key},
                "amount": {"value": "NaN"}}
    call(world.database, "billing", "settle", json.dumps(document), None, SOON, "UTC", "")
    [payment] = world.payments(subscription)
    assert (str(payment.amount), payment.currency) == ("100.00", "RUB")


# --- the age of a key


@pytest.mark.parametrize("effect", [True, False])
def test_the_age_of_a_key_is_also_taken_by_the_database(world, effect):
    """The worker's now may be set by hand, and its host's clock may be wrong."""
    subscription = unknown(world, effect=effect)
    key = str(world.charge(subscription).idempotence_key)
    world.database.execute("update billing.autopayment"
                           " set key_made_at = clock_timestamp() - interval '23 hours'")
    world.at(SOON)
    world.run("autopayments")
    assert key not in keys(world)
    assert len(world.charges()) == 1 and world.end(subscription) == PAID


def test_a_charge_is_looked_up_from_a_day_before_its_key(world):
    """The provider's clock need not be ours."""
    subscription = world.subscription()
    world.sandbox.clock(now="2026-03-10T00:00:00Z", frozen=True)
    world.sandbox.fault("500-after", method="POST")
    world.run("autopayments", code=AGAIN)
    world.sandbox.forget_requests()
    world.at(TOMORROW)
    world.run("autopayments")
    assert world.posts() == [] and world.end(subscription) == PAID


LONG_SUSPENDED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libpq-fe.h>
#include <time.h>

static time_t later;

PGconn *PQconnectdbParams(const char *const *keywords, const char *const *values, int expand)
{
    PGconn *(*real)(const char *const *, const char *const *, int) =
        dlsym(RTLD_NEXT, "PQconnectdbParams");

    later = MINUTES * 60;
    return real(keywords, values, expand);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(clock, ret);

    if (clock == CLOCK)
        ret->tv_sec += later;
    return r;
}
"""


@pytest.mark.parametrize("minutes, clock, charges", [
    (31, "REALTIME", 0), (31, "MONOTONIC", 0), (29, "REALTIME", 1)])
def test_a_run_that_was_suspended_charges_nothing(world, tmp_path, minutes, clock, charges):
    """Also when it was already while it connected, and when the clock was set back meanwhile: its
    key is as old as its now."""
    world.subscription()
    done = run_preloaded(world, tmp_path, f"#define MINUTES {minutes}\n"
                         f"#define CLOCK CLOCK_{clock}\n{LONG_SUSPENDED}")
    assert done.returncode == (DONE if charges else AGAIN), done.stderr
    assert len(world.posts()) == charges and ("half an hour old" in done.stderr) == (charges == 0)
    world.at(SOON)
    world.run("autopayments")
    assert len(world.charges()) == 1


# --- what counts as a refusal


@pytest.mark.parametrize("text", ["<html>Bad Request</html>", "", "{}", '{"type": "error"}',
                                  '{"type": "error", "code": "proxy_error"}',
                                  '{"type": "page", "code": "invalid_request"}'])
def test_only_the_provider_itself_refuses(world, text):
    subscription = world.subscription()
    world.sandbox.fault("invalid-json", method="POST", status=400, text=text)
    world.run("autopayments", code=AGAIN)
    assert (world.charge(subscription).state, world.notices()) == ("CREATED", [])
    world.at(SOON)
    world.run("autopayments")
    assert len(world.charges()) == 1


@pytest.mark.parametrize("count, alerts", [(2, 0), (3, 1)])
def test_when_all_are_refused_alike_administrators_hear_of_it(world, count, alerts):
    for user in range(count):
        world.subscription(user_id=user + 1)
    world.sandbox.fault("error", method="POST", status=400, parameter="receipt", times=None)
    world.run("autopayments")
    assert len(world.notices(ADMIN)) == alerts


def test_a_denied_charge_is_in_its_history(world):
    subscription = world.subscription()
    world.sandbox.fault("403", method="POST")
    world.run("autopayments", code=FAILED)
    row = world.charge(subscription)
    assert (row.state, row.attempts, row.history[0]["outcome"]) == ("CREATED", 1, "denied")
    world.run("autopayments")
    assert len(world.charges(subscription)) == 1


# --- what is left over


def test_a_locked_subscription_brings_the_run_back(world):
    locked, other = world.subscription(), world.subscription(user_id=2)
    busy = world.database.connect(autocommit=False)
    with busy.cursor() as cursor:
        cursor.execute("select from billing.subscription where id = %s for update", (locked,))
        assert "locked" in world.run("autopayments", code=AGAIN)
    busy.rollback()
    busy.close()
    assert [len(world.charges(i)) for i in (locked, other)] == [0, 1]
    world.run("autopayments")
    assert len(world.charges(locked)) == 1


@pytest.mark.parametrize("created_at, charges", [
    ("2026-03-10T20:09:00Z", 1), ("2026-03-10T20:11:00Z", 0),
])
def test_a_payment_that_never_reached_the_provider_holds_up_for_an_hour(world, created_at, charges):
    subscription = world.subscription()
    world.insert("payment", subscription_id=subscription, status="PENDING", created_at=created_at)
    output = world.run("autopayments")
    assert len(world.charges()) == charges
    assert ("wait for a payment that is open count=1" in output) == (charges == 0)


@pytest.mark.parametrize("hours, status", [(73, "ACTIVE"), (95, "ACTIVE"), (97, "EXPIRED")])
def test_after_an_outage_renewal_comes_first(world, hours, status):
    """Nothing ran for days; a subscription that could have been renewed gets one more day."""
    subscription = world.subscription(ended_at=world.database.value(
        "select %s::timestamptz - make_interval(hours => %s)", world.now, hours))
    world.run("expire_subscriptions")
    assert world.state(subscription).status == status
    world.run("autopayments")
    assert len(world.charges(subscription)) == (status == "ACTIVE")


def test_renewal_that_was_refused_does_not_put_off_expiry(world):
    subscription = world.subscription(ended_at="2026-03-07T12:00:00Z", method="poor")
    world.sandbox.methods(["poor"], status="canceled", reason="insufficient_funds")
    world.run("autopayments")
    world.run("expire_subscriptions")
    assert world.state(subscription).status == "EXPIRED"


# --- payments that expire


@pytest.mark.parametrize("text", ['{"type": "error", "code": "invalid_request"}', "<html>"])
def test_a_refused_question_is_no_answer(world, text):
    payment, other = [world.pending(created_at=WEEK_AGO) for _ in range(2)]
    world.sandbox.fault("invalid-json", method="GET", path=f"/v3/payments/{payment}", status=400,
                        text=text)
    world.run("expire_payments", code=AGAIN)
    assert world.one("payment", "provider_payment_id", payment).status == "PENDING"
    assert world.one("payment", "provider_payment_id", other).status == "EXPIRED"


def test_a_shop_that_knows_nothing_is_not_believed_for_a_month(world):
    for number in range(3):
        world.insert("payment", status="PENDING", provider_payment_id=f"p{number}",
                     created_at=WEEK_AGO)
    for _ in range(2):
        assert "YOOKASSA_SHOP_ID" in world.run("expire_payments")
    statuses = "select distinct status from billing.payment"
    assert world.database.value(statuses) == "PENDING" and len(world.notices(ADMIN)) == 1
    world.at("2026-04-10T21:10:00Z")
    world.run("expire_payments")
    assert world.database.value(statuses) == "EXPIRED"


def test_the_rest_of_a_run_that_was_cut_short_still_expires(world):
    """The next one asks only about what that shop does not know."""
    fault = {"method": "GET", "path": "/v3/payments/unknown", "times": None}
    world.insert("payment", status="PENDING", provider_payment_id="unknown", created_at=WEEK_AGO)
    world.pending(created_at=WEEK_AGO)
    world.sandbox.fault("500-before", **fault)
    world.run("expire_payments", code=AGAIN)
    world.sandbox.clear_faults()
    world.at(SOON)
    world.run("expire_payments")
    assert world.one("payment", "provider_payment_id", "unknown").status == "EXPIRED"
    assert world.notices(ADMIN) == []


def test_a_payment_that_cannot_be_recorded_does_not_expire(world):
    payment = world.pending(created_at=WEEK_AGO)
    world.sandbox.succeed(payment)
    world.database.execute("alter table billing.payment add check (status <> 'SUCCEEDED')")
    world.run("expire_payments", code=AGAIN)
    assert world.one("payment", "provider_payment_id", payment).status == "PENDING"


@pytest.mark.parametrize("others", [0, 40])
def test_money_that_waits_for_its_tariff_does_not_expire(world, others):
    """Paid, and nobody knows for what: neither asked for by id nor found in a list is it unpaid."""
    paid = world.sandbox.payment(metadata={}, created_at=WEEK_AGO)["id"]
    world.insert("payment", user_id=4711, provider_payment_id=paid, created_at=WEEK_AGO)
    for _ in range(others):
        world.pending(created_at=WEEK_AGO)
    world.run("expire_payments")
    assert world.one("payment", "provider_payment_id", paid).status == "PENDING"
    assert len(world.notices(ADMIN)) == 1


def test_expired_payments_are_asked_about_again(world):
    """The money comes a week later; no list shows it, since the runs between were good ones."""
    payment = world.pending(user_id=7, created_at=WEEK_AGO)
    world.run("expire_payments")
    assert world.one("payment", "provider_payment_id", payment).status == "EXPIRED"
    world.sandbox.succeed(payment, captured_at="2026-03-04T00:00:00Z")
    for now in ("2026-03-11T21:09:00Z", "2026-03-11T21:11:00Z"):
        assert world.one("payment", "provider_payment_id", payment).status == "EXPIRED"
        world.at(now)
        world.run("matching_pending_payments")
    assert world.one("payment", "provider_payment_id", payment).status == "SUCCEEDED"


def test_expired_payments_are_not_asked_about_for_ever(world):
    payment = world.pending(created_at=WEEK_AGO)
    world.run("expire_payments")
    times = 0
    for month, day in [(3, 12), (3, 13), (3, 20), (4, 20), (6, 10), (9, 10), (12, 1)]:
        world.at(f"2026-{month:02}-{day:02}T00:00:00Z")
        world.sandbox.forget_requests()
        world.run("matching_pending_payments")
        times += len(world.sandbox.requests("GET", f"/v3/payments/{payment}"))
    assert 2 <= times <= 5
    assert world.one("payment", "provider_payment_id", payment).next_check_at is None


def test_an_expired_charge_that_is_canceled_permits_a_new_key(world):
    subscription = world.subscription(method="slow")
    world.sandbox.methods(["slow"], status="pending")
    world.run("autopayments")
    [payment] = world.payments(subscription, "PENDING")
    world.at("2026-03-18T22:00:00Z")
    world.run("expire_payments")
    assert world.charge(subscription).state == "EXPIRED"
    world.sandbox.cancel(payment.provider_payment_id)
    world.sandbox.methods(["slow"])
    world.at("2026-03-19T22:01:00Z")
    world.run("matching_pending_payments")
    assert world.charge(subscription).state == "RETRY"
    world.at("2026-03-20T21:10:00Z")
    world.run("autopayments")
    assert len(world.charges(subscription)) == 1


# --- data that cannot be recorded


def test_an_end_that_never_comes_is_refused(world):
    with pytest.raises(Exception, match="isfinite|check constraint"):
        world.subscription(ended_at="infinity")


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_payment_that_cannot_be_asked_about_is_refused(world, name):
    with pytest.raises(Exception, match="check constraint"):
        world.insert("payment", provider_payment_id=name)


@pytest.mark.parametrize("name", ["x" * 201, "y" * 8000])
def test_an_endless_id_is_refused_once_and_stops_nothing(world, name):
    good = {"id": "good", "status": "succeeded",
            "metadata": {"user_id": "7", "tariff_id": str(world.tariff)}}
    listed(world, json.dumps({"items": [{**good, "id": name}, good]}))
    for _ in range(2):
        assert "cannot be recorded" in world.run("matching_successful_payments")
    assert len(world.notices(7)) == 1 and len(world.notices(ADMIN)) == 1
    assert world.database.value("select provider_payment_id from billing.payment") == "good"
    assert "too long" in world.database.value("select reason from billing.unmatched_payment")


def test_an_item_that_fails_is_kept_and_stops_nothing(world):
    """Prolonging it goes beyond the calendar."""
    subscription = world.subscription(ended_at="294276-12-11T00:00:00Z")
    bad = world.sandbox.payment(metadata={"subscription_id": str(subscription), **OF_THE_PERIOD})
    world.sandbox.payment(metadata={"user_id": "7", "tariff_id": str(world.tariff)})
    for _ in range(2):
        world.run("matching_successful_payments")
        world.run("matching_pending_payments")
    row = world.one("unmatched_payment", "provider_payment_id", bad["id"])
    assert "out of range" in row.reason and row.payload["id"] == bad["id"]
    assert len(world.notices(ADMIN)) == 1 and len(world.notices(7)) == 1
    assert world.payments(subscription) == []


def test_an_answer_that_only_the_database_cannot_read_is_one_item_that_failed(world):
    subscription, other = world.subscription(), world.subscription(user_id=2)
    world.sandbox.fault("invalid-json", method="POST", text='{"id": "x", "status": "\\u0000"}',
                        metadata={"subscription_id": str(subscription)})
    world.run("autopayments", code=AGAIN)
    assert world.charge(subscription).state == "CREATED" and world.end(other) == PAID
    world.at(SOON)
    world.run("autopayments")
    assert world.end(subscription) == PAID and len(world.charges(subscription)) == 1


def test_numbers_are_kept_to_the_last_digit(world):
    listed(world, '{"items": [{"id": "p", "status": "succeeded", "n": 9007199254740993,'
                  ' "m": 1234567890.1234567890}]}')
    world.run("matching_successful_payments")
    payload = world.database.value("select payload::text from billing.unmatched_payment")
    assert '"n": 9007199254740993' in payload and '"m": 1234567890.1234567890' in payload


# --- money that a person must assign


def recipes():
    """The statements of the README, with their values left to fill in."""
    text = (ROOT / "workers/billing/README.md").read_text()
    return re.findall(r"^    (insert into billing\.payment.*?;)$", text, re.M | re.S)


@pytest.mark.parametrize("row", [{}, {"user_id": 4711}, None])
@pytest.mark.parametrize("recipe", recipes())
def test_the_readme_assigns_unmatched_money(world, recipe, row):
    subscription = world.subscription()
    payment = world.sandbox.payment(metadata={})["id"]
    if row is not None:
        world.insert("payment", provider_payment_id=payment, created_at=world.now, **row)
    world.run("matching_pending_payments")
    world.run("matching_successful_payments")
    assert len(world.database.query("select 1 from billing.unmatched_payment")) == 1
    if row:
        assert world.one("payment", "provider_payment_id", payment).status == "PENDING"

    recipe = (recipe.replace(", 1)", f", {world.tariff})").replace(", 17)", f", {subscription})")
              .replace("…", payment))
    for now in (SOON, "2026-03-10T21:14:00Z"):  # the second time by mistake
        world.database.execute(recipe)
        world.at(now)
        world.run("matching_pending_payments")
    [_] = world.payments(world.one("payment", "provider_payment_id", payment).subscription_id)
    paid = world.one("payment", "provider_payment_id", payment)
    assert paid.status == "SUCCEEDED"
    assert world.database.query("select 1 from billing.unmatched_payment") == []
    if "user_id" in recipe:
        assert world.state(paid.subscription_id).user_id == 4711
    else:
        assert paid.subscription_id == subscription and world.end(subscription) == PAID


# --- the machine


def test_waiting_for_a_lock_ends_in_time_to_be_stopped(world):
    payment = world.pending()
    world.sandbox.succeed(payment)
    busy = world.database.connect(autocommit=False)
    with busy.cursor() as cursor:
        cursor.execute("select from billing.payment for update")
        running = world.start("matching_pending_payments")
        world.sandbox.control("GET", "state")
        running.process.wait(40)
    busy.rollback()
    busy.close()
    assert running.wait() == AGAIN and "55P03" in running.output
    world.run("matching_pending_payments")
    assert world.one("payment", "provider_payment_id", payment).status == "SUCCEEDED"


BROKEN_POLL = """
#include <curl/curl.h>
CURLMcode curl_multi_poll(CURLM *m, struct curl_waitfd f[], unsigned n, int ms, int *ret)
{
    (void)m; (void)f; (void)n; (void)ms; (void)ret;
    return CURLM_INTERNAL_ERROR;
}
"""


def run_preloaded(world, folder, text):
    """Runs autopayments with a library built from text."""
    library = folder / "preloaded.so"
    library.with_suffix(".c").write_text(text)
    include = subprocess.run(["pkg-config", "--cflags", "libpq"], capture_output=True, text=True)
    subprocess.run(["cc", "-shared", "-fPIC", *include.stdout.split(), "-o", library,
                    library.with_suffix(".c")], check=True)
    return subprocess.run(
        [BUILD / "workers/billing/autopayments", "--now", world.now], cwd=folder, timeout=20,
        env=worker_environment(DATABASE_URL=world.database.url, **world.settings(),
                               LD_PRELOAD=" ".join([*sanitizer(), str(library)])),
        capture_output=True, text=True)


def test_a_network_library_that_fails_ends_the_run(world, tmp_path):
    world.subscription()
    done = run_preloaded(world, tmp_path, BROKEN_POLL)
    assert done.returncode not in (DONE, -signal.SIGKILL)
    assert done.stderr.count("libcurl") == 1
    world.run("autopayments", code=AGAIN if world.posts() else DONE)
