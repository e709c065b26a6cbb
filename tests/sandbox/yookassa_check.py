"""What YooKassa refuses: one function per parameter, all of them pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from clock import instant_parse

CURRENCIES = {"RUB", "USD", "EUR", "BYN", "CNY", "KZT", "UZS", "TRY", "AMD"}
STATUSES = {"pending", "waiting_for_capture", "succeeded", "canceled"}
CONFIRMATIONS = {"redirect", "embedded", "external", "mobile_application", "qr"}
AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{2})?")
KEY_MAX, DESCRIPTION_MAX = 64, 128
METADATA_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX = 16, 32, 512
PAGE_DEFAULT, PAGE_MAX = 10, 100


@dataclass(frozen=True)
class Refusal(Exception):
    """400 invalid_request."""

    description: str
    parameter: str


def check_amount(amount: Any) -> None:
    if not isinstance(amount, dict) or set(amount) != {"value", "currency"}:
        raise Refusal("Amount must have a value and a currency", "amount")
    value, currency = amount["value"], amount["currency"]
    if not isinstance(value, str) or not AMOUNT.fullmatch(value) or not float(value):
        raise Refusal('Invalid amount. Specify a positive value as text, for example "2.00"',
                      "amount.value")
    if currency not in CURRENCIES:
        raise Refusal("Invalid currency. Specify a code of ISO 4217", "amount.currency")


def check_description(description: Any) -> None:
    if not isinstance(description, str) or len(description) > DESCRIPTION_MAX:
        raise Refusal(f"Description is longer than {DESCRIPTION_MAX} characters", "description")


def check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or len(metadata) > METADATA_MAX:
        raise Refusal(f"Metadata must be an object of at most {METADATA_MAX} keys", "metadata")
    for name, value in metadata.items():
        if len(name) > METADATA_NAME_MAX:
            raise Refusal(f"A name is longer than {METADATA_NAME_MAX} characters", "metadata")
        if not isinstance(value, str) or len(value) > METADATA_VALUE_MAX:
            raise Refusal(f"A value must be text of at most {METADATA_VALUE_MAX} characters",
                          f"metadata.{name}")


def check_confirmation(confirmation: Any) -> None:
    kind = confirmation.get("type") if isinstance(confirmation, dict) else None
    if kind not in CONFIRMATIONS:
        raise Refusal("Unknown type of confirmation", "confirmation.type")
    if kind == "redirect" and not isinstance(confirmation.get("return_url"), str):
        raise Refusal("Specify return_url", "confirmation.return_url")


def check_bool(name: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, bool):
            raise Refusal("Want true or false", name)

    return check


def check_text(name: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, str) or not value:
            raise Refusal("Want a text", name)

    return check


def check_object(name: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Refusal("Want an object", name)

    return check


#: Every parameter that we know; another one is a spelling mistake of ours, so it is refused.
PARAMETERS: dict[str, Callable[[Any], None]] = {
    "amount": check_amount,
    "description": check_description,
    "metadata": check_metadata,
    "confirmation": check_confirmation,
    "capture": check_bool("capture"),
    "save_payment_method": check_bool("save_payment_method"),
    "payment_method_id": check_text("payment_method_id"),
    "payment_method_data": check_object("payment_method_data"),
    "payment_token": check_text("payment_token"),
    "receipt": check_object("receipt"),
    "recipient": check_object("recipient"),
    "client_ip": check_text("client_ip"),
    "merchant_customer_id": check_text("merchant_customer_id"),
}


def check_payment(body: Any) -> None:
    if not isinstance(body, dict):
        raise Refusal("The body is not a JSON object", "body")
    for name, value in body.items():
        if name not in PARAMETERS:
            raise Refusal("Unknown parameter", name)
        PARAMETERS[name](value)
    if "amount" not in body:
        raise Refusal("Specify the amount", "amount")
    sources = {"payment_method_id", "payment_method_data", "payment_token"} & set(body)
    if len(sources) > 1:
        raise Refusal("Specify only one way of payment", sorted(sources)[0])
    if "payment_method_id" not in body and "confirmation" not in body:
        raise Refusal("Specify payment_method_id or confirmation", "confirmation")


def check_key(key: str | None) -> str:
    if not key:
        raise Refusal("Specify the Idempotence-Key header", "Idempotence-Key")
    if len(key) > KEY_MAX:
        raise Refusal(f"Idempotence key is longer than {KEY_MAX} characters", "Idempotence-Key")
    return key


# --- the list

OPERATORS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
TIMES = {f"{column}.{name}": f"{column} {operator} ?"
         for column in ("created_at", "captured_at") for name, operator in OPERATORS.items()}


@dataclass(frozen=True)
class Query:
    wheres: list[str]
    values: list[Any]
    limit: int


def check_limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= PAGE_MAX:
        raise Refusal(f"Want a limit from 1 to {PAGE_MAX}", "limit")
    return int(text)


def check_time(name: str, text: str) -> int:
    try:
        return instant_parse(text)
    except ValueError:
        raise Refusal("Want a time as 2024-03-06T10:00:00Z", name) from None


def filters_of(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name] for name in sorted(query) if name not in ("limit", "cursor")}


def cursor_make(created_at: int, seq: int, query: Mapping[str, str]) -> str:
    """Where the page ended. It holds on while new payments arrive in front."""
    place = json.dumps([created_at, seq, filters_of(query)], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode()


def check_cursor(text: str, query: Mapping[str, str]) -> tuple[int, int]:
    try:
        created_at, seq, filters = json.loads(base64.b64decode(text, b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise Refusal("Unknown cursor", "cursor") from None
    if filters != filters_of(query):
        raise Refusal("Other filters than those of the page before", "cursor")
    return created_at, seq


def check_query(query: Mapping[str, str]) -> Query:
    result = Query([], [], check_limit(query.get("limit", str(PAGE_DEFAULT))))
    for name, text in query.items():
        if name in TIMES:
            result.wheres.append(TIMES[name])
            result.values.append(check_time(name, text))
        elif name == "status":
            if text not in STATUSES:
                raise Refusal(f"Want one of {sorted(STATUSES)}", "status")
            result.wheres.append("status = ?")
            result.values.append(text)
        elif name == "cursor":
            result.wheres.append("(created_at, seq) < (?, ?)")
            result.values.extend(check_cursor(text, query))
        elif name != "limit":
            raise Refusal("Unknown parameter", name)
    return result
