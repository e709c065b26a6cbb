"""Vendista: tokens, terminals and transactions as the coffee machines' owners see them.

Everything is GET with its secrets in the query string; names of parameters that the service does
not know are ignored, as the real one does. Times are Moscow's and carry no zone.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any, Mapping

from aiohttp import web

from clock import instant_parse
from control import read_order
from faults import Case, Fault, FaultKind
from service import Context, Service

MOSCOW = timezone(timedelta(hours=3))
PAGE_DEFAULT, PAGE_MOST = 50, 1000
TABLES = """
create table if not exists vendista_account (
    login text primary key, password text, tokens int default 0, valid text, unpaid int default 0,
    page_most int);
create table if not exists vendista_terminal (id integer primary key, login text, json text);
create table if not exists vendista_sale (
    id integer primary key, login text, time text, json text);
create index if not exists vendista_sale_time on vendista_sale (login, time, id);
"""


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def as_shifted(case: Case) -> web.StreamResponse:
    """A sale came in between two pages; the answer is right for that."""
    return case.right()


async def endless(case: Case) -> web.StreamResponse:
    """However far one turns, a full page follows."""
    page = json.loads(bytes(case.right().body))
    number = page["page_number"]
    page["items_count"] = (number + 1) * page["items_per_page"]
    page["items"] = page["items"] or [{"id": 10**9 + number, "result": 0}]
    return web.json_response(page)


class Vendista(Service):
    name = "vendista"
    prefixes = ("/vendista/",)
    fault_kinds = {
        "402": FaultKind(False, lambda case: refuse(case, 402)),
        "404": FaultKind(False, lambda case: refuse(case, 404)),
        "sale-between": FaultKind(True, as_shifted, frozenset({"sales", "login"})),
        "endless": FaultKind(True, endless),
    }

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.db = context.store.db
        context.store.script(TABLES)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/vendista/token", self.get_token, allow_head=False),
            web.get("/vendista/transactions", self.get_transactions, allow_head=False),
            web.get("/vendista/terminals", self.get_terminals, allow_head=False),
        ]

    def control_routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_control/vendista/accounts", self.put_account),
            web.post("/_control/vendista/terminals", self.put_terminals),
            web.post("/_control/vendista/sales", self.put_sales),
        ]

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        """Faults may be meant for one account: {"login": ...}."""
        login = request.query.get("login") or self.login_of(request.query.get("token", ""))
        return {"login": login} if login else {}

    def error(self, status: int, fault: Fault | None = None) -> web.Response:
        words = {401: "Unauthorized", 402: "Payment Required", 404: "Not Found"}
        return web.json_response({"success": False, "error": words.get(status, "Error")},
                                 status=status)

    # --- the API

    async def get_token(self, request: web.Request) -> web.Response:
        row = self.db.execute("select * from vendista_account where login = ?",
                              (request.query.get("login"),)).fetchone()
        if not row or row["password"] != request.query.get("password"):
            return self.error(404)
        if row["unpaid"]:
            return self.error(402)
        count = row["tokens"] + 1
        token = hashlib.sha256(f"{row['login']} {count}".encode()).hexdigest()[:24]
        self.db.execute("update vendista_account set tokens = ?, valid = ? where login = ?",
                        (count, token, row["login"]))
        return web.json_response({"token": token, "success": True})

    def login_of(self, token: str) -> str | None:
        row = self.db.execute("select login from vendista_account where valid = ?",
                              (token,)).fetchone()
        return row["login"] if row else None

    def admit(self, request: web.Request) -> str:
        login = self.login_of(request.query.get("token", ""))
        if login is None:
            raise Refused(401)
        if self.db.execute("select unpaid from vendista_account where login = ?",
                           (login,)).fetchone()["unpaid"]:
            raise Refused(402)
        return login

    async def get_transactions(self, request: web.Request) -> web.Response:
        self.sell_between(request)
        try:
            login = self.admit(request)
            since, until = (time_of(request.query.get(name)) for name in ("DateFrom", "DateTo"))
        except Refused as refused:
            return self.error(refused.status)
        order = "desc" if request.query.get("OrderDesc", "").lower() == "true" else "asc"
        where = "login = ? and time >= ? and time <= ?"
        return self.page(request, f"from vendista_sale where {where}",
                         (login, since or "0", until or "9"), f"time {order}, id {order}")

    async def get_terminals(self, request: web.Request) -> web.Response:
        try:
            login = self.admit(request)
        except Refused as refused:
            return self.error(refused.status)
        return self.page(request, "from vendista_terminal where login = ?", (login,), "id")

    def page(self, request: web.Request, source: str, values: tuple[Any, ...],
             order: str) -> web.Response:
        number, each = whole(request, "PageNumber", 1), whole(request, "ItemsOnPage", PAGE_DEFAULT)
        [most] = self.db.execute("select page_most from vendista_account where login = ?",
                                 (self.login_of(request.query["token"]),)).fetchone()
        each = min(each, most)
        count = self.db.execute(f"select count(*) {source}", values).fetchone()[0]
        rows = self.db.execute(f"select json {source} order by {order} limit ? offset ?",
                               (*values, each, (number - 1) * each)).fetchall()
        items = ",".join(row["json"] for row in rows)
        # Written by hand: numbers beyond 2^53 and rows by the thousand stay as they are.
        return web.Response(
            text=f'{{"page_number":{number},"items_per_page":{each},"items_count":{count},'
                 f'"items":[{items}],"success":true}}', content_type="application/json")

    def sell_between(self, request: web.Request) -> None:
        fault = request.get("fault")
        if fault and fault.do == "sale-between":
            self.store_sales(fault.params["login"], fault.params["sales"])

    # --- the control API

    async def put_account(self, request: web.Request) -> web.Response:
        """{"login", "password", "unpaid": false, "expire": false, "page_most": 1000}: expire makes
        tokens invalid."""
        order = await read_order(request)
        self.db.execute(
            "insert into vendista_account (login, password, unpaid, page_most) values (?, ?, ?, ?)"
            " on conflict (login) do update set password = excluded.password,"
            " unpaid = excluded.unpaid, page_most = excluded.page_most",
            (order["login"], order["password"], bool(order.get("unpaid")),
             order.get("page_most", PAGE_MOST)))
        if order.get("expire"):
            self.db.execute("update vendista_account set valid = null where login = ?",
                            (order["login"],))
        return web.json_response({}, status=201)

    async def put_terminals(self, request: web.Request) -> web.Response:
        """{"login", "terminals": [...]}: the whole list."""
        order = await read_order(request)
        with self.context.store.transaction() as db:
            db.execute("delete from vendista_terminal where login = ?", (order["login"],))
            db.executemany("insert into vendista_terminal values (?, ?, ?)",
                           [(item["id"], order["login"], json.dumps(item))
                            for item in order["terminals"]])
        return web.json_response({}, status=201)

    async def put_sales(self, request: web.Request) -> web.Response:
        """{"login", "sales": [...]}: new ones and changes of old ones, by id; time in RFC 3339 or
        as the service writes it."""
        order = await read_order(request)
        self.store_sales(order["login"], order["sales"])
        return web.json_response({}, status=201)

    def store_sales(self, login: str, sales: list[dict[str, Any]]) -> None:
        with self.context.store.transaction() as db:
            db.executemany("insert or replace into vendista_sale values (?, ?, ?, ?)",
                           [(sale["id"], login, *sale_row(sale)) for sale in sales])


def sale_row(sale: dict[str, Any]) -> tuple[str, str]:
    time = sale["time"]
    if time.endswith("Z") or "+" in time:
        at = datetime.fromtimestamp(instant_parse(time) / 1000, MOSCOW)
        time = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
    full = {"sum": 13900, "result": 1, "reverse_id": 0, "status": 3, "bonus": 0, "left_sum": 0,
            "left_bonus": 0, "card_number": "427600******1234", "terminal_comment": "", **sale,
            "time": time}
    return time.replace("T", " "), json.dumps(full, ensure_ascii=False)


def time_of(text: str | None) -> str | None:
    return text.replace("T", " ") if text else None


def whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


async def refuse(case: Case, status: int) -> web.Response:
    return case.service.error(status, case.fault)
