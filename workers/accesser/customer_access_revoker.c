/*
 * customer_access_revoker: ends accesses, chat by chat, and warns before.
 *
 * Selects   accesses that end within two days, and those that are over: at the end, six days later
 *           where the plan is GENTLE and it is no trial.
 * Does      bans the customer in each chat that no other access opens to him, and revokes his
 *           links; each chat is tried until it is done or refused for good.
 * Records   each ban before it is asked for, what is left to be done in each chat, and once nothing
 *           is, the end of the access with its message. A ban that crossed a payment is lifted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accesser.h"
#include "customer_access_revoker_sql.h"
#include "own.h"

enum { NUMBER_MAX = 24 };

/* What `tasks` selects. */
enum { COL_ACCESS, COL_CHAT, COL_TELEGRAM_CHAT, COL_USER };

/* What became of a task, as its state is called; refused for want of a right may work one day. */
/* clang-format off */
static const char *const states[TELEGRAM_VERDICTS] = {
    [TELEGRAM_DONE]      = "done",
    [TELEGRAM_ALREADY]   = "done",
    [TELEGRAM_WAIT]      = "open",
    [TELEGRAM_RETRY]     = "open",
    [TELEGRAM_MIGRATED]  = "open", /* twice at a time */
    [TELEGRAM_SKIP]      = "failed",
    [TELEGRAM_GONE]      = "failed",
    [TELEGRAM_FORBIDDEN] = "stuck",
};
/* clang-format on */

/* One chat of one access. */
struct task {
    struct run *run;
    const char *access, *chat, *user;
    int64_t telegram_chat;
};

/* --- one chat of one access --- */

static int record(const struct task *task, const struct telegram_answer *answer)
{
    const char *state = states[answer->verdict];
    bool done = strcmp(state, "done") == 0;
    char wait[NUMBER_MAX];
    int r;

    if (!done) {
        task->run->stats.failed++;
        log_warn("not banned", LOG_TEXT("access", task->access), LOG_TEXT("chat", task->chat),
                 LOG_TEXT("state", state), LOG_TEXT("why", answer->why.text));
    }
    (void)snprintf(wait, sizeof wait, "%" PRId64, answer->retry_after_ms);
    r = db_run(task->run->db, &sql[SQL_RECORD], NULL, task->access, task->chat, state, wait,
               done ? NULL : answer->why.text, task->run->now);
    return r < 0 ? run_db_failed(task->run, r, "record what became of a ban") : 0;
}

/* Returns 1 when it is gone or cannot be made to go, which is no matter: it ends with the access. 0
 * and the answer when it is to be tried again. */
static int revoke_link(const struct task *task, const char *id, const char *link,
                       struct telegram_answer *ret)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const char *state;
    int r;

    r = accesser_ask(task->run, "revokeChatInviteLink", task->telegram_chat,
                     accesser_body("invite_link", link), &answer);
    if (r < 0)
        return r;
    state = states[answer.verdict];
    if (strcmp(state, "open") == 0) {
        *ret = answer; /* which has no result to be owned twice */
        return 0;
    }
    if (strcmp(state, "done") != 0) {
        log_warn("a link cannot be revoked, going on", LOG_TEXT("access", task->access),
                 LOG_TEXT("why", answer.why.text));
        return 1;
    }
    r = db_run(task->run->db, &sql[SQL_LINK_REVOKED], NULL, id, task->run->now);
    return r < 0 ? run_db_failed(task->run, r, "record a revoked link") : 1;
}

static int revoke_links(const struct task *task, const struct rows *links,
                        struct telegram_answer *ret)
{
    int r = 1;

    for (int row = 0; r == 1 && row < links->count; row++)
        r = revoke_link(task, rows_text(links, row, 0), rows_text(links, row, 1), ret);
    return r;
}

static int ban(const struct task *task, struct telegram_answer *ret)
{
    int r;

    r = accesser_ask(task->run, "banChatMember", task->telegram_chat,
                     accesser_body("user_id", task->user), ret);
    if (r < 0 || strcmp(states[ret->verdict], "done") != 0)
        return r;
    log_info("banned", LOG_TEXT("access", task->access), LOG_TEXT("chat", task->chat),
             LOG_TEXT("user", task->user));
    r = db_run(task->run->db, &sql[SQL_BANNED], NULL, task->chat, task->user, task->access);
    return r < 0 ? run_db_failed(task->run, r, "record a ban") : 0;
}

static int end_in_chat(const struct task *task)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { .verdict = TELEGRAM_DONE };
    OWN_ROWS struct rows links = { 0 }, decided = { 0 };
    const char *decision;
    int r;

    /* In this order: links that a payment brings after the decision are not among them. */
    r = db_run(task->run->db, &sql[SQL_LINKS], &links, task->access, task->chat);
    if (r == 0)
        r = db_run(task->run->db, &sql[SQL_BEGIN_BAN], &decided, task->access, task->chat,
                   task->run->now);
    if (r < 0)
        return run_db_failed(task->run, r, "decide on a ban");
    decision = rows_text(&decided, 0, 0);
    if (strcmp(decision, "prolonged") == 0)
        return 0;
    r = revoke_links(task, &links, &answer);
    if (r == 1)
        r = strcmp(decision, "ban") == 0 ? ban(task, &answer) : 0;
    return r < 0 ? r : record(task, &answer);
}

/* --- all of them --- */

static int end_in_chats(struct run *run)
{
    int r, count = 1;

    r = db_run(run->db, &sql[SQL_BEGIN], NULL, run->now);
    if (r < 0)
        return run_db_failed(run, r, "find accesses that are over");
    /* Each look leaves out what was done or put off. A dry run asks nobody, and so does neither. */
    while (r == 0 && count > 0 && !run_stopping(run) && !run->dry_run) {
        OWN_ROWS struct rows rows = { 0 };

        r = db_run(run->db, &sql[SQL_TASKS], &rows, run->now);
        if (r < 0)
            return run_db_failed(run, r, "find chats of accesses that are over");
        count = rows.count;
        for (int row = 0; r == 0 && row < count && !run_stopping(run); row++) {
            run->stats.selected++;
            r = end_in_chat(&(struct task){
                .run = run,
                .access = rows_text(&rows, row, COL_ACCESS),
                .chat = rows_text(&rows, row, COL_CHAT),
                .user = rows_text(&rows, row, COL_USER),
                .telegram_chat = rows_int(&rows, row, COL_TELEGRAM_CHAT),
            });
            if (r == 0)
                r = accesser_check_vain(run);
            run_progress(run);
        }
    }
    return r;
}

static int finish(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_FINISH], &rows, run->now, setting_text("TRANSLATION"),
               setting_text("TELEGRAM_ADMIN_CHAT_ID"), setting_given("SMTP_URL"));
    if (r < 0)
        return run_db_failed(run, r, "end accesses");
    run->stats.changed += rows_int(&rows, 0, 0);
    run->stats.enqueued += rows_int(&rows, 0, 1);
    log_info("accesses ended", LOG_INT("count", rows_int(&rows, 0, 0)));
    return 0;
}

static int warn(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_WARN], &rows, run->now, setting_text("TRANSLATION"));
    if (r < 0)
        return run_db_failed(run, r, "warn of the end of accesses");
    run->stats.changed += rows_int(&rows, 0, 0);
    run->stats.enqueued += rows_int(&rows, 0, 1);
    log_info("warned of the end of accesses", LOG_INT("count", rows_int(&rows, 0, 0)));
    return 0;
}

static int lift(struct run *run, const struct rows *rows, int row)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const char *user = rows_text(rows, row, 2);
    int r;

    r = accesser_ask(run, "unbanChatMember", rows_int(rows, row, 1), accesser_unban_body(user),
                     &answer);
    if (r < 0)
        return r;
    /* SKIP: a basic group knows no bans, there is nothing to lift. */
    if (strcmp(states[answer.verdict], "done") != 0 && answer.verdict != TELEGRAM_SKIP) {
        run->stats.failed++;
        log_warn("a ban that crossed a payment cannot be lifted yet", LOG_TEXT("user", user),
                 LOG_TEXT("why", answer.why.text));
        return accesser_check_vain(run);
    }
    log_info("a ban that crossed a payment is lifted", LOG_TEXT("user", user));
    r = db_run(run->db, &sql[SQL_LIFTED], NULL, rows_text(rows, row, 0), user);
    return r < 0 ? run_db_failed(run, r, "record a lifted ban") : 0;
}

static int lift_all(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_LIFTS], &rows, run->now);
    if (r < 0)
        return run_db_failed(run, r, "find bans to be lifted");
    for (int row = 0; r == 0 && row < rows.count && !run_stopping(run) && !run->dry_run; row++)
        r = lift(run, &rows, row);
    return r;
}

static int customer_access_revoker(struct run *run)
{
    int r, asked;

    r = telegram_ask_open(run);
    if (r == 0)
        r = warn(run);
    if (r < 0)
        return r;
    /* What was asked ends accesses also when Telegram broke off in between. */
    asked = end_in_chats(run);
    if (asked == 0 || (asked == -EAGAIN && !db_lost(run->db)))
        r = finish(run);
    if (r == 0 && asked == 0)
        asked = lift_all(run);
    telegram_ask_close();
    return r < 0 ? r : asked;
}

const struct worker worker = {
    .app = "accesser",
    .name = "customer_access_revoker",
    .about = "end accesses that are over, and warn before",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS, "TRANSLATION"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = customer_access_revoker,
};
