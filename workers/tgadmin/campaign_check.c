/*
 * campaign_check: begins and ends campaigns, and posts what is due.
 *
 * Selects   campaigns that are scheduled or active.
 * Does      nothing outside of the database.
 * Records   the new status and, for a campaign whose time it is, one bot-task for each group.
 */
#include "campaign_check_sql.h"
#include "worker.h"

static int campaign_check(struct run *run)
{
    enum { COL_OPEN, COL_TURNED, COL_POSTED, COL_JOBS };
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_CHECK], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, "check the campaigns");
    run->stats.selected = rows_int(&rows, 0, COL_OPEN);
    run->stats.changed = rows_int(&rows, 0, COL_TURNED);
    run->stats.enqueued = rows_int(&rows, 0, COL_JOBS);
    log_info(run->dry_run ? "would change campaigns" : "campaigns checked",
             LOG_INT("open", run->stats.selected), LOG_INT("begun_or_ended", run->stats.changed),
             LOG_INT("posting", rows_int(&rows, 0, COL_POSTED)));
    return 0;
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "campaign_check",
    .about = "begin and end campaigns, and post what is due to every group",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = campaign_check,
};
