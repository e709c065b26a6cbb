/*
 * opsctl skip_bot_updates: what waits at Telegram for each bot is forgotten, and the webhook stays
 * as it is. One call does both, so that there is no moment without a webhook.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "main_sql.h"
#include "webhook.h"

static int count(struct run *run, const char *bot, int64_t *ret)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int r = webhook_info(run, bot, &answer);

    if (r == 0 && answer.verdict != TELEGRAM_DONE)
        r = run_failed(run, -EIO, answer.why.text);
    if (r < 0)
        return r;
    r = json_get_id(answer.result, "pending_update_count", ret);
    return r < 0 ? run_failed(run, r, "Telegram does not say how many updates wait") : 0;
}

static int skip(struct run *run, const char *address, const char *bot)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int64_t waiting = 0;
    int r = count(run, bot, &waiting);

    if (r == 0 && !run->dry_run)
        r = webhook_set(run, address, bot, true, &answer);
    if (r < 0)
        return r;
    if (!run->dry_run && answer.verdict != TELEGRAM_DONE)
        return run_failed(run, -EIO, answer.why.text);
    (void)printf("%s: %" PRId64 " updates %s\n", bot, waiting,
                 run->dry_run ? "would be skipped" : "skipped");
    return 0;
}

static int skip_bot_updates(struct run *run)
{
    return webhook_each(run, skip);
}

const struct worker worker = {
    .app = "main",
    .name = "skip_bot_updates",
    .about = "forget the updates that wait at Telegram; the webhooks stay",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS, WEBHOOK_NEEDS),
    .app_sql = main_sql,
    .app_sql_count = MAIN_SQL_COUNT,
    .in_flight = 1,
    .run = skip_bot_updates,
    .also = "skip_bot_upodates",
};
