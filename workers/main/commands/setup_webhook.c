/* opsctl setup_webhook: sets the webhook of each bot, and shows what Telegram has then. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "main_sql.h"
#include "webhook.h"

static int show(struct run *run, const char *bot)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const char *url, *error;
    int64_t pending = 0;
    int r = webhook_info(run, bot, &answer);

    if (r < 0)
        return r;
    if (answer.verdict != TELEGRAM_DONE)
        return run_failed(run, -EIO, answer.why.text);
    url = json_get_text(answer.result, "url");
    error = json_get_text(answer.result, "last_error_message");
    (void)json_get_id(answer.result, "pending_update_count", &pending);
    (void)printf("%s: %s, %" PRId64 " updates wait%s%s\n", bot, url && *url ? url : "no webhook",
                 pending, error ? "; the last error: " : "", error ? error : "");
    return 0;
}

static int set_one(struct run *run, const char *address, const char *bot)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int r = run->dry_run ? 0 : webhook_set(run, address, bot, false, &answer);

    if (r == 0 && !run->dry_run && answer.verdict != TELEGRAM_DONE)
        r = run_failed(run, -EIO, answer.why.text);
    return r < 0 ? r : show(run, bot);
}

static int setup_webhook(struct run *run)
{
    return webhook_each(run, set_one);
}

const struct worker worker = {
    .app = "main",
    .name = "setup_webhook",
    .about = "set the webhook of each bot, and show what Telegram has then",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS, WEBHOOK_NEEDS),
    .app_sql = main_sql,
    .app_sql_count = MAIN_SQL_COUNT,
    .in_flight = 1,
    .run = setup_webhook,
};
