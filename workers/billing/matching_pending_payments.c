/*
 * matching_pending_payments: finishes payments that are PENDING here and paid at the provider.
 *
 * Selects   what the provider says succeeded within the window, and PENDING rows that are due to be
 *           asked about, at growing intervals.
 * Does      reads the provider's lists, then one GET per such row.
 * Records   the success and the subscription that it creates or prolongs, or the cancellation.
 */
#include <errno.h>

#include "billing.h"
#include "billing_sql.h"
#include "matching_pending_payments_sql.h"

enum { COL_ID, COL_PROVIDER_ID };

static int check_send(struct run *run, const struct rows *rows, int row)
{
    return yookassa_ask(run->http, rows_text(rows, row, COL_PROVIDER_ID), row);
}

static int record_answer(struct run *run, const struct rows *rows, int row)
{
    int r = db_run(run->db, &sql[SQL_RECORD_ANSWER], NULL, rows_text(rows, row, COL_ID), run->now);

    return r < 0 ? run_db_failed(run, r, "put off the next question about a payment") : 0;
}

static int check_take(struct run *run, const struct rows *rows, int row,
                      const struct answer *answer)
{
    int r = 0;

    if (answer->kind == ANSWER_PAYMENT) {
        r = billing_settle(run, answer->document, NULL);
        return r < 0 ? r : record_answer(run, rows, row);
    }
    run->stats.failed++;
    log_warn("cannot tell about a payment; it is asked for again later",
             LOG_TEXT("payment", rows_text(rows, row, COL_PROVIDER_ID)),
             LOG_TEXT("why", answer->why.text));
    return answer->kind == ANSWER_NOT_FOUND ? record_answer(run, rows, row) : 0;
}

static int check_pending(struct run *run)
{
    int r = 0, count = 1;

    while (r == 0 && count > 0 && !run_stopping(run)) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_CLAIM_CHECKS], &rows, run->now, BILLING_BATCH);
        if (r < 0)
            return run_db_failed(run, r, "claim pending payments");
        count = rows.count;
        run->stats.selected += count;
        r = billing_ask_all(run, &rows, check_send, check_take);
    }
    return r;
}

/* An unreadable list does not keep the single questions from being asked, but the run is no good
 * one: the next window begins before it. */
static int matching_pending_payments(struct run *run)
{
    int matched, checked;

    matched = billing_match(run, &sql[SQL_MATCH]);
    if (matched < 0 && matched != -EAGAIN)
        return matched;
    checked = check_pending(run);
    return matched < 0 ? matched : checked;
}

const struct worker worker = {
    .app = "billing",
    .name = "matching_pending_payments",
    .about = "finish pending payments that the provider says are paid",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(BILLING_NEEDS, "BILLING_MATCH_WINDOW"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = billing_sql,
    .app_sql_count = BILLING_SQL_COUNT,
    .in_flight_setting = "BILLING_CONCURRENCY",
    .run = matching_pending_payments,
};
