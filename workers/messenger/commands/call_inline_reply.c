/*
 * call_inline_reply CUSTOMER APP REPLY [ARGS]: says to a customer what a button says, as if he had
 * pressed it. ARGS are separated by ":".
 */
#include <errno.h>
#include <stdio.h>

#include "call.h"

static int call_inline_reply(struct run *run)
{
    const struct reply *reply;
    struct callback words;
    struct err why;

    if (run->argc != 3 && run->argc != 4)
        return run_failed(run, -EDOM,
                          "want CUSTOMER APP REPLY [ARG:ARG...], such as 7 accesser plan 3");
    if (callback_divide(run->argc == 4 ? run->argv[3] : "", ':', &words) < 0)
        return run_failed(run, -EDOM, "too many arguments, or too long ones");
    reply = reply_by_name(run->argv[1], run->argv[2]);
    if (reply)
        return call_reply(run, run->argv[0], reply, &words);
    (void)err_set(&why, 0, "%.40s/%.40s", run->argv[1], run->argv[2]);
    return call_unknown(run, why.text);
}

const struct worker worker = {
    .app = "messenger",
    .name = "call_inline_reply",
    .about = "say to a customer what a button of the bot says",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(CALL_NEEDS),
    .app_sql = messenger_sql,
    .app_sql_count = MESSENGER_SQL_COUNT,
    .in_flight = 1,
    .run = call_inline_reply,
    .arguments = "CUSTOMER APP REPLY [ARG:ARG...]",
};
