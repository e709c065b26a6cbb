"""The YooKassa stand-in is as strict as the service, and its faults do what they say."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fixture import SECRET_KEY, SHOP_ID, ControlError, Sandbox, until

BODY = {
    "amount": {"value": "2.00", "currency": "RUB"}, "capture": True, "payment_method_id": "card",
    "description": "renewal", "metadata": {"subscription_id": "7", "period_end": "x"},
}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Shop:
    """A shop's own client, one connection per request."""

    def __init__(self, sandbox: Sandbox, secret: str = SECRET_KEY) -> None:
        self._port = sandbox.port
        self._authorization = "Basic " + b64encode(f"{SHOP_ID}:{secret}".encode()).decode()

    def ask(self, method: str, path: str, body: bytes | None = None, key: str | None = None,
            timeout: float = 20, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        headers = {"Authorization": self._authorization, "Content-Type": "application/json",
                   **({"Idempotence-Key": key} if key is not None else {}),
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def pay(self, key: str | None = "k", timeout: float = 20, **changes: Any) -> Answer:
        body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
        return self.ask("POST", "/v3/payments", json.dumps(body).encode(), key, timeout)

    def list(self, **query: Any) -> Answer:
        query = {name.replace("__", "."): value for name, value in query.items()}
        return self.ask("GET", "/v3/payments?" + urlencode(query))

    def pages(self, **query: Any) -> list[str]:
        ids, cursor = [], {}
        while True:
            page = self.list(**query, **cursor).json
            ids += [item["id"] for item in page["items"]]
            if "next_cursor" not in page:
                return ids
            cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    sandbox.methods(["card"])
    return Shop(sandbox)


# --- charging


def test_a_charge_moves_money_once(sandbox: Sandbox, shop: Shop) -> None:
    first, again = shop.pay("k"), shop.pay("k")
    assert first.status == again.status == 200
    assert first.json == again.json
    payment = first.json
    assert (payment["status"], payment["paid"]) == ("succeeded", True)
    assert payment["amount"] == {"value": "2.00", "currency": "RUB"}
    assert payment["income_amount"] == {"value": "1.94", "currency": "RUB"}
    assert payment["metadata"] == BODY["metadata"]
    assert payment["payment_method"]["id"] == "card"
    assert "confirmation" not in payment and "cancellation_details" not in payment
    assert not any(name.startswith("_") for name in payment)
    assert sandbox.charges() == [{
        "id": payment["id"], "amount": "2.00", "currency": "RUB", "payment_method_id": "card",
        "metadata": BODY["metadata"], "key": "k", "captured_at": payment["captured_at"]}]


def test_a_key_belongs_to_its_body(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay("k")
    other = shop.pay("k", description="another")
    assert other.status == 400
    assert other.json["code"] == "invalid_request"
    assert other.json["description"] == "Idempotence key duplicated"
    assert other.json["parameter"] == "Idempotence-Key"
    spaced = shop.ask("POST", "/v3/payments", json.dumps(BODY, indent=1).encode(), "k")
    assert spaced.status == 400, "the same bytes are asked for, not the same meaning"
    assert len(sandbox.charges()) == 1


def test_a_key_is_forgotten_after_24_hours(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay("k")
    sandbox.clock(advance="23h")
    shop.pay("k")
    assert len(sandbox.charges()) == 1
    sandbox.clock(advance="1h")
    shop.pay("k")
    assert len(sandbox.charges()) == 2, "a worker that repeats too late pays twice, as in life"


def test_the_same_key_at_the_same_time_charges_once(sandbox: Sandbox, shop: Shop) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: shop.pay("k").json["id"], range(64)))
    assert len(set(answers)) == 1
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("key", [None, "", "x" * 65])
def test_a_key_is_required(sandbox: Sandbox, shop: Shop, key: str | None) -> None:
    answer = shop.pay(key)
    assert (answer.status, answer.json["parameter"]) == (400, "Idempotence-Key")
    assert sandbox.charges() == []


@pytest.mark.parametrize("changes, parameter", [
    ({"amount": None}, "amount"),
    ({"amount": "2.00"}, "amount"),
    ({"amount": {"value": "2.00"}}, "amount"),
    ({"amount": {"value": 2.00, "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "2.0", "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "2,00", "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "-2.00", "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "0.00", "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "1e3", "currency": "RUB"}}, "amount.value"),
    ({"amount": {"value": "2.00", "currency": "rub"}}, "amount.currency"),
    ({"description": "x" * 129}, "description"),
    ({"description": 5}, "description"),
    ({"metadata": [1]}, "metadata"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ({"metadata": {"x" * 33: "y"}}, "metadata"),
    ({"metadata": {"x": "y" * 513}}, "metadata.x"),
    ({"metadata": {str(i): "y" for i in range(17)}}, "metadata"),
    ({"capture": "true"}, "capture"),
    ({"payment_method_id": "nobody's"}, "payment_method_id"),
    ({"payment_method_id": 7}, "payment_method_id"),
    ({"payment_method_id": None}, "confirmation"),
    ({"payment_method_id": None, "confirmation": {"type": "redirect"}}, "confirmation.return_url"),
    ({"metdata": {}}, "metdata"),
])
def test_wrong_parameters_are_refused(sandbox: Sandbox, shop: Shop, changes: dict[str, Any],
                                      parameter: str) -> None:
    answer = shop.pay(**changes)
    assert answer.status == 400
    assert answer.json["type"] == "error" and answer.json["code"] == "invalid_request"
    assert answer.json["parameter"] == parameter
    assert sandbox.charges() == []
    assert shop.pay().status == 200, "a refused request leaves its key free"


def test_limits_are_inclusive(shop: Shop) -> None:
    metadata = {f"{i:032}": "y" * 512 for i in range(16)}
    answer = shop.pay("x" * 64, description="я" * 128, metadata=metadata,
                      amount={"value": "2", "currency": "RUB"})
    assert answer.status == 200
    assert answer.json["amount"]["value"] == "2.00", "always two decimals"


def test_only_a_saved_method_is_charged(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.methods(["once"], saved=False)
    answer = shop.pay(payment_method_id="once")
    assert (answer.status, answer.json["parameter"]) == (400, "payment_method_id")


def test_wrong_requests_get_the_errors_of_the_service(sandbox: Sandbox, shop: Shop) -> None:
    def told(answer: Answer) -> tuple[int, str]:
        assert answer.json["type"] == "error" and answer.json["id"]
        return answer.status, answer.json["code"]

    assert told(Shop(sandbox, "wrong").pay()) == (401, "invalid_credentials")
    assert told(Shop(sandbox, "wrong").list()) == (401, "invalid_credentials")
    assert told(shop.ask("GET", "/v3/payments/nothing")) == (404, "not_found")
    assert told(shop.ask("GET", "/v3/nothing")) == (404, "not_found")
    assert told(shop.ask("DELETE", "/v3/payments")) == (405, "not_supported")
    form = shop.ask("POST", "/v3/payments", b"a=b", "k", Content_Type="text/plain")
    assert told(form) == (415, "not_supported")
    assert told(shop.ask("POST", "/v3/payments", b"{", "k")) == (400, "invalid_request")
    assert sandbox.charges() == []


def test_a_method_decides_what_becomes_of_a_charge(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.methods(["poor"], status="canceled", reason="insufficient_funds")
    sandbox.methods(["slow"], status="pending")
    poor = shop.pay("a", payment_method_id="poor").json
    assert (poor["status"], poor["paid"]) == ("canceled", False)
    assert poor["cancellation_details"] == {"party": "payment_network",
                                            "reason": "insufficient_funds"}
    assert shop.pay("a", payment_method_id="poor").json == poor, "a refusal is final for its key"
    slow = shop.pay("b", payment_method_id="slow").json
    assert slow["status"] == "pending" and "confirmation" not in slow
    assert sandbox.charges() == []
    sandbox.succeed(slow["id"])
    assert shop.ask("GET", f"/v3/payments/{slow['id']}").json["status"] == "succeeded"
    assert shop.pay("b", payment_method_id="slow").json["status"] == "succeeded"
    assert [charge["key"] for charge in sandbox.charges()] == ["b"]
    with pytest.raises(ControlError):
        sandbox.cancel(slow["id"])


def test_a_customer_confirms_and_saves_the_method(sandbox: Sandbox, shop: Shop) -> None:
    first = shop.pay("a", payment_method_id=None, save_payment_method=True,
                     confirmation={"type": "redirect", "return_url": "https://example.com"}).json
    assert first["status"] == "pending" and first["confirmation"]["confirmation_url"]
    sandbox.succeed(first["id"])
    paid = shop.ask("GET", f"/v3/payments/{first['id']}").json
    assert paid["payment_method"]["saved"] is True and "confirmation" not in paid
    assert shop.pay("b", payment_method_id=paid["payment_method"]["id"]).status == 200


# --- the list


def test_the_list_is_newest_first_in_pages_of_ten(sandbox: Sandbox, shop: Shop) -> None:
    made = [sandbox.payment(created_at=f"2026-03-01T10:00:{i:02}Z")["id"] for i in range(25)]
    sandbox.clock(now="2026-03-01T11:00:00Z")
    page = shop.list().json
    assert page["type"] == "list"
    assert [item["id"] for item in page["items"]] == made[:14:-1]
    assert shop.pages() == made[::-1]
    assert shop.pages(limit=100) == made[::-1]
    assert "next_cursor" not in shop.list(limit=25).json


def test_pages_hold_on_while_payments_arrive(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.clock(now="2026-03-01T11:00:00Z", frozen=True)
    made = [sandbox.payment()["id"] for _ in range(25)]
    page = shop.list().json
    sandbox.payment()
    rest = shop.list(cursor=page["next_cursor"]).json
    assert [item["id"] for item in page["items"] + rest["items"]] == made[:4:-1]


def test_filters(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.clock(now="2026-03-02T00:00:00Z")
    old = sandbox.payment(created_at="2026-03-01T10:00:00Z",
                          captured_at="2026-03-01T10:30:00Z")["id"]
    new = sandbox.payment(created_at="2026-03-01T11:00:00Z",
                          captured_at="2026-03-01T11:00:00.500Z")["id"]
    open_ = sandbox.payment(created_at="2026-03-01T12:00:00Z", status="pending")["id"]
    assert shop.pages(status="succeeded") == [new, old]
    assert shop.pages(status="pending") == [open_]
    assert shop.pages(created_at__gte="2026-03-01T11:00:00Z") == [open_, new]
    assert shop.pages(created_at__gt="2026-03-01T11:00:00Z") == [open_]
    assert shop.pages(created_at__lte="2026-03-01T11:00:00Z") == [new, old]
    assert shop.pages(created_at__lt="2026-03-01T14:00:00+03:00") == [old]
    assert shop.pages(captured_at__gte="2026-03-01T10:30:00Z", status="succeeded") == [new, old]
    assert shop.pages(captured_at__gt="2026-03-01T11:00:00.499Z") == [new]
    sandbox.clock(now="2029-03-05T00:00:00Z")
    assert shop.pages() == [], "three years are kept"


@pytest.mark.parametrize("query", [
    {"limit": 0}, {"limit": 101}, {"limit": "ten"}, {"status": "cancelled"},
    {"created_at__gte": "yesterday"}, {"created_at__gte": "2026-03-01"},
    {"created_at__gte": "2026-03-01T10:00:00"}, {"created_at__gte": "2026-13-01T10:00:00Z"},
    {"cursor": "???"}, {"cursor": "AAAA"}, {"created_at": "2026-03-01T10:00:00Z"},
])
def test_wrong_queries_are_refused(shop: Shop, query: dict[str, Any]) -> None:
    answer = shop.list(**query)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


def test_a_cursor_belongs_to_its_filters(sandbox: Sandbox, shop: Shop) -> None:
    for _ in range(3):
        sandbox.payment()
    cursor = shop.list(limit=1, status="succeeded").json["next_cursor"]
    assert shop.list(limit=2, status="succeeded", cursor=cursor).status == 200
    assert shop.list(limit=1, cursor=cursor).status == 400


# --- faults

NO_ANSWER = (http.client.HTTPException, ConnectionError, socket.timeout)


@pytest.mark.parametrize("do, params, status, charged", [
    ("500-before", {}, 500, 0),
    ("500-after", {}, 500, 1),
    ("502-before", {}, 502, 0),
    ("502-after", {}, 502, 1),
    ("429", {}, 429, 0),
    ("401", {}, 401, 0),
    ("403", {}, 403, 0),
    ("error", {"status": 400, "description": "Idempotence key duplicated"}, 400, 0),
    ("processing", {}, 202, 1),
    ("processing-before", {}, 202, 0),
    ("invalid-json", {}, 200, 1),
    ("truncated-json", {}, 200, 1),
    ("stall", {"seconds": 0.01}, 200, 1),
    ("stall-before", {"seconds": 0.01}, 500, 0),
    ("drip", {"seconds": 0.05}, 200, 1),
    ("drop-before", {}, None, 0),
    ("drop-after", {}, None, 1),
    ("cut", {}, None, 1),
])
def test_a_fault_acts_once_and_a_repetition_charges_once(
        sandbox: Sandbox, shop: Shop, do: str, params: dict[str, Any], status: int | None,
        charged: int) -> None:
    sandbox.fault(do, **params)
    if status is None:
        with pytest.raises(NO_ANSWER):
            shop.pay()
    else:
        assert shop.pay().status == status
    assert len(sandbox.charges()) == charged
    assert shop.pay().json["status"] == "succeeded"
    assert len(sandbox.charges()) == 1
    assert [(entry["fault"], entry["status"]) for entry in sandbox.requests()] == [
        (do, status or 0 if do != "cut" else 0), (None, 200)]


def test_answers_of_faults_look_as_they_should(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fault("429", retry_after=7)
    assert shop.pay().headers["Retry-After"] == "7"
    sandbox.fault("429", retry_after=60, form="date")
    assert shop.pay().headers["Retry-After"].endswith(" GMT")
    sandbox.fault("429")
    limited = shop.pay()
    assert limited.headers["Retry-After"] is None and limited.json["code"] == "too_many_requests"
    sandbox.fault("502-before")
    assert shop.pay().headers["Content-Type"].startswith("text/html")
    sandbox.fault("processing-before", retry_after=500)
    assert shop.pay().json == {"type": "processing", "retry_after": 500,
                               "description": "Request accepted, but not processed yet"}
    for do in ("invalid-json", "truncated-json"):
        sandbox.fault(do)
        with pytest.raises(ValueError):
            _ = shop.pay(do).json
    sandbox.fault("error", status=403, code="forbidden", description="no", parameter="shop")
    error = shop.pay("e").json
    assert (error["code"], error["description"], error["parameter"]) == ("forbidden", "no", "shop")


def test_a_fault_chooses_its_requests(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fault("500-before", metadata={"subscription_id": "7"}, times=None)
    assert [shop.pay("a").status, shop.pay("b").status] == [500, 500]
    assert shop.pay("c", metadata={"subscription_id": "8"}).status == 200
    paid = sandbox.payment(metadata={"subscription_id": "7"})["id"]
    assert shop.ask("GET", f"/v3/payments/{paid}").status == 500
    sandbox.clear_faults()
    assert shop.pay("a").status == 200

    sandbox.fault("500-before", method="POST", nth=3, times=2)
    assert [shop.pay(f"n{i}").status for i in range(5)] == [200, 200, 500, 500, 200]
    sandbox.fault("403", path="/v3/payments/*")
    assert shop.list().status == 200
    assert shop.ask("GET", f"/v3/payments/{paid}").status == 403
    sandbox.fault("500-before", key="special")
    assert [shop.pay("plain").status, shop.pay("special").status] == [200, 500]


def test_an_outcome_can_be_ordered_for_one_subscription(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fault("outcome", status="canceled", reason="card_expired",
                  metadata={"subscription_id": "7"})
    assert shop.pay("a").json["cancellation_details"]["reason"] == "card_expired"
    sandbox.fault("outcome", status="pending")
    assert shop.pay("b").json["status"] == "pending"
    assert sandbox.charges() == []


def test_a_held_answer_waits_for_its_release(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fault("hold")
    answers: list[Answer] = []
    client = threading.Thread(target=lambda: answers.append(shop.pay()))
    client.start()
    sandbox.wait_held()
    assert len(sandbox.charges()) == 1 and answers == []
    assert sandbox.requests()[0]["status"] is None
    assert sandbox.release() == 1
    client.join()
    assert answers[0].json["status"] == "succeeded"


def test_a_client_that_dies_while_held_was_charged(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fault("hold")
    with pytest.raises(NO_ANSWER):
        shop.pay(timeout=0.3)
    sandbox.wait_held()
    assert len(sandbox.charges()) == 1
    sandbox.release()
    assert shop.pay().status == 200
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("order", [
    {"do": "500"}, {"do": "429", "seconds": 1}, {"do": "hold", "match": {"metdata": {}}},
    {"do": "outcome", "seconds": 1}, {},
])
def test_a_misspelt_fault_is_refused(sandbox: Sandbox, order: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        sandbox.control("POST", "faults", order)


# --- the program


def test_the_state_outlives_a_kill(tmp_path: Path) -> None:
    with Sandbox(tmp_path, keep=True) as sandbox:
        sandbox.methods(["card"])
        sandbox.clock(now="2026-03-01T10:00:00Z", frozen=True)
        first = Shop(sandbox).pay("k").json
        sandbox.restart(signal.SIGKILL)
        assert Shop(sandbox).pay("k").json == first
        assert len(sandbox.charges()) == 1
        assert sandbox.clock(frozen=True) == "2026-03-01T10:00:00.000Z"


def test_it_leaves_at_once_on_sigterm(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.start()
    sandbox.fault("hold", times=None)
    client = threading.Thread(target=lambda: Shop(sandbox).list(), daemon=True)
    client.start()
    sandbox.wait_held()
    start = time.monotonic()
    assert sandbox.stop() == 0
    assert time.monotonic() - start < 5
    client.join()


def test_it_tells_systemd_when_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Sandbox(tmp_path):
            assert notify.recv(100) == b"READY=1"


def test_reset_forgets_everything(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay()
    sandbox.fault("500-before")
    sandbox.clock(advance="5d")
    sandbox.reset()
    assert (sandbox.charges(), sandbox.faults(), sandbox.requests()) == ([], [], [])
    assert shop.pay().status == 400, "the method is gone, too"


def test_a_port_in_use_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Sandbox(tmp_path / "second")
    second.port = sandbox.port
    with pytest.raises(ControlError, match="cannot listen on"):
        second.start()
    until(lambda: second._process.poll() == 1, "the second one ends")
