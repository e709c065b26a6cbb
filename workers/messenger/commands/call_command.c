/*
 * call_command CUSTOMER REPLY: says to a customer what a command says ("start", "/plans"), as if he
 * had typed it.
 */
#include <errno.h>
#include <stdio.h>

#include "call.h"

static int call_command(struct run *run)
{
    const struct callback none = { 0 };
    const struct reply *reply;
    const char *name;

    if (run->argc != 2)
        return run_failed(run, -EDOM, "want CUSTOMER REPLY, such as 7 start");
    name = run->argv[1] + (run->argv[1][0] == '/');
    reply = reply_named(name);
    if (reply)
        return call_reply(run, run->argv[0], reply, &none);
    return call_unknown(run, name);
}

const struct worker worker = {
    .app = "messenger",
    .name = "call_command",
    .about = "say to a customer what a command of the bot says",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(CALL_NEEDS),
    .app_sql = messenger_sql,
    .app_sql_count = MESSENGER_SQL_COUNT,
    .in_flight = 1,
    .run = call_command,
    .arguments = "CUSTOMER REPLY",
};
