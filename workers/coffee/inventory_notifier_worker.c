/*
 * inventory_notifier_worker: tells owners what became of their stock within the hour.
 *
 * Selects   rows of the change log that nobody was told of, all of them.
 * Does      nothing outside of the database.
 * Records   one structured message per owner, in parts where it is too long, and the rows as told,
 *           in one statement.
 */
#include "inventory_notifier_worker_sql.h"
#include "worker.h"

static int notify(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run0(run->db, &sql[SQL_NOTIFY], &rows);
    if (r < 0)
        return run_db_failed(run, r, "tell of changed stock");
    run->stats.selected = run->stats.changed = rows_int(&rows, 0, 0);
    run->stats.enqueued = rows_int(&rows, 0, 2);
    log_info(run->dry_run ? "would tell of changed stock" : "told of changed stock",
             LOG_INT("changes", run->stats.changed), LOG_INT("owners", rows_int(&rows, 0, 1)),
             LOG_INT("messages", run->stats.enqueued));
    return 0;
}

const struct worker worker = {
    .app = "coffee",
    .name = "inventory_notifier_worker",
    .about = "tell owners what became of their stock within the hour",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = notify,
};
