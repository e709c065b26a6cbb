/*
 * migrate: brings the database to the schema that these binaries were built for.
 *
 * Selects   the migrations, embedded at build time, that ops.schema_migration does not have.
 * Does      each in its own transaction, in order, under one advisory lock for the whole run.
 * Records   number, file and checksum in that same transaction, so it can be killed and run again
 *           at any moment. An applied file that was edited since is an error that names it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "limits.h"
#include "worker.h"

struct migration {
    int number;
    const char *file;
    const char *text;
};

#include "migrate_sql.h"
#include "schema.h"

enum { MIGRATIONS = sizeof migrations / sizeof *migrations, LOCK_POLL_MS = 200 };

/* The server may be busy with one statement for as long as it takes, but must not queue all other
 * workers behind a lock that it waits for. */
static const char patience[] = "set statement_timeout = 0; set lock_timeout = '30s'";

/* Waits for another run to end. */
static int take_lock(struct run *run)
{
    uint64_t start_ms = monotonic_now_ms();
    bool taken = false;
    int r;

    r = db_prepare(run->db, &sql[SQL_TRY_LOCK], 1);
    while (r == 0) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run0(run->db, &sql[SQL_TRY_LOCK], &rows);
        taken = r == 0 && rows_bool(&rows, 0, 0);
        if (taken)
            return 0;
        if (r == 0 &&
            (monotonic_now_ms() - start_ms > MIGRATE_PATIENCE_MS || !worker_pause(LOCK_POLL_MS)))
            return run_failed(run, -EAGAIN, "another migration is under way");
    }
    return run_db_failed(run, r, "cannot take the lock of the migrations");
}

static int fail_in(struct run *run, int code, const struct migration *migration)
{
    char what[160];

    (void)snprintf(what, sizeof what, "cannot apply %s", migration->file);
    return run_db_failed(run, code, what);
}

/* Returns 1 when the migration is applied as it is here, 0 when it is not applied. */
static int is_applied(struct run *run, const struct rows *applied,
                      const struct migration *migration, const char *checksum)
{
    char why[256];

    for (int i = 0; i < applied->count; i++) {
        if (rows_int(applied, i, 0) != migration->number)
            continue;
        if (strcmp(rows_text(applied, i, 2), checksum) == 0)
            return 1;
        (void)snprintf(
            why, sizeof why,
            "%s differs from what was applied as %s; restore it and put the change into a "
            "new migration",
            migration->file, rows_text(applied, i, 1));
        return run_failed(run, -EINVAL, why);
    }
    return 0;
}

static int apply(struct run *run, const struct migration *migration, const char *checksum)
{
    char number[16];
    int r;

    (void)snprintf(number, sizeof number, "%d", migration->number);
    r = db_begin(run->db);
    if (r == 0)
        r = db_script(run->db, migration->text);
    if (r == 0)
        r = db_run(run->db, &sql[SQL_RECORD], NULL, number, migration->file, checksum);
    if (r == 0)
        r = db_commit(run->db);
    if (r < 0)
        return fail_in(run, r, migration);
    log_info(run->dry_run ? "would apply" : "applied", LOG_TEXT("file", migration->file));
    run->stats.changed++;
    run_progress(run);
    return 0;
}

static int bring_up(struct run *run, const struct rows *applied, const struct migration *migration)
{
    OWN_ROWS struct rows checksum = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_CHECKSUM], &checksum, migration->text);
    if (r < 0)
        return fail_in(run, r, migration);
    r = is_applied(run, applied, migration, rows_text(&checksum, 0, 0));
    return r ? r : apply(run, migration, rows_text(&checksum, 0, 0));
}

/* A database may be ahead of these binaries, after a roll-back of the program: worth a word. */
static void report_unknown(const struct rows *applied)
{
    bool known;

    for (int i = 0; i < applied->count; i++) {
        known = false;
        for (int m = 0; m < MIGRATIONS; m++)
            known |= migrations[m].number == rows_int(applied, i, 0);
        if (!known)
            log_warn("the database has a migration that this program does not know, going on",
                     LOG_TEXT("file", rows_text(applied, i, 1)));
    }
}

static int migrate_run(struct run *run)
{
    OWN_ROWS struct rows applied = { 0 };
    int r;

    r = take_lock(run);
    if (r < 0)
        return r;
    r = db_script(run->db, patience);
    if (r == 0)
        r = db_script(run->db, migrations[0].text);
    if (r == 0)
        r = db_prepare(run->db, &sql[SQL_TRY_LOCK + 1], SQL_COUNT - 1);
    if (r == 0)
        r = db_run0(run->db, &sql[SQL_APPLIED], &applied);
    if (r < 0)
        return run_db_failed(run, r, "cannot read which migrations are applied");
    run->stats.selected = MIGRATIONS;
    for (int i = 0; i < MIGRATIONS && !run_stopping(run); i++) {
        r = bring_up(run, &applied, &migrations[i]);
        if (r != 0 && r != 1)
            return r;
    }
    report_unknown(&applied);
    return 0;
}

const struct worker worker = {
    .app = "main",
    .name = "migrate",
    .about = "brings the database to the schema that these binaries were built for",
    .kind = WORKER_RUN,
    .sql = sql,
    .sql_count = SQL_COUNT,
    .unmigrated = true,
    .run = migrate_run,
};
