"""Every statement of every .sql file fits the schema; the generators refuse what is wrong."""
import re
import subprocess

import psycopg2
import pytest

from harness import ROOT

SQL_FILES = sorted([*ROOT.glob("shared/*.sql"), *ROOT.glob("workers/*/*.sql"),
                    *ROOT.glob("workers/*/commands/*.sql")])
ROW = re.compile(r'\{ "([a-z0-9_.]+)", (\d+),((?:\s*"(?:[^"\\]|\\.)*")+) \}')
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def generate(script, *files):
    return subprocess.run(["awk", "-f", ROOT / "scripts" / script, *files], text=True,
                          capture_output=True, cwd=ROOT)


def statements(path):
    """(name, parameters, text) of the generated table, as the compiler would see it."""
    made = generate("sql2h.awk", path)
    assert made.returncode == 0, made.stderr
    found = [(name, int(params), re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]),
                                        "".join(LITERAL.findall(text))))
             for name, params, text in ROW.findall(made.stdout)]
    assert len(found) == len(re.findall(r"^-- name:", path.read_text(), re.M))
    return found


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_statement_fits_the_schema(database, path):
    problems = []
    for name, params, text in statements(path):
        connection = database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f'prepare "{name}" as {text}')
                cursor.execute("select cardinality(parameter_types) from pg_prepared_statements")
                counted = cursor.fetchone()[0]
                if counted != params:
                    problems.append(f"{name}: {params} parameters, the server counts {counted}")
        except psycopg2.Error as error:
            problems.append(f"{name}: {error}")
        finally:
            connection.close()
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("path, name, condition", [
    ("shared/queue.sql", "queue.promote", "run_at <="),
    ("shared/queue.sql", "queue.lock_lanes", "due_at <="),
    ("shared/queue.sql", "queue.lock_paced_lanes", "due_at <="),
    ("workers/accesser/customer_access_revoker.sql", "customer_access_revoker.lifts", "asked_at >"),
])
def test_what_time_leaves_out_is_not_read(database, path, name, condition):
    """An index is not asked with the bare clock_timestamp(), which may change from row to row."""
    [(params, text)] = [found[1:] for found in statements(ROOT / path) if found[0] == name]
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("set enable_seqscan = off; set enable_bitmapscan = off;"
                       " set plan_cache_mode = force_generic_plan")
        cursor.execute(f"prepare s as {text}")
        cursor.execute(f"explain execute s({', '.join(['null'] * params)})")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    assert [line for line in plan.splitlines() if "Index Cond" in line and condition in line], plan


def test_migration_numbers_are_one_sequence():
    schema = [*ROOT.glob("shared/schema/*"), *ROOT.glob("workers/*/schema/*")]
    made = generate("schema2h.awk", *[path.relative_to(ROOT) for path in schema])
    assert made.returncode == 0, made.stderr
    assert made.stdout.count(".sql\",\n") == len(schema)


# --- the generators


def sql2h(tmp_path, text, name="things.sql"):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return generate("sql2h.awk", path)


def test_parameters_are_counted_outside_of_quotes_and_comments(tmp_path):
    made = sql2h(tmp_path, """-- head
-- name: one
select '$9' || $1, "a$8", $$ $7 $$, $x$ $6 $x$, b$5, $2 -- $4
  /* $3 /* $3 */ '*/ from t;
""".replace("'*/", "*/"))
    assert made.returncode == 0, made.stderr
    assert '{ "things.one", 2,' in made.stdout
    assert "SQL_ONE,\n    SQL_COUNT," in made.stdout
    assert "head" not in made.stdout and "$4" not in made.stdout and "$3" not in made.stdout


def test_quotes_and_backslashes_reach_the_server(tmp_path):
    text = """select '\\d"' as "a""b"\nfrom t"""
    (tmp_path / "things.sql").write_text(f"-- name: one\n{text};\n")
    assert statements(tmp_path / "things.sql") == [("things.one", 0, text)]


def test_what_an_app_shares_has_its_name(tmp_path):
    made = sql2h(tmp_path, "-- name: one\nselect 1\n", "things/things.sql")
    assert "THINGS_SQL_ONE" in made.stdout and "things_sql[THINGS_SQL_COUNT + 1]" in made.stdout


def test_a_file_without_statements_is_an_empty_table(tmp_path):
    made = sql2h(tmp_path, "-- nothing yet\n")
    assert made.returncode == 0 and "sql[SQL_COUNT + 1] = {\n    { 0 },\n};" in made.stdout


@pytest.mark.parametrize("text, complaint", [
    ("-- name: a\nselect 1\n-- name: a\nselect 2\n", "3: a is given twice"),
    ("-- name: a\nselect $1, $3\n", "$2 is missing"),
    ("-- name: a\nselect 1; select 2;\n", "second statement"),
    ("-- name: a\n-- name: b\nselect 1\n", "a: no statement"),
    ("-- name: Due Rows\nselect 1\n", "lower_case_name"),
    ("select 1\n", "before the first statement"),
    ("-- name: a\nselect 'x\n", "is not closed"),
    ("-- name: a\nselect 1 /* x\n", "comment is not closed"),
    ("-- name: a\nselect E'\\n'\n", "instead of E"),
])
def test_mistakes_fail_the_build(tmp_path, text, complaint):
    made = sql2h(tmp_path, text)
    assert made.returncode == 1
    assert complaint in made.stderr and "things.sql:" in made.stderr


@pytest.mark.parametrize("names, complaint", [
    (["a/schema/002-x.sql", "b/schema/002-y.sql"], "002-x.sql once more"),
    (["a/schema/2-x.sql"], "want the name NNN-what.sql"),
])
def test_wrong_migration_names_fail_the_build(tmp_path, names, complaint):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("select 1;\n")
    made = generate("schema2h.awk", *[tmp_path / name for name in names])
    assert made.returncode == 1 and complaint in made.stderr


def test_migrations_of_shared_come_first(tmp_path):
    paths = [tmp_path / "workers/a/schema/002-b.sql", tmp_path / "shared/schema/003-c.sql",
             tmp_path / "workers/z/schema/001-a.sql"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("select 1;\n")
    made = generate("schema2h.awk", *paths)
    assert re.findall(r"\{ (\d+),", made.stdout) == ["3", "1", "2"]
