#!/usr/bin/python3
"""Fills the sandbox and the database with a small demo, so that every worker has work.

    DATABASE_URL=... YOOKASSA_URL=http://127.0.0.1:8765/v3 FIELD_ENCRYPTION_KEY=... seed.py

Running it again changes nothing, except that a sandbox which lost its memory is filled again. A
service that is not on this host is never touched. Exit codes are those of the workers: 75 when the
database or the sandbox is not there yet, 78 when the configuration is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPException
from typing import Any, Iterator
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions

import seed_coffee
import seed_shop

EXIT_AGAIN, EXIT_CONFIGURATION = 75, 78
LOCK = 0x6F707364  # any number, the same for all copies of this program
FIRST_USER = 7_000_000_001
SECONDS = 20

#: name, price, months, days
TARIFFS = [("Демо: неделя", "99.00", 0, 7), ("Демо: месяц", "299.00", 1, 0),
           ("Демо: год", "2990.00", 12, 0)]
WEEK, MONTH, YEAR = range(len(TARIFFS))


@dataclass(frozen=True)
class Subscription:
    """One customer. card: what the provider says when it is charged; None: it was not saved."""

    tariff: int
    ends: timedelta
    card: dict[str, str] | None = None
    auto_renew: bool = True
    #: False: our database has the card, the provider does not know it.
    known: bool = True


@dataclass(frozen=True)
class Payment:
    """A payment without a subscription yet: what the provider says of it, and what we know."""

    status: str
    made: timedelta
    ours: str | None = None
    tariff: int = MONTH
    metadata: bool = True
    order: dict[str, str] = field(default_factory=dict)


GOOD = {"status": "succeeded"}
POOR = {"status": "canceled", "reason": "insufficient_funds"}
STOLEN = {"status": "canceled", "reason": "card_expired"}
SLOW = {"status": "pending"}


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def subscriptions() -> Iterator[Subscription]:
    for i in range(16):
        yield Subscription((WEEK, MONTH, MONTH, YEAR)[i % 4], hours(-0.4 * i), GOOD)
    for i in range(4):
        yield Subscription(MONTH, hours(-1 - i), POOR)
    yield from (Subscription(MONTH, hours(-2), STOLEN), Subscription(YEAR, hours(-3), STOLEN))
    yield from (Subscription(MONTH, hours(-1), SLOW), Subscription(WEEK, hours(-4), SLOW))
    yield Subscription(MONTH, hours(-5), GOOD, known=False)
    yield Subscription(MONTH, hours(-6))
    for i in range(4):
        yield Subscription(WEEK, timedelta(days=-4 - 5 * i), GOOD, auto_renew=False)
    for i in range(10):
        yield Subscription((MONTH, YEAR)[i % 2], timedelta(days=3 + 6 * i), GOOD)


def payments() -> Iterator[Payment]:
    yield from (Payment("succeeded", hours(-0.2 * i), "PENDING") for i in range(1, 4))
    yield from (Payment("pending", hours(-0.3 * i), "PENDING") for i in range(1, 3))
    yield from (Payment("canceled", timedelta(days=-8 - i), "PENDING",
                        order={"reason": "expired_on_confirmation"}) for i in range(2))
    yield Payment("pending", timedelta(days=-9), "PENDING")
    yield Payment("succeeded", timedelta(days=-8), "PENDING")
    yield from (Payment("succeeded", hours(-0.25 * i), tariff=WEEK) for i in range(1, 4))
    yield Payment("succeeded", hours(-0.5), metadata=False)


# --- the sandbox


class Provider:
    """The control API of the sandbox."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("YOOKASSA_URL is not a sandbox on this host; nothing was seeded")
        self._connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=SECONDS)

    def post(self, path: str, order: dict[str, Any]) -> None:
        self._connection.request("POST", f"/_control/{path}", json.dumps(order))
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise HTTPException(f"/_control/{path}: {response.status} {answer!r}")


def instant(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fill_provider(provider: Provider, base: datetime, tariffs: list[int]) -> None:
    """Everything has an id of its own, so that a second time changes nothing."""
    for i, subscription in enumerate(subscriptions()):
        if subscription.card and subscription.known:
            provider.post("methods", {"id": f"demo-card-{i}", **subscription.card})
    for i, payment in enumerate(payments()):
        at = instant(base + payment.made)
        provider.post("payments", {
            "id": f"demo-payment-{i}", "status": payment.status, "created_at": at,
            "captured_at": at, "amount": TARIFFS[payment.tariff][1], **payment.order,
            **({"metadata": {"user_id": str(FIRST_USER + 1000 + i),
                             "tariff_id": str(tariffs[payment.tariff])}}
               if payment.metadata else {}),
        })


# --- the database

Cursor = psycopg2.extensions.cursor


def tariff_ids(cursor: Cursor) -> list[int]:
    ids = []
    for name, price, months, days in TARIFFS:
        cursor.execute("select id from billing.tariff where name = %s", (name,))
        row = cursor.fetchone()
        if row is None:
            cursor.execute("insert into billing.tariff (name, price, period_months, period_days)"
                           " values (%s, %s, %s, %s) returning id", (name, price, months, days))
            row = cursor.fetchone()
        ids.append(row[0])
    return ids


def seeded_at(cursor: Cursor) -> datetime | None:
    """All demo subscriptions carry the instant that the demo was counted from."""
    cursor.execute("select min(created_at) from billing.subscription where user_id = %s",
                   (FIRST_USER,))
    return cursor.fetchone()[0]


def add_subscription(cursor: Cursor, i: int, base: datetime, tariff_id: int,
                     subscription: Subscription) -> None:
    ends = base + subscription.ends
    cursor.execute(
        "insert into billing.subscription (user_id, tariff_id, started_at, ended_at, auto_renew,"
        " created_at, updated_at)"
        " select %s, id, %s - make_interval(months => period_months, days => period_days), %s, %s,"
        " %s, %s from billing.tariff where id = %s returning id, started_at",
        (FIRST_USER + i, ends, ends, subscription.auto_renew, base, base, tariff_id))
    subscription_id, started_at = cursor.fetchone()
    cursor.execute(
        "insert into billing.payment (subscription_id, user_id, tariff_id, provider_payment_id,"
        " payment_method_id, status, amount, currency, created_at, updated_at)"
        " select %s, %s, id, %s, %s, 'SUCCEEDED', price, currency, %s, %s from billing.tariff"
        " where id = %s",
        (subscription_id, FIRST_USER + i, f"demo-first-{i}",
         f"demo-card-{i}" if subscription.card else None, started_at, started_at, tariff_id))


def add_payment(cursor: Cursor, i: int, base: datetime, tariff_id: int, payment: Payment) -> None:
    at = base + payment.made
    cursor.execute(
        "insert into billing.payment (user_id, tariff_id, provider_payment_id, status, amount,"
        " currency, created_at, updated_at)"
        " select %s, id, %s, %s, price, currency, %s, %s from billing.tariff where id = %s",
        (FIRST_USER + 1000 + i, f"demo-payment-{i}", payment.ours, at, at, tariff_id))


def fill_database(cursor: Cursor, base: datetime, tariffs: list[int]) -> None:
    for i, subscription in enumerate(subscriptions()):
        add_subscription(cursor, i, base, tariffs[subscription.tariff], subscription)
    for i, payment in enumerate(payments()):
        if payment.ours:
            add_payment(cursor, i, base, tariffs[payment.tariff], payment)


def seed(database: psycopg2.extensions.connection, provider: Provider) -> bool:
    """The provider first: a crash in between is made good by the next time. True when new."""
    with database, database.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        tariffs = tariff_ids(cursor)
        before = seeded_at(cursor)
    base = before or datetime.now(timezone.utc)
    fill_provider(provider, base, tariffs)
    seed_coffee.fill_provider(provider.post, base)
    seed_shop.fill_provider(provider.post)
    with database, database.cursor() as cursor:
        seed_coffee.fill_database(cursor)
        seed_shop.fill_database(cursor)
        if not before:
            fill_database(cursor, base, tariffs)
    return before is None


def main() -> int:
    missing = [name for name in ("DATABASE_URL", "YOOKASSA_URL", "FIELD_ENCRYPTION_KEY")
               if not os.environ.get(name)]
    if missing:
        print(f"seed: set {', '.join(missing)}", file=sys.stderr)
        return EXIT_CONFIGURATION
    try:
        provider = Provider(os.environ["YOOKASSA_URL"])
        database = psycopg2.connect(os.environ["DATABASE_URL"])
        new = seed(database, provider)
        database.close()
    except ValueError as problem:
        print(f"seed: {problem}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except (OSError, HTTPException, psycopg2.OperationalError,
            psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName) as problem:
        print(f"seed: not now: {str(problem).strip()}", file=sys.stderr)
        return EXIT_AGAIN
    if new:
        print(f"seeded {len(TARIFFS)} tariffs, {len(list(subscriptions()))} subscriptions,"
              f" {len(list(payments()))} payments and {len(seed_coffee.OWNERS)} owners of machines")
    else:
        print("the demo is there already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
