/*
 * task_cleanup_worker: takes old completed tasks out of people's lists.
 *
 * Selects   tasks that were completed before today began in Moscow.
 * Does      nothing outside of the database.
 * Records   that they are hidden; they are kept for analysis. (coffee.active_tasks shows none of
 *           them even before this ran; hiding keeps its index small.)
 */
#include "task_cleanup_worker_sql.h"
#include "worker.h"

static int clean_up(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_HIDE], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, "hide completed tasks");
    run->stats.selected = run->stats.changed = rows_int(&rows, 0, 0);
    log_info(run->dry_run ? "would hide tasks" : "tasks hidden",
             LOG_INT("count", run->stats.changed));
    return 0;
}

const struct worker worker = {
    .app = "coffee",
    .name = "task_cleanup_worker",
    .about = "take tasks that were completed before today out of people's lists",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = clean_up,
};
