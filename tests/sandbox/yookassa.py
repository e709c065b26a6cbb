"""YooKassa v3: payments as a shop sees them, and the control routes that play the customer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import uuid
from typing import Any, Mapping

from aiohttp import web

from clock import instant_parse, instant_text
from control import read_order
from faults import Case, Fault, FaultKind
from ledger import Ledger, Method, Outcome, income, new_id
from service import Context, Service
from yookassa_check import Refusal, check_key, check_payment, check_query, cursor_make

LIST_YEARS_MS = 3 * 365 * 86_400_000
WAIT_MS = 1800

REASONS = {
    "3d_secure_failed", "call_issuer", "canceled_by_merchant", "card_expired",
    "country_forbidden", "deal_expired", "expired_on_capture", "expired_on_confirmation",
    "fraud_suspected", "general_decline", "identification_required", "insufficient_funds",
    "internal_timeout", "invalid_card_number", "invalid_csc", "issuer_unavailable",
    "payment_method_limit_exceeded", "payment_method_restricted", "permission_revoked",
    "unsupported_mobile_operator",
}
ERRORS = {
    400: ("invalid_request", "Invalid request"),
    401: ("invalid_credentials", "Error in shopId or secret key. Check their validity."),
    403: ("forbidden", "The shop may not do this. Contact your manager."),
    404: ("not_found", "The object was not found"),
    405: ("not_supported", "The method is not supported here"),
    415: ("not_supported", "Content-Type must be application/json"),
    429: ("too_many_requests", "Too many requests"),
    500: ("internal_server_error", "Internal server error"),
}


class Denied(Exception):
    def __init__(self, status: int, description: str | None = None,
                 parameter: str | None = None) -> None:
        super().__init__(status)
        self.status, self.description, self.parameter = status, description, parameter


async def processing(case: Case) -> web.StreamResponse:
    body = {"type": "processing", "description": "Request accepted, but not processed yet",
            "retry_after": case.fault.params.get("retry_after", WAIT_MS)}
    return web.json_response(body, status=202)


async def as_decided(case: Case) -> web.StreamResponse:
    """The outcome was the fault (see outcome_of); the answer is right."""
    return case.right()


class YooKassa(Service):
    name = "yookassa"
    prefixes = ("/v3/",)
    fault_kinds = {
        "processing": FaultKind(True, processing, frozenset({"retry_after"})),
        "processing-before": FaultKind(False, processing, frozenset({"retry_after"})),
        "outcome": FaultKind(True, as_decided, frozenset({"status", "reason", "party"})),
    }

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.ledger = Ledger(context.store, context.clock)
        shop = os.environ.get("YOOKASSA_SHOP_ID", "100500")
        secret = os.environ.get("YOOKASSA_SECRET_KEY", "test_sandbox")
        self.account = shop
        self._credentials = "Basic " + base64.b64encode(f"{shop}:{secret}".encode()).decode()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v3/payments", self.post_payment),
            web.get("/v3/payments", self.list_payments, allow_head=False),
            web.get("/v3/payments/{id}", self.get_payment, allow_head=False),
        ]

    def control_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_control/ledger", self.show_ledger),
            web.post("/_control/methods", self.make_methods),
            web.post("/_control/payments", self.make_payment),
            web.post("/_control/payments/{id}/{verb:succeed|cancel}", self.settle_payment),
        ]

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        payment = body
        if request.method == "GET" and "id" in request.match_info:
            payment = self.ledger.find(request.match_info["id"])
        metadata = payment.get("metadata") if isinstance(payment, dict) else None
        return metadata if isinstance(metadata, dict) else {}

    def error(self, status: int, fault: Fault | None = None) -> web.Response:
        code, description = ERRORS.get(status, ERRORS[400 if status < 500 else 500])
        body = {"type": "error", "id": str(uuid.uuid4()), "code": code,
                "description": description, **words_of(fault)}
        if status == 401:
            body["parameter"] = "Authorization"
        return web.json_response(body, status=status)

    # --- the API

    def admit(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self._credentials.encode()):
            raise Denied(401)

    async def post_payment(self, request: web.Request) -> web.Response:
        try:
            self.admit(request)
            if request.content_type != "application/json":
                raise Denied(415)
            key = check_key(request.headers.get("Idempotence-Key"))
            payment = self.create(key, await request.read(), request)
        except Denied as denied:
            return self.error(denied.status)
        except Refusal as refusal:
            return self.refuse(refusal)
        return web.json_response(visible(payment))

    def create(self, key: str, raw: bytes, request: web.Request) -> dict[str, Any]:
        """No await in here: a request is charged once however many come at a time."""
        digest = hashlib.sha256(raw).hexdigest()
        before = self.ledger.recall(key)
        if before:
            if before[0] != digest:
                raise Refusal("Idempotence key duplicated", "Idempotence-Key")
            known = self.ledger.find(before[1])
            assert known is not None
            return known
        body = request["body"]
        check_payment(body)
        now = self.context.clock.now()
        outcome = self.outcome_of(body, request.get("fault"))
        payment = self.build(body, now)
        settle(payment, outcome, now)
        self.ledger.add(payment, now, key, digest)
        return payment

    def outcome_of(self, body: dict[str, Any], fault: Fault | None) -> Outcome:
        """A saved method is charged at once; without one the customer has yet to confirm."""
        outcome = Outcome("pending")
        if "payment_method_id" in body:
            method = self.ledger.method(body["payment_method_id"])
            if method is None:
                raise Refusal("Payment method was not found", "payment_method_id")
            if not method.saved:
                raise Refusal("Payment method is not saved for recurring payments",
                              "payment_method_id")
            outcome = method.outcome
        if fault and fault.do == "outcome":
            outcome = outcome_from(fault.params)
        if outcome.status == "succeeded" and not body.get("capture", False):
            return Outcome("waiting_for_capture")
        return outcome

    def build(self, body: dict[str, Any], now: int) -> dict[str, Any]:
        payment_id = new_id(now)
        value = body["amount"]["value"]
        payment: dict[str, Any] = {
            "id": payment_id, "status": "pending", "paid": False,
            "amount": {"value": value if "." in value else f"{value}.00",
                       "currency": body["amount"]["currency"]},
            "recipient": {"account_id": self.account, "gateway_id": "100700"},
            "payment_method": card(body.get("payment_method_id", payment_id),
                                   "payment_method_id" in body),
            "created_at": instant_text(now), "test": False, "refundable": False,
            "_save": body.get("save_payment_method", False),
        }
        payment.update({name: body[name] for name in ("description", "metadata") if name in body})
        if "confirmation" in body:
            payment["confirmation"] = {
                "type": body["confirmation"]["type"],
                "confirmation_url": f"https://yoomoney.ru/checkout/payments?orderId={payment_id}",
            }
        return payment

    async def get_payment(self, request: web.Request) -> web.Response:
        try:
            self.admit(request)
        except Denied as denied:
            return self.error(denied.status)
        payment = self.ledger.find(request.match_info["id"])
        return web.json_response(visible(payment)) if payment else self.error(404)

    async def list_payments(self, request: web.Request) -> web.Response:
        try:
            self.admit(request)
            if len(request.query) != len(set(request.query)):
                raise Refusal("A parameter is given twice", "query")
            query = check_query(request.query)
        except Denied as denied:
            return self.error(denied.status)
        except Refusal as refusal:
            return self.refuse(refusal)
        oldest = self.context.clock.now() - LIST_YEARS_MS
        rows = self.ledger.page([*query.wheres, "created_at >= ?"], [*query.values, oldest],
                                query.limit + 1)
        page = rows[: query.limit]
        answer = {"type": "list", "items": [visible(json.loads(row["object"])) for row in page]}
        if len(rows) > query.limit:
            answer["next_cursor"] = cursor_make(page[-1]["created_at"], page[-1]["seq"],
                                                request.query)
        return web.json_response(answer)

    def refuse(self, refusal: Refusal) -> web.Response:
        code, _ = ERRORS[400]
        return web.json_response(
            {"type": "error", "id": str(uuid.uuid4()), "code": code,
             "description": refusal.description, "parameter": refusal.parameter}, status=400)

    # --- the control API

    async def show_ledger(self, _request: web.Request) -> web.Response:
        return web.json_response({"charges": self.ledger.charges()})

    async def make_methods(self, request: web.Request) -> web.Response:
        """{"id" or "ids", "saved": true, "status": "succeeded", "reason", "party"}"""
        order = await read_order(request)
        ids = order.get("ids") or [order["id"]]
        outcome = outcome_from(order)
        self.ledger.save_methods(Method(i, order.get("saved", True), outcome) for i in ids)
        return web.json_response({"ids": ids}, status=201)

    async def make_payment(self, request: web.Request) -> web.Response:
        """A payment as if a customer had made it; the order may name id, status, amount (a text or
        an object), metadata, created_at, captured_at, payment_method_id, reason, description. An id
        that exists already is left alone, so that seeding can be repeated."""
        order = await read_order(request)
        known = self.ledger.find(order.get("id", ""))
        if known:
            return web.json_response(visible(known))
        created_at = instant_of(order, "created_at", self.context.clock.now())
        amount = order.get("amount", "100.00")
        body = {
            "amount": amount if isinstance(amount, dict) else {"value": amount, "currency": "RUB"},
            "confirmation": {"type": "redirect", "return_url": "https://example.com/"},
            "save_payment_method": True,
            **{name: order[name] for name in ("description", "metadata") if name in order},
        }
        try:
            check_payment(body)
        except Refusal as refusal:
            return self.refuse(refusal)
        payment = self.build(body, created_at)
        payment["id"] = order.get("id", payment["id"])
        payment["payment_method"] = card(order.get("payment_method_id", payment["id"]), False)
        settle(payment, outcome_from(order), instant_of(order, "captured_at", created_at))
        self.ledger.add(payment, created_at, None, "")
        self.remember_method(payment)
        return web.json_response(visible(payment), status=201)

    async def settle_payment(self, request: web.Request) -> web.Response:
        """{"captured_at"?} for succeed, {"reason"?, "party"?} for cancel."""
        payment = self.ledger.find(request.match_info["id"])
        if payment is None:
            return self.error(404)
        if payment["status"] not in ("pending", "waiting_for_capture"):
            raise ValueError(f"payment is {payment['status']} already")
        order = await read_order(request)
        verbs = {"succeed": "succeeded", "cancel": "canceled"}
        outcome = outcome_from({**order, "status": verbs[request.match_info["verb"]]})
        settle(payment, outcome, instant_of(order, "captured_at", self.context.clock.now()))
        self.ledger.change(payment)
        self.remember_method(payment)
        return web.json_response(visible(payment))

    def remember_method(self, payment: dict[str, Any]) -> None:
        if payment["payment_method"]["saved"] and \
                not self.ledger.method(payment["payment_method"]["id"]):
            self.ledger.save_methods([Method(payment["payment_method"]["id"], True, Outcome())])


def settle(payment: dict[str, Any], outcome: Outcome, at: int) -> None:
    """Gives the payment object the shape of its status."""
    status = payment["status"] = outcome.status
    payment["paid"] = status in ("succeeded", "waiting_for_capture")
    if status != "pending":
        payment.pop("confirmation", None)
    if status == "canceled":
        payment["cancellation_details"] = {"party": outcome.party or "payment_network",
                                           "reason": outcome.reason or "general_decline"}
    if status == "succeeded":
        amount = payment["amount"]
        payment["income_amount"] = {**amount, "value": income(amount["value"])}
        payment["captured_at"], payment["_captured_at"] = instant_text(at), at
        payment["refundable"] = True
        payment["payment_method"]["saved"] |= payment["_save"]


def visible(payment: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payment.items() if not name.startswith("_")}


def card(method_id: str, saved: bool) -> dict[str, Any]:
    return {"type": "bank_card", "id": method_id, "saved": saved, "title": "Bank card *4444",
            "card": {"first6": "555555", "last4": "4444", "expiry_month": "12",
                     "expiry_year": "2030", "card_type": "MasterCard"}}


def words_of(fault: Fault | None) -> dict[str, Any]:
    names = ("code", "description", "parameter")
    return {name: fault.params[name] for name in names if fault and name in fault.params}


def outcome_from(order: Mapping[str, Any]) -> Outcome:
    status, reason = order.get("status", "succeeded"), order.get("reason")
    if status not in ("succeeded", "pending", "canceled", "waiting_for_capture"):
        raise ValueError(f"status: got {status!r}")
    if reason is not None and reason not in REASONS:
        raise ValueError(f"reason: want one of {sorted(REASONS)}, got {reason!r}")
    return Outcome(status, reason, order.get("party"))


def instant_of(order: Mapping[str, Any], name: str, default: int) -> int:
    return instant_parse(order[name]) if name in order else default
