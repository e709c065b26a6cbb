/*
 * A command that asks the Bot API what its arguments say: METHOD CHAT [once|again [PATIENCE_MS]],
 * and prints what telegram_ask hands out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asker_sql.h"
#include "own.h"
#include "telegram_ask.h"
#include "worker.h"

static int ask(struct run *run)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    OWN(json) cJSON *body = cJSON_Parse("{\"text\": \"hello\"}");
    OWN(free) char *result = NULL;
    int r = telegram_ask_open(run);

    if (r == 0)
        r = telegram_ask(run,
                         &(struct telegram_question){
                             .bot = getenv("ASKER_BOT") ? getenv("ASKER_BOT") : "shop",
                             .method = run->argv[0],
                             .body = body,
                             .chat_id = strtoll(run->argv[1], NULL, 10),
                             .repeatable = run->argc < 3 || strcmp(run->argv[2], "again") == 0,
                             .timeout_ms = 5000,
                             .patience_ms = run->argc < 4 ? 0 : strtoll(run->argv[3], NULL, 10),
                         },
                         &answer);
    telegram_ask_close();
    if (r < 0)
        return r;
    result = answer.result ? cJSON_PrintUnformatted(answer.result) : NULL;
    (void)printf("%s %s %s unknown=%d wait=%" PRId64 " %s\n", telegram_verdict_name(answer.verdict),
                 *answer.reason ? answer.reason : "-", result ? result : "-", answer.unknown,
                 answer.retry_after_ms, answer.why.text);
    return 0;
}

const struct worker worker = {
    .app = "test",
    .name = "asker",
    .about = "ask the Bot API",
    .arguments = "METHOD CHAT [TEXT]",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = ask,
};
