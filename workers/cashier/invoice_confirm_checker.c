/*
 * invoice_confirm_checker: turns confirmed payments into accesses, and hands out their links.
 *
 * Selects   CONFIRMED invoices, and links that are to be tried again.
 * Does      one single-use invite link for each chat, in the place of the one before; unbans whom
 *           the end of an access banned.
 * Records   the access before anything is asked (accesser.redeem), each link before it is sent, and
 *           then the message, REDEEMED and the free address at once. A link that was made and not
 *           recorded is sent to nobody, and ends by itself.
 *
 * It is a run of every minute, so that its ticks and its lock are like any other's and one host
 * does the work; with --listen it stays for so long and does at once what a NOTIFY tells of, since
 * somebody has just paid and waits. The manifest lets it listen until the next tick.
 *
 * A chat to which the bot cannot make a link (no right, kicked) holds up nobody: the others are
 * sent, the administrators are told, and the link follows when it can be made.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "invoice_confirm_checker_sql.h"
#include "json.h"
#include "own.h"
#include "telegram_ask.h"

#define CHANNEL "cashier_confirmed"
#define BOT "shop"

/* Waiting for one chat holds up the others; what takes longer is put off. */
enum { PATIENCE_MS = 5000 };

enum { NUMBER_MAX = 24, LISTEN_MOST_MS = 3600000 };

/* One look at what is due. */
struct pass {
    struct run *run;
    char now[INSTANT_TEXT_MAX];
};

/* What `links` selects. */
enum { COL_CHAT, COL_TELEGRAM_CHAT, COL_USER, COL_BANNED, COL_EXPIRE };

static int ask(struct run *run, const char *method, int64_t chat_id, const cJSON *body,
               struct telegram_answer *ret)
{
    return telegram_ask(run,
                        &(struct telegram_question){ .bot = BOT,
                                                     .method = method,
                                                     .body = body,
                                                     .chat_id = chat_id,
                                                     .repeatable = true,
                                                     .patience_ms = PATIENCE_MS },
                        ret);
}

static bool is_refusal(enum telegram_verdict verdict)
{
    return verdict == TELEGRAM_SKIP || verdict == TELEGRAM_FORBIDDEN || verdict == TELEGRAM_GONE;
}

/* --- one link --- */

static int put_off(struct pass *pass, const char *invoice, const char *chat,
                   const struct telegram_answer *answer)
{
    bool refused = is_refusal(answer->verdict);
    char wait[NUMBER_MAX];
    int r;

    log_warn(refused ? "the bot cannot make a link; it is owed" : "no link yet; tried again later",
             LOG_TEXT("invoice", invoice), LOG_TEXT("chat", chat),
             LOG_TEXT("why", answer->why.text));
    pass->run->stats.failed++;
    (void)snprintf(wait, sizeof wait, "%" PRId64, answer->retry_after_ms);
    r = db_run(pass->run->db, &sql[SQL_PUT_OFF], NULL, invoice, chat, refused ? "true" : "false",
               wait, answer->why.text, pass->now);
    if (r == 0 && refused)
        r = db_run(pass->run->db, &sql[SQL_ALERT], NULL, chat, answer->why.text,
                   setting_text("TELEGRAM_ADMIN_CHAT_ID"), setting_given("SMTP_URL"));
    return r < 0 ? run_db_failed(pass->run, r, "put off a link") : 0;
}

/* Returns 1 when he may join, 0 when that has to wait. */
static int unban(struct pass *pass, const char *invoice, const struct rows *rows, int row)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    OWN(json) cJSON *body = cJSON_CreateObject();
    const char *chat = rows_text(rows, row, COL_CHAT), *user = rows_text(rows, row, COL_USER);
    int r;

    if (!json_put_text(body, "user_id", user) || !json_put_bool(body, "only_if_banned", true))
        return run_failed(pass->run, -ENOMEM, "out of memory");
    r = ask(pass->run, "unbanChatMember", rows_int(rows, row, COL_TELEGRAM_CHAT), body, &answer);
    if (r < 0)
        return r;
    /* SKIP: a basic group knows no bans, there is nothing to lift. */
    if (answer.verdict != TELEGRAM_DONE && answer.verdict != TELEGRAM_ALREADY &&
        answer.verdict != TELEGRAM_SKIP)
        return put_off(pass, invoice, chat, &answer);
    r = db_run(pass->run->db, &sql[SQL_LIFTED], NULL, chat, user);
    return r < 0 ? run_db_failed(pass->run, r, "record a lifted ban") : 1;
}

/* Revokes what let him in before. Returns 1 when that is so, 0 when it has to wait. */
static int revoke_links(struct pass *pass, const char *invoice, const char *chat,
                        int64_t telegram_chat)
{
    OWN_ROWS struct rows links = { 0 };
    int r;

    r = db_run(pass->run->db, &sql[SQL_GOOD_LINKS], &links, invoice, chat);
    if (r < 0)
        return run_db_failed(pass->run, r, "find the links from before");
    r = 1;
    for (int row = 0; r == 1 && row < links.count; row++) {
        OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
        OWN(json) cJSON *body = cJSON_CreateObject();

        if (!json_put_text(body, "invite_link", rows_text(&links, row, 1)))
            return run_failed(pass->run, -ENOMEM, "out of memory");
        r = ask(pass->run, "revokeChatInviteLink", telegram_chat, body, &answer);
        if (r < 0)
            return r;
        /* SKIP: Telegram knows nothing of it (any more), so that it lets nobody in. */
        if (answer.verdict != TELEGRAM_DONE && answer.verdict != TELEGRAM_ALREADY &&
            answer.verdict != TELEGRAM_SKIP)
            return put_off(pass, invoice, chat, &answer);
        r = db_run(pass->run->db, &sql[SQL_LINK_REVOKED], NULL, rows_text(&links, row, 0),
                   pass->now);
        r = r < 0 ? run_db_failed(pass->run, r, "record a revoked link") : 1;
    }
    return r;
}

static int record_link(struct pass *pass, const char *invoice, const struct rows *rows, int row,
                       const char *link)
{
    OWN_ROWS struct rows recorded = { 0 };
    int r;

    r = db_run(pass->run->db, &sql[SQL_RECORD_LINK], &recorded, invoice,
               rows_text(rows, row, COL_CHAT), link, rows_text(rows, row, COL_EXPIRE));
    if (r < 0)
        return run_db_failed(pass->run, r, "record a link");
    if (recorded.count)
        log_info("link made", LOG_TEXT("invoice", invoice),
                 LOG_TEXT("chat", rows_text(rows, row, COL_CHAT)));
    return 0;
}

static cJSON *link_body(const char *invoice, const char *expire)
{
    OWN(json) cJSON *body = cJSON_CreateObject();
    char name[sizeof "invoice " + NUMBER_MAX]; /* of at most 32 characters, which a bigint keeps */

    (void)snprintf(name, sizeof name, "invoice %s", invoice);
    if (!json_put_text(body, "name", name) || !json_put_int(body, "member_limit", 1) ||
        !json_put_text(body, "expire_date", expire))
        return NULL;
    return TAKE(body);
}

static int make_link(struct pass *pass, const char *invoice, const struct rows *rows, int row)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    OWN(json) cJSON *body = link_body(invoice, rows_text(rows, row, COL_EXPIRE));
    const char *link;
    int r;

    if (!body)
        return run_failed(pass->run, -ENOMEM, "out of memory");
    if (rows_bool(rows, row, COL_BANNED)) {
        r = unban(pass, invoice, rows, row);
        if (r <= 0)
            return r;
    }
    r = revoke_links(pass, invoice, rows_text(rows, row, COL_CHAT),
                     rows_int(rows, row, COL_TELEGRAM_CHAT));
    if (r <= 0)
        return r;
    r = ask(pass->run, "createChatInviteLink", rows_int(rows, row, COL_TELEGRAM_CHAT), body,
            &answer);
    if (r < 0)
        return r;
    link = json_get_text(answer.result, "invite_link");
    if (link)
        return record_link(pass, invoice, rows, row, link);
    if (answer.verdict == TELEGRAM_DONE)
        (void)err_set(&answer.why, 0, "Telegram's answer holds no link");
    return put_off(pass, invoice, rows_text(rows, row, COL_CHAT), &answer);
}

/* --- one invoice --- */

static int make_links(struct pass *pass, const char *invoice)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(pass->run->db, &sql[SQL_LINKS], &rows, invoice, pass->now);
    if (r < 0)
        return run_db_failed(pass->run, r, "find the links to be made");
    for (int row = 0; r == 0 && row < rows.count && !run_stopping(pass->run); row++) {
        r = make_link(pass, invoice, &rows, row);
        if (r == 0 && telegram_ask_in_vain())
            r = run_failed(pass->run, -EAGAIN,
                           "Telegram gives no usable answers; the rest is left for later");
    }
    return r;
}

static int deliver(struct pass *pass, const char *invoice)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_begin(pass->run->db);
    if (r == 0)
        r = db_run(pass->run->db, &sql[SQL_HOLD], NULL, invoice);
    if (r == 0)
        r = db_run(pass->run->db, &sql[SQL_DELIVER], &rows, invoice, pass->now,
                   setting_text("TRANSLATION"));
    if (r == 0)
        r = db_commit(pass->run->db);
    if (r < 0) {
        r = run_db_failed(pass->run, r, "deliver the links of an invoice");
        (void)db_rollback(pass->run->db);
        return r;
    }
    pass->run->stats.changed += rows_int(&rows, 0, 0);
    pass->run->stats.enqueued += rows_int(&rows, 0, 2);
    if (rows_int(&rows, 0, 0) || rows_int(&rows, 0, 1))
        log_info("delivered", LOG_TEXT("invoice", invoice),
                 LOG_INT("redeemed", rows_int(&rows, 0, 0)),
                 LOG_INT("links", rows_int(&rows, 0, 1)));
    return 0;
}

static int redeem(struct pass *pass, const char *invoice)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(pass->run->db, &sql[SQL_REDEEM], &rows, invoice, pass->now);
    if (r < 0)
        return run_db_failed(pass->run, r, "turn a payment into an access");
    if (rows_text(&rows, 0, 0))
        log_info("payment is an access", LOG_TEXT("invoice", invoice),
                 LOG_TEXT("access", rows_text(&rows, 0, 0)));
    /* A dry run does not ask Telegram, and so has nothing to deliver. */
    if (pass->run->dry_run)
        return 0;
    r = make_links(pass, invoice);
    return r < 0 ? r : deliver(pass, invoice);
}

/* --- all that is due --- */

static void set_now(struct pass *pass)
{
    if (pass->run->now_given)
        (void)snprintf(pass->now, sizeof pass->now, "%s", pass->run->now);
    else
        (void)instant_print(instant_now(), pass->now);
}

static int redeem_due(struct run *run)
{
    struct pass pass = { .run = run };
    char last[NUMBER_MAX] = "0";
    int r = 0, count = 1;

    set_now(&pass);
    while (r == 0 && count > 0 && !run_stopping(run)) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_DUE], &rows, pass.now, last);
        if (r < 0)
            return run_db_failed(run, r, "find confirmed invoices");
        count = rows.count;
        for (int row = 0; r == 0 && row < count && !run_stopping(run); row++) {
            (void)snprintf(last, sizeof last, "%s", rows_text(&rows, row, 0));
            run->stats.selected++;
            r = redeem(&pass, last);
            run_progress(run);
            /* What the database refuses is the fault of this invoice alone. */
            if (r == -EINVAL) {
                run->stats.failed++;
                r = 0;
            }
        }
    }
    return r;
}

static int listen_until(struct run *run, uint64_t until_ms)
{
    uint64_t now;
    int r = 0;

    while (r == 0 && !run_stopping(run) && (now = monotonic_now_ms()) < until_ms) {
        r = db_wait_notify(run->db, (int64_t)(until_ms - now));
        if (r < 0)
            return run_db_failed(run, r, "wait for payments");
        if (r == 1)
            r = redeem_due(run);
    }
    return r;
}

static int read_listen(struct run *run, int64_t *ret_ms)
{
    if (run->argc == 0)
        return 0;
    if (run->argc == 2 && strcmp(run->argv[0], "--listen") == 0 &&
        duration_parse(run->argv[1], ret_ms) == 0 && *ret_ms <= LISTEN_MOST_MS)
        return 0;
    return run_failed(run, -EDOM, "want --listen 55s (at most an hour), or nothing");
}

static int check(struct run *run)
{
    int64_t unused;

    return read_listen(run, &unused);
}

static int invoice_confirm_checker(struct run *run)
{
    uint64_t start_ms = monotonic_now_ms();
    int64_t listen_ms = 0;
    int r;

    r = read_listen(run, &listen_ms);
    if (r == 0)
        r = telegram_ask_open(run);
    if (r == 0 && listen_ms > 0 && !run->dry_run) {
        /* Before the first look, so that nothing falls in between. */
        r = db_listen(run->db, CHANNEL);
        if (r < 0)
            return run_db_failed(run, r, "listen to " CHANNEL);
    }
    if (r == 0)
        r = redeem_due(run);
    if (r == 0 && !run->dry_run)
        r = listen_until(run, start_ms + (uint64_t)listen_ms);
    telegram_ask_close();
    return r;
}

const struct worker worker = {
    .app = "cashier",
    .name = "invoice_confirm_checker",
    .about = "turn confirmed payments into accesses and hand out their links",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS, "TRANSLATION"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .check = check,
    .run = invoice_confirm_checker,
    .arguments = "[--listen DURATION]",
};
