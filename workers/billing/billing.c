/*
 * The ways of the billing workers with the provider. Which requests are safe to repeat, and what an
 * answer changes, is decided elsewhere (yookassa.c, the schema); here is only the traffic.
 */
#include "billing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "billing_sql.h"
#include "own.h"

/* So many useless answers in a row mean that the provider is down or wants to be left alone; each
 * may cost a full time limit, and asking on would only add load. */
enum { USELESS_ANSWERS_MAX = 32 };

/* A million payments: more are no list, but one that goes on for ever. */
enum { PAGES_MOST = 10000 };

/* clang-format off */
static const struct {
    const char *outcome, *message;
    enum log_level level;
} outcomes[] = {
    { "renewed",   "subscription prolonged", LOG_INFO },
    { "created",   "subscription created", LOG_INFO },
    { "pending",   "payment is pending", LOG_INFO },
    { "canceled",  "payment canceled", LOG_INFO },
    { "refused",   "charge refused", LOG_INFO },
    { "unmatched", "paid, but nobody knows for what; see billing.unmatched_payment", LOG_WARN },
    { "failed",    "payment cannot be recorded; see billing.unmatched_payment", LOG_ERROR },
    { "known",     "nothing new about a payment", LOG_DEBUG },
};
/* clang-format on */

void billing_report(struct run *run, const struct rows *rows)
{
    enum { COL_PAYMENT, COL_OUTCOME, COL_SUBSCRIPTION, COL_JOBS };
    const char *outcome;
    size_t kind;

    for (int row = 0; row < rows->count; row++) {
        outcome = rows_text(rows, row, COL_OUTCOME);
        for (kind = 0; kind < sizeof outcomes / sizeof *outcomes; kind++)
            if (strcmp(outcomes[kind].outcome, outcome) == 0)
                log_write(outcomes[kind].level, outcomes[kind].message,
                          (const struct log_field[]){
                              LOG_TEXT("payment", rows_text(rows, row, COL_PAYMENT)),
                              LOG_TEXT("subscription", rows_text(rows, row, COL_SUBSCRIPTION)),
                              { 0 } });
        if (strcmp(outcome, "failed") == 0)
            run->stats.failed++;
        else
            run->stats.changed += strcmp(outcome, "known") != 0;
        run->stats.enqueued += rows_int(rows, row, COL_JOBS);
    }
    run_progress(run);
}

int billing_settle(struct run *run, const char *document, const char *charge)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &billing_sql[BILLING_SQL_SETTLE], &rows, document, charge, run->now,
               setting_text("BILLING_TZ"), setting_text("TELEGRAM_ADMIN_CHAT_ID"));
    if (r < 0)
        (void)run_db_failed(run, r, "settle a payment");
    /* The database reads JSON more strictly than we do; that is the fault of this answer alone. */
    if (r == -EINVAL) {
        run->stats.failed++;
        return 0;
    }
    if (r == 0)
        billing_report(run, &rows);
    return r;
}

void billing_alert(struct run *run, const char *name, const char *text)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &billing_sql[BILLING_SQL_ALERT], &rows, name,
               setting_text("TELEGRAM_ADMIN_CHAT_ID"), setting_given("SMTP_URL"), text);
    if (r < 0)
        (void)run_db_failed(run, r, "raise the alarm, going on");
    else
        run->stats.enqueued += rows_int(&rows, 0, 0);
}

/* Returns -EACCES. */
static int denied(struct run *run, const char *why)
{
    char text[768];

    (void)snprintf(text, sizeof text,
                   "YooKassa не принимает наши запросы (%s): платежи остановлены. Проверьте "
                   "YOOKASSA_SHOP_ID и YOOKASSA_SECRET_KEY.",
                   why);
    billing_alert(run, "yookassa-denied", text);
    return run_failed(run, -EACCES,
                      "YooKassa denies access; check YOOKASSA_SHOP_ID and YOOKASSA_SECRET_KEY");
}

struct asking {
    const struct rows *rows;
    billing_send *send;
    billing_take *take;
    int next;    /* row to send */
    int useless; /* answers in a row that said nothing */
    bool denied;
    bool broken; /* nothing can be collected any more */
};

/* Sends until the pool is full or the rows are. */
static int send_some(struct run *run, struct asking *asking)
{
    int r = 0;

    while (asking->next < asking->rows->count && !run_stopping(run)) {
        r = asking->send(run, asking->rows, asking->next);
        if (r == -EBUSY)
            return 0;
        if (r == -EAGAIN)
            return r; /* the sender gave up, and said why */
        if (r < 0)
            return run_failed(run, r, r == -ENOMEM ? "out of memory" : http_error(run->http));
        asking->next++;
    }
    return r;
}

static int take_one(struct run *run, struct asking *asking)
{
    OWN_REPLY struct http_reply reply = { 0 };
    struct answer answer;
    int r, row;

    r = http_collect(run->http, &reply);
    asking->broken = r < 0;
    if (r < 0)
        return run_failed(run, r, http_error(run->http));
    row = answer_row(&reply);
    r = answer_read(&reply, &answer);
    if (r < 0)
        return run_failed(run, r, "out of memory");
    if (answer.kind == ANSWER_DENIED) {
        r = asking->denied ? -EACCES : denied(run, answer.why.text);
        asking->denied = true;
        (void)asking->take(run, asking->rows, row, &answer);
        return r;
    }
    asking->useless = answer.kind == ANSWER_UNKNOWN ? asking->useless + 1 : 0;
    r = asking->take(run, asking->rows, row, &answer);
    run_progress(run);
    if (r < 0)
        return r;
    if (asking->useless < USELESS_ANSWERS_MAX)
        return 0;
    return run_failed(run, -EAGAIN, "YooKassa gives no usable answers; the rest is left for later");
}

int billing_ask_all(struct run *run, const struct rows *rows, billing_send *send,
                    billing_take *take)
{
    struct asking asking = { .rows = rows, .send = send, .take = take };
    int r, taken;

    r = send_some(run, &asking);
    while (http_in_flight(run->http) > 0 && !asking.broken) {
        taken = take_one(run, &asking);
        if (r == 0)
            r = taken < 0 ? taken : send_some(run, &asking);
    }
    return r;
}

static int take_page(struct run *run, const struct payment_page *page,
                     const struct statement *statement)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    run->stats.selected += page->count;
    r = db_run(run->db, statement, &rows, page->document, run->now, setting_text("BILLING_TZ"),
               setting_text("TELEGRAM_ADMIN_CHAT_ID"));
    if (r < 0)
        (void)run_db_failed(run, r, "settle a page of payments");
    else
        billing_report(run, &rows);
    /* A page that the database cannot read is no usable answer; the next may be. */
    return r == -EINVAL ? -EAGAIN : r;
}

/* Reads the page at *cursor and moves on; *cursor is NULL after the last one. */
static int next_page(struct run *run, const struct payment_filter *filter, char **cursor,
                     const struct statement *statement)
{
    OWN_PAGE struct payment_page page = { 0 };
    struct err why, failure;
    int r;

    r = yookassa_list(run->http, filter, *cursor, &page, &why);
    if (r == -EACCES)
        return denied(run, why.text);
    if (r < 0) {
        (void)err_set(&failure, 0, "cannot list YooKassa's payments: %s", why.text);
        return run_failed(run, r, failure.text);
    }
    r = take_page(run, &page, statement);
    if (r < 0)
        return r;
    if (filter->absence && !page.sound)
        return run_failed(run, -EAGAIN, "YooKassa's list holds something that is no payment");
    free(*cursor);
    *cursor = TAKE(page.cursor);
    return 0;
}

/* Cursors that come round again are noticed without keeping them all: one is kept, and replaced
 * whenever twice as many pages were read (R. P. Brent, 1980). */
static int check_cursor(struct run *run, const char *cursor, int64_t pages, char **kept)
{
    if (pages >= PAGES_MOST || (*kept && strcmp(*kept, cursor) == 0))
        return run_failed(run, -EAGAIN, "YooKassa's list of payments does not end");
    if ((pages & (pages - 1)) != 0)
        return 0;
    free(*kept);
    *kept = strdup(cursor);
    return *kept ? 0 : run_failed(run, -ENOMEM, "out of memory");
}

int billing_read_list(struct run *run, const struct payment_filter *filter, int64_t pages_max,
                      const struct statement *statement)
{
    OWN(free) char *cursor = NULL, *kept = NULL;
    int64_t pages = 0;
    int r;

    do {
        r = next_page(run, filter, &cursor, statement);
        pages++;
        if (r == 0 && cursor)
            r = check_cursor(run, cursor, pages, &kept);
    } while (r == 0 && cursor && pages != pages_max && !run_stopping(run));
    return r;
}

int billing_match(struct run *run, const struct statement *statement)
{
    static const char *const fields[] = { "created_at", "captured_at" };
    OWN_ROWS struct rows window = { 0 };
    char milliseconds[24];
    int r;

    (void)snprintf(milliseconds, sizeof milliseconds, "%lld",
                   (long long)setting_int("BILLING_MATCH_WINDOW"));
    r = db_run(run->db, &billing_sql[BILLING_SQL_WINDOW_START], &window, worker.name, run->now,
               milliseconds);
    if (r < 0)
        return run_db_failed(run, r, "find the start of the window");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        r = billing_read_list(run,
                              &(struct payment_filter){ .status = "succeeded",
                                                        .field = fields[i],
                                                        .from = rows_text(&window, 0, 0) },
                              0, statement);
        if (r < 0)
            return r;
    }
    return 0;
}
