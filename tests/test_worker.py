"""The contract of every worker, on a probe built from the same runtime as the fleet."""
import json
import re
import signal
import socket
import subprocess

import pytest

from harness import BUILD, ROOT

TICK = "2026-11-21T10:00:00Z"
SETTINGS = {"YOOKASSA_SHOP_ID": "54401", "YOOKASSA_SECRET_KEY": "test_secret"}
PACKAGES = ["libpq", "libcurl", "libcjson", "libssl", "libcrypto"]


@pytest.fixture(scope="session")
def build_probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    sources = ROOT / "tests/worker"
    header = subprocess.run(["awk", "-f", ROOT / "scripts/sql2h.awk", sources / "probe.sql"],
                            check=True, capture_output=True).stdout
    (folder / "probe_sql.h").write_bytes(header)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *PACKAGES], check=True, text=True,
                           capture_output=True).stdout.split()
    sanitizers = ["-fsanitize=address,undefined"] if BUILD.name.endswith("-san") else []

    def build(name, *extra):
        subprocess.run(["cc", "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                        "-Wno-missing-field-initializers", *extra, *sanitizers, "-iquote", folder,
                        "-iquote", ROOT / "shared", sources / "probe.c",
                        BUILD / "libworker.a", BUILD / "libops.a", *flags, "-lm",
                        "-o", folder / name], check=True)
        return str(folder / name)

    return build


@pytest.fixture(scope="session")
def probe(build_probe):
    return build_probe("probe")


@pytest.fixture(scope="session")
def service(build_probe):
    return build_probe("probe_service", "-DPROBE_KIND=WORKER_SERVICE")


@pytest.fixture(scope="session")
def apart(build_probe):
    return build_probe("probe_apart", "-DPROBE_APART=true")


@pytest.fixture
def ready(database, worker):
    """worker() for a probe that has its table and its settings."""
    database.execute("create table probe (n int)")

    def run(program, *args, **settings):
        return worker(program, *args, **{**SETTINGS, **settings})

    def start(program, *args, **settings):
        return worker.start(program, *args, **{**SETTINGS, **settings})

    run.start = start
    run.folder = worker.folder
    return run


def touched(database):
    return database.value("select count(*) from probe")


# --- the command line


def test_describe_needs_no_settings(worker, probe):
    done = worker(probe, "--describe", DATABASE_URL="")
    described = json.loads(done.stdout)
    assert done.returncode == 0
    assert (described["app"], described["name"], described["kind"]) == ("test", "probe", "run")
    assert described["sql"] == 4
    needs = {need["name"]: need for need in described["needs"]}
    assert list(needs)[0] == "DATABASE_URL" and needs["DATABASE_URL"]["required"]
    assert needs["BILLING_TZ"]["default"] == "Europe/Moscow" and not needs["BILLING_TZ"]["required"]
    assert needs["BILLING_CONCURRENCY"]["kind"] == "int"
    assert needs["YOOKASSA_SECRET_KEY"]["kind"] == "secret"


def test_help_and_version_need_no_settings(worker, probe):
    assert "YOOKASSA_SHOP_ID" in worker(probe, "--help", DATABASE_URL="").stdout
    assert re.fullmatch(r"test/probe \d+\.\d+\.\d+\n", worker(probe, "--version").stdout)


@pytest.mark.parametrize("args", [["--verbose"], ["surplus"], ["--now"], ["--now", "yesterday"],
                                  ["--dry-run=yes"]])
def test_wrong_usage_is_2(worker, args):
    done = worker("main/migrate", *args)
    assert done.returncode == 2
    assert args[-1] in done.stderr


def test_a_worker_may_refuse_its_arguments(ready, probe):
    assert ready(probe, "wrong-usage").returncode == 2


# --- settings


def test_all_that_is_missing_is_listed_at_once(worker, probe):
    done = worker(probe, DATABASE_URL="", BILLING_TZ="Mars/Olympus", BILLING_MATCH_WINDOW="soon",
                  BILLING_CONCURRENCY="0", YOOKASSA_URL="http://example.org/v3", OPS_NOW="today",
                  OPS_TICK="now")
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert [re.search(r"variable=(\w+)", line).group(1) for line in lines] == [
        "DATABASE_URL", "YOOKASSA_SHOP_ID", "YOOKASSA_SECRET_KEY", "YOOKASSA_URL",
        "BILLING_MATCH_WINDOW", "BILLING_TZ", "BILLING_CONCURRENCY", "OPS_NOW", "OPS_TICK"]
    assert all(line.startswith("error setting is ") for line in lines)
    assert "want=" in lines[0] and "ecosystem.json" in lines[0]


def test_env_file_is_found_upward_and_loses_against_the_environment(ready, probe, database):
    (ready.folder / "ecosystem.json").write_text("{}")
    (ready.folder / ".env").write_text(
        f"DATABASE_URL={database.url}\nYOOKASSA_SHOP_ID=from-file\nYOOKASSA_SECRET_KEY=hush\n"
        "BILLING_MATCH_WINDOW=2h\n")
    below = ready.folder / "a" / "b"
    below.mkdir(parents=True)

    def show(mode):
        (ready.folder / ".env").chmod(mode)
        return subprocess.run([probe, "show"], cwd=below, text=True, capture_output=True,
                              env={"PATH": "/usr/bin", "BILLING_MATCH_WINDOW": "3h"})

    private, exposed = show(0o600), show(0o640)
    assert private.returncode == 0, private.stderr
    assert "shop=from-file window=10800000 concurrency=8" in private.stdout
    assert private.stderr == ""
    assert "chmod 600" in exposed.stderr and "hush" not in exposed.stderr


def test_a_broken_env_file_is_a_configuration_error(worker, probe):
    (worker.folder / "ecosystem.json").write_text("{}")
    (worker.folder / ".env").write_text("A=1\nwhat is this\n")
    done = worker(probe, **SETTINGS)
    assert done.returncode == 78
    assert "line 2" in done.stderr


def test_now_is_fixed_by_option_or_environment(ready, probe):
    at = "2025-02-03T04:05:06Z"
    assert f"now={at} now_ms=1738555506000" in ready(probe, "--now", at, "show").stdout
    assert f"now={at}" in ready(probe, f"--now={at}", "show", OPS_NOW=TICK).stdout
    assert f"now={TICK}" in ready(probe, "show", OPS_NOW=TICK).stdout


def test_env_example_lists_every_setting():
    table = (ROOT / "shared/settings.c").read_text()
    rows = re.findall(r'^    \{ "(\w+)"|^    BOT_TOKEN\("(\w+)"', table, re.M)
    settings = {name or f"TELEGRAM_BOT_TOKEN_{bot}" for name, bot in rows}
    # These two belong to one run and not into a file.
    wanted = settings - {"OPS_NOW", "OPS_TICK"}
    listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    assert wanted - set(listed) == set()


# --- the database


def test_the_session_says_who_it_is_and_speaks_utc(ready, probe):
    assert "application=test/probe zone=UTC" in ready(probe, "show").stdout


def test_a_missing_table_is_tried_again_later(worker, probe):
    done = worker(probe, "touch", **SETTINGS)
    assert done.returncode == 75
    assert "run main/migrate" in done.stderr and "42P01" in done.stderr


def test_a_database_without_any_schema_is_tried_again_later(worker, empty_database, probe):
    done = worker(probe, DATABASE_URL=empty_database.url, **SETTINGS)
    assert done.returncode == 75
    assert "run main/migrate" in done.stderr


@pytest.mark.parametrize("host", ["/nowhere/at/all", "%40ops-nobody"])
def test_a_database_that_is_not_there_is_tried_again_later(worker, probe, host):
    done = worker(probe, DATABASE_URL=f"postgresql://ops:hush@/none?host={host}", **SETTINGS)
    assert done.returncode == 75
    assert "cannot connect" in done.stderr and "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["postgresql://ops:hu@sh@db/x", "postgresql:/ops:hush@db", "hush",
                                 "postgresql://ops:hush@db/x?colour=hush",
                                 # An unescaped / ? or : cuts the password in two.
                                 "postgresql://ops:hush/sh@db/x", "postgresql://ops:12/hush@db/x",
                                 "postgresql://op/s:hush@db/x",
                                 "host=db port=hush", "host=db sslmode=hush", "hostaddr=hush",
                                 "host=db connect_timeout=hush", "host=db dbname=x@hush",
                                 "host=localhost port=1 keepalives_idle=hush",
                                 "host=db channel_binding=hush", "host=db ssl_max_protocol_version=hush",
                                 "host=db sslcert=x sslcompression=0 gssencmode=hush"])
def test_a_malformed_database_url_is_not_quoted(worker, probe, url):
    done = worker(probe, DATABASE_URL=url, **SETTINGS)
    assert done.returncode == 78
    assert "DATABASE_URL" in done.stderr
    assert "hush" not in done.stdout + done.stderr and "sh@db" not in done.stderr


@pytest.mark.parametrize("options", ["port=5432", "connect_timeout=3&sslmode=prefer",
                                     "target_session_attrs=any&keepalives=1"])
def test_options_of_a_database_url_are_taken(ready, probe, database, options):
    assert "application=test/probe" in ready(
        probe, "show", DATABASE_URL=f"{database.url}&{options}").stdout


OTHER_CLOCK = """
    create schema other;
    create function other.clock_timestamp() returns timestamptz language sql
        as $$ select now() + interval '%s' $$;
    do $$ begin
        execute format('alter database %%I set search_path = other, pg_catalog, "$user"',
                       current_database());
    end $$
"""


@pytest.mark.parametrize("apart, words", [("6 min", "behind"), ("-6 min", "ahead of")])
def test_a_host_whose_clock_is_wrong_decides_nothing(ready, probe, database, apart, words):
    database.execute(OTHER_CLOCK % apart)
    done = ready(probe, "touch")
    assert done.returncode == 75 and f"{words} the database's" in done.stderr, done.stderr
    assert database.query("select 1 from ops.run") == []
    assert ready(probe, "--now", TICK, "touch").returncode == 0
    assert ready(probe, "touch", OPS_NOW=TICK).returncode == 0


def test_a_clock_that_is_a_little_wrong_is_good_enough(ready, probe, database):
    database.execute(OTHER_CLOCK % "4 min")
    assert ready(probe, "touch").returncode == 0


def test_no_session_waits_for_ever(ready, probe, database):
    """Not for a lock, and not inside of the transaction of a dry run."""
    log = database.cluster.folder / "log"
    database.execute(f"alter database {database.name} set log_statement = 'all'")
    before = log.stat().st_size
    assert ready(probe, "--dry-run", "touch").returncode == 0
    said = log.read_text()[before:]
    assert "set_config('lock_timeout', '20s', false)" in said
    assert "set local idle_in_transaction_session_timeout = '3min'" in said


# --- ticks


def test_a_tick_is_done_once(ready, probe, database):
    first = ready(probe, "touch", OPS_TICK=TICK)
    again = ready(probe, "touch", OPS_TICK=TICK)
    other_zone = ready(probe, "touch", OPS_TICK="2026-11-21T13:00:00+03:00")
    assert (first.returncode, again.returncode, other_zone.returncode) == (0, 0, 0)
    assert "nothing to do" in again.stdout and "nothing to do" in other_zone.stdout
    assert touched(database) == 1
    [run] = database.query("select *, extract(epoch from tick_at)::int as tick from ops.run")
    assert (run.app, run.worker, run.attempt) == ("test", "probe", 1)
    assert run.host == socket.gethostname()
    assert run.tick == 1795255200
    assert run.exit_code == 0 and run.error is None and run.finished_at >= run.started_at
    assert run.stats == {"selected": 0, "changed": 1, "enqueued": 0, "failed": 0}


def test_the_next_tick_is_another_run(ready, probe, database):
    assert ready(probe, "touch", OPS_TICK=TICK).returncode == 0
    assert ready(probe, "touch", OPS_TICK="2026-11-21T10:00:01Z").returncode == 0
    assert touched(database) == 2


def test_a_second_copy_is_told_who_runs(ready, probe, database):
    first = ready.start(probe, "wait", "touch", OPS_TICK=TICK)
    first.wait_line("waiting")
    second = ready(probe, "touch", OPS_TICK=TICK)
    by_hand = ready(probe, "touch")
    for refused in second, by_hand:
        assert refused.returncode == 75
        assert f"host={socket.gethostname()} pid={first.pid} since=" in refused.stderr
    assert touched(database) == 0
    assert database.value("select count(*) from ops.run") == 1


def test_of_many_copies_at_once_one_works(ready, probe, database):
    copies = [ready.start(probe, "touch", OPS_TICK=TICK) for _ in range(8)]
    assert {copy.wait() for copy in copies} <= {0, 75}
    assert touched(database) == 1
    assert database.value("select attempt from ops.run") == 1


def test_workers_do_not_lock_each_other_out(ready, probe, worker):
    waiting = ready.start(probe, "wait", OPS_TICK=TICK)
    waiting.wait_line("waiting")
    assert worker("main/migrate").returncode == 0


def test_arguments_may_tell_runs_apart(ready, apart, database):
    waiting = ready.start(apart, "touch", "wait", OPS_TICK=TICK)
    waiting.wait_line("waiting")
    assert ready(apart, "touch", OPS_TICK=TICK).returncode == 0
    assert ready(apart, "touch", "wait", OPS_TICK=TICK).returncode == 75
    again = ready(apart, "touch", OPS_TICK=TICK)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert [row.worker for row in database.query("select worker from ops.run order by worker")] \
        == ["probe touch", "probe touch wait"]


def test_a_killed_run_is_taken_over(ready, probe, database, wait_until):
    killed = ready.start(probe, "touch", "wait", OPS_TICK=TICK)
    killed.wait_line("waiting")
    killed.kill()
    # The server lets go of the lock as soon as it sees the closed socket.
    done = wait_until(lambda: (lambda d: d if d.returncode != 75 else None)(
        ready(probe, "touch", OPS_TICK=TICK)))
    assert done.returncode == 0 and "taking over" in done.stdout
    [run] = database.query("select * from ops.run")
    assert (run.attempt, run.exit_code) == (2, 0)
    assert "nothing to do" in ready(probe, "touch", OPS_TICK=TICK).stdout
    assert touched(database) == 2


def test_the_lock_of_a_run_killed_in_a_long_statement_is_let_go(ready, probe, wait_until):
    killed = ready.start(probe, "wait-in-server", OPS_TICK=TICK)
    killed.wait_line("waiting")
    killed.kill()
    wait_until(lambda: ready(probe, OPS_TICK=TICK).returncode == 0)


def test_a_failed_run_is_written_down_and_repeated(ready, probe, database):
    assert ready(probe, "touch", "fail", OPS_TICK=TICK).returncode == 1
    [run] = database.query("select * from ops.run")
    assert (run.exit_code, run.error, run.stats["changed"]) == (1, "as it was told", 1)
    assert ready(probe, OPS_TICK=TICK).returncode == 0
    [run] = database.query("select * from ops.run")
    assert (run.exit_code, run.error, run.attempt) == (0, None, 2)


def test_a_failure_inside_a_transaction_is_written_down(ready, probe, database):
    assert ready(probe, "fail-inside", OPS_TICK=TICK).returncode == 1
    assert database.value("select exit_code from ops.run") == 1


def test_runs_by_hand_are_ticks_of_their_own(ready, probe, database):
    for _ in range(2):
        assert ready(probe, "touch", OPS_NOW=TICK).returncode == 0
    runs = database.query("select abs(extract(epoch from clock_timestamp() - tick_at)) as age"
                          " from ops.run")
    assert len(runs) == 2 and all(run.age < 60 for run in runs)
    assert touched(database) == 2


def test_a_lost_connection_ends_the_run(ready, probe, database):
    done = ready(probe, "lose", "touch", OPS_TICK=TICK)
    assert done.returncode == 75
    assert "connection to the database is lost" in done.stderr
    assert touched(database) == 0
    assert database.value("select finished_at from ops.run") is None
    database.alone()
    assert ready(probe, "touch", OPS_TICK=TICK).returncode == 0


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_finishes_its_item_and_leaves_its_tick(ready, probe, database, number):
    run = ready.start(probe, "wait", "touch", OPS_TICK=TICK)
    run.wait_line("waiting")
    run.signal(number)
    assert run.wait() == 75
    assert touched(database) == 1
    assert database.value("select exit_code from ops.run") == 75


def test_a_stopped_service_is_done(ready, service, database):
    run = ready.start(service, "wait", OPS_TICK=TICK)
    run.wait_line("waiting")
    run.signal(signal.SIGTERM)
    assert run.wait() == 0
    assert database.value("select count(*) from ops.run") == 0


def test_a_service_reconnects(ready, service, database):
    done = ready(service, "reconnect")
    assert done.returncode == 0, done.stderr
    assert "lost=1" in done.stdout
    assert touched(database) == 1


# --- dry runs


def test_a_dry_run_leaves_nothing_behind(ready, probe, database):
    database.execute("create unique index on probe (n)")
    done = ready(probe, "--dry-run", "touch", "touch-twice", "touch-roll-back", OPS_TICK=TICK)
    assert done.returncode == 0, done.stderr
    assert "second touch exists=1" in done.stdout and "23505" in done.stdout
    assert "would have changed" in done.stdout and "changed=1" in done.stdout
    assert touched(database) == 0
    assert database.value("select count(*) from ops.run") == 0


def test_outside_of_a_dry_run_the_same_steps_are_kept(ready, probe, database):
    database.execute("create unique index on probe (n)")
    assert ready(probe, "touch", "touch-twice", "touch-roll-back").returncode == 0
    assert [row.n for row in database.query("select n from probe order by n")] == [1, 2]


# --- what the supervisor hears


def notifications(ready, tmp_path, program, *args, **settings):
    path = tmp_path / "n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(10)
        assert ready(program, *args, NOTIFY_SOCKET=path, **settings).returncode == 0
        heard = []
        listener.setblocking(False)
        while True:
            try:
                heard.append(listener.recv(4096).decode())
            except BlockingIOError:
                return heard


def test_the_supervisor_hears_ready_stats_and_the_end(ready, probe, tmp_path):
    heard = notifications(ready, tmp_path, probe, "touch")
    assert heard[0] == "READY=1"
    assert "STOPPING=1" in heard
    stats = dict(line.split("=", 1) for line in heard[-1].split("\n"))
    assert json.loads(stats["X_STATS"]) == {"selected": 0, "changed": 1, "enqueued": 0, "failed": 0}
    assert stats["STATUS"] == "selected 0, changed 1, enqueued 0, failed 0"
    assert "WATCHDOG" not in stats


def test_the_watchdog_hears_from_whoever_was_asked(ready, probe, tmp_path):
    heard = notifications(ready, tmp_path, probe, "touch", WATCHDOG_USEC=30000000)
    assert "WATCHDOG=1" in "\n".join(heard).split("\n")


def test_a_run_that_has_nothing_to_do_tells_nothing(ready, probe, tmp_path):
    assert ready(probe, OPS_TICK=TICK).returncode == 0
    assert notifications(ready, tmp_path, probe, OPS_TICK=TICK) == []
