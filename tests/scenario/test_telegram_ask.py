"""A question to the Bot API and the waiting, following and keeping that belongs to it
(shared/telegram_ask.h), by a command that asks what it is told to (tests/worker/asker.c)."""
import signal
import time

import pytest

from consumer import build_worker
from fixture import BOT_TOKEN
from harness import wait_until

ADMIN = "-100777"
GROUP, MOVED = -1001, -100555


@pytest.fixture(scope="module")
def asker(tmp_path_factory):
    return build_worker("asker", tmp_path_factory.mktemp("asker"))


@pytest.fixture
def ask(asker, worker, sandbox):
    settings = {**sandbox.environment(), "TELEGRAM_ADMIN_CHAT_ID": ADMIN}

    def run(*args, code=0, **more):
        done = worker(asker, *map(str, args), **{**settings, **more})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.start = lambda *args, **more: worker.start(asker, *map(str, args), **{**settings, **more})
    return run


def asked(sandbox, method="sendMessage"):
    return len(sandbox.requests(path=f"/bot{BOT_TOKEN}/{method}"))


def test_an_answer(ask):
    said = ask("getChat", GROUP)
    assert said.startswith('done - {"id":-1001,"type":"supergroup","title":"Chat -1001"')


def test_a_request_takes_one_of_the_bots_rate(ask, database):
    for _ in range(3):
        ask("getChat", GROUP)
    assert database.value("select cardinality(recent) from ops.rate where bot = 'shop'") == 3


def test_it_waits_for_the_bots_rate(ask, database):
    began = time.monotonic()
    database.execute("insert into ops.rate (bot, next_at) values ('shop',"
                     " clock_timestamp() + interval '700 ms')")
    assert ask("getChat", GROUP).startswith("done")
    assert time.monotonic() - began >= 0.65  # turns are given away a little before they come


def test_a_bot_that_is_paused_for_longer_than_patience_is_not_asked(ask, database, sandbox):
    database.execute("insert into ops.rate (bot, next_at) values ('shop',"
                     " clock_timestamp() + interval '1 hour')")
    assert ask("getChat", GROUP).startswith("wait rate - unknown=0 wait=3")
    assert asked(sandbox, "getChat") == 0


def test_told_to_wait_it_waits_and_asks_again(ask, sandbox):
    sandbox.fault("429", retry_after=1)
    began = time.monotonic()
    assert ask("sendMessage", 7, "once").startswith("done")
    assert time.monotonic() - began >= 1 and len(sandbox.messages(7)) == 1


def test_a_wait_beyond_patience_is_handed_out(ask, sandbox):
    sandbox.fault("429", times=None, retry_after=7200)
    assert ask("sendMessage", 7).startswith("wait rate - unknown=0 wait=7200000")
    assert asked(sandbox) == 1


def test_waits_are_not_added_up_beyond_patience(ask, sandbox):
    sandbox.fault("429", times=None, retry_after=1)
    assert ask("sendMessage", 7, "again", 1500).startswith("wait rate")
    assert asked(sandbox) == 2


@pytest.mark.parametrize("fault", ["500-after", "502-after", "drop-after"])
def test_what_must_not_happen_twice_is_asked_once(ask, sandbox, fault):
    sandbox.fault(fault)
    assert " unknown=1 " in ask("sendMessage", 7, "once")
    assert asked(sandbox) == 1


@pytest.mark.parametrize("fault", ["500-before", "502-before", "drop-before"])
def test_what_may_happen_twice_is_asked_again(ask, sandbox, fault):
    sandbox.fault(fault)
    assert ask("getChat", GROUP).startswith("done")
    assert asked(sandbox, "getChat") >= 2


def test_a_chat_that_moved_is_followed_and_kept(ask, sandbox, database):
    sandbox.chats([GROUP], "migrated", to=MOVED)
    assert ask("sendMessage", GROUP, "once").startswith("done")
    assert len(sandbox.messages(MOVED)) == 1
    [alias] = database.query("select bot, old_chat_id, new_chat_id from ops.chat_alias")
    assert tuple(alias) == ("shop", GROUP, MOVED)
    sandbox.forget_requests()
    ask("sendMessage", GROUP, "once")
    assert asked(sandbox) == 1, "the new id was not used at once"


@pytest.mark.parametrize("state, reason", [("kicked", "kicked"), ("not_found", "not_found")])
def test_a_chat_that_cannot_be_reached_is_kept(ask, sandbox, database, state, reason):
    sandbox.chats([GROUP], state)
    assert ask("getChat", GROUP).startswith(f"gone {reason}")
    [row] = database.query("select bot, chat_id, reason from ops.recipient")
    assert tuple(row) == ("shop", GROUP, reason)


def test_a_refused_token_ends_the_run_with_one_alert(ask, sandbox, database):
    sandbox.control("POST", "telegram/tokens", {"revoked": [BOT_TOKEN]})
    for _ in range(2):
        assert "refuses the token of the bot shop" in ask("getChat", GROUP, code=1)
    assert database.value("select count(*) from ops.job where payload ->> 'chatId' = %s",
                          ADMIN) == 1


def test_a_token_that_cannot_be_one_and_a_bot_that_is_none(ask, sandbox):
    assert "cannot be one" in ask("getChat", GROUP, code=1, TELEGRAM_BOT_TOKEN="1:a/../b")
    assert "no bot of this name" in ask("getChat", GROUP, code=1, ASKER_BOT="nobody")
    assert not sandbox.requests()


def test_told_to_stop_it_does_not_wait(ask, sandbox):
    sandbox.fault("429", times=None, retry_after=50)
    asking = ask.start("sendMessage", 7)
    wait_until(lambda: asked(sandbox) == 1, what="asked")
    asking.signal(signal.SIGTERM)
    assert asking.wait(10) == 0 and "wait rate" in asking.output


def test_a_dry_run_keeps_nothing(ask, sandbox, database):
    sandbox.chats([GROUP], "kicked")
    ask("--dry-run", "getChat", GROUP)
    for table in "rate", "recipient":
        assert database.value(f"select count(*) from ops.{table}") == 0


def test_the_token_is_in_no_line(ask, sandbox):
    for fault in "500-before", "drop-before", "401":
        sandbox.fault(fault, times=None)
        said = ask("sendMessage", 7, "once", code=1 if fault == "401" else 0)
        assert BOT_TOKEN not in said and BOT_TOKEN.split(":")[1] not in said
        sandbox.clear_faults()
