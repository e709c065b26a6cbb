"""YooKassa's books: payments, charges, saved payment methods and Idempotence-Keys.

A charge is money that really moved; it is written in the transaction that makes a payment
succeeded, so the table `charge` is what a test compares the worker's database with.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Iterable

from clock import Clock, instant_text
from store import Store

KEY_LIFE_MS = 24 * 3_600_000

SCHEMA = """
create table if not exists payment (
    seq integer primary key, id text not null unique, status text not null,
    created_at integer not null, captured_at integer, object text not null);
create index if not exists payment_newest on payment (created_at desc, seq desc);
create index if not exists payment_by_status on payment (status, created_at desc, seq desc);
create index if not exists payment_by_capture on payment (captured_at);
create table if not exists charge (
    seq integer primary key, payment_id text not null unique, amount text not null,
    currency text not null, payment_method_id text, metadata text not null, key text,
    captured_at integer not null);
create table if not exists idempotence (
    key text primary key, digest text not null, payment_id text not null, at integer not null);
create table if not exists method (
    id text primary key, saved integer not null, status text not null, reason text, party text);
"""


@dataclass(frozen=True)
class Outcome:
    """What becomes of a charge: succeeded, pending or canceled for a reason."""

    status: str = "succeeded"
    reason: str | None = None
    party: str | None = None


@dataclass(frozen=True)
class Method:
    id: str
    saved: bool
    outcome: Outcome


class Ledger:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        store.script(SCHEMA)

    # --- payments

    def find(self, payment_id: str) -> dict[str, Any] | None:
        row = self.store.db.execute(
            "select object from payment where id = ?", (payment_id,)
        ).fetchone()
        return json.loads(row["object"]) if row else None

    def add(self, payment: dict[str, Any], created_at: int, key: str | None, digest: str) -> None:
        """Books a new payment as pending, and its key, if it has one, in one transaction."""
        with self.store.transaction() as db:
            db.execute(
                "insert into payment (id, status, created_at, object) values (?, ?, ?, ?)",
                (payment["id"], payment["status"], created_at, json.dumps(payment)),
            )
            if key is not None:
                db.execute("insert or replace into idempotence values (?, ?, ?, ?)",
                           (key, digest, payment["id"], self.clock.now()))
            self._charge(payment, key)

    def change(self, payment: dict[str, Any]) -> None:
        with self.store.transaction() as db:
            db.execute("update payment set status = ?, object = ? where id = ?",
                       (payment["status"], json.dumps(payment), payment["id"]))
            row = db.execute("select key from idempotence where payment_id = ?",
                             (payment["id"],)).fetchone()
            self._charge(payment, row["key"] if row else None)

    def _charge(self, payment: dict[str, Any], key: str | None) -> None:
        if payment["status"] != "succeeded":
            return
        captured_at = payment["_captured_at"]
        self.store.db.execute("update payment set captured_at = ? where id = ?",
                              (captured_at, payment["id"]))
        self.store.db.execute(
            "insert into charge (payment_id, amount, currency, payment_method_id, metadata, key,"
            " captured_at) values (?, ?, ?, ?, ?, ?, ?)",
            (payment["id"], payment["amount"]["value"], payment["amount"]["currency"],
             payment.get("payment_method", {}).get("id"),
             json.dumps(payment.get("metadata", {})), key, captured_at),
        )

    def charges(self) -> list[dict[str, Any]]:
        rows = self.store.db.execute("select * from charge order by seq").fetchall()
        return [{
            "id": row["payment_id"], "amount": row["amount"], "currency": row["currency"],
            "payment_method_id": row["payment_method_id"],
            "metadata": json.loads(row["metadata"]), "key": row["key"],
            "captured_at": instant_text(row["captured_at"]),
        } for row in rows]

    def page(self, wheres: Iterable[str], values: Iterable[Any], limit: int) -> list[Any]:
        """Newest first; wheres are conditions over the columns of payment."""
        condition = " and ".join(["true", *wheres])
        return self.store.db.execute(
            f"select seq, created_at, object from payment where {condition}"
            " order by created_at desc, seq desc limit ?", (*values, limit)
        ).fetchall()

    # --- Idempotence-Keys

    def recall(self, key: str) -> tuple[str, str] | None:
        """The digest of the body that first came with the key, and its payment."""
        row = self.store.db.execute(
            "select digest, payment_id from idempotence where key = ? and at > ?",
            (key, self.clock.now() - KEY_LIFE_MS),
        ).fetchone()
        return (row["digest"], row["payment_id"]) if row else None

    # --- saved payment methods

    def method(self, method_id: str) -> Method | None:
        row = self.store.db.execute("select * from method where id = ?", (method_id,)).fetchone()
        if row is None:
            return None
        return Method(row["id"], bool(row["saved"]),
                      Outcome(row["status"], row["reason"], row["party"]))

    def save_methods(self, methods: Iterable[Method]) -> None:
        with self.store.transaction() as db:
            db.executemany("insert or replace into method values (?, ?, ?, ?, ?)", [
                (m.id, m.saved, m.outcome.status, m.outcome.reason, m.outcome.party)
                for m in methods
            ])


def new_id(now: int) -> str:
    """The look of YooKassa's ids: seconds since 2000 in front, chance behind."""
    seconds = max(0, now // 1000 - 946_684_800) & 0xFFFFFFFF
    return f"{seconds:08x}-000f-5000-8000-{secrets.token_hex(6)}"


def income(value: str) -> str:
    return str((Decimal(value) * Decimal("0.97")).quantize(Decimal("0.01")))
