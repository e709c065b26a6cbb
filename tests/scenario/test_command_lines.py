"""What every command and worker makes of its words, and the commands that encrypt."""
import http.server
import json
import subprocess
import threading

import pytest
from cryptography.fernet import Fernet

from harness import BUILD, wait_until, worker_environment
from sender_world import world  # noqa: F401

LIBEXEC = BUILD / "libexec"
COMMANDS = sorted(path.name for path in LIBEXEC.iterdir()
                  if path.name not in ("commands.json", "monit"))
WORKERS = sorted(str(path.relative_to(BUILD / "workers")) for path in (BUILD / "workers").glob("*/*")
                 if path.is_file() and path.suffix == "" and path.stat().st_mode & 0o100)
PROGRAMS = [LIBEXEC / name for name in COMMANDS] + [BUILD / "workers" / name for name in WORKERS]


def say(program, *words, stdin="", **settings):
    return subprocess.run([program, *words], input=stdin, capture_output=True, text=True, timeout=60,
                          env=worker_environment(**settings), cwd="/")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_options_stand_anywhere_and_unknown_ones_are_refused(program):
    told = json.loads(say(program, "--describe").stdout)
    takes_words = told.get("arguments")
    mixed = say(program, "7", "--now=2026-01-01T00:00:00Z", "x", "--dry-run", "y", "--describe")
    assert mixed.returncode == 0 and json.loads(mixed.stdout) == told
    unknown = say(program, "7", "--nosuch", "--describe")
    assert unknown.returncode == 2 and not unknown.stdout
    assert "--nosuch" in unknown.stderr and "--dry-run" in unknown.stderr
    usage = say(program, "--help").stdout
    if takes_words:
        assert takes_words in usage
    else:
        refused = say(program, "word")
        assert refused.returncode == 2 and "takes none" in refused.stderr
        assert "[arguments]" not in usage


def test_a_dry_run_is_one_wherever_its_option_stands(world):
    anna = str(world.database.value(
        "insert into messenger.customer (telegram_id) values (7) returning id"))
    for words in ([anna, "start", "--dry-run"], [anna, "--dry-run", "start"]):
        done = world.worker(LIBEXEC / "call_command", *words, **world.settings())
        assert done.returncode == 0, done.stderr
    done = world.worker(LIBEXEC / "call_inline_reply", anna, "accesser", "plans", "--dry-run",
                        **world.settings())
    assert done.returncode == 0, done.stderr
    assert world.database.value("select count(*) from ops.job") == 0
    real = world.worker(LIBEXEC / "call_inline_reply", anna, "accesser", "plans", **world.settings())
    assert real.returncode == 0 and world.database.value("select count(*) from ops.job") == 1


def test_what_is_behind_two_dashes_is_no_option(world):
    done = world.worker(LIBEXEC / "call_command", "7", "--", "--dry-run", **world.settings())
    assert done.returncode == 1 and "no reply --dry-run" in done.stderr


def test_a_reply_that_there_is_not_is_answered_with_those_there_are(world):
    for words in (["call_command", "7", "nosuch"], ["call_inline_reply", "7", "accesser", "nosuch"]):
        done = world.worker(LIBEXEC / words[0], *words[1:], **world.settings())
        assert done.returncode == 1 and "nosuch; there are " in done.stderr
        assert "accesser/plans" in done.stderr and "tgadmin/checkout" in done.stderr


# --- messages that say what to do


def test_a_translation_that_is_not_there_names_who_writes_it(world):
    done = world.worker(LIBEXEC / "import_translation", "de")
    assert done.returncode == 1 and "opsctl export_translation de" in done.stderr


def test_a_contract_that_is_none_is_quoted_beside_an_example(world):
    done = world.worker("cashier/tron_transaction_checker", **world.settings(TRON_USDT_CONTRACT="xyz"))
    assert done.returncode == 78 and "xyz" in done.stderr and "TR7NHqje" in done.stderr


def test_wrong_words_are_told_before_the_lock_is_asked_for(world):
    first = world.worker.start("cashier/invoice_confirm_checker", "--listen", "50s", **world.settings())
    wait_until(lambda: world.database.value(
        "select exists (select from ops.run where worker = 'invoice_confirm_checker')"))
    done = world.worker("cashier/invoice_confirm_checker", "--listen", "foo", **world.settings())
    assert done.returncode == 2 and "--listen 55s" in done.stderr
    first.process.terminate()
    first.wait()


# --- connections


def test_default_addresses_are_asked_too(world):
    """A proxy that lets nobody through sees who was to be asked."""
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = world.worker(LIBEXEC / "test_connections",
                        https_proxy=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    assert asked == ["api.trongrid.io:443", "api.vendista.ru:99"], done.stdout
    assert done.returncode == 1 and "not configured (S3_ENDPOINT)" in done.stdout


# --- encryption


@pytest.mark.parametrize("text", ["100:token", "Пароль с пробелами ", "two\nlines"])
def test_what_is_encrypted_is_read_by_others_and_theirs_by_us(text):
    key, older = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    done = say(LIBEXEC / "encrypt", stdin=text + "\n", FIELD_ENCRYPTION_KEY=f"{key},{older}")
    assert done.returncode == 0, done.stderr
    assert Fernet(key).decrypt(done.stdout.strip().encode()).decode() == text
    assert text not in done.stderr


def test_nothing_and_no_key_are_refused():
    key = Fernet.generate_key().decode()
    assert say(LIBEXEC / "encrypt", FIELD_ENCRYPTION_KEY=key).returncode == 2
    assert say(LIBEXEC / "encrypt", stdin="x").returncode == 78


def test_a_token_made_by_encrypt_is_the_bots(world):
    key = Fernet.generate_key().decode()
    token = say(LIBEXEC / "encrypt", stdin="100:sandbox_token\n", FIELD_ENCRYPTION_KEY=key).stdout
    world.database.execute("insert into tgadmin.settings values ('TELEGRAM_BOT_TOKEN', %s)",
                           token.strip())
    world.start(TELEGRAM_BOT_TOKEN="9:wrong", FIELD_ENCRYPTION_KEY=key)
    world.wait(world.send(7))


@pytest.mark.parametrize("program, words", [
    ("messenger/sender", []), ("coffee/vendista_import_worker", ["--dry-run"]),
    (LIBEXEC / "import_tron_addresses", []), (LIBEXEC / "encrypt", [])])
def test_a_bad_key_is_named_at_the_start(world, program, words):
    done = world.worker(program, *words, **world.settings(FIELD_ENCRYPTION_KEY="abc"))
    assert done.returncode == 78
    assert "FIELD_ENCRYPTION_KEY" in done.stderr and "44 characters" in done.stderr
    assert "opsctl generate_field_encryption_key" in done.stderr


def test_a_token_of_another_key_is_named(world):
    world.database.execute("insert into tgadmin.settings values ('TELEGRAM_BOT_TOKEN', %s)",
                           Fernet(Fernet.generate_key()).encrypt(b"x").decode())
    done = world.worker("messenger/sender",
                        **world.settings(FIELD_ENCRYPTION_KEY=Fernet.generate_key().decode()))
    assert done.returncode == 78
    assert "TELEGRAM_BOT_TOKEN does not decrypt" in done.stderr and "opsctl encrypt" in done.stderr
