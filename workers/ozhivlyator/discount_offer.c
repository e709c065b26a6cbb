/*
 * discount_offer: offers a discount to those who tried once and stopped.
 *
 * Selects   users with exactly one generation more than 24 hours ago, an empty balance and no offer
 *           yet, whom the bot may write to.
 * Does      nothing outside of the database.
 * Records   the offer, and the message about it, in one statement however many there are.
 */
#include "discount_offer_sql.h"
#include "worker.h"

static int discount_offer(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_OFFER], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, "offer the discount");
    run->stats.selected = run->stats.changed = run->stats.enqueued = rows_int(&rows, 0, 0);
    log_info(run->dry_run ? "would offer a discount" : "discount offered",
             LOG_INT("users", run->stats.changed));
    return 0;
}

const struct worker worker = {
    .app = "ozhivlyator",
    .name = "discount_offer",
    .about = "offer a discount to users who tried once and have nothing left",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = discount_offer,
};
