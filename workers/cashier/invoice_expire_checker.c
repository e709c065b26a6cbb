/*
 * invoice_expire_checker: gives up what nobody paid, and frees the addresses a day later.
 *
 * Selects   what was begun to be bought for 30 minutes, invoices past their hour, addresses whose
 *           invoices are over.
 * Does      nothing outside of the database.
 * Records   EXPIRED only where a scan that began after the end saw no money; each statement is
 *           whole by itself, and the next run finishes what this one could not.
 */
#include "invoice_expire_checker_sql.h"
#include "worker.h"

static int change(struct run *run, int statement, const char *what, int64_t *ret_count)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[statement], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, what);
    run->stats.changed += rows.affected;
    *ret_count = rows.affected;
    for (int row = 0; statement == SQL_EXPIRE && row < rows.count; row++)
        log_info(run->dry_run ? "would expire an invoice" : "invoice expired",
                 LOG_TEXT("invoice", rows_text(&rows, row, 0)));
    return 0;
}

static int invoice_expire_checker(struct run *run)
{
    int64_t forgotten = 0, expired = 0, closed = 0, freed = 0;
    int r;

    r = change(run, SQL_FORGET_BUILDING, "delete expired building invoices", &forgotten);
    if (r == 0)
        r = change(run, SQL_EXPIRE, "expire invoices", &expired);
    if (r == 0)
        r = change(run, SQL_CLOSE, "close addresses", &closed);
    if (r == 0)
        r = change(run, SQL_FREE, "free addresses", &freed);
    run->stats.selected = run->stats.changed;
    if (run->stats.changed > 0)
        log_info(run->dry_run ? "would have changed" : "changed",
                 LOG_INT("building_forgotten", forgotten), LOG_INT("expired", expired),
                 LOG_INT("addresses_closing", closed), LOG_INT("addresses_freed", freed));
    return r;
}

const struct worker worker = {
    .app = "cashier",
    .name = "invoice_expire_checker",
    .about = "expire invoices that nobody paid, and free their addresses a day later",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = invoice_expire_checker,
};
