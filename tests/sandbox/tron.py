"""TronGrid: a chain that grows by the clock, an index of it that may lag, and the node behind it.

A block comes every three seconds of the sandbox's clock, so the height is a function of time and no
block is stored. What stands in a block is: a transaction has its events, a receipt, and the block it
is in; a fork takes it out. Wrong questions are refused as the real services do: the index with
{"success": false}, the node with 200 and {"Error": ...}.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any, Mapping

from aiohttp import web

import tron_address
from clock import instant_parse, instant_text
from control import read_order
from faults import Case, Fault, FaultKind
from service import Context, Service

USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
BLOCK_MS = 3000
GENESIS_MS = instant_parse("2018-06-25T00:00:00Z")
SOLID_BLOCKS = 19
PAGE_DEFAULT, PAGE_MOST = 20, 200
PAYER = tron_address.make(-1)[1]
EVENTS = {"Transfer": "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
          "Approval": "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"}
TABLES = """
create table if not exists tron_transaction (
    txid text primary key, block int, time_ms int, listed_ms int, unlisted int default 0,
    failed text);
create table if not exists tron_event (
    seq integer primary key, txid text, contract text, type text, sender text, recipient text,
    value text);
create index if not exists tron_event_recipient on tron_event (recipient);
create index if not exists tron_event_txid on tron_event (txid);
"""
#: The parameters of the list, which have more names than one.
ALIASES = {"min_block_timestamp": "min_timestamp", "max_block_timestamp": "max_timestamp"}
PARAMETERS = {"only_confirmed", "only_unconfirmed", "only_to", "only_from", "limit",
              "contract_address", "min_timestamp", "max_timestamp", "order_by", "fingerprint"}
NO_RESOURCES = "class java.lang.IllegalAccessException : lack of computing resources"
LITE = "this API is closed because this node is a lite fullnode"


class Refused(Exception):
    pass


async def say(case: Case, text: str, content_type: str = "application/json") -> web.Response:
    return web.Response(text=text, content_type=content_type)


async def without_fingerprint(case: Case) -> web.StreamResponse:
    """A page is full, and the index does not say how to go on (trongrid issue 23)."""
    page = json.loads(bytes(case.right().body))
    page["meta"].pop("fingerprint", None)
    page["meta"].pop("links", None)
    return web.json_response(page)


async def short(case: Case) -> web.StreamResponse:
    """A page is not full, and goes on: the index applied a filter after the limit."""
    page = json.loads(bytes(case.right().body))
    page["meta"]["page_size"] = len(page["data"][:-1])
    return web.json_response(page | {"data": page["data"][:-1]})


async def changed(case: Case) -> web.StreamResponse:
    """"set": members of the answer that are something else; null takes them out."""
    answer = json.loads(bytes(case.right().body))
    for name, value in case.fault.params["set"].items():
        if value is None:
            answer.pop(name, None)
        else:
            answer[name] = value
    return web.json_response(answer)


class Tron(Service):
    name = "tron"
    prefixes = ("/tron/",)
    fault_kinds = {
        "tron-busy": FaultKind(False, lambda case: say(case, json.dumps({"Error": NO_RESOURCES}))),
        "tron-error": FaultKind(False, lambda case: say(
            case, json.dumps({"Error": "class org.tron.core.exception.BadItemException : null"}))),
        "tron-lite": FaultKind(False, lambda case: say(case, LITE, "text/plain")),
        "tron-behind": FaultKind(False, lambda case: say(case, "{}")),
        "no-fingerprint": FaultKind(True, without_fingerprint),
        "short-page": FaultKind(True, short),
        "tron-changed": FaultKind(True, changed, frozenset({"set"})),
    }

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.db = context.store.db
        context.store.script(TABLES)

    def routes(self) -> list[web.RouteDef]:
        routes = [web.get("/tron/v1/accounts/{address}/transactions/trc20", self.get_list,
                          allow_head=False)]
        for node, solid in ("wallet", False), ("walletsolidity", True):
            routes += [
                web.post(f"/tron/{node}/getnowblock", self.block_handler(solid)),
                web.get(f"/tron/{node}/getnowblock", self.block_handler(solid), allow_head=False),
                web.post(f"/tron/{node}/gettransactioninfobyid", self.receipt_handler(solid)),
            ]
        return routes

    def control_routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_control/tron/transactions", self.put_transaction),
            web.post("/_control/tron/fork", self.fork),
            web.post("/_control/tron/key", self.put_key),
        ]

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        """Faults may be meant for one address or transaction."""
        found = {"address": request.match_info.get("address"),
                 "txid": body.get("value") if isinstance(body, dict) else None}
        return {name: value for name, value in found.items() if value}

    def error(self, status: int, fault: Fault | None = None) -> web.Response:
        words = {401: "ApiKey not exists", 403: "Forbidden", 404: "Not Found",
                 429: "Too Many Requests"}.get(status, "Error")
        if status == 401:
            return web.json_response({"Error": words}, status=status)
        return web.json_response({"success": False, "error": words, "statusCode": status},
                                 status=status)

    # --- the chain

    def height(self) -> int:
        return (self.context.clock.now() - GENESIS_MS) // BLOCK_MS

    def time_of(self, block: int) -> int:
        return GENESIS_MS + block * BLOCK_MS

    def admitted(self, request: web.Request) -> bool:
        """Without a key one is served, with a wrong one not."""
        given = request.headers.get("TRON-PRO-API-KEY")
        return given is None or given == self.context.store.load("tron_key", given)

    # --- the index

    async def get_list(self, request: web.Request) -> web.Response:
        if not self.admitted(request):
            return self.error(401)
        try:
            address = request.match_info["address"]
            decoded(address)
            query = parameters(request)
            return web.json_response(self.page(address, query))
        except (Refused, ValueError) as refused:
            return web.json_response({"success": False, "error": str(refused), "statusCode": 400},
                                     status=400)

    def page(self, address: str, query: dict[str, str]) -> dict[str, Any]:
        limit = int(query.get("limit", PAGE_DEFAULT))
        mark = page_mark(address, query)
        start = fingerprint_read(query["fingerprint"], mark) if "fingerprint" in query else 0
        rows = self.listed(address, query, limit + 1, start)
        now = self.context.clock.now()
        meta: dict[str, Any] = {"at": now, "page_size": min(limit, len(rows))}
        if len(rows) > limit:
            meta["fingerprint"] = fingerprint_write(start + limit, mark)
            meta["links"] = {"next": f"https://stand-in/?fingerprint={meta['fingerprint']}"}
        return {"data": [item_of(row) for row in rows[:limit]], "success": True, "meta": meta}

    def listed(self, address: str, query: dict[str, str], count: int, start: int) -> list[Any]:
        now = self.context.clock.now()
        where, values = ["t.unlisted = 0", "t.listed_ms <= ?", "t.time_ms <= ?"], [now, now]
        only_to, only_from = query.get("only_to") == "true", query.get("only_from") == "true"
        if only_to != only_from:
            where.append("e.recipient = ?" if only_to else "e.sender = ?")
            values.append(address)
        else:
            where.append("(e.recipient = ? or e.sender = ?)")
            values += [address, address]
        for name, condition in (("contract_address", "e.contract = ?"),
                                ("min_timestamp", "t.time_ms >= ?"),
                                ("max_timestamp", "t.time_ms <= ?")):
            if name in query:
                where.append(condition)
                values.append(query[name] if name == "contract_address" else int(query[name]))
        for name, sign in ("only_confirmed", "<="), ("only_unconfirmed", ">"):
            if query.get(name) == "true":
                where.append(f"coalesce(t.block, 9e9) {sign} ?")
                values.append(self.height() - SOLID_BLOCKS)
        order = query.get("order_by", "block_timestamp,desc").rpartition(",")[2]
        return self.db.execute(
            "select e.*, t.time_ms from tron_event e join tron_transaction t on t.txid = e.txid"
            f" where {' and '.join(where)} order by t.time_ms {order}, e.seq {order}"
            " limit ? offset ?", (*values, count, start)).fetchall()

    # --- the node

    def block_handler(self, solid: bool) -> Any:
        async def get_block(request: web.Request) -> web.Response:
            if not self.admitted(request):
                return self.error(401)
            number = self.height() - (SOLID_BLOCKS if solid else 0)
            return web.json_response({
                "blockID": hashlib.sha256(str(number).encode()).hexdigest(),
                "block_header": {"raw_data": {"number": number, "timestamp": self.time_of(number)},
                                 "witness_signature": "00" * 65}})
        return get_block

    def receipt_handler(self, solid: bool) -> Any:
        async def get_receipt(request: web.Request) -> web.Response:
            if not self.admitted(request):
                return self.error(401)
            body = request["body"]
            txid = body.get("value") if isinstance(body, dict) else None
            if not isinstance(txid, str) or len(txid) != 64 or set(txid) - set("0123456789abcdef"):
                return web.json_response(
                    {"Error": "class java.lang.IllegalArgumentException : want a txid"})
            return web.json_response(self.receipt(txid, solid))
        return get_receipt

    def receipt(self, txid: str, solid: bool) -> dict[str, Any]:
        row = self.db.execute("select * from tron_transaction where txid = ?", (txid,)).fetchone()
        newest = self.height() - (SOLID_BLOCKS if solid else 0)
        if row is None or row["block"] is None or row["block"] > newest:
            return {}
        answer: dict[str, Any] = {
            "id": txid, "fee": 345000, "blockNumber": row["block"],
            "blockTimeStamp": row["time_ms"], "contractResult": [""],
            "receipt": {"energy_usage_total": 14631, "result": row["failed"] or "SUCCESS"}}
        if row["failed"]:
            return {**answer, "result": "FAILED", "resMessage": b"REVERT opcode executed".hex()}
        events = self.db.execute("select * from tron_event where txid = ? order by seq",
                                 (txid,)).fetchall()
        answer["contract_address"] = "41" + decoded(events[0]["contract"]).hex()
        answer["log"] = [log_of(event) for event in events]
        return answer

    # --- the control API

    async def put_transaction(self, request: web.Request) -> web.Response:
        """{"outputs": [{"to", "value", "from", "contract", "type"}], "time": RFC 3339 or now, "failed":
        "REVERT" for a receipt that failed, "listed_after_ms": the index lags, "unlisted": true: it
        never has it}. value is in the token's smallest unit. Returns {"txid", "block", "time"}."""
        order = await read_order(request)
        known = {"outputs", "time", "failed", "listed_after_ms", "unlisted"}
        if set(order) - known:
            raise ValueError(f"want {sorted(known)}, got {sorted(order)}")
        at = instant_parse(order["time"]) if "time" in order else self.context.clock.now()
        block = (at - GENESIS_MS) // BLOCK_MS
        txid, time_ms = secrets.token_hex(32), self.time_of(block)
        with self.context.store.transaction() as db:
            db.execute("insert into tron_transaction values (?, ?, ?, ?, ?, ?)",
                       (txid, block, time_ms, time_ms + order.get("listed_after_ms", 0),
                        bool(order.get("unlisted")), order.get("failed")))
            for output in order["outputs"]:
                self.add_event(txid, output)
        return web.json_response({"txid": txid, "block": block, "time": instant_text(time_ms)},
                                 status=201)

    def add_event(self, txid: str, output: dict[str, Any]) -> None:
        known = {"to", "value", "from", "contract", "type"}
        if set(output) - known:
            raise ValueError(f"an output has {sorted(known)}, got {sorted(output)}")
        full = {"from": PAYER, "contract": USDT, "type": "Transfer", **output}
        for name in "to", "from", "contract":
            decoded(full[name])
        if not 0 <= int(full["value"]) < 1 << 256:
            raise ValueError("value: want a whole number of 256 bits")
        self.db.execute(
            "insert into tron_event (txid, contract, type, sender, recipient, value)"
            " values (?, ?, ?, ?, ?, ?)",
            (txid, full["contract"], full["type"], full["from"], full["to"], str(full["value"])))

    async def fork(self, request: web.Request) -> web.Response:
        """{"txid", "to": "nowhere", or RFC 3339: into the block of that time, "failed", "listed":
        false}: another branch of the chain has it there, or not at all. The index keeps what it had
        unless listed is false."""
        order = await read_order(request)
        block = None
        if order["to"] != "nowhere":
            block = (instant_parse(order["to"]) - GENESIS_MS) // BLOCK_MS
        self.db.execute("update tron_transaction set block = ?, failed = ?, unlisted = ?"
                        " where txid = ?",
                        (block, order.get("failed"), not order.get("listed", True), order["txid"]))
        if block is not None:
            self.db.execute("update tron_transaction set time_ms = ? where txid = ?",
                            (self.time_of(block), order["txid"]))
        return web.json_response({})

    async def put_key(self, request: web.Request) -> web.Response:
        """{"key": the only one that is accepted}."""
        self.context.store.save("tron_key", (await read_order(request))["key"])
        return web.json_response({})


def decoded(address: str) -> bytes:
    return tron_address.decode(address)


def parameters(request: web.Request) -> dict[str, str]:
    query = {ALIASES.get(name, name): value for name, value in request.query.items()}
    unknown = set(query) - PARAMETERS
    if unknown:
        raise Refused(f"unknown parameters {sorted(unknown)}")
    if not 1 <= int(query.get("limit", PAGE_DEFAULT)) <= PAGE_MOST:
        raise Refused(f"limit: want 1 to {PAGE_MOST}")
    if query.get("only_confirmed") == query.get("only_unconfirmed") == "true":
        raise Refused("only_confirmed and only_unconfirmed exclude each other")
    if query.get("order_by", "block_timestamp,asc") not in (
            "block_timestamp,asc", "block_timestamp,desc"):
        raise Refused("order_by: want block_timestamp,asc or block_timestamp,desc")
    if "contract_address" in query:
        decoded(query["contract_address"])
    for name in "min_timestamp", "max_timestamp":
        int(query.get(name, 0))
    return query


def page_mark(address: str, query: Mapping[str, str]) -> str:
    """While pages are turned, everything else stays the same."""
    rest = sorted((name, value) for name, value in query.items() if name != "fingerprint")
    return hashlib.sha256(json.dumps([address, rest]).encode()).hexdigest()[:16]


def fingerprint_write(start: int, mark: str) -> str:
    return base64.b64encode(f"{start} {mark}".encode()).decode()


def fingerprint_read(text: str, mark: str) -> int:
    start, _, of_page = base64.b64decode(text, validate=True).decode().partition(" ")
    if of_page != mark:
        raise Refused("the fingerprint belongs to other parameters")
    return int(start)


def item_of(row: Any) -> dict[str, Any]:
    """Whoever made a token chose its symbol."""
    return {"transaction_id": row["txid"], "block_timestamp": row["time_ms"],
            "token_info": {"symbol": "USDT", "address": row["contract"], "decimals": 6,
                           "name": "Tether USD"},
            "from": row["sender"], "to": row["recipient"], "type": row["type"],
            "value": row["value"]}


def log_of(event: Any) -> dict[str, Any]:
    topics = [EVENTS.get(event["type"], hashlib.sha256(event["type"].encode()).hexdigest()),
              *(decoded(event[name]).hex().rjust(64, "0") for name in ("sender", "recipient"))]
    return {"address": decoded(event["contract"]).hex(), "topics": topics,
            "data": f"{int(event['value']):064x}"}
