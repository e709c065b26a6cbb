"""Sales from Vendista, and the stock that they use up."""
import datetime
import random
import re
import signal

import pytest

from coffee_world import (ADMIN, CAPPUCCINO, MACHINE, MILK, MILK_EACH, SUGAR, SUGAR_EACH, TEA, decrypt, encrypt,
                          gone, hours_ago, sale, world)
from harness import ROOT, wait_until

pytestmark = pytest.mark.usefixtures("world")


# --- stock

def test_a_sale_is_written_off_once(world):
    owner = world.owner()
    world.sell(sale(1), sale(2))
    world.import_("last24h")
    assert world.stock(owner) == gone(2)
    for what in "last24h", "daily", "weekly":
        world.import_(what)
    assert world.stock(owner) == gone(2)
    assert world.states() == {1: ("ok", "taken"), 2: ("ok", "taken")}
    assert world.database.value("select sales_since_cleaning from coffee.terminals") == 2


def test_a_free_drink_is_a_sale_and_a_failed_one_is_none(world):
    owner = world.owner()
    world.sell(sale(1, sum=0), sale(2, result=0), sale(3, reverse_id=77))
    world.import_()
    assert world.stock(owner) == gone(1)
    assert world.states() == {1: ("ok", "taken"), 2: ("ignored", "none"), 3: ("ignored", "none")}


def test_a_text_that_postgresql_has_no_room_for_spoils_no_page(world):
    owner = world.owner()
    world.sell(sale(1, terminal_comment="a\0b"), sale(2))
    world.import_()
    assert world.stock(owner) == gone(2)
    assert world.database.value("select payload ->> 'terminal_comment' from coffee.transactions"
                                " where id = 1") == "ab"


def test_a_number_beyond_all_bounds_spoils_no_page(world):
    """It is none, like any text; the sale with it counts, and so do those beside it."""
    owner = world.owner()
    world.sell(sale(1, sum=10**17), sale(2, result=10**10), sale(3, sum=13905.0, result=1.0))
    machine = {"id": MACHINE, "comment": "М", "last_hour_online": 10**17, "last_online_time": 10**17}
    world.sandbox.control("POST", "vendista/terminals", {"login": "ivan", "terminals": [machine]})
    world.import_()
    world.import_("terminals")
    assert world.stock(owner) == gone(2)
    assert world.states() == {1: ("ok", "taken"), 2: ("ignored", "none"), 3: ("ok", "taken")}
    amounts = world.database.query("select amount::text from coffee.transactions order by id")
    assert [row.amount for row in amounts] == [None, "139.00", "139.05"]
    assert world.database.value("select is_online and last_online_time is null"
                                " from coffee.terminals")


def test_a_reversal_puts_back_once_what_was_taken(world):
    owner = world.owner()
    world.sell(sale(1), sale(2))
    world.import_()
    world.database.execute("update coffee.recipe_items set quantity = 7 where item_name = %s", MILK)
    world.sell(sale(1, reverse_id=99))
    world.import_()
    world.import_("daily")
    assert world.stock(owner) == gone(1)
    assert world.states()[1] == ("ignored", "returned")
    # A reversal is never taken back, whatever page comes late.
    world.sell(sale(1, reverse_id=0))
    world.import_()
    assert world.stock(owner) == gone(1)


def test_money_and_time_are_exact(world):
    world.owner()
    at = hours_ago(2)[:-1] + ".236Z"
    world.sell({**sale(3_000_000_001, sum=13905), "time": at})
    world.import_()
    [row] = world.database.query("select *, amount::text as roubles from coffee.transactions")
    assert (row.id, row.roubles, row.machine_item_id) == (3_000_000_001, "139.05", CAPPUCCINO)
    assert row.transaction_time == datetime.datetime.fromisoformat(at.replace("Z", "+00:00"))


def test_a_historical_import_leaves_the_stock_alone(world):
    owner = world.owner()
    world.sell(sale(1, hours=24 * 40), sale(2, hours=24 * 3), sale(3, hours=2))
    world.run("schedule_imports", "--what", "history", "--user", str(owner), "--since", "2020-01-01")
    world.serve()
    assert world.stock(owner) == gone(0)
    assert len(world.states()) == 3
    # What the regular imports reach anyway is theirs, in whatever order they come.
    world.import_("weekly")
    assert world.stock(owner) == gone(1)
    assert world.states() == {1: ("ok", "none"), 2: ("ok", "none"), 3: ("ok", "taken")}


def test_a_sale_without_a_recipe_waits_for_it(world):
    owner = world.owner()
    world.sell(sale(1, item=TEA), sale(2, machine_item=[]))
    world.import_()
    assert world.states() == {1: ("needs_recipe", "due"), 2: ("needs_recipe", "due")}
    recipe = world.insert("recipes", machine_item_id=TEA, name="Чай", terminal_id=world.database
                          .value("select id from coffee.terminals"))
    world.database.execute("insert into coffee.recipe_items values (%s, %s, 3)", recipe, SUGAR)
    world.import_()
    world.import_()
    assert world.stock(owner) == {MILK: 0, SUGAR: 3}
    assert world.states()[1] == ("ok", "taken")


def several(*items, **more):
    return {"machine_item": [{"machine_item_id": item} if item else {} for item in items], **more}


def test_a_sale_of_several_is_written_off_as_a_whole_and_once(world):
    owner = world.owner()
    world.sell(sale(1, **several(CAPPUCCINO, CAPPUCCINO)), sale(2, **several(None, CAPPUCCINO)),
               sale(3, **several(CAPPUCCINO, TEA)), sale(4, **several(TEA, CAPPUCCINO, TEA)),
               sale(5, machine_item={"1": 2}))
    world.import_()
    assert world.stock(owner) == gone(3)
    waits = ("needs_recipe", "due")
    assert world.states() == {1: ("ok", "taken"), 2: ("ok", "taken"), 3: waits, 4: waits, 5: waits}
    terminal = world.database.value("select id from coffee.terminals")
    recipe = world.insert("recipes", terminal_id=terminal, machine_item_id=TEA, name="Чай")
    world.database.execute("insert into coffee.recipe_items values (%s, %s, 7)", recipe, SUGAR)
    for _ in range(2):
        world.import_()
        assert world.stock(owner) == {MILK: 5 * MILK_EACH, SUGAR: 5 * SUGAR_EACH + 3 * 7}
    assert world.states()[4] == ("ok", "taken")
    world.sell(sale(4, reverse_id=9, **several(TEA, CAPPUCCINO, TEA)))
    world.import_()
    assert world.stock(owner) == {MILK: 4 * MILK_EACH, SUGAR: 4 * SUGAR_EACH + 7}
    assert world.database.value("select sales_since_cleaning from coffee.terminals") == 3


def test_an_unknown_machine_is_taken_in(world):
    owner = world.owner()
    world.sell(sale(1, machine=999, terminal_comment="Новый"))
    world.import_()
    assert world.stock(owner) == gone(0)
    assert world.database.value("select name from coffee.terminals where vendista_id = 999") \
        == "Новый"


def test_each_change_of_stock_is_logged(world):
    world.owner()
    world.sell(sale(1), sale(2))
    world.import_()
    assert sorted((row.item_name, row.delta, row.is_notified) for row in world.database.query(
        "select * from coffee.inventory_change_log")) == [
            (MILK, -2 * MILK_EACH, False), (SUGAR, -10, False)]


# --- restocking

def test_a_restock_task_is_made_once_and_told(world):
    owner = world.owner()
    world.database.execute("update coffee.inventories set current_stock = 1100 where item_name = %s",
                           MILK)
    world.sell(sale(1))
    world.import_()
    world.sell(sale(2), sale(3))
    world.import_()
    [task] = world.database.query("select * from coffee.tasks")
    assert (task.user_id, task.task_type, task.status) == (owner, "restock", "pending")
    assert [item["item_name"] for item in task.details["critical_items"]] == [MILK]
    for chat in 1000, 2000:
        assert world.notices(chat) == [f"<b>Пополнить: У входа &lt;1&gt;</b>\n• {MILK}: 950"]
    world.database.execute("update coffee.tasks set status = 'completed', completed_at = now()")
    world.sell(sale(4))
    world.import_()
    assert world.database.value("select count(*) from coffee.tasks") == 2


def test_an_item_without_a_row_is_critical(world):
    owner = world.owner()
    world.database.execute("delete from coffee.inventories where item_name = %s", SUGAR)
    world.sell(sale(1))
    world.import_()
    assert world.stock(owner) == {MILK: MILK_EACH}
    assert "• Сахар &lt;&amp;&gt;: нет в остатках" in world.notices(2000)[0]


# --- many pages, moving

def test_pages_that_shift_lose_and_double_nothing(world):
    owner = world.owner()
    world.sell(*[sale(n, hours=1 + n / 1000) for n in range(1, 2501)])
    late = [sale(9001, hours=0.01), sale(9002, hours=0.01)]
    world.sandbox.fault("sale-between", path="/vendista/transactions", nth=2, login="ivan",
                        sales=late)
    world.import_()
    world.import_()
    assert world.stock(owner) == gone(2502)
    pages = world.sandbox.requests("GET", "/vendista/transactions")
    assert [page["query"]["PageNumber"] for page in pages[:3]] == ["1", "2", "3"]
    assert len({page["query"]["DateTo"] for page in pages[:3]}) == 1
    assert {page["query"]["ItemsOnPage"] for page in pages} == {"1000"}


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_pages_and_reversals_gives_the_same_stock(world, seed):
    """The pure part by itself, given pages as two imports at once would interleave them."""
    chance = random.Random(seed)
    owner = world.owner()
    sales = {n: sale(n) for n in range(1, 41)}
    reversed_ones = set(chance.sample(sorted(sales), 12))
    given = [sales[n] for n in sales] + [{**sales[n], "reverse_id": 5} for n in reversed_ones]
    given += chance.choices(given, k=60)
    chance.shuffle(given)
    while given:
        page, given = given[:7], given[7:]
        world.database.query("select coffee.store_sales(%s, %s::json, null, false, now(),"
                             " 'Europe/Moscow', now())", owner, _page(page))
    assert world.stock(owner) == gone(40 - 12)


def _page(items):
    import json
    items = [{**item, "time": item["time"].replace("Z", ""), "result": 1,
              "reverse_id": item.get("reverse_id", 0), "sum": 100} for item in items]
    return json.dumps({"items": items})


def test_what_is_no_transaction_is_counted_and_leaves_the_others(world):
    owner = world.owner()
    world.database.query("select coffee.store_sales(%s, %s::json, null, false, now(),"
                         " 'Europe/Moscow', now())", owner, _page([sale("x1"), sale(2), sale(None), sale(3)]))
    assert world.stock(owner) == gone(2)


def test_only_what_differs_from_what_is_stored_is_written(world):
    """Items are recognised by the text that is stored and found by ids that may be missing."""
    owner = world.owner()
    first, second = _page([sale(1), sale(2)]), _page([sale(2, reverse_id=5), sale(1)])
    stored = [world.database.query(
        "select seen, stored from coffee.store_sales(%s, %s::json, %s, false, now(),"
        " 'Europe/Moscow', now())", owner, page, ids)[0] for page, ids in [
            (first, [1, 2]), (first, [1, 2]), (second, [2, 1]), (second, [2, 1]), (second, [1]),
            (second, None)]]
    assert [tuple(row) for row in stored] == [(2, 2), (2, 0), (2, 1), (2, 0), (2, 2), (2, 2)]
    assert world.states() == {1: ("ok", "taken"), 2: ("ignored", "returned")}


# --- one owner's troubles

def test_a_token_that_ran_out_is_renewed_and_the_page_repeated(world):
    for login, status in ("a", None), ("b", "404"):
        owner = world.owner(login, machine=MACHINE + ord(login), token="old")
        if status:
            world.sandbox.fault(status, path="/vendista/transactions")
        world.sell(sale(ord(login), machine=MACHINE + ord(login)), login=login)
        world.import_()
        assert world.stock(owner) == gone(1)
        row = world.user(owner)
        assert row.token_status == "valid" and decrypt(row.vendista_token_encrypted) != "old"


def test_who_was_refused_by_mistake_is_imported_as_before(world):
    """His token is good after all: he is not left to the daily imports for ever."""
    owner = world.owner()
    world.import_()
    world.database.execute("update coffee.users set token_status = 'invalid_creds'")
    world.import_("daily")
    assert world.user(owner).token_status == "valid"


def test_tokens_that_are_refused_again_and_again_end_the_import(world):
    world.owner()
    world.sell(sale(1))
    world.sandbox.fault("401", times=None, path="/vendista/transactions")
    world.run("schedule_imports", "--what", "last24h")
    worker = world.start()
    worker.wait_line("refuses the tokens that it gives")
    worker.kill()
    assert len(world.sandbox.requests("GET", "/vendista/token")) in (3, 4, 5, 6)


def test_one_owners_failure_leaves_the_others_imported(world):
    owners = {login: world.owner(login, machine=MACHINE + n, telegram_id=n)
              for n, login in enumerate(["bad", "unpaid", "broken", "endless", "good"])}
    world.account("bad", password="changed")
    world.account("unpaid", unpaid=True)
    world.sandbox.fault("truncated-json", times=None, path="/vendista/transactions",
                        metadata={"login": "broken"})
    world.sandbox.fault("endless", times=None, path="/vendista/transactions",
                        metadata={"login": "endless"})
    for n, login in enumerate(owners):
        world.sell(sale(n + 1, machine=MACHINE + n), login=login)
    world.run("schedule_imports", "--what", "last24h")
    world.database.execute("update ops.job set max_attempts = 1")
    output = world.serve()
    assert world.stock(owners["good"]) == gone(1)
    failed = {row.error.split(",")[0] for row in world.database.query(
        "select error from ops.run where worker = 'vendista_import_worker' and exit_code = 1")}
    assert failed == {f"user {owners[login]}" for login in ("bad", "unpaid", "broken", "endless")}
    assert "does not end" in output
    assert world.user(owners["bad"]).token_status == "invalid_creds"
    told = world.notices(ADMIN)
    assert len(told) == 2, told
    # The others do not wait for hundreds of pages of a list whose end moves away.
    assert len(world.sandbox.requests("GET", "/vendista/transactions")) < 40


def test_one_owner_who_cannot_be_asked_leaves_the_others_checked(world):
    """Credentials too long for a URL; the answer to the other's first request is lost."""
    unpaid = {"vendista_payment_status": "payment_required"}
    first = world.owner("a", vendista_password_encrypted=encrypt("x" * 9000), **unpaid)
    second = world.owner("b", machine=900, **unpaid)
    world.sandbox.fault("500-before", path="/vendista/token", times=1)
    output = world.run("payment_status_checker_worker")
    assert "credentials are too long" in output
    assert world.user(first).vendista_payment_status == "payment_required"
    assert world.user(second).vendista_payment_status == "active"


def test_an_unpaid_owner_is_told_of_once_and_left_alone(world):
    owner = world.owner(token="old")
    world.account("ivan", unpaid=True)
    world.sell(sale(1))
    world.import_()
    assert world.user(owner).vendista_payment_status == "payment_required"
    asked = len(world.sandbox.requests("GET", "/vendista/"))
    for what in "last24h", "daily", "weekly", "terminals":
        assert "owners=0" in world.run("schedule_imports", "--what", what)
    world.serve()
    assert len(world.sandbox.requests("GET", "/vendista/")) == asked
    assert len(world.notices(ADMIN)) == 1

    world.run("payment_status_checker_worker")
    assert world.user(owner).vendista_payment_status == "payment_required"
    world.account("ivan")
    world.run("payment_status_checker_worker")
    row = world.user(owner)
    assert (row.vendista_payment_status, row.token_status) == ("active", "valid")
    assert row.vendista_payment_notified_at is None
    assert len(world.notices(ADMIN)) == 2 and "возобновлена" in world.notices(ADMIN)[1]
    world.import_()
    assert world.stock(owner) == gone(1)
    # The next episode is told of again.
    world.account("ivan", unpaid=True)
    world.import_()
    assert len(world.notices(ADMIN)) == 3


def test_secrets_are_in_no_output(world):
    world.owner(token="tokentokentoken")
    world.sandbox.fault("500-before", path="/vendista/transactions")
    world.sell(sale(1))
    output = world.import_(OPS_DEBUG="1", VENDISTA_DELAY_MS="20ms")
    for secret in "tokentokentoken", "secret", "password=", "token=":
        assert secret not in output


# --- terminals

def test_terminals_are_synchronised(world):
    owner = world.owner()
    machines = [{"id": MACHINE, "comment": "Новое имя", "serial_number": "S1",
                 "last_hour_online": 5, "last_online_time": "2026-01-05 06:50:28"},
                {"id": 900, "comment": "Второй", "last_hour_online": 0, "last_online_time": 1767585028}]
    world.sandbox.control("POST", "vendista/terminals", {"login": "ivan", "terminals": machines})
    world.import_("terminals")
    rows = {row.vendista_id: row for row in world.database.query("select * from coffee.terminals")}
    assert rows[MACHINE].name == "Новое имя" and rows[MACHINE].is_online
    assert rows[MACHINE].assignee_telegram_id == 2000
    assert rows[MACHINE].last_online_time.timestamp() == rows[900].last_online_time.timestamp()
    assert not rows[900].is_online and rows[900].is_active

    world.sandbox.control("POST", "vendista/terminals", {"login": "ivan", "terminals": machines[1:]})
    world.import_("terminals")
    active = "select vendista_id from coffee.terminals where is_active and user_id = %s"
    assert [row.vendista_id for row in world.database.query(active, owner)] == [900]
    # An empty list is a fault of theirs, not the loss of all machines.
    world.sandbox.control("POST", "vendista/terminals", {"login": "ivan", "terminals": []})
    world.import_("terminals")
    assert [row.vendista_id for row in world.database.query(active, owner)] == [900]


# --- scheduling

def test_an_import_that_waits_is_not_queued_twice(world):
    world.owner("a"), world.owner("b", machine=MACHINE + 1)
    world.owner("c", machine=MACHINE + 2, active=False)
    for _ in range(3):
        world.run("schedule_imports", "--what", "last24h")
    world.run("schedule_imports", "--what", "terminals")
    assert [payload["what"] for payload, in world.jobs("payload")] == ["last24h", "last24h",
                                                                      "terminals", "terminals"]
    assert all(payload["historical"] is False for payload, in world.jobs("payload"))


@pytest.mark.parametrize("args, words", [
    ((), "--what is missing"),
    (("--what", "hourly"), "want last24h, daily, weekly, terminals or history"),
    (("--what", "history"), "wants --user"),
    (("--what", "daily", "--user", "1"), "are for --what history"),
    (("--wat", "daily"), "--what last24h"),
])
def test_wrong_arguments_are_usage(world, args, words):
    assert words in world.run("schedule_imports", *args, code=2)


def test_a_historical_import_of_nobody_says_why(world):
    assert "no such user" in world.run("schedule_imports", "--what", "history", "--user", "99",
                                       code=1)


@pytest.mark.parametrize("payload, words", [
    ('{}', "user_id: want"),
    ('{"user_id": 1, "what": "x"}', "what: want"),
    ('{"user_id": 1, "what": "history"}', "since: want"),
    ('{"user_id": 99, "what": "daily"}', "no such user"),
])
def test_a_bad_job_is_dead_and_the_worker_lives(world, payload, words):
    owner = world.owner()
    world.sell(sale(1))
    world.database.query("select ops.enqueue('import', 'import', %s::jsonb)", payload)
    world.import_()
    [(state, error)] = [row for row in world.jobs("state", "last_error") if row[0] == "dead"]
    assert words in error
    assert world.stock(owner) == gone(1)


def test_requests_keep_their_distance_across_processes(world):
    """Slots are handed out by the database, so that it does not matter which process asks."""
    text = (ROOT / "workers/coffee/coffee.sql").read_text()
    slot = re.search(r"-- name: slot\n(.*?)-- name:", text, re.S)[1]
    asked = "prepare slot as " + re.sub(r"^--.*$", "", slot, flags=re.M).strip().rstrip(";")
    waits = []
    for host in "one", "one", "other", "one":
        connection = world.database.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(asked)
            cursor.execute("execute slot (%s, '100000', '0')", (host,))
            waits.append(round(cursor.fetchone()[0] / 100_000))
        connection.close()
    assert waits == [0, 1, 0, 2]


@pytest.mark.parametrize("first", ["", "x"])
def test_long_words_of_the_database_arrive(world, first):
    """They are cut, and a half of a character is no text that the database would take back."""
    world.owner()
    world.sell(sale(1))
    world.database.execute(
        "create function coffee.no() returns trigger language plpgsql as"
        f" $$ begin raise exception '{first}%', repeat('ж', 700); end $$")
    world.database.execute("create trigger no before insert on coffee.transactions"
                           " for each row execute function coffee.no()")
    world.run("schedule_imports", "--what", "last24h")
    world.database.execute("update ops.job set max_attempts = 1")
    world.serve()
    [(_, error)] = world.jobs("state", "last_error")
    assert error.startswith("what came cannot be stored") and error.endswith("жж")
    assert error in world.database.value("select error from ops.run where exit_code = 1"
                                         " and worker = 'vendista_import_worker'")


def test_a_long_history_leaves_the_others_their_turns(world):
    """Owners take turns page by page, and there is one history at a time; when the worker is told to
    stop, what waits for its turn goes back as well."""
    owners = {login: world.owner(login, machine=machine, token=None) for login, machine in
              (("ivan", 501), ("anna", 502), ("olga", 503))}
    for login in "ivan", "anna":
        world.account(login, page_most=1)
        world.sell(*[sale(n + owners[login] * 1000, machine=500 + owners[login], hours=48)
                     for n in range(400)], login=login)
        world.run("schedule_imports", "--what", "history", "--user", str(owners[login]))
    world.sell(sale(1, machine=503), login="olga")
    worker = world.start(VENDISTA_DELAY_MS="40ms")
    wait_until(lambda: len(world.sandbox.requests("GET", "/vendista/transactions")) > 2)
    world.run("schedule_imports", "--what", "last24h")

    def states():
        return {(payload["user_id"], payload["what"]): state
                for payload, state in world.jobs("payload", "state")}

    def others_are_done():
        return states()[owners["olga"], "last24h"] == "done"
    wait_until(others_are_done)
    histories = [states()[owners[login], "history"] for login in ("ivan", "anna")]
    assert sorted(histories) == ["available", "running"], "one history at a time"
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.output
    assert world.stock(owners["olga"]) == gone(1)
    assert states()[owners["ivan"], "history"] == states()[owners["anna"], "history"] == "available"
    assert world.database.value("select count(*) from ops.run where exit_code <> 0") == 0


def test_an_owner_who_must_be_asked_again_delays_nobody(world):
    """He waits for his pause; the others have their turns meanwhile."""
    owners = [world.owner("ivan"), world.owner("anna", machine=502)]
    world.sell(sale(1))
    world.sell(sale(2, machine=502), login="anna")
    world.sandbox.fault("500-before", path="/vendista/transactions", times=2,
                        metadata={"login": "ivan"})
    world.import_()
    asked = [request["query"]["token"] for request in
             world.sandbox.requests("GET", "/vendista/transactions")]
    assert asked[0] == asked[2] == asked[3] != asked[1], "the second owner came in between"
    assert [world.stock(owner) for owner in owners] == [gone(1)] * 2


@pytest.mark.parametrize("fault", ["500-before", "429"])
def test_a_repeated_request_keeps_its_distance(world, fault):
    """The page is asked for again, not the whole list, and no sooner than any other request."""
    owner = world.owner()
    world.account("ivan", page_most=1)
    world.sell(sale(1), sale(2))
    world.sandbox.fault(fault, path="/vendista/transactions", nth=2)
    world.import_(VENDISTA_DELAY_MS="1600ms")
    assert world.stock(owner) == gone(2)
    asked = world.sandbox.requests("GET", "/vendista/")
    assert [request["query"].get("PageNumber") for request in asked] == [None, "1", "2", "2"]
    times = [request["at_ms"] for request in asked]
    # By itself a request is repeated within a second; and the sandbox notes some later than others.
    assert all(later - sooner > 1100 for sooner, later in zip(times, times[1:])), times


def test_told_to_stop_during_a_slow_request(world):
    """The import goes back at once; the next worker does it."""
    owner = world.owner(token="old")
    world.sell(sale(1))
    world.sandbox.fault("hold", path="/vendista/transactions", times=1)
    world.run("schedule_imports", "--what", "last24h")
    worker = world.start()
    world.sandbox.wait_held()
    worker.signal(signal.SIGTERM)
    wait_until(lambda: world.jobs("state") == [("available",)], what="the import went back")
    world.sandbox.release()
    assert worker.wait() == 0, worker.output
    world.serve()
    assert world.stock(owner) == gone(1)
