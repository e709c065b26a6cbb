/*
 * analytics_aggregate: counts posts, deletions and failures of each group by the hour.
 *
 * Selects   what happened since the hour before the last good run.
 * Does      nothing outside of the database.
 * Records   one row an hour and group in tgadmin.analytics_hourly; running again changes nothing.
 */
#include "analytics_aggregate_sql.h"
#include "worker.h"

static int analytics_aggregate(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_AGGREGATE], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, "count the posts of each hour");
    run->stats.selected = rows_int(&rows, 0, 0);
    run->stats.changed = rows_int(&rows, 0, 1);
    log_info(run->dry_run ? "would write hours" : "hours counted",
             LOG_INT("hours", run->stats.selected), LOG_INT("changed", run->stats.changed));
    return 0;
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "analytics_aggregate",
    .about = "count posts, deletions and failures of each group by the hour",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = analytics_aggregate,
};
