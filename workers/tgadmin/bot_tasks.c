/*
 * bot_tasks: the administration of Telegram groups, one job at a time for each group.
 *
 * Takes     the queue bot-tasks; which kind is done where says the table below.
 * Does      the requests to the Bot API that a kind needs, each in its bot's rate.
 * Records   posts and deletions, what was found of a group, and in the job's result what came of
 * it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bot_tasks_sql.h"
#include "tasks.h"

/* clang-format off */
static const struct {
    const char *kind;
    void (*start)(struct job *job);
} kinds[] = {
    { "send-message",         task_send },
    { "send-photo",           task_send },
    { "delete-message",       task_delete },
    { "delete-messages-bulk", task_delete_bulk },
    { "clear-all-messages",   task_clear },
    { "sync-groups",          task_sync_all },
    { "sync-single-group",    task_sync },
    { "get-chat-info",        task_chat_info },
    { "check-permissions",    task_permissions },
};
/* clang-format on */

static void start(struct job *job)
{
    struct err why;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, job->kind) == 0) {
            kinds[i].start(job);
            return;
        }
    (void)err_set(&why, 0, "unknown kind %s", job->kind);
    job_dead(job, why.text);
}

static int open_tasks(struct run *run, uv_loop_t *loop)
{
    tasks_open(loop);
    return delivery_open(run, loop, (int)setting_int("BOT_TASKS_CONCURRENCY"));
}

static int bot_tasks(struct run *run)
{
    const struct queue queue = {
        .name = "bot-tasks",
        .start = start,
        .open = open_tasks,
        .close = delivery_close,
        .in_flight_setting = "BOT_TASKS_CONCURRENCY",
    };

    return delivery_serve(run, queue);
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "bot_tasks",
    .about = "post to Telegram groups, delete there, and keep what we know of them",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS(DELIVERY_NEEDS, "BOT_TASKS_CONCURRENCY", "TELEGRAM_DELETE_DELAY_MS",
                          "TGADMIN_TZ"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = bot_tasks,
};
