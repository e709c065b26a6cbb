"""The stand-in of TronGrid: its chain, its index, its node, and what they refuse."""
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

import tron_address

NOW = "2026-03-01T10:00:00.000Z"
USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
OURS = tron_address.make(1)[1]


@pytest.fixture
def chain(sandbox):
    sandbox.control("POST", "clock", {"now": NOW, "frozen": True})
    return sandbox


def ask(sandbox, path, body=None, **headers):
    """Returns (status, document)."""
    request = urllib.request.Request(f"{sandbox.url}/tron/{path}", headers=headers,
                                     data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def transfers(sandbox, address=OURS, **query):
    path = f"v1/accounts/{address}/transactions/trc20?{urllib.parse.urlencode(query)}"
    status, answer = ask(sandbox, path)
    assert status == 200, answer
    return answer


def pay(sandbox, value=5, to=OURS, **order):
    output = {"to": to, "value": str(value), **order.pop("output", {})}
    return sandbox.control("POST", "tron/transactions", {"outputs": [output], **order})


def receipt(sandbox, txid, node="wallet"):
    status, answer = ask(sandbox, f"{node}/gettransactioninfobyid", {"value": txid})
    assert status == 200
    return answer


def height(sandbox, node="wallet"):
    return ask(sandbox, f"{node}/getnowblock", {})[1]["block_header"]["raw_data"]["number"]


def test_the_chain_grows_by_the_clock(chain):
    first = height(chain)
    assert first - height(chain, "walletsolidity") == 19
    chain.control("POST", "clock", {"advance": "1m"})
    assert height(chain) == first + 20


def test_a_transfer_is_listed_and_has_a_receipt(chain):
    made = pay(chain, (1 << 256) - 1)
    [item] = transfers(chain)["data"]
    assert item["transaction_id"] == made["txid"] and item["value"] == str((1 << 256) - 1)
    assert item["token_info"]["address"] == USDT and item["to"] == OURS
    answer = receipt(chain, made["txid"])
    assert answer["id"] == made["txid"] and answer["blockNumber"] == made["block"]
    [log] = answer["log"]
    assert log["address"] == tron_address.decode(USDT).hex() and log["data"] == "f" * 64
    assert log["topics"][2] == tron_address.decode(OURS).hex().rjust(64, "0")


def test_what_is_solid_comes_later(chain):
    txid = pay(chain)["txid"]
    assert receipt(chain, txid, "walletsolidity") == {}
    assert transfers(chain, only_confirmed="true")["data"] == []
    chain.control("POST", "clock", {"advance": "57s"})
    assert receipt(chain, txid, "walletsolidity") == receipt(chain, txid)
    assert len(transfers(chain, only_confirmed="true")["data"]) == 1


def test_a_failed_transaction_has_a_receipt_without_logs(chain):
    answer = receipt(chain, pay(chain, failed="REVERT")["txid"])
    assert answer["result"] == "FAILED" and answer["receipt"]["result"] == "REVERT"
    assert "log" not in answer


def test_unknown_transactions_are_empty(chain):
    assert receipt(chain, "00" * 32) == {}
    assert "Error" in receipt(chain, "77")


def test_a_fork_takes_a_transaction_away_or_elsewhere(chain):
    made = pay(chain)
    chain.control("POST", "tron/fork", {"txid": made["txid"], "to": "nowhere"})
    assert receipt(chain, made["txid"]) == {} and len(transfers(chain)["data"]) == 1
    chain.control("POST", "clock", {"advance": "6s"})
    chain.control("POST", "tron/fork", {"txid": made["txid"], "to": "2026-03-01T10:00:06Z",
                                        "listed": False})
    assert receipt(chain, made["txid"])["blockNumber"] == made["block"] + 2
    assert transfers(chain)["data"] == []


def test_the_index_may_lag(chain):
    pay(chain, listed_after_ms=60_000)
    assert transfers(chain)["data"] == []
    chain.control("POST", "clock", {"advance": "1m"})
    assert len(transfers(chain)["data"]) == 1


def test_pages_and_their_fingerprint(chain):
    made = []
    for _ in range(5):
        made.append(pay(chain)["txid"])
        chain.control("POST", "clock", {"advance": "3s"})
    query = {"limit": 2, "order_by": "block_timestamp,asc"}
    found, fingerprint = [], {}
    while True:
        page = transfers(chain, **query, **fingerprint)
        found += [item["transaction_id"] for item in page["data"]]
        if "fingerprint" not in page["meta"]:
            break
        fingerprint = {"fingerprint": page["meta"]["fingerprint"]}
    assert found == made
    status, _ = ask(chain, f"v1/accounts/{OURS}/transactions/trc20?limit=3&" +
                    urllib.parse.urlencode(fingerprint))
    assert status == 400, "everything else has to stay the same"


def test_filters(chain):
    fake = tron_address.make(9)[1]
    pay(chain, 1), pay(chain, 2, output={"contract": fake}), pay(chain, 3, to=fake)
    pay(chain, 4, to=fake, output={"from": OURS})

    def values(**query):
        return {item["value"] for item in transfers(chain, **query)["data"]}

    assert values() == {"1", "2", "4"} == values(only_to="true", only_from="true")
    assert values(only_to="true") == {"1", "2"} and values(only_from="true") == {"4"}
    assert values(only_to="true", contract_address=USDT) == {"1"}
    assert values(min_timestamp=1772359200001) == set() == values(max_timestamp=1772359199999)
    assert values(min_timestamp=1772359200000) == {"1", "2", "4"}


@pytest.mark.parametrize("path", [
    "v1/accounts/nonsense/transactions/trc20",
    f"v1/accounts/{OURS}/transactions/trc20?limit=201",
    f"v1/accounts/{OURS}/transactions/trc20?limit=0",
    f"v1/accounts/{OURS}/transactions/trc20?contract=x",
    f"v1/accounts/{OURS}/transactions/trc20?contract_address=USDT",
    f"v1/accounts/{OURS}/transactions/trc20?order_by=time",
    f"v1/accounts/{OURS}/transactions/trc20?min_timestamp=yesterday",
    f"v1/accounts/{OURS}/transactions/trc20?fingerprint=x",
    f"v1/accounts/{OURS}/transactions/trc20?only_confirmed=true&only_unconfirmed=true"])
def test_wrong_questions_are_refused(chain, path):
    status, answer = ask(chain, path)
    assert status == 400 and answer["success"] is False and answer["error"]


def test_a_wrong_key_is_refused_everywhere(chain):
    chain.control("POST", "tron/key", {"key": "right"})
    for path, body in (("wallet/getnowblock", {}), (f"v1/accounts/{OURS}/transactions/trc20", None),
                       ("wallet/gettransactioninfobyid", {"value": "00" * 32})):
        assert ask(chain, path, body, **{"TRON-PRO-API-KEY": "wrong"})[0] == 401
        assert ask(chain, path, body, **{"TRON-PRO-API-KEY": "right"})[0] == 200
        assert ask(chain, path, body)[0] == 200


def test_orders_that_make_no_sense_are_refused(chain):
    for order in ({"outputs": [{"to": "x", "value": "1"}]},
                  {"outputs": [{"to": OURS, "value": "-1"}]},
                  {"outputs": [{"to": OURS, "value": "1", "amount": "1"}]}, {"outputs": [], "x": 1}):
        with pytest.raises(Exception, match="400"):
            chain.control("POST", "tron/transactions", order)
