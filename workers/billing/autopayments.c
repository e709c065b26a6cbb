/*
 * autopayments: charges the saved payment method of every subscription that ends today or earlier.
 *
 * Selects   renewals that an earlier run left open, then due subscriptions, a batch at a time.
 * Does      one POST per renewal; its key and its exact body are rows before it is sent.
 * Records   each answer by itself: paid and prolonged, pending, refused, or unknown, which the same
 *           key settles in a later run (exit 75).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "autopayments_sql.h"
#include "billing.h"
#include "billing_sql.h"
#include "instant.h"

/* The provider knows a key for 24 hours, and keys up to 23 hours old are used. Their age is that of
 * the selection, so nothing is sent once the run is half an hour old, also not by a process that
 * was stopped meanwhile: the charge might long have been given up, and made again, by another run.
 * By either clock: one stands still while the machine sleeps, the other may be set back.
 */
enum { RUN_AGE_MAX_MS = 30 * 60 * 1000 };

/* So many charges, all refused for the same fault in the request, are our mistake, not theirs. */
enum { SAME_REFUSALS = 3 };

enum { COL_ID, COL_KEY, COL_REQUEST, COL_SUBSCRIPTION, COL_AMOUNT, COL_CURRENCY };

/* What the answers of this run have in common. */
static struct {
    int count, same;
    char reason[96]; /* of the first refusal without a payment */
} answers;

static int charge_send(struct run *run, const struct rows *rows, int row)
{
    if (instant_now() - run->started_ms > RUN_AGE_MAX_MS ||
        monotonic_now_ms() - run->begun_ms > RUN_AGE_MAX_MS)
        return run_failed(run, -EAGAIN, "this run is half an hour old; the next one goes on");
    return yookassa_charge(run->http, rows_text(rows, row, COL_KEY),
                           rows_text(rows, row, COL_REQUEST), row);
}

static int record_unknown(struct run *run, const struct rows *rows, int row,
                          const struct answer *answer)
{
    char wait[24];
    int r;

    run->stats.failed++;
    log_warn("charge unknown; the same again later",
             LOG_TEXT("subscription", rows_text(rows, row, COL_SUBSCRIPTION)),
             LOG_TEXT("why", answer->why.text));
    (void)snprintf(wait, sizeof wait, "%lld", (long long)answer->wait_ms);
    r = db_run(run->db, &sql[SQL_RECORD_UNKNOWN], NULL, rows_text(rows, row, COL_ID),
               rows_text(rows, row, COL_KEY), run->now, answer->why.text, wait);
    return r < 0 ? run_db_failed(run, r, "record an unknown charge") : 0;
}

static int record_denied(struct run *run, const struct rows *rows, int row,
                         const struct answer *answer)
{
    int r;

    r = db_run(run->db, &sql[SQL_RECORD_DENIED], NULL, rows_text(rows, row, COL_ID),
               rows_text(rows, row, COL_KEY), run->now, answer->why.text);
    return r < 0 ? run_db_failed(run, r, "record a denied charge") : 0;
}

static int record_refused(struct run *run, const struct rows *rows, int row,
                          const struct answer *answer)
{
    OWN_ROWS struct rows outcome = { 0 };
    int r;

    if (answers.same == 0)
        (void)snprintf(answers.reason, sizeof answers.reason, "%s", answer->reason);
    answers.same += strcmp(answers.reason, answer->reason) == 0;
    r = db_run(run->db, &sql[SQL_RECORD_REFUSED], &outcome, rows_text(rows, row, COL_ID),
               rows_text(rows, row, COL_KEY), answer->reason, run->now, setting_text("BILLING_TZ"));
    if (r < 0)
        return run_db_failed(run, r, "record a refused charge");
    billing_report(run, &outcome);
    return 0;
}

static int charge_take(struct run *run, const struct rows *rows, int row,
                       const struct answer *answer)
{
    answers.count++;
    if (answer->kind == ANSWER_PAYMENT)
        return billing_settle(run, answer->document, rows_text(rows, row, COL_ID));
    if (answer->kind == ANSWER_DENIED)
        return record_denied(run, rows, row, answer);
    if (answer->kind == ANSWER_REFUSED)
        return record_refused(run, rows, row, answer);
    return record_unknown(run, rows, row, answer);
}

/* A dry run sends nothing and says what it would have sent. */
static int charge_all(struct run *run, const struct rows *rows)
{
    run->stats.selected += rows->count;
    if (!run->dry_run)
        return billing_ask_all(run, rows, charge_send, charge_take);
    run->stats.changed += rows->count;
    for (int row = 0; row < rows->count; row++)
        log_info("would charge", LOG_TEXT("subscription", rows_text(rows, row, COL_SUBSCRIPTION)),
                 LOG_TEXT("amount", rows_text(rows, row, COL_AMOUNT)),
                 LOG_TEXT("currency", rows_text(rows, row, COL_CURRENCY)));
    return 0;
}

/* Subscriptions that nothing can be charged to stop renewing, and their owners hear of it. */
static int stop_unpayable(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_STOP_UNPAYABLE], &rows, run->now, setting_text("BILLING_TZ"));
    if (r < 0)
        return run_db_failed(run, r, "stop renewals without a payment method");
    run->stats.changed += rows.count;
    for (int row = 0; row < rows.count; row++) {
        run->stats.enqueued += rows_int(&rows, row, 1);
        log_info("renewal stopped: no saved payment method",
                 LOG_TEXT("subscription", rows_text(&rows, row, 0)));
    }
    return 0;
}

/* All that was looked for and not found. */
static int give_up_lost(struct run *run, const char *mark)
{
    enum { COL_LOST_SUBSCRIPTION, COL_LOST_KEY, COL_LOST_STATE };
    OWN_ROWS struct rows lost = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_NOT_FOUND], &lost, run->now, mark);
    if (r < 0)
        return run_db_failed(run, r, "give up charges that were never made");
    run->stats.changed += lost.count;
    for (int row = 0; row < lost.count; row++)
        log_info("charge was never made",
                 LOG_TEXT("subscription", rows_text(&lost, row, COL_LOST_SUBSCRIPTION)),
                 LOG_TEXT("key", rows_text(&lost, row, COL_LOST_KEY)),
                 LOG_TEXT("now", rows_text(&lost, row, COL_LOST_STATE)));
    return 0;
}

/* Open charges that must not be repeated are looked up before anything may be charged again. One
 * reading of the list answers for all of them; only when it was read to its end, and all of it
 * could be recorded, does absence count. */
static int look_up_forgotten(struct run *run)
{
    enum { COL_COUNT, COL_FROM, COL_MARK };
    OWN_ROWS struct rows span = { 0 };
    struct payment_filter filter = { .field = "created_at", .absence = true };
    int64_t failed = run->stats.failed;
    int r;

    r = db_run(run->db, &sql[SQL_FORGOTTEN], &span, run->now);
    if (r < 0)
        return run_db_failed(run, r, "find charges that must be looked up");
    if (rows_int(&span, 0, COL_COUNT) == 0)
        return 0;
    if (run->dry_run) {
        log_info("would look up charges", LOG_INT("count", rows_int(&span, 0, COL_COUNT)));
        return 0;
    }
    filter.from = rows_text(&span, 0, COL_FROM);
    r = billing_read_list(run, &filter, 0, &sql[SQL_LOOK_UP]);
    if (r < 0 || run_stopping(run))
        return r;
    if (run->stats.failed > failed)
        return run_failed(run, -EAGAIN, "a payment that was looked up cannot be recorded");
    return give_up_lost(run, rows_text(&span, 0, COL_MARK));
}

/* The same bytes with the same key as the run that was cut short. */
static int finish_unfinished(struct run *run)
{
    char after[24] = "0";
    int r = 0, count = 1;

    while (r == 0 && count > 0 && !run_stopping(run)) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_UNFINISHED], &rows, run->now, after, BILLING_BATCH);
        if (r < 0)
            return run_db_failed(run, r, "select unfinished charges");
        count = rows.count;
        if (count > 0)
            (void)snprintf(after, sizeof after, "%s", rows_text(&rows, count - 1, COL_ID));
        r = charge_all(run, &rows);
    }
    return r;
}

static int charge_due(struct run *run)
{
    int r = 0, count = 1;

    while (r == 0 && count > 0 && !run_stopping(run)) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_CLAIM], &rows, run->now, setting_text("BILLING_TZ"),
                   BILLING_BATCH);
        if (r < 0)
            return run_db_failed(run, r, "claim due subscriptions");
        count = rows.count;
        r = charge_all(run, &rows);
    }
    return r;
}

/* Charges without an outcome bring the run back within the day. */
static int check_all_known(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int r;

    r = db_run0(run->db, &sql[SQL_STILL_OPEN], &rows);
    if (r < 0)
        return run_db_failed(run, r, "count open charges");
    if (run->dry_run || rows_int(&rows, 0, 0) == 0)
        return 0;
    (void)err_set(&why, 0, "%s charges without an outcome; they are repeated with the same key",
                  rows_text(&rows, 0, 0));
    return run_failed(run, -EAGAIN, why.text);
}

/* Due ones that somebody else had locked are taken by the next run. */
static int check_none_left(struct run *run)
{
    enum { COL_LOCKED, COL_HELD };
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int r;

    if (run->dry_run || run_stopping(run))
        return 0;
    r = db_run(run->db, &sql[SQL_LEFT_OVER], &rows, run->now, setting_text("BILLING_TZ"));
    if (r < 0)
        return run_db_failed(run, r, "count due subscriptions that are left");
    if (rows_int(&rows, 0, COL_HELD) > 0)
        log_info("due subscriptions wait for a payment that is open",
                 LOG_INT("count", rows_int(&rows, 0, COL_HELD)));
    if (rows_int(&rows, 0, COL_LOCKED) == 0)
        return 0;
    (void)err_set(&why, 0, "%s due subscriptions were locked; the next run takes them",
                  rows_text(&rows, 0, COL_LOCKED));
    return run_failed(run, -EAGAIN, why.text);
}

static void tell_of_refusals(struct run *run)
{
    char text[256];

    if (run->dry_run || answers.same < SAME_REFUSALS || answers.same < answers.count)
        return;
    log_error("every charge was refused for the same reason", LOG_TEXT("why", answers.reason));
    (void)snprintf(text, sizeof text,
                   "YooKassa отклонила все списания (%d) по одной причине: %s. Похоже, ошибка в "
                   "наших запросах.",
                   answers.count, answers.reason);
    billing_alert(run, "yookassa-refused", text);
}

/* Looking up may fail, if only because the list is out of order, without holding up the others:
 * what it left open makes the run end with 75. */
static int autopayments(struct run *run)
{
    int r;

    r = look_up_forgotten(run);
    if (r < 0 && r != -EAGAIN)
        return r;
    r = finish_unfinished(run);
    if (r == 0)
        r = stop_unpayable(run);
    if (r == 0)
        r = charge_due(run);
    tell_of_refusals(run);
    if (r == 0)
        r = check_none_left(run);
    return r < 0 ? r : check_all_known(run);
}

const struct worker worker = {
    .app = "billing",
    .name = "autopayments",
    .about = "charge the saved payment method of subscriptions that end today, once per period",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(BILLING_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = billing_sql,
    .app_sql_count = BILLING_SQL_COUNT,
    .in_flight_setting = "BILLING_CONCURRENCY",
    .run = autopayments,
};
