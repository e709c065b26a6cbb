/*
 * expire_payments: gives up payments that stayed unpaid for BILLING_PENDING_DAYS.
 *
 * Selects   PENDING rows older than that.
 * Does      asks the provider about each before: by pages of its list while that answers more rows
 *           per request, one by one for the rest. A row without an answer waits for the next run.
 * Records   what was paid after all, like any success; EXPIRED for the others, in one statement.
 */
#include <errno.h>
#include <stdio.h>

#include "billing.h"
#include "billing_sql.h"
#include "expire_payments_sql.h"

/* Pages come one after the other, single questions several at a time. So the list gets a page per
 * this many rows: if it holds few of ours, little is lost; if many, a page saves a hundred calls.
 */
enum { ROWS_PER_PAGE = 32 };

enum { COL_ID, COL_PROVIDER_ID, COL_CREATED_AT };

static int ask_send(struct run *run, const struct rows *rows, int row)
{
    return yookassa_ask(run->http, rows_text(rows, row, COL_PROVIDER_ID), row);
}

static int record_unpaid(struct run *run, const struct rows *rows, int row, const char *document)
{
    int r = db_run(run->db, &sql[SQL_RECORD_UNPAID], NULL, rows_text(rows, row, COL_ID), run->now,
                   document);

    return r < 0 ? run_db_failed(run, r, "record an unpaid payment") : 0;
}

static int record_not_found(struct run *run, const struct rows *rows, int row)
{
    int r = db_run(run->db, &sql[SQL_RECORD_NOT_FOUND], NULL, rows_text(rows, row, COL_ID),
                   run->now);

    return r < 0 ? run_db_failed(run, r, "record that a payment is not known") : 0;
}

static int ask_take(struct run *run, const struct rows *rows, int row, const struct answer *answer)
{
    int64_t failed = run->stats.failed;
    int r;

    if (answer->kind == ANSWER_NOT_FOUND)
        return record_not_found(run, rows, row);
    if (answer->kind == ANSWER_PAYMENT) {
        /* One that could not be recorded may be paid: the next run asks again. */
        r = billing_settle(run, answer->document, NULL);
        return r < 0 || run->stats.failed > failed
                   ? r
                   : record_unpaid(run, rows, row, answer->document);
    }
    run->stats.failed++;
    log_warn("no answer about a payment; it waits for the next run",
             LOG_TEXT("payment", rows_text(rows, row, COL_PROVIDER_ID)),
             LOG_TEXT("why", answer->why.text));
    return 0;
}

static int ask_by_list(struct run *run)
{
    OWN_ROWS struct rows span = { 0 };
    int64_t pages;
    int r;

    r = db_run(run->db, &sql[SQL_SPAN], &span, run->now, setting_text("BILLING_PENDING_DAYS"));
    if (r < 0)
        return run_db_failed(run, r, "count overdue payments");
    run->stats.selected = rows_int(&span, 0, 0);
    pages = run->stats.selected / ROWS_PER_PAGE;
    if (pages == 0)
        return 0;
    return billing_read_list(run,
                             &(struct payment_filter){ .field = "created_at",
                                                       .from = rows_text(&span, 0, 1),
                                                       .to = rows_text(&span, 0, 2) },
                             pages, &sql[SQL_LOOK_UP]);
}

static int ask_one_by_one(struct run *run)
{
    char created_at[48] = "-infinity", id[24] = "0";
    int r = 0, count = 1;

    while (r == 0 && count > 0 && !run_stopping(run)) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_UNASKED], &rows, run->now,
                   setting_text("BILLING_PENDING_DAYS"), created_at, id, BILLING_BATCH);
        if (r < 0)
            return run_db_failed(run, r, "select overdue payments");
        count = rows.count;
        if (count == 0)
            break;
        (void)snprintf(id, sizeof id, "%s", rows_text(&rows, count - 1, COL_ID));
        (void)snprintf(created_at, sizeof created_at, "%s",
                       rows_text(&rows, count - 1, COL_CREATED_AT));
        r = billing_ask_all(run, &rows, ask_send, ask_take);
    }
    return r;
}

/* Nothing that was asked about is known there: that is rather another shop. */
static void spare_unknown(struct run *run, int64_t count)
{
    char text[256];

    if (count == 0)
        return;
    log_warn("YooKassa knows none of the payments; they are spared, check YOOKASSA_SHOP_ID",
             LOG_INT("count", count));
    (void)snprintf(text, sizeof text,
                   "YooKassa не знает ни одного из просроченных платежей (%lld). Проверьте "
                   "YOOKASSA_SHOP_ID: тот ли это магазин?",
                   (long long)count);
    billing_alert(run, "yookassa-unknown-payments", text);
}

static int expire_answered(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_EXPIRE], &rows, run->now, setting_text("BILLING_PENDING_DAYS"),
               run->stats.changed > 0 ? "true" : "false");
    if (r < 0)
        return run_db_failed(run, r, "expire payments");
    spare_unknown(run, rows_int(&rows, 0, 1));
    run->stats.changed += rows_int(&rows, 0, 0);
    log_info(run->dry_run ? "would expire payments" : "payments expired",
             LOG_INT("count", rows_int(&rows, 0, 0)), LOG_INT("unanswered", run->stats.failed));
    return 0;
}

/* What was answered expires even when the provider broke off in between. */
static int expire_payments(struct run *run)
{
    int r, expired;

    r = ask_by_list(run);
    if (r == 0 || r == -EAGAIN)
        r = ask_one_by_one(run);
    if (r < 0 && r != -EAGAIN)
        return r;
    expired = expire_answered(run);
    if (expired < 0)
        return expired;
    if (r == 0 && run->stats.failed > 0)
        return run_failed(run, -EAGAIN, "payments without an answer wait for the next run");
    return r;
}

const struct worker worker = {
    .app = "billing",
    .name = "expire_payments",
    .about = "expire payments that stayed pending for days, after asking the provider",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(BILLING_NEEDS, "BILLING_PENDING_DAYS"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = billing_sql,
    .app_sql_count = BILLING_SQL_COUNT,
    .in_flight_setting = "BILLING_CONCURRENCY",
    .run = expire_payments,
};
