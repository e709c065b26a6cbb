/*
 * tron_transaction_checker: looks for the transfers that pay our invoices.
 *
 * Selects   addresses to which money may come, the longest unchecked first.
 * Does      asks TronGrid for the height of the chain once, for the transfers to each address, and
 *           for the receipts of those that are not final yet; a few requests at a time.
 * Records   all that a batch brought in one transaction: PAYING, PAID and CONFIRMED follow from it
 *           (cashier.settle), and money that pays nothing is told of.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "own.h"
#include "scan.h"
#include "tron_transaction_checker_sql.h"

/* Many times what can be asked about in time; the others are the next run's first. */
#define ADDRESSES_MOST "10000"

/* Addresses of a batch; what a killed run has to ask again. */
enum { BATCH = 200 };

/* The next tick is a minute after this one; what has no answer until then waits for that. */
enum { PATIENCE_MS = 45000 };

static int refuse_contract(struct run *run, const char *text)
{
    struct err why;

    (void)err_set(&why, 0,
                  "TRON_USDT_CONTRACT: want an address of Tron, such as "
                  "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t (USDT of the main network), got \"%.64s\"",
                  text);
    return run_failed(run, -EBADMSG, why.text);
}

static int read_settings(struct run *run, struct trongrid *ret)
{
    *ret = (struct trongrid){
        .http = run->http,
        .url = setting_text("TRONGRID_URL"),
        .key = setting_text("TRON_API_KEY"),
        .contract_text = setting_text("TRON_USDT_CONTRACT"),
    };
    if (tron_address_parse(ret->contract_text, ret->contract) < 0)
        return refuse_contract(run, ret->contract_text);
    return 0;
}

/* --- the height */

struct height {
    const struct trongrid *tron;
    int64_t value; /* -1: not known */
};

static int ask_height(void *context, const struct question *question, void *tag)
{
    const struct height *height = context;

    (void)question;
    return trongrid_ask_height(height->tron, tag);
}

/* Without it, transfers are seen all the same; only none is final in this run. */
static int take_height(void *context, const struct question *question,
                       const struct trongrid_answer *answer)
{
    struct height *height = context;
    struct err why = answer->why;
    int r = -EBADMSG;

    (void)question;
    if (answer->verdict == TRONGRID_ANSWER)
        r = trongrid_read_height(answer->json, &height->value, &why);
    if (r < 0)
        log_warn("no height of the chain; nothing is confirmed in this run",
                 LOG_TEXT("why", why.text));
    return 0;
}

/* --- a batch of addresses */

/* clang-format off */
static const struct {
    const char *event, *message;
    enum log_level level;
} events[] = {
    { "PAYING",     "a fork took a payment back", LOG_WARN },
    { "PAID",       "payment seen", LOG_INFO },
    { "CONFIRMED",  "payment confirmed", LOG_INFO },
    { "unassigned", "money that pays no invoice; see cashier.crypto_transaction", LOG_WARN },
};
/* clang-format on */

static void report(struct run *run, const struct rows *rows)
{
    enum { COL_EVENT, COL_INVOICE, COL_TXID, COL_JOBS };

    for (int row = 0; row < rows->count; row++) {
        for (size_t i = 0; i < sizeof events / sizeof *events; i++)
            if (strcmp(events[i].event, rows_text(rows, row, COL_EVENT)) == 0)
                log_write(events[i].level, events[i].message,
                          (const struct log_field[]){
                              LOG_TEXT("invoice", rows_text(rows, row, COL_INVOICE)),
                              LOG_TEXT("txid", rows_text(rows, row, COL_TXID)),
                              { 0 } });
        run->stats.changed++;
        run->stats.enqueued += rows_int(rows, row, COL_JOBS);
    }
    run_progress(run);
}

static int settle(struct run *run, const struct scan *scan)
{
    OWN(free) char *scans = NULL, *seen = NULL;
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = scan_write(scan, &scans, &seen);
    if (r < 0)
        return r;
    r = db_run(run->db, &sql[SQL_SETTLE], &rows, scans, seen, setting_text("TRON_CONFIRMATIONS"),
               run->now, setting_text("TELEGRAM_ADMIN_CHAT_ID"));
    if (r < 0)
        return run_db_failed(run, r, "settle what was seen");
    report(run, &rows);
    run->stats.failed += scan_failed(scan);
    return 0;
}

static char *addresses_as_json(const struct rows *rows, int first, int count)
{
    OWN(json) cJSON *array = cJSON_CreateArray();
    bool good = array != NULL;

    for (int row = first; good && row < first + count; row++)
        good = cJSON_AddItemToArray(array, cJSON_CreateString(rows_text(rows, row, 0)));
    return good ? cJSON_PrintUnformatted(array) : NULL;
}

/* What of the listed transactions, and of those known before, is not final yet. */
static int select_unsettled(struct run *run, const struct scan *scan, const char *addresses,
                            struct rows *ret)
{
    OWN(free) char *listed = cJSON_PrintUnformatted(scan->listed);
    int r;

    if (!addresses || !listed)
        return run_failed(run, -ENOMEM, "out of memory");
    r = db_run(run->db, &sql[SQL_UNSETTLED], ret, run->now, addresses, listed);
    return r < 0 ? run_db_failed(run, r, "select transactions that are not final") : 0;
}

static int check_batch(struct run *run, struct scan *scan, const struct rows *rows, int first)
{
    int count = rows->count - first < BATCH ? rows->count - first : BATCH;
    OWN(free) char *addresses = addresses_as_json(rows, first, count);
    OWN_ROWS struct rows unsettled = { 0 };
    int r;

    r = scan_begin(scan, rows, first, count);
    if (r == 0)
        r = scan_lists(scan);
    if (r == 0)
        r = select_unsettled(run, scan, addresses, &unsettled);
    if (r == 0)
        r = scan_receipts(scan, &unsettled);
    return r < 0 ? r : settle(run, scan);
}

/* --- a run */

/* TronGrid refuses the key: that is for a person, and once a day is enough. */
static int denied(struct run *run, const char *why)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_ALERT], &rows, setting_text("TELEGRAM_ADMIN_CHAT_ID"),
               setting_given("SMTP_URL"),
               "TronGrid не принимает ключ: оплаты не проверяются. Проверьте TRON_API_KEY.");
    if (r < 0)
        (void)run_db_failed(run, r, "raise the alarm, going on");
    else
        run->stats.enqueued += rows_int(&rows, 0, 0);
    log_warn("TronGrid denies access", LOG_TEXT("why", why));
    return run_failed(run, -EACCES, "TronGrid does not accept the key; check TRON_API_KEY");
}

/* What the batches of a run have in common: the height, and whether anybody is there. */
struct state {
    struct trongrid tron;
    struct height height;
    int64_t give_up_ms;
    bool answered, closed;
    struct err denied;
};

static void learn(struct state *state, const struct traffic *traffic)
{
    state->answered = state->answered || traffic->answered;
    state->closed = state->closed || traffic->closed;
    if (*traffic->denied.text)
        state->denied = traffic->denied;
}

static int find_height(struct run *run, struct state *state)
{
    OWN_TRAFFIC struct traffic traffic = {
        .run = run,
        .context = &state->height,
        .ask = ask_height,
        .take = take_height,
        .give_up_ms = state->give_up_ms,
    };
    int r;

    r = traffic_add(&traffic, 0, 0);
    if (r == 0)
        r = traffic_run(&traffic);
    learn(state, &traffic);
    return r;
}

static bool is_over(const struct run *run, const struct state *state)
{
    return state->closed || run_stopping(run) || (int64_t)monotonic_now_ms() >= state->give_up_ms;
}

static int check_all(struct run *run, struct state *state, const struct rows *addresses)
{
    int first = 0, r = 0;

    for (; r == 0 && first < addresses->count && !is_over(run, state); first += BATCH) {
        OWN_SCAN struct scan scan = {
            .run = run,
            .tron = &state->tron,
            .traffic = { .give_up_ms = state->give_up_ms },
            .height = state->height.value,
            .required = setting_int("TRON_CONFIRMATIONS"),
        };

        r = check_batch(run, &scan, addresses, first);
        learn(state, &scan.traffic);
    }
    if (first < addresses->count)
        run->stats.failed += addresses->count - first;
    return r;
}

static int tron_transaction_checker(struct run *run)
{
    struct state state = {
        .height = { .tron = &state.tron, .value = -1 },
        .give_up_ms = (int64_t)monotonic_now_ms() + PATIENCE_MS,
    };
    OWN_ROWS struct rows addresses = { 0 };
    int r;

    r = read_settings(run, &state.tron);
    if (r < 0)
        return r;
    r = db_run(run->db, &sql[SQL_ADDRESSES], &addresses, run->now, ADDRESSES_MOST);
    if (r < 0)
        return run_db_failed(run, r, "select addresses");
    run->stats.selected = addresses.count;
    if (addresses.count == 0)
        return 0;
    r = find_height(run, &state);
    if (r == 0)
        r = check_all(run, &state, &addresses);
    if (r == 0 && *state.denied.text)
        return denied(run, state.denied.text);
    if (r == 0 && !state.answered && !run_stopping(run))
        return run_failed(run, -EAGAIN, "TronGrid gives no usable answers");
    return r;
}

const struct worker worker = {
    .app = "cashier",
    .name = "tron_transaction_checker",
    .about = "find the transfers that pay invoices, and confirm them when they are final",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL", "TRONGRID_URL", "TRON_API_KEY", "TRON_USDT_CONTRACT",
                          "TRON_CONFIRMATIONS", "TRON_CONCURRENCY", "TELEGRAM_ADMIN_CHAT_ID",
                          "SMTP_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight_setting = "TRON_CONCURRENCY",
    .run = tron_transaction_checker,
};
