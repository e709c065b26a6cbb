/*
 * expire_subscriptions: ends subscriptions that nobody paid for.
 *
 * Selects   active ones that ended BILLING_GRACE_DAYS ago or earlier and have no open charge.
 * Does      nothing outside of the database.
 * Records   status EXPIRED and a notice to each owner, in one statement however many there are.
 */
#include <errno.h>

#include "expire_subscriptions_sql.h"
#include "worker.h"

static int check_none_left(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int r;

    r = db_run(run->db, &sql[SQL_LEFT_OVER], &rows, run->now, setting_text("BILLING_GRACE_DAYS"));
    if (r < 0)
        return run_db_failed(run, r, "count subscriptions that are left");
    if (rows_int(&rows, 0, 0) == 0)
        return 0;
    (void)err_set(&why, 0, "%s subscriptions were locked; the next run takes them",
                  rows_text(&rows, 0, 0));
    return run_failed(run, -EAGAIN, why.text);
}

static int expire_subscriptions(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_EXPIRE], &rows, run->now, setting_text("BILLING_GRACE_DAYS"));
    if (r < 0)
        return run_db_failed(run, r, "expire subscriptions");
    run->stats.selected = rows_int(&rows, 0, 0);
    run->stats.changed = rows_int(&rows, 0, 1);
    run->stats.enqueued = rows_int(&rows, 0, 2);
    log_info(run->dry_run ? "would expire subscriptions" : "subscriptions expired",
             LOG_INT("count", run->stats.changed),
             LOG_INT("skipped", run->stats.selected - run->stats.changed));
    return check_none_left(run);
}

const struct worker worker = {
    .app = "billing",
    .name = "expire_subscriptions",
    .about = "end active subscriptions whose days of grace are over",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL", "BILLING_GRACE_DAYS"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = expire_subscriptions,
};
