"""main/migrate: each migration once, whole or not at all, whatever happens in between."""
import pytest

from harness import ROOT


@pytest.fixture
def migrate(worker, empty_database):
    def run(*args, **settings):
        return worker("main/migrate", *args, **{"DATABASE_URL": empty_database.url, **settings})

    run.start = lambda: worker.start("main/migrate", DATABASE_URL=empty_database.url)
    return run


def files():
    shared = sorted((ROOT / "shared/schema").glob("*.sql"))
    apps = sorted(ROOT.glob("workers/*/schema/*.sql"), key=lambda path: path.name)
    return [str(path.relative_to(ROOT)) for path in shared + apps]


def lines(done, text):
    return [line.split("file=")[1] for line in done.stdout.splitlines() if text in line]


def test_a_dry_run_prints_the_order_and_applies_nothing(migrate, empty_database):
    done = migrate("--dry-run")
    assert done.returncode == 0, done.stderr
    assert lines(done, "would apply") == files()
    assert empty_database.value("select to_regnamespace('ops')") is None


def test_everything_is_applied_once_and_in_order(migrate, empty_database):
    first = migrate()
    assert first.returncode == 0, first.stderr
    assert lines(first, "applied file=") == files()
    applied = empty_database.query(
        "select name, checksum from ops.schema_migration order by applied_at")
    assert [row.name for row in applied] == files()
    assert all(len(row.checksum) == 64 for row in applied)
    again = migrate()
    assert again.returncode == 0 and lines(again, "file=") == []


def test_several_at_once_are_one_after_the_other(migrate, empty_database):
    copies = [migrate.start() for _ in range(4)]
    assert [copy.wait() for copy in copies] == [0, 0, 0, 0]
    assert sum(copy.output.count("applied file=") for copy in copies) == len(files())


def test_an_edited_migration_is_named(migrate, empty_database):
    assert migrate().returncode == 0
    empty_database.execute("update ops.schema_migration set checksum = 'other' where number = 1")
    done = migrate()
    assert done.returncode == 1
    assert "shared/schema/001-ops.sql differs" in done.stderr


def test_a_migration_of_a_newer_program_is_left_alone(migrate, empty_database):
    assert migrate().returncode == 0
    empty_database.execute("insert into ops.schema_migration values (998, '998-later.sql', 'x')")
    done = migrate()
    assert done.returncode == 0
    assert "998-later.sql" in done.stderr


def test_killed_in_the_middle_it_goes_on_where_it_was(migrate, empty_database, wait_until):
    blocker = empty_database.connect(autocommit=False)
    with blocker.cursor() as cursor:
        # Same unique name, not committed: whoever creates it next waits.
        cursor.execute("create schema ops")
        cursor.execute("create schema billing")
        killed = migrate.start()
        wait_until(lambda: empty_database.value(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and application_name = 'main/migrate' and wait_event_type = 'Lock'"))
        killed.kill()
    blocker.rollback()
    blocker.close()
    wait_until(lambda: migrate().returncode == 0)
    names = [row.name for row in empty_database.query("select name from ops.schema_migration")]
    assert sorted(names) == sorted(files())


# A third migration has to wait while somebody holds this lock.
HOLD_UP = """
    create function hold_up() returns event_trigger language plpgsql as $$
    begin
        if to_regclass('ops.schema_migration') is null then
            return;
        end if;
        if (select count(*) from ops.schema_migration) = 2 then
            perform pg_advisory_xact_lock_shared(77);
        end if;
    end $$;
    create event trigger hold_up on ddl_command_start execute function hold_up();
"""


def test_killed_between_two_migrations_the_first_are_kept(migrate, empty_database, wait_until):
    empty_database.execute(HOLD_UP)
    assert empty_database.query("select pg_advisory_lock(77)")
    killed = migrate.start()
    wait_until(lambda: empty_database.value("select count(*) from pg_locks where not granted"))
    killed.kill()
    empty_database.alone()
    assert empty_database.value("select count(*) from ops.schema_migration") == 2
    empty_database.execute("drop event trigger hold_up")
    done = migrate()
    assert done.returncode == 0, done.stderr
    assert lines(done, "applied file=") == files()[2:]


def test_a_failing_migration_leaves_the_ones_before(migrate, empty_database):
    empty_database.execute("create schema ops")
    empty_database.execute("create table ops.recipient (x int)")
    done = migrate()
    assert done.returncode == 1
    assert "cannot apply shared/schema/001-ops.sql" in done.stderr and "42P07" in done.stderr
    assert empty_database.value("select to_regclass('ops.job')") is None
    empty_database.execute("drop table ops.recipient")
    assert migrate().returncode == 0


def test_no_database_is_tried_again_later(migrate, tmp_path):
    done = migrate(DATABASE_URL=f"host={tmp_path} dbname=none")
    assert done.returncode == 75
