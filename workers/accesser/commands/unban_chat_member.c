/*
 * unban_chat_member: lets somebody who was banned into a chat again. Who is not banned stays as he
 * is. Telegram cannot bring a revoked link back, so his stay revoked.
 */
#include <inttypes.h>
#include <stdio.h>

#include "accesser.h"
#include "actor.h"
#include "own.h"
#include "unban_chat_member_sql.h"

static int record(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    char actor[ACTOR_MAX];
    int r;

    r = db_run(run->db, &sql[SQL_UNBANNED], &rows, run->argv[0], run->argv[1], actor_name(actor));
    if (r < 0)
        return run_db_failed(run, r, "record that he is not banned");
    (void)printf("User %s has been unbanned in chat %s\n"
                 "His invite links stay revoked (%" PRId64 ")\n",
                 run->argv[1], run->argv[0], rows_int(&rows, 0, 0));
    return 0;
}

static int unban_chat_member(struct run *run)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int64_t chat_id;
    int r;

    r = accesser_read_member(run, &chat_id);
    if (r < 0)
        return r;
    if (run->dry_run) {
        (void)printf("User %s would be unbanned in chat %s\n", run->argv[1], run->argv[0]);
        return 0;
    }
    r = telegram_ask_open(run);
    if (r == 0)
        r = accesser_ask(run, "unbanChatMember", chat_id, accesser_unban_body(run->argv[1]),
                         &answer);
    if (r == 0)
        r = accesser_must(run, &answer);
    return r < 0 ? r : record(run);
}

const struct worker worker = {
    .app = "accesser",
    .name = "unban_chat_member",
    .about = "let a banned person into a chat again; his invite links stay revoked",
    .kind = WORKER_COMMAND,
    .arguments = "CHAT USER",
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = unban_chat_member,
};
