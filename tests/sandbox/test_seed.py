"""The demo: once, complete, and never against a service that is not the sandbox."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixture import Sandbox

SEED = Path(__file__).resolve().parent / "seed.py"
KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", str(SEED)], capture_output=True, text=True,
                          env={"FIELD_ENCRYPTION_KEY": KEY, **settings}, timeout=60)


def content(database: Any) -> list[tuple[Any, ...]]:
    tables = ("billing.tariff", "billing.subscription", "billing.payment", "coffee.users",
              "coffee.terminals", "coffee.recipes", "coffee.inventories", "accesser.chat",
              "accesser.plan")
    return [tuple(row) for table in tables
            for row in database.query(f"select * from {table} order by id")]


def test_the_demo_is_made_once(sandbox: Sandbox, database: Any) -> None:
    first = run(DATABASE_URL=database.url, **sandbox.environment())
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("seeded 3 tariffs, 40 subscriptions")
    rows, charges = content(database), sandbox.charges()
    again = run(DATABASE_URL=database.url, **sandbox.environment())
    assert (again.returncode, again.stdout) == (0, "the demo is there already\n")
    assert content(database) == rows
    assert sandbox.charges() == charges


def test_a_forgetful_sandbox_is_filled_again(sandbox: Sandbox, database: Any) -> None:
    run(DATABASE_URL=database.url, **sandbox.environment())
    charges = sandbox.charges()
    sandbox.reset()
    assert run(DATABASE_URL=database.url, **sandbox.environment()).returncode == 0
    assert sandbox.charges() == charges


def test_every_worker_finds_work(sandbox: Sandbox, database: Any) -> None:
    run(DATABASE_URL=database.url, **sandbox.environment())
    due = "select count(*) from billing.subscription where auto_renew and ended_at <= now()"
    lapsed = "select count(*) from billing.subscription where ended_at < now() - interval '3 days'"
    old = ("select count(*) from billing.payment where status = 'PENDING'"
           " and created_at < now() - interval '7 days'")
    recent = ("select count(*) from billing.payment where status = 'PENDING'"
              " and created_at > now() - interval '1 hour'")
    assert [database.value(sql) for sql in (due, lapsed, old, recent)] == [26, 4, 4, 5]
    known = {row.provider_payment_id
             for row in database.query("select provider_payment_id from billing.payment")}
    unknown = [charge for charge in sandbox.charges() if charge["id"] not in known]
    assert sorted(bool(charge["metadata"]) for charge in unknown) == [False, True, True, True]
    machines = "select count(*) from coffee.terminals join coffee.recipes on terminal_id = terminals.id"
    assert database.value(machines) == 12


@pytest.mark.parametrize("url", [
    "https://api.yookassa.ru/v3", "http://127.0.0.1.example.com/v3", "http://example.com/v3"])
def test_a_real_service_is_never_seeded(database: Any, url: str) -> None:
    done = run(DATABASE_URL=database.url, YOOKASSA_URL=url)
    assert done.returncode == 78 and "not a sandbox" in done.stderr
    assert content(database) == []


def test_what_is_missing_is_said(sandbox: Sandbox, empty_database: Any) -> None:
    nothing = run(FIELD_ENCRYPTION_KEY="")
    assert (nothing.returncode, nothing.stderr) == (
        78, "seed: set DATABASE_URL, YOOKASSA_URL, FIELD_ENCRYPTION_KEY\n")
    unmigrated = run(DATABASE_URL=empty_database.url, **sandbox.environment())
    assert unmigrated.returncode == 75 and "not now" in unmigrated.stderr
    no_sandbox = run(DATABASE_URL=empty_database.url, YOOKASSA_URL="http://127.0.0.1:1/v3")
    assert no_sandbox.returncode == 75
