/* What the tasks share besides delivery.h. */
#include <inttypes.h>
#include <stdio.h>

#include "bot_tasks_sql.h"
#include "tasks.h"

static uv_loop_t *loop;

void tasks_open(uv_loop_t *on)
{
    loop = on;
}

uv_loop_t *tasks_loop(void)
{
    return loop;
}

int64_t task_id(const struct job *job, const char *name)
{
    int64_t id = 0;

    (void)payload_id(job->payload, name, &id, NULL);
    return id;
}

const char *task_id_text(int64_t id, char text[static TASK_ID_TEXT])
{
    (void)snprintf(text, TASK_ID_TEXT, "%" PRId64, id);
    return text;
}

void task_end(struct job *job, const struct telegram_answer *answer)
{
    const struct delivery *delivery = job->data;
    char chat[TASK_ID_TEXT];

    if (answer->verdict == TELEGRAM_FORBIDDEN)
        job_also(job, &sql[SQL_FORBIDDEN], task_id_text(delivery->chat_id, chat), answer->why.text);
    delivery_end(job, answer);
}
