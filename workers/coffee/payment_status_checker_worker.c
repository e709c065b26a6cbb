/*
 * payment_status_checker_worker: takes up again those who have paid Vendista meanwhile.
 *
 * Selects   owners whose status is payment_required.
 * Does      asks Vendista for a new token, one owner after the other.
 * Records   whoever gets one is active again, with that token, and administrators hear of it; the
 *           others stay as they are until the next check.
 */
#include <errno.h>
#include <stdio.h>

#include "coffee.h"
#include "coffee_sql.h"
#include "own.h"
#include "payment_status_checker_worker_sql.h"
#include "vendista.h"

enum { COL_ID, COL_LOGIN, COL_PASSWORD };

#define BATCH "100"

static int wait_for_slot(struct run *run, int64_t pause_ms)
{
    OWN_ROWS struct rows rows = { 0 };
    char pause[24];
    int r;

    (void)snprintf(pause, sizeof pause, "%lld", (long long)pause_ms);
    r = db_run(run->db, &coffee_sql[COFFEE_SQL_SLOT], &rows, coffee_host(), coffee_delay_text(),
               pause);
    if (r < 0)
        return run_db_failed(run, r, "reserve a request to Vendista");
    (void)worker_pause(rows_int(&rows, 0, 0));
    return 0;
}

static int reactivate(struct run *run, const char *owner, const char *token)
{
    OWN(free) char *encrypted = NULL;
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = coffee_encrypt(token, &encrypted);
    if (r < 0)
        return run_failed(run, r, "cannot encrypt a token");
    r = db_run(run->db, &sql[SQL_REACTIVATE], &rows, owner, encrypted,
               setting_text("TELEGRAM_ADMIN_CHAT_ID"));
    if (r < 0)
        return run_db_failed(run, r, "reactivate an owner");
    run->stats.changed += rows_int(&rows, 0, 0);
    run->stats.enqueued += rows_int(&rows, 0, 1);
    log_info("owner is active again", LOG_TEXT("user", owner));
    return 0;
}

/* A negative errno says that nobody can be asked. */
static int ask_for_token(struct run *run, const char *login, const char *password,
                         struct vendista_answer *ret)
{
    int64_t pause_ms = 0;
    int r;

    for (int tries = 1; pause_ms >= 0; tries++) {
        r = wait_for_slot(run, pause_ms);
        if (r < 0 || run_stopping(run))
            return r;
        vendista_done(ret);
        if (vendista_sign_in(run->http, login, password, ret) < 0)
            break;
        pause_ms = vendista_retry_ms(ret, tries, coffee_random());
    }
    return 0;
}

/* What goes wrong with one owner leaves the others alone. */
static int check_owner(struct run *run, const struct rows *rows, int row)
{
    const char *owner = rows_text(rows, row, COL_ID);
    OWN(secret) char *login = NULL, *password = NULL;
    OWN_VENDISTA struct vendista_answer answer = { .kind = VENDISTA_FAILED };
    int r;

    if (coffee_decrypt(rows_text(rows, row, COL_LOGIN), &login) < 0 ||
        coffee_decrypt(rows_text(rows, row, COL_PASSWORD), &password) < 0) {
        run->stats.failed++;
        log_error("cannot decrypt the credentials; is their key in FIELD_ENCRYPTION_KEY?",
                  LOG_TEXT("user", owner));
        return 0;
    }
    r = ask_for_token(run, login, password, &answer);
    if (r < 0)
        return r;
    if (answer.kind == VENDISTA_TOKEN)
        return reactivate(run, owner, answer.token);
    if (run_stopping(run))
        return 0;
    run->stats.failed += answer.kind == VENDISTA_FAILED;
    log_info("owner stays stopped", LOG_TEXT("user", owner), LOG_TEXT("why", answer.why.text));
    return 0;
}

static int check_batch(struct run *run, char after[static 24], int *ret_count)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_UNPAID], &rows, after, BATCH);
    if (r < 0)
        return run_db_failed(run, r, "select owners who had not paid");
    run->stats.selected += rows.count;
    for (int row = 0; row < rows.count && r == 0 && !run_stopping(run); row++) {
        if (run->dry_run)
            log_info("would ask for a token", LOG_TEXT("user", rows_text(&rows, row, COL_ID)));
        else
            r = check_owner(run, &rows, row);
        (void)snprintf(after, 24, "%s", rows_text(&rows, row, COL_ID));
        run_progress(run);
    }
    *ret_count = rows.count;
    return r;
}

static int check(struct run *run)
{
    char after[24] = "0";
    int r = 0, count = 1;

    coffee_keys_load();
    while (r == 0 && count > 0 && !run_stopping(run))
        r = check_batch(run, after, &count);
    return r;
}

const struct worker worker = {
    .app = "coffee",
    .name = "payment_status_checker_worker",
    .about = "take up again the owners who have paid Vendista meanwhile",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(COFFEE_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = coffee_sql,
    .app_sql_count = COFFEE_SQL_COUNT,
    .in_flight = 1,
    .run = check,
};
