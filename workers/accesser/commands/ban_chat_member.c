/*
 * ban_chat_member: bans somebody from a chat, and revokes the links into it that he was given.
 *
 * An access of his goes on: whoever sells to him again lets him in again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "accesser.h"
#include "actor.h"
#include "ban_chat_member_sql.h"
#include "json.h"
#include "own.h"

static int revoke_link(struct run *run, int64_t chat_id, const struct rows *links, int row)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int r;

    r = accesser_ask(run, "revokeChatInviteLink", chat_id,
                     accesser_body("invite_link", rows_text(links, row, 1)), &answer);
    if (r == 0)
        r = accesser_must(run, &answer);
    if (r < 0)
        return r;
    r = db_run(run->db, &sql[SQL_REVOKED], NULL, rows_text(links, row, 0), run->now);
    return r < 0 ? run_db_failed(run, r, "record a revoked link") : 0;
}

static int revoke_links(struct run *run, int64_t chat_id, int *ret_count)
{
    OWN_ROWS struct rows links = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_LINKS], &links, run->argv[0], run->argv[1]);
    if (r < 0)
        return run_db_failed(run, r, "find his links");
    for (int row = 0; r == 0 && row < links.count; row++)
        r = revoke_link(run, chat_id, &links, row);
    *ret_count = links.count;
    return r;
}

/* What may have happened all the same (no answer, or none yet) stays written down. */
static bool is_refused(enum telegram_verdict verdict)
{
    return verdict == TELEGRAM_ALREADY || verdict == TELEGRAM_SKIP ||
           verdict == TELEGRAM_FORBIDDEN || verdict == TELEGRAM_GONE;
}

static int take_back(struct run *run, const struct rows *begun)
{
    int r = 0;

    if (begun->count)
        r = db_run(run->db, &sql[SQL_REFUSED], NULL, run->argv[0], run->argv[1],
                   rows_text(begun, 0, 0), rows_text(begun, 0, 1));
    return r < 0 ? run_db_failed(run, r, "take back the ban that was refused") : 0;
}

static int ban(struct run *run, int64_t chat_id)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    OWN_ROWS struct rows begun = { 0 };
    char actor[ACTOR_MAX];
    int r;

    r = db_run(run->db, &sql[SQL_BEGIN], &begun, run->argv[0], run->argv[1]);
    if (r < 0)
        return run_db_failed(run, r, "write down the ban");
    r = accesser_ask(run, "banChatMember", chat_id, accesser_body("user_id", run->argv[1]),
                     &answer);
    if (r == 0 && is_refused(answer.verdict))
        r = take_back(run, &begun);
    if (r == 0 && answer.verdict == TELEGRAM_ALREADY)
        return run_failed(run, -ENOENT, "Telegram knows no such user in this chat");
    if (r == 0)
        r = accesser_must(run, &answer);
    if (r < 0)
        return r;
    r = db_run(run->db, &sql[SQL_BANNED], NULL, run->argv[0], run->argv[1], actor_name(actor));
    return r < 0 ? run_db_failed(run, r, "record the ban") : 0;
}

static int ban_chat_member(struct run *run)
{
    int64_t chat_id;
    int links = 0, r;

    r = accesser_read_member(run, &chat_id);
    if (r < 0)
        return r;
    if (run->dry_run) {
        (void)printf("User %s would be banned in chat %s\n", run->argv[1], run->argv[0]);
        return 0;
    }
    r = telegram_ask_open(run);
    if (r == 0)
        r = ban(run, chat_id);
    if (r < 0)
        return r;
    (void)printf("User %s has been banned in chat %s\n", run->argv[1], run->argv[0]);
    r = revoke_links(run, chat_id, &links);
    if (r == 0)
        (void)printf("%d of his invite links revoked\n", links);
    return r;
}

const struct worker worker = {
    .app = "accesser",
    .name = "ban_chat_member",
    .about = "ban somebody from a chat and revoke his invite links",
    .kind = WORKER_COMMAND,
    .arguments = "CHAT USER",
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = ban_chat_member,
};
