/*
 * bot_tasks: the administration of Telegram groups, one job at a time for each group.
 *
 * Takes     the queue bot-tasks (task_kinds.h); the table below says where each kind is done.
 * Does      the requests to the Bot API that a kind needs, each in its bot's rate.
 * Records   posts and deletions, what was found of a group, and in the job's result what came of
 * it.
 */
#include <errno.h>

#include "bot_tasks_sql.h"
#include "task_kinds.h"
#include "tasks.h"

/* clang-format off */
static void (*const starts[TASK_KINDS])(struct job *job) = {
    [TASK_SEND_MESSAGE]         = task_send,
    [TASK_SEND_PHOTO]           = task_send,
    [TASK_DELETE_MESSAGE]       = task_delete,
    [TASK_DELETE_MESSAGES_BULK] = task_delete_bulk,
    [TASK_CLEAR_ALL_MESSAGES]   = task_clear,
    [TASK_SYNC_GROUPS]          = task_sync_all,
    [TASK_SYNC_SINGLE_GROUP]    = task_sync,
    [TASK_GET_CHAT_INFO]        = task_chat_info,
    [TASK_CHECK_PERMISSIONS]    = task_permissions,
};
/* clang-format on */

static void start(struct job *job)
{
    enum task_kind kind = task_kind_of(job->kind);
    struct err why;
    int r;

    if (kind == TASK_KINDS)
        r = err_set(&why, -EINVAL, "unknown kind %s", job->kind);
    else
        r = task_check(kind, job->payload, &why);
    if (r < 0)
        job_refuse(job, r, why.text);
    else
        starts[kind](job);
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
